/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `server`, its metadata and its action log. */
#include "store/servers.h"

#include <string.h>

#include "base/util.h"
#include "store/books.h"
#include "store/event_rows.h"

/* ---- the row ---- */

/* In the order of struct server; server_insert, server_read and its format follow it. */
#define COLUMNS                                                                                        \
	"id, project_id, uid, user_uid, name, description, hostname, vm_state, task_state, "           \
	"power_state, power_seen_us, power_seen_epoch, host_id, epoch, want_delete, flavor_uid, "      \
	"flavor_name, vcpus, ram_mib, disk_gib, ephemeral_gib, swap_mib, extra_specs, image_id, "      \
	"key_name, key_type, key_public, user_data, config_drive, admin_pass, zone, access_ipv4, "     \
	"access_ipv6, disk_config, locked, locked_reason, reservation_id, launch_index, fault_code, "  \
	"fault_message, fault_details, fault_us, created_us, updated_us, launched_us, terminated_us, " \
	"deleted_us, generation, root_image_id, rescue_image_id, shelved_image_id, shelved_us, "       \
	"locked_by"

static const char *text(const char *s)
{
	return s ? s : "";
}

int store_server_insert(struct db *db, const struct server *s, struct error *err)
{
	static const char sql[] =
		"INSERT INTO server (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), "
		"?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
		"?, nullif(?, 0), ?, ?, nullif(?, 0), nullif(?, 0), ?, ?, nullif(?, 0), nullif(?, 0), "
		"nullif(?, 0), ?, ?)";
	static const char fmt[] = "ii"
				  "sssssss"
				  "iiiiii"
				  "ss"
				  "iiiii"
				  "s"
				  "i"
				  "ssss"
				  "i"
				  "sssss"
				  "i"
				  "ss"
				  "ii"
				  "ss"
				  "iiiiiii"
				  "iiiis";
	int rc = db_run(db, err, sql, fmt, s->id, s->project_id, s->uid, s->user_uid, s->name, s->description,
		s->hostname, vm_state_text(s->vm_state), task_state_text(s->task_state),
		(int64_t)s->power_state, s->power_seen_us, s->power_seen_epoch, s->host_id, s->epoch,
		(int64_t)s->want_delete, s->flavor_uid, s->flavor_name, s->vcpus, s->ram_mib, s->disk_gib,
		s->ephemeral_gib, s->swap_mib, s->extra_specs ? s->extra_specs : "{}", s->image_id,
		s->key_name, s->key_type, s->key_public, s->user_data, (int64_t)s->config_drive,
		s->admin_pass, text(s->zone), text(s->access_ipv4), text(s->access_ipv6),
		s->disk_config ? s->disk_config : "MANUAL", (int64_t)s->locked, s->locked_reason,
		s->reservation_id, s->launch_index, (int64_t)s->fault_code, s->fault_message,
		s->fault_details, s->fault_us, s->created_us, s->updated_us, s->launched_us, s->terminated_us,
		s->deleted_us, s->generation, s->root_image_id, s->rescue_image_id, s->shelved_image_id,
		s->shelved_us, text(s->locked_by));

	books_touch(db, BOOKS_SERVER, s->id);
	return rc < 0 ? -1 : event_server_created(db, s->id, err);
}

/* A state that this binary does not know is an error, not a guess. */
static int read_states(sqlite3_stmt *st, struct server *s, struct error *err)
{
	if (!vm_state_parse(db_text(st, 7), &s->vm_state) ||
		!task_state_parse(db_text(st, 8), &s->task_state))
		return error_internal(err, "server %lld: unknown state %s/%s", (long long)s->id,
			db_text(st, 7), db_text(st, 8) ? db_text(st, 8) : "");
	return 0;
}

