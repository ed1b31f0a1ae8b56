/* SPDX-License-Identifier: Apache-2.0 */
#include "store/server_list.h"

#include "base/util.h"

#define COLUMNS                                                                                        \
	"s.id, s.project_id, s.uid, s.user_uid, s.name, s.description, s.hostname, s.vm_state, "       \
	"s.task_state,"                                                                                \
	" s.power_state, s.host_id, s.flavor_uid, s.flavor_name, s.vcpus, s.ram_mib, s.disk_gib,"      \
	" s.ephemeral_gib, s.swap_mib, s.extra_specs, s.image_id, s.key_name, s.config_drive, s.zone," \
	" s.access_ipv4, s.access_ipv6, s.disk_config, s.locked, s.locked_reason, s.reservation_id,"   \
	" s.launch_index, s.fault_code, s.fault_message, s.fault_details, s.fault_us, s.created_us,"   \
	" s.updated_us, s.launched_us, s.terminated_us, s.deleted_us, s.generation,"                   \
	" p.uid, i.uid, h.name, h.hv_hostname, h.state, h.forced_down"
#define FROM                                                                                          \
	" FROM server s JOIN project p ON p.id = s.project_id LEFT JOIN image i ON i.id = s.image_id" \
	" LEFT JOIN host h ON h.id = s.host_id"

enum { USER_DATA_COLUMN = 46 };

/* Copies into the arena; without one the text is the statement's. */
static const char *text(sqlite3_stmt *st, int col, struct arena *a)
{
	return a ? db_dup(st, col, a) : db_text(st, col);
}

static int load(sqlite3_stmt *st, struct arena *a, struct server_row *r, struct error *err)
{
	struct server *s = &r->s;
	int col = 0;

	*r = (struct server_row) { 0 };
	s->id = db_int(st, col++);
	s->project_id = db_int(st, col++);
	s->uid = text(st, col++, a);
	s->user_uid = text(st, col++, a);
	s->name = text(st, col++, a);
	s->description = text(st, col++, a);
	s->hostname = text(st, col++, a);
	if (!vm_state_parse(db_text(st, col), &s->vm_state) ||
		!task_state_parse(db_text(st, col + 1), &s->task_state))
		return error_internal(err, "server %s has an unknown state", s->uid);
	col += 2;
	s->power_state = (int)db_int(st, col++);
	s->host_id = db_int(st, col++);
	s->flavor_uid = text(st, col++, a);
	s->flavor_name = text(st, col++, a);
	s->vcpus = db_int(st, col++);
	s->ram_mib = db_int(st, col++);
	s->disk_gib = db_int(st, col++);
	s->ephemeral_gib = db_int(st, col++);
	s->swap_mib = db_int(st, col++);
	s->extra_specs = text(st, col++, a);
	s->image_id = db_int(st, col++);
	s->key_name = text(st, col++, a);
	s->config_drive = db_int(st, col++);
	s->zone = text(st, col++, a);
	s->access_ipv4 = text(st, col++, a);
	s->access_ipv6 = text(st, col++, a);
	s->disk_config = text(st, col++, a);
	s->locked = db_int(st, col++);
	s->locked_reason = text(st, col++, a);
	s->reservation_id = text(st, col++, a);
	s->launch_index = db_int(st, col++);
	s->fault_code = (int)db_int(st, col++);
	s->fault_message = text(st, col++, a);
	s->fault_details = text(st, col++, a);
	s->fault_us = db_int(st, col++);
	s->created_us = db_int(st, col++);
	s->updated_us = db_int(st, col++);
	s->launched_us = db_int(st, col++);
	s->terminated_us = db_int(st, col++);
	s->deleted_us = db_int(st, col++);
	s->generation = db_int(st, col++);
	r->project_uid = text(st, col++, a);
	r->image_uid = text(st, col++, a);
	r->host_name = text(st, col++, a);
	r->hv_hostname = text(st, col++, a);
	r->host_state = text(st, col++, a);
	r->host_forced_down = db_int(st, col++);
	if (sqlite3_column_count(st) > USER_DATA_COLUMN)
		s->user_data = text(st, USER_DATA_COLUMN, a);
	return 0;
}

static int not_found(const char *uid, struct error *err)
{
	return error_set(err, ERR_NOT_FOUND, "Instance %.64s could not be found.", uid);
}

