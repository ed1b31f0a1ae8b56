/* SPDX-License-Identifier: Apache-2.0 */
#include "store/moves.h"

#include <assert.h>
#include <string.h>

#include "base/util.h"
#include "domain/why.h"
#include "store/books.h"
#include "store/servers.h"

/* In the order of struct move; insert and read follow it. */
#define COLUMNS                                                                                          \
	"id, uid, server_id, kind, status, source_host_id, dest_host_id, source_host, dest_host, "       \
	"flavor_uid, flavor_name, vcpus, ram_mib, disk_gib, ephemeral_gib, swap_mib, extra_specs, "      \
	"old_flavor_id, new_flavor_id, was_off, cancel, user_uid, project_uid, created_us, updated_us, " \
	"ended_us, switched, reason, direct"
#define SELECT_ROW                                                                                        \
	"SELECT m.id, m.uid, m.server_id, m.kind, m.status, m.source_host_id, m.dest_host_id, "           \
	"m.source_host, m.dest_host, m.flavor_uid, m.flavor_name, m.vcpus, m.ram_mib, m.disk_gib, "       \
	"m.ephemeral_gib, m.swap_mib, m.extra_specs, m.old_flavor_id, m.new_flavor_id, m.was_off, "       \
	"m.cancel, m.user_uid, m.project_uid, m.created_us, m.updated_us, m.ended_us, s.uid, "            \
	"x.hv_hostname, y.hv_hostname, m.switched, m.reason, m.direct FROM migration m JOIN server s ON " \
	"s.id = "                                                                                         \
	"m.server_id "                                                                                    \
	"LEFT JOIN host x ON x.id = m.source_host_id LEFT JOIN host y ON y.id = m.dest_host_id "

static const char *const kind_texts[] = {
	[MOVE_RESIZE] = "resize",
	[MOVE_COLD] = "migration",
	[MOVE_LIVE] = "live-migration",
	[MOVE_EVACUATION] = "evacuation",
};

const char *move_kind_text(enum move_kind kind)
{
	return kind_texts[kind];
}

struct move_flavor move_flavor_of(const struct server *s)
{
	return (struct move_flavor) {
		.uid = s->flavor_uid,
		.name = s->flavor_name,
		.vcpus = s->vcpus,
		.ram_mib = s->ram_mib,
		.disk_gib = s->disk_gib,
		.ephemeral_gib = s->ephemeral_gib,
		.swap_mib = s->swap_mib,
		.extra_specs = s->extra_specs,
	};
}

int store_move_insert(struct db *db, const struct move *m, struct error *err)
{
	static const char sql[] = "INSERT INTO migration (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
				  "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?, ?, ?)";
	const struct move_flavor *f = &m->other;

	return db_run(db, err, sql, "isissiissssiiiiisiiiissiiiisi", m->id, m->uid, m->server_id,
		       kind_texts[m->kind], m->status, m->source_host_id, m->dest_host_id, m->source_host,
		       m->dest_host, f->uid, f->name, f->vcpus, f->ram_mib, f->disk_gib, f->ephemeral_gib,
		       f->swap_mib, f->extra_specs, m->old_flavor_id, m->new_flavor_id, (int64_t)m->was_off,
		       (int64_t)m->cancel, m->user_uid, m->project_uid, m->created_us, m->updated_us,
		       m->ended_us, (int64_t)m->switched, m->reason ? m->reason : "", (int64_t)m->direct) < 0
		       ? -1
		       : 0;
}

/* ---- reading ---- */

/* The hypervisor's name, or the host's where it was never read. */
static const char *node_name(sqlite3_stmt *st, int col, int host_col, struct arena *a)
{
	const char *name = db_text(st, col);

	return db_dup(st, name && *name ? col : host_col, a);
}

static int kind_read(const char *text, enum move_kind *out, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(kind_texts); i++)
		if (strcmp(kind_texts[i], text) == 0) {
			*out = (enum move_kind)i;
			return 0;
		}
	return error_internal(err, "unknown kind of move: %s", text);
}

