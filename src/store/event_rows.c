/* SPDX-License-Identifier: Apache-2.0 */
#include "store/event_rows.h"

#include "base/clock.h"
#include "store/devices.h"
#include "store/evictions.h"
#include "store/internal.h"

/* ?1 and ?2 of each statement are the event's id and time; it writes one row, or none. */
#define TELL "INSERT INTO event (id, at_us, type, project_uid, subject, data, inside) SELECT ?1, ?2, "
#define RUN(db, err, sql, fmt, ...) \
	told(db, db_run(db, err, sql, "ii" fmt, next_id(db), now_us(db), __VA_ARGS__))
#define TIME(column) "strftime('%Y-%m-%dT%H:%M:%SZ', " column " / 1000000, 'unixepoch')"

static int64_t next_id(struct db *db)
{
	return store_next_id(db_store(db));
}

static int64_t now_us(struct db *db)
{
	return clock_wall(db_store(db)->clock);
}

static int told(struct db *db, int rc)
{
	if (rc > 0)
		db_store(db)->event_news = true;
	return rc < 0 ? -1 : 0;
}

/* ---- servers ---- */

#define OF_SERVER                                                                                   \
	"FROM server s JOIN project p ON p.id = s.project_id LEFT JOIN host h ON h.id = s.host_id " \
	"WHERE s.id = ?3 "

int event_server_created(struct db *db, int64_t id, struct error *err)
{
	static const char sql[] =
		TELL "'server.created', p.uid, s.uid, json_object('name', s.name, 'flavor', s.flavor_name, "
		     "'state', s.vm_state), json_object('host', h.name) " OF_SERVER;

	return RUN(db, err, sql, "i", id);
}

int event_server_state(struct db *db, int64_t id, const char *to, const char *fault, struct error *err)
{
	static const char sql[] = TELL
		"iif(?4 = 'deleted', 'server.deleted', 'server.state'), p.uid, s.uid, json_object('name', "
		"s.name, 'old', s.vm_state, 'new', ?4, 'fault', iif(?4 = 'error', ?5, NULL)), "
		"json_object('host', "
		"h.name) " OF_SERVER "AND s.vm_state != ?4";

	return RUN(db, err, sql, "iss", id, to, fault);
}

int event_server_host(struct db *db, int64_t id, int64_t host_id, struct error *err)
{
	static const char sql[] = TELL
		"'server.moved', p.uid, s.uid, json_object('name', s.name), json_object('old', h.name, "
		"'new', (SELECT name FROM host WHERE id = ?4)) " OF_SERVER "AND s.host_id != ?4 AND ?4 != 0";

	return RUN(db, err, sql, "ii", id, host_id);
}

int event_eviction(struct db *db, const struct eviction *e, struct error *err)
{
	static const char sql[] =
		TELL "'eviction.notice', p.uid, s.uid, json_object('name', s.name, 'leave_at', " TIME(
			"?4") ", 'for', ?5), json_object('host', "
			      "h.name) " OF_SERVER "AND NOT EXISTS (SELECT 1 FROM eviction v WHERE "
			      "v.server_id = ?3 AND v.leave_us = "
			      "?4)";

	if (e->begun)
		return 0;
	return RUN(db, err, sql, "iis", e->server_id, e->leave_us, eviction_for(e));
}

/* ---- hosts ---- */

int event_host_added(struct db *db, int64_t id, struct error *err)
{
	static const char sql[] =
		TELL "'host.added', '', name, json_object('id', uid, 'zone', zone), '{}' FROM host "
		     "WHERE id = ?3";

	return RUN(db, err, sql, "i", id);
}

int event_host_removed(struct db *db, int64_t id, struct error *err)
{
	static const char sql[] =
		TELL "'host.removed', '', name, json_object('id', uid), '{}' FROM host WHERE id = ?3";

	return RUN(db, err, sql, "i", id);
}

int event_host_state(struct db *db, int64_t id, const char *to, const char *reason, struct error *err)
{
	static const char sql[] =
		TELL "'host.state', '', name, json_object('id', uid, 'old', state, 'new', ?4, 'reason', ?5), "
		     "'{}' FROM host WHERE id = ?3 AND (state != ?4 OR state_reason != ?5)";

	return RUN(db, err, sql, "iss", id, to, reason ? reason : "");
}

int event_drain(struct db *db, int64_t host_id, const char *to, struct error *err)
{
	static const char sql[] = TELL
		"iif(?4 = 'running', 'host.drain_begun', iif(?4 = 'stopped', 'host.drain_stopped', "
		"'host.drain_ended')), '', h.name, json_object('id', h.uid, 'new', ?4, 'reason', "
		"h.state_reason, 'moved', (SELECT count(*) FROM drain_server x WHERE x.host_id = h.id AND "
		"x.state = 'moved'), 'stays', (SELECT count(*) FROM drain_server x WHERE x.host_id = h.id "
		"AND x.state = 'stays')), '{}' FROM host h WHERE h.id = ?3 AND NOT EXISTS (SELECT 1 FROM "
		"drain d WHERE d.host_id = h.id AND d.state = ?4)";

	return RUN(db, err, sql, "is", host_id, to);
}

int event_host_forced_down(struct db *db, int64_t id, bool down, struct error *err)
{
	static const char sql[] =
		TELL "'host.state', '', name, json_object('id', uid, 'old', iif(forced_down, 'dead', state), "
		     "'new', iif(?4, 'dead', state)), '{}' FROM host WHERE id = ?3 AND forced_down != ?4";

	return RUN(db, err, sql, "ii", id, (int64_t)down);
}