int store_server_row(struct db *db, struct arena *a, int64_t project_id, const char *uid, bool with_user_data,
	struct server_row *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT " COLUMNS ", CASE WHEN ?3 THEN s.user_data END" FROM
		    " WHERE s.uid = ?1 AND s.deleted_us = 0 AND (?2 = 0 OR s.project_id = ?2)",
		    "sii", uid, project_id, (int64_t)with_user_data) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc == 0)
		return not_found(uid, err);
	return rc < 0 ? -1 : load(st, a, out, err);
}

int store_server_row_by_id(struct db *db, struct arena *a, int64_t id, bool with_user_data,
	struct server_row *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT " COLUMNS ", CASE WHEN ?2 THEN s.user_data END" FROM " WHERE s.id = ?1", "ii", id,
		    (int64_t)with_user_data) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc == 0)
		return not_found("", err);
	return rc < 0 ? -1 : load(st, a, out, err);
}

int store_server_find(struct db *db, int64_t project_id, const char *uid, int64_t *out_id,
	int64_t *out_created_us, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT id, created_us FROM server WHERE uid = ?1 AND (?2 = 0 OR project_id = ?2)", "si",
		    uid, project_id) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc > 0) {
		*out_id = db_int(st, 0);
		*out_created_us = db_int(st, 1);
	}
	return rc;
}

/* Three texts, so that each walks the index made for it. Ids grow with time, which gives all projects' order.
 */
#define LIVE "s.deleted_us = 0"
static const char scan_project[] = "SELECT " COLUMNS FROM " WHERE s.project_id = ?1 AND " LIVE
				   " AND (?2 = 0 OR (s.created_us, s.id) < (?3, ?2))"
				   " ORDER BY s.created_us DESC, s.id DESC";
static const char scan_all[] = "SELECT " COLUMNS FROM " WHERE " LIVE " AND (?1 = 0 OR s.project_id = ?1)"
			       " AND s.id < coalesce(nullif(?2, 0), 9223372036854775807) AND ?3 >= 0"
			       " ORDER BY s.id DESC";
static const char scan_deleted[] = "SELECT " COLUMNS FROM " WHERE (?1 = 0 OR s.project_id = ?1)"
				   " AND s.id < coalesce(nullif(?2, 0), 9223372036854775807) AND ?3 >= 0"
				   " ORDER BY s.id DESC";

int store_server_scan(
	struct db *db, const struct server_scan *scan, server_scan_fn *fn, void *ctx, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	const char *sql = scan->deleted ? scan_deleted : scan->project_id ? scan_project : scan_all;
	struct server_row row;
	int rc;

	if (db_query(db, err, &st, sql, "iii", scan->project_id, scan->below_id, scan->below_created_us) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		if (load(st, NULL, &row, err) < 0)
			return -1;
		rc = fn(ctx, &row, err);
		if (rc)
			return rc < 0 ? -1 : 0;
	}
	return rc;
}

int store_server_addresses(struct db *db, struct arena *a, int64_t server_id, struct server_address **out,
	size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct server_address *list = NULL;
	size_t n = 0, cap = 0;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT n.name, p.mac, a.address FROM port p JOIN network n ON n.id = p.network_id"
		    " JOIN port_address a ON a.port_id = p.id WHERE p.server_id = ?"
		    " ORDER BY n.name, p.id, a.address",
		    "i", server_id) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		if (n == cap) {
			struct server_address *more =
				ARENA_ARRAY(a, struct server_address, cap = cap ? 2 * cap : 4);

			for (size_t i = 0; i < n; i++)
				more[i] = list[i];
			list = more;
		}
		list[n++] = (struct server_address) { db_dup(st, 0, a), db_dup(st, 1, a),
			(uint32_t)db_int(st, 2) };
	}
	if (rc < 0)
		return -1;
	*out = list;
	*out_n = n;
	return 0;
}

int store_server_port_subnet(
	struct db *db, struct arena *a, int64_t port_id, const char **out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT n.uid FROM port_address a JOIN subnet n ON n.id = a.subnet_id"
		    " WHERE a.port_id = ? ORDER BY a.address LIMIT 1",
		    "i", port_id) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc < 0)
		return -1;
	*out = rc ? db_dup(st, 0, a) : NULL;
	return 0;
}

int store_server_tags(struct db *db, struct arena *a, int64_t server_id, const char ***out, size_t *out_n,
	struct error *err)
{
	enum { TAGS_MAX = 50 };
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	const char **list = NULL;
	size_t n = 0;
	int rc;