static int move_read(sqlite3_stmt *st, struct arena *a, struct move *out, struct error *err)
{
	*out = (struct move) {
		.id = db_int(st, 0),
		.uid = db_dup(st, 1, a),
		.server_id = db_int(st, 2),
		.status = db_dup(st, 4, a),
		.source_host_id = db_int(st, 5),
		.dest_host_id = db_int(st, 6),
		.source_host = db_dup(st, 7, a),
		.dest_host = db_dup(st, 8, a),
		.other = {
			.uid = db_dup(st, 9, a),
			.name = db_dup(st, 10, a),
			.vcpus = db_int(st, 11),
			.ram_mib = db_int(st, 12),
			.disk_gib = db_int(st, 13),
			.ephemeral_gib = db_int(st, 14),
			.swap_mib = db_int(st, 15),
			.extra_specs = db_dup(st, 16, a),
		},
		.old_flavor_id = db_int(st, 17),
		.new_flavor_id = db_int(st, 18),
		.was_off = db_int(st, 19) != 0,
		.cancel = db_int(st, 20) != 0,
		.user_uid = db_dup(st, 21, a),
		.project_uid = db_dup(st, 22, a),
		.created_us = db_int(st, 23),
		.updated_us = db_int(st, 24),
		.ended_us = db_int(st, 25),
		.server_uid = db_dup(st, 26, a),
		.source_node = node_name(st, 27, 7, a),
		.dest_node = node_name(st, 28, 8, a),
		.switched = db_int(st, 29) != 0,
		.reason = db_dup(st, 30, a),
		.direct = db_int(st, 31) != 0,
	};
	return kind_read(db_text(st, 3), &out->kind, err);
}

static int read_one(sqlite3_stmt *st, struct arena *a, struct move *out, struct error *err)
{
	struct move m;
	int rc = db_row(st, err);

	if (rc <= 0)
		return rc;
	if (move_read(st, a, &m, err))
		return -1;
	*out = m;
	return 1;
}

int store_move_load(struct db *db, struct arena *a, int64_t id, struct move *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, SELECT_ROW "WHERE m.id = ?", "i", id))
		return -1;
	return read_one(st, a, out, err);
}

int store_move_open(struct db *db, struct arena *a, int64_t server_id, struct move *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	if (db_query(db, err, &st, SELECT_ROW "WHERE m.server_id = ? AND m.ended_us IS NULL", "i", server_id))
		return -1;
	return read_one(st, a, out, err);
}

int store_move_unconfirmed(struct db *db, struct arena *a, int64_t before_us, int64_t max, int64_t **out,
	size_t *out_n, struct error *err)
{
	static const char sql[] = "SELECT s.id FROM migration m JOIN server s ON s.id = m.server_id "
				  "WHERE m.ended_us IS NULL AND m.status = 'finished' AND m.updated_us <= ? "
				  "AND s.vm_state = 'resized' AND s.task_state IS NULL ORDER BY m.id LIMIT ?";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t *ids = ARENA_ARRAY(a, int64_t, (size_t)max);
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st, sql, "ii", before_us, max))
		return -1;
	while (n < (size_t)max && (rc = db_row(st, err)) > 0)
		ids[n++] = db_int(st, 0);
	if (rc < 0)
		return -1;
	*out = ids;
	*out_n = n;
	return 0;
}

int store_move_list(struct db *db, struct arena *a, const struct move_filter *f, struct move **out,
	size_t *out_n, struct error *err)
{
	static const char sql[] = SELECT_ROW
		"WHERE (?1 IS NULL OR s.uid = ?1) AND (?2 IS NULL OR m.source_host = ?2 OR m.dest_host = ?2) "
		"AND (?3 IS NULL OR m.source_host = ?3) AND (?4 IS NULL OR m.status = ?4) "
		"AND (?5 IS NULL OR m.user_uid = ?5) AND (?6 IS NULL OR m.project_uid = ?6) "
		"AND (?7 IS NULL OR m.kind = ?7) AND (?8 = 0 OR m.updated_us >= ?8) "
		"AND (?9 = 0 OR m.updated_us <= ?9) AND (?10 = 0 OR m.id < ?10) ORDER BY m.id DESC LIMIT ?11";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct move *rows = ARENA_ARRAY(a, struct move, (size_t)f->limit + 1);
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st, sql, "sssssssiiii", f->server_uid, f->host, f->source_host, f->status,
		    f->user_uid, f->project_uid, f->by_kind ? kind_texts[f->kind] : NULL, f->since_us,
		    f->before_us, f->below_id, f->limit))
		return -1;
	while (n < (size_t)f->limit && (rc = db_row(st, err)) > 0)
		if (move_read(st, a, &rows[n++], err))
			return -1;
	if (rc < 0)
		return -1;
	*out = rows;
	*out_n = n;
	return 0;
}