int event_host_evidence(
	struct db *db, int64_t id, enum host_evidence to, const char *source, struct error *err)
{
	static const char sql[] = TELL
		"?6, '', name, json_object('id', uid, 'old', evidence, 'new', ?4, 'source', ?5), '{}' FROM "
		"host WHERE id = ?3 AND evidence != ?4";

	return RUN(db, err, sql, "isss", id, evidence_text(to), source, evidence_event(to));
}

int event_host_note(struct db *db, const char *type, int64_t id, const char *data, struct error *err)
{
	static const char sql[] = TELL "?4, '', name, json_patch(json_object('id', uid), ?5), '{}' FROM host "
				       "WHERE id = ?3";

	return RUN(db, err, sql, "iss", id, type, data);
}

/* ---- GPUs ---- */

#define OF_GPU "FROM device d JOIN host h ON h.id = d.host_id WHERE d.id = ?3 "
#define GPU "'model', d.model, 'host', h.name, 'address', d.address"

int event_gpu_added(struct db *db, int64_t id, struct error *err)
{
	static const char sql[] = TELL "'gpu.added', '', d.uid, json_object(" GPU ", 'vendor', d.vendor, "
				       "'product', d.product), '{}' " OF_GPU;

	return RUN(db, err, sql, "i", id);
}

int event_gpu_present(struct db *db, int64_t id, bool present, struct error *err)
{
	static const char sql[] = TELL "'gpu.present', '', d.uid, json_object(" GPU
				       ", 'new', ?4), '{}' " OF_GPU "AND d.present != (?4 = 'seen')";

	return RUN(db, err, sql, "is", id, present ? "seen" : "gone");
}

int event_gpu_state(struct db *db, const struct device_row *to, struct error *err)
{
	static const char health[] = TELL "'gpu.health', '', d.uid, json_object(" GPU
					  ", 'old', d.health, 'new', ?4), '{}' " OF_GPU "AND d.health != ?4";
	static const char custody[] =
		TELL "'gpu.custody', '', d.uid, json_object(" GPU
		     ", 'old', d.custody, 'new', ?4, 'reason', ?5), '{}' " OF_GPU "AND d.custody != ?4";

	return RUN(db, err, health, "is", to->id, to->health) < 0
		       ? -1
		       : RUN(db, err, custody, "iss", to->id, to->custody, to->custody_reason);
}

int event_gpu_custody(
	struct db *db, int64_t id, const char *to, const char *stage, const char *reason, struct error *err)
{
	static const char sql[] =
		TELL "'gpu.custody', '', d.uid, json_object(" GPU
		     ", 'old', d.custody, 'new', ?4, 'stage', ?5, 'reason', ?6), '{}' " OF_GPU;

	return RUN(db, err, sql, "isss", id, to, stage, reason);
}

/* ---- the calendar ---- */

#define OF_BLOCK "FROM block b LEFT JOIN project p ON p.id = b.project_id WHERE b.id = ?3 "
#define BLOCK(old, new)                                                                                    \
	"iif(b.project_id, 'reservation.state', 'maintenance.state'), coalesce(p.uid, ''), b.uid, "        \
	"json_object('name', b.name, 'old', " old                                                          \
	", 'new', " new ", 'start', " TIME("b.start_us") ", 'end', " TIME(                                 \
		"b.end_us") ", 'reason', b.reason, 'model', nullif(b.model, ''), 'gpus', "                 \
			    "nullif(b.gpus, 0)), json_object('hosts', (SELECT json_group_array(h.name) "   \
			    "FROM host h WHERE h.id "                                                      \
			    "IN (SELECT x.host_id FROM block_host x WHERE x.block_id = b.id UNION SELECT " \
			    "d.host_id FROM "                                                              \
			    "block_device y JOIN device d ON d.id = y.device_id WHERE y.block_id = b.id))) "

int event_block_made(struct db *db, int64_t id, struct error *err)
{
	static const char sql[] = TELL BLOCK("NULL", "b.state") OF_BLOCK;

	return RUN(db, err, sql, "i", id);
}

int event_block_edited(struct db *db, int64_t id, struct error *err)
{
	static const char sql[] = TELL BLOCK("b.state", "b.state") OF_BLOCK;

	return RUN(db, err, sql, "i", id);
}

int event_block_state(struct db *db, int64_t id, const char *to, struct error *err)
{
	static const char sql[] = TELL BLOCK("b.state", "?4") OF_BLOCK "AND b.state != ?4";

	return RUN(db, err, sql, "is", id, to);
}

/* ---- images ---- */

#define OF_IMAGE "FROM image i JOIN project p ON p.id = i.project_id WHERE i.id = ?3 AND i.deleted_us = 0"
#define IMAGE "p.uid, i.uid, json_object('name', i.name, 'size', i.size), '{}' "

int event_image_active(struct db *db, int64_t id, struct error *err)
{
	static const char sql[] = TELL "'image.active', " IMAGE OF_IMAGE;

	return RUN(db, err, sql, "i", id);
}

int event_image_deleted(struct db *db, int64_t id, struct error *err)
{
	static const char sql[] = TELL "'image.deleted', " IMAGE OF_IMAGE;

	return RUN(db, err, sql, "i", id);
}

/* ---- flows ---- */

int event_flow_stuck(struct db *db, int64_t id, const char *why, struct error *err)
{
	static const char sql[] = TELL
		"'flow.stuck', '', CAST(f.id AS TEXT), json_object('kind', f.kind, 'step', f.step, "
		"'error', ?4, 'request_id', f.request_id, 'server', (SELECT s.uid FROM server s WHERE s.id "
		"= f.subject_id AND f.subject_kind = 'server')), '{}' FROM flow f WHERE f.id = ?3 AND "
		"f.state != 'stuck'";

	return RUN(db, err, sql, "is", id, why);
}