static int server_read(sqlite3_stmt *st, struct arena *a, struct server *out, struct error *err)
{
	struct server s = {
		.id = db_int(st, 0),
		.project_id = db_int(st, 1),
		.uid = db_dup(st, 2, a),
		.user_uid = db_dup(st, 3, a),
		.name = db_dup(st, 4, a),
		.description = db_dup(st, 5, a),
		.hostname = db_dup(st, 6, a),
		.power_state = (int)db_int(st, 9),
		.power_seen_us = db_int(st, 10),
		.power_seen_epoch = db_int(st, 11),
		.host_id = db_int(st, 12),
		.epoch = db_int(st, 13),
		.want_delete = db_int(st, 14) != 0,
		.flavor_uid = db_dup(st, 15, a),
		.flavor_name = db_dup(st, 16, a),
		.vcpus = db_int(st, 17),
		.ram_mib = db_int(st, 18),
		.disk_gib = db_int(st, 19),
		.ephemeral_gib = db_int(st, 20),
		.swap_mib = db_int(st, 21),
		.extra_specs = db_dup(st, 22, a),
		.image_id = db_int(st, 23),
		.key_name = db_dup(st, 24, a),
		.key_type = db_dup(st, 25, a),
		.key_public = db_dup(st, 26, a),
		.user_data = db_dup(st, 27, a),
		.config_drive = db_int(st, 28) != 0,
		.admin_pass = db_dup(st, 29, a),
		.zone = db_dup(st, 30, a),
		.access_ipv4 = db_dup(st, 31, a),
		.access_ipv6 = db_dup(st, 32, a),
		.disk_config = db_dup(st, 33, a),
		.locked = db_int(st, 34) != 0,
		.locked_reason = db_dup(st, 35, a),
		.reservation_id = db_dup(st, 36, a),
		.launch_index = db_int(st, 37),
		.fault_code = (int)db_int(st, 38),
		.fault_message = db_dup(st, 39, a),
		.fault_details = db_dup(st, 40, a),
		.fault_us = db_int(st, 41),
		.created_us = db_int(st, 42),
		.updated_us = db_int(st, 43),
		.launched_us = db_int(st, 44),
		.terminated_us = db_int(st, 45),
		.deleted_us = db_int(st, 46),
		.generation = db_int(st, 47),
		.root_image_id = db_int(st, 48),
		.rescue_image_id = db_int(st, 49),
		.shelved_image_id = db_int(st, 50),
		.shelved_us = db_int(st, 51),
		.locked_by = db_dup(st, 52, a),
	};

	if (read_states(st, &s, err))
		return -1;
	*out = s;
	return 0;
}

int store_server_load(struct db *db, struct arena *a, int64_t id, struct server *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, "SELECT " COLUMNS " FROM server WHERE id = ?", "i", id))
		return -1;
	rc = db_row(st, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Instance %lld could not be found.", (long long)id);
	return rc < 0 ? -1 : server_read(st, a, out, err);
}

int store_server_get(struct db *db, struct arena *a, int64_t project_id, const char *uid, struct server *out,
	struct error *err)
{
	static const char sql[] =
		"SELECT " COLUMNS
		" FROM server WHERE uid = ?1 AND deleted_us = 0 AND (?2 = 0 OR project_id = ?2)";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "si", uid, project_id))
		return -1;
	rc = db_row(st, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Instance %.64s could not be found.", uid);
	return rc < 0 ? -1 : server_read(st, a, out, err);
}

static int guarded(int rc, struct server *s, struct error *err)
{
	if (rc < 0)
		return -1;
	if (rc == 0)
		return error_set(err, ERR_CONFLICT, "Instance %s was changed by another request.", s->uid);
	s->generation++;
	return 0;
}

int store_server_save(struct db *db, struct server *s, struct error *err)
{
	static const char sql[] =
		"UPDATE server SET vm_state = ?, task_state = ?, power_state = ?, power_seen_us = ?, "
		"power_seen_epoch = ?, host_id = nullif(?, 0), epoch = ?, want_delete = ?, admin_pass = ?, "
		"fault_code = ?, fault_message = ?, fault_details = ?, fault_us = nullif(?, 0), "
		"launched_us = nullif(?, 0), terminated_us = nullif(?, 0), deleted_us = ?, updated_us = ?, "
		"root_image_id = nullif(?, 0), rescue_image_id = nullif(?, 0), "
		"shelved_image_id = nullif(?, 0), shelved_us = ?, zone = ?, "
		"generation = generation + 1 WHERE id = ? AND generation = ?";
	int rc;

	if (event_server_state(db, s->id, vm_state_text(s->vm_state), s->fault_message, err) < 0 ||
		event_server_host(db, s->id, s->host_id, err) < 0)
		return -1;
	books_touch(db, BOOKS_SERVER, s->id);
	rc = db_run(db, err, sql, "ssiiiiiisissiiiiiiiiisii", vm_state_text(s->vm_state),
		task_state_text(s->task_state), (int64_t)s->power_state, s->power_seen_us,
		s->power_seen_epoch, s->host_id, s->epoch, (int64_t)s->want_delete, s->admin_pass,
		(int64_t)s->fault_code, s->fault_message, s->fault_details, s->fault_us, s->launched_us,
		s->terminated_us, s->deleted_us, s->updated_us, s->root_image_id, s->rescue_image_id,
		s->shelved_image_id, s->shelved_us, text(s->zone), s->id, s->generation);

	return guarded(rc, s, err);
}