	if (db_query(db, err, &st, "SELECT tag FROM server_tag WHERE server_id = ? ORDER BY tag", "i",
		    server_id) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0 && n < TAGS_MAX) {
		if (!list)
			list = ARENA_ARRAY(a, const char *, TAGS_MAX);
		list[n++] = db_dup(st, 0, a);
	}
	if (rc < 0)
		return -1;
	*out = list;
	*out_n = n;
	return 0;
}

int store_server_tag_add(struct db *db, int64_t server_id, const char *tag, bool *out_new, struct error *err)
{
	int rc = db_run(db, err,
		"INSERT INTO server_tag (server_id, tag) VALUES (?, ?) ON CONFLICT DO NOTHING", "is",
		server_id, tag);

	if (rc < 0)
		return -1;
	*out_new = rc > 0;
	return 0;
}

int store_server_tags_remove(struct db *db, int64_t server_id, const char *tag, struct error *err)
{
	int rc = db_run(db, err, "DELETE FROM server_tag WHERE server_id = ?1 AND (?2 IS NULL OR tag = ?2)",
		"is", server_id, tag);

	if (rc == 0 && tag)
		return error_set(err, ERR_NOT_FOUND, "The server has no tag '%.64s'.", tag);
	return rc < 0 ? -1 : 0;
}

int store_server_edit(struct db *db, struct server *s, struct error *err)
{
	int rc = db_run(db, err,
		"UPDATE server SET name = ?, description = ?, hostname = ?, access_ipv4 = ?, access_ipv6 = ?,"
		" disk_config = ?, locked = ?, locked_reason = ?, locked_by = ?, updated_us = ?,"
		" generation = generation + 1"
		" WHERE id = ? AND generation = ?",
		"ssssssissiii", s->name, s->description, s->hostname, s->access_ipv4, s->access_ipv6,
		s->disk_config, (int64_t)s->locked, s->locked_reason, s->locked_by ? s->locked_by : "",
		s->updated_us, s->id, s->generation);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return error_set(err, ERR_CONFLICT, "The server was changed by another request meanwhile.");
	s->generation++;
	return 0;
}

int store_server_touch(struct db *db, int64_t server_id, int64_t now_us, struct error *err)
{
	return db_run(db, err, "UPDATE server SET updated_us = ?, generation = generation + 1 WHERE id = ?",
		       "ii", now_us, server_id) < 0
		       ? -1
		       : 0;
}

int store_server_busy(struct db *db, int64_t server_id, struct error *err)
{
	int64_t id;

	return db_int_query(db, err, &id,
		"SELECT id FROM flow WHERE subject_kind = 'server' AND subject_id = ?", "i", server_id);
}

int store_server_actions(struct db *db, struct arena *a, int64_t server_id, const char *request_id,
	struct server_action_row **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct server_action_row *list;
	int64_t n = 0, i = 0;
	int rc = 0;

	if (db_int_query(db, err, &n, "SELECT count(*) FROM server_action WHERE server_id = ?", "i",
		    server_id) < 0 ||
		db_query(db, err, &st,
			"SELECT x.id, x.action, x.request_id, x.user_uid, x.project_uid, x.start_us,"
			" x.finish_us, x.message, h.name FROM server_action x"
			" JOIN server s ON s.id = x.server_id LEFT JOIN host h ON h.id = s.host_id"
			" WHERE x.server_id = ?1 AND (?2 IS NULL OR x.request_id = ?2)"
			" ORDER BY x.start_us DESC, x.id DESC",
			"is", server_id, request_id) < 0)
		return -1;
	list = ARENA_ARRAY(a, struct server_action_row, (size_t)n + 1);
	for (; i < n && (rc = db_row(st, err)) > 0; i++)
		list[i] = (struct server_action_row) { .id = db_int(st, 0),
			.action = db_dup(st, 1, a),
			.request_id = db_dup(st, 2, a),
			.user_uid = db_dup(st, 3, a),
			.project_uid = db_dup(st, 4, a),
			.start_us = db_int(st, 5),
			.finish_us = db_int(st, 6),
			.message = db_dup(st, 7, a),
			.host_name = db_dup(st, 8, a) };
	if (rc < 0)
		return -1;
	*out = list;
	*out_n = (size_t)i;
	return 0;
}