int store_move_is_open(struct db *db, const char *uid, struct error *err)
{
	int64_t id;

	return db_int_query(
		db, err, &id, "SELECT id FROM migration WHERE uid = ? AND ended_us IS NULL", "s", uid);
}

int store_move_find(struct db *db, const char *uid, int64_t *out_id, struct error *err)
{
	return db_int_query(db, err, out_id, "SELECT id FROM migration WHERE uid = ?", "s", uid);
}

/* ---- changes ---- */

static int changed(int rc, int64_t id, struct error *err)
{
	if (rc == 0)
		return error_internal(err, "move %lld has no open row", (long long)id);
	return rc < 0 ? -1 : 0;
}

int store_move_status(
	struct db *db, int64_t id, const char *status, bool ended, int64_t now_us, struct error *err)
{
	static const char sql[] = "UPDATE migration SET status = ?1, updated_us = max(?2, created_us), "
				  "ended_us = CASE WHEN ?3 THEN max(?2, created_us) END "
				  "WHERE id = ?4 AND ended_us IS NULL";

	assert(why_way_find("migration", "status", status)); /* the table says what ends it */
	return changed(db_run(db, err, sql, "siii", status, now_us, (int64_t)ended, id), id, err);
}

int store_move_cancel(struct db *db, int64_t id, int64_t now_us, struct error *err)
{
	return changed(
		db_run(db, err,
			"UPDATE migration SET cancel = 1, updated_us = ? WHERE id = ? AND ended_us IS NULL",
			"ii", now_us, id),
		id, err);
}

int store_move_reason(struct db *db, int64_t id, const char *reason, struct error *err)
{
	return changed(db_run(db, err, "UPDATE migration SET reason = ? WHERE id = ? AND ended_us IS NULL",
			       "si", reason, id),
		id, err);
}

int store_move_switched(
	struct db *db, int64_t id, bool switched, const struct move_flavor *f, struct error *err)
{
	static const char sql[] = "UPDATE migration SET switched = ?, flavor_uid = ?, flavor_name = ?, "
				  "vcpus = ?, ram_mib = ?, disk_gib = ?, ephemeral_gib = ?, swap_mib = ?, "
				  "extra_specs = ? WHERE id = ? AND ended_us IS NULL";

	return changed(db_run(db, err, sql, "issiiiiisi", (int64_t)switched, f->uid, f->name, f->vcpus,
			       f->ram_mib, f->disk_gib, f->ephemeral_gib, f->swap_mib, f->extra_specs, id),
		id, err);
}

int store_server_reflavor(struct db *db, struct server *s, const struct move_flavor *f, struct error *err)
{
	static const char sql[] =
		"UPDATE server SET flavor_uid = ?, flavor_name = ?, vcpus = ?, ram_mib = ?, disk_gib = ?, "
		"ephemeral_gib = ?, swap_mib = ?, extra_specs = ?, generation = generation + 1 "
		"WHERE id = ? AND generation = ?";
	int rc = db_run(db, err, sql, "ssiiiiisii", f->uid, f->name, f->vcpus, f->ram_mib, f->disk_gib,
		f->ephemeral_gib, f->swap_mib, f->extra_specs, s->id, s->generation);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return error_set(err, ERR_CONFLICT, "Instance %s was changed by another request.", s->uid);
	books_touch(db, BOOKS_SERVER, s->id);
	s->flavor_uid = f->uid;
	s->flavor_name = f->name;
	s->vcpus = f->vcpus;
	s->ram_mib = f->ram_mib;
	s->disk_gib = f->disk_gib;
	s->ephemeral_gib = f->ephemeral_gib;
	s->swap_mib = f->swap_mib;
	s->extra_specs = f->extra_specs;
	s->generation++;
	return 0;
}