int store_server_remake(struct db *db, struct server *s, struct error *err)
{
	static const char sql[] =
		"UPDATE server SET image_id = nullif(?, 0), key_name = ?, key_type = ?, key_public = ?, "
		"user_data = ?, generation = generation + 1 WHERE id = ? AND generation = ?";

	return guarded(db_run(db, err, sql, "issssii", s->image_id, s->key_name, s->key_type, s->key_public,
			       s->user_data, s->id, s->generation),
		s, err);
}

/* ---- metadata ---- */

int store_server_metadata(struct db *db, struct arena *a, int64_t server_id, struct server_pair **out,
	size_t *out_n, struct error *err)
{
	static const char sql[] = "SELECT key, value FROM server_metadata WHERE server_id = ? ORDER BY key";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct server_pair *pairs = NULL;
	size_t n = 0, cap = 0;
	int rc;

	if (db_query(db, err, &st, sql, "i", server_id))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		if (n == cap) {
			struct server_pair *more = ARENA_ARRAY(a, struct server_pair, cap ? cap * 2 : 8);

			if (n)
				memcpy(more, pairs, n * sizeof *pairs);
			pairs = more;
			cap = cap ? cap * 2 : 8;
		}
		pairs[n++] = (struct server_pair) { db_dup(st, 0, a), db_dup(st, 1, a) };
	}
	if (rc < 0)
		return -1;
	*out = pairs;
	*out_n = n;
	return 0;
}

int store_server_metadata_set(struct db *db, int64_t server_id, const struct server_pair *pairs, size_t n,
	bool replace, struct error *err)
{
	static const char sql[] = "INSERT INTO server_metadata (server_id, key, value) VALUES (?, ?, ?) "
				  "ON CONFLICT (server_id, key) DO UPDATE SET value = excluded.value";

	if (replace && db_run(db, err, "DELETE FROM server_metadata WHERE server_id = ?", "i", server_id) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (db_run(db, err, sql, "iss", server_id, pairs[i].key, pairs[i].value) < 0)
			return -1;
	return 0;
}

int store_server_metadata_remove(struct db *db, int64_t server_id, const char *key, struct error *err)
{
	int rc = db_run(
		db, err, "DELETE FROM server_metadata WHERE server_id = ? AND key = ?", "is", server_id, key);

	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Metadata item was not found");
	return rc < 0 ? -1 : 0;
}

/* ---- actions ---- */

int store_server_action_start(struct db *db, int64_t server_id, const char *action, const char *request_id,
	const char *user_uid, const char *project_uid, int64_t now_us, int64_t *out_id, struct error *err)
{
	static const char sql[] = "INSERT INTO server_action (id, server_id, action, request_id, user_uid, "
				  "project_uid, start_us) VALUES (?, ?, ?, ?, ?, ?, ?)";
	int64_t id = store_next_id(db_store(db));

	if (db_run(db, err, sql, "iissssi", id, server_id, action, text(request_id), text(user_uid),
		    text(project_uid), now_us) < 0)
		return -1;
	*out_id = id;
	return 0;
}

int store_server_action_finish(
	struct db *db, int64_t action_id, int64_t now_us, const char *message, struct error *err)
{
	static const char sql[] = "UPDATE server_action SET finish_us = max(?, start_us), message = ? "
				  "WHERE id = ? AND finish_us IS NULL";

	return db_run(db, err, sql, "isi", now_us, message, action_id) < 0 ? -1 : 0;
}
