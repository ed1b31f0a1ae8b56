/* SPDX-License-Identifier: Apache-2.0 */
#include "store/operator_reads.h"

#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "domain/ipam.h"

int store_flow_subject(struct db *db, struct arena *a, const char *subject_kind, int64_t subject_id,
	const char **out_uid, const char **out_host, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	int rc;

	rc = strcmp(subject_kind, "server") == 0
		     ? db_query(db, err, &st,
			       "SELECT s.uid, h.name FROM server s LEFT JOIN host h ON h.id = s.host_id "
			       "WHERE s.id = ?",
			       "i", subject_id)
	     : strcmp(subject_kind, "allocation") == 0
		     ? db_query(db, err, &st,
			       "SELECT s.uid, h.name FROM allocation x JOIN server s ON s.id = x.server_id "
			       "JOIN host h ON h.id = x.host_id WHERE x.id = ?",
			       "i", subject_id)
	     : strcmp(subject_kind, "device") == 0
		     ? db_query(db, err, &st,
			       "SELECT d.uid, h.name FROM device d JOIN host h ON h.id = d.host_id "
			       "WHERE d.id = ?",
			       "i", subject_id)
		     : db_query(db, err, &st,
			       "SELECT i.uid, h.name FROM host_image x JOIN image i ON i.id = x.image_id "
			       "JOIN host h ON h.id = "
			       "x.host_id WHERE x.id = ?",
			       "i", subject_id);
	if (rc < 0 || (rc = db_row(st, err)) < 0)
		return -1;
	if (rc > 0) {
		*out_uid = db_dup(st, 0, a);
		*out_host = db_dup(st, 1, a);
	}
	return 0;
}

int store_cloud_counts(struct db *db, struct cloud_counts *out, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;

	if (db_query(db, err, &st,
		    "SELECT (SELECT count(*) FROM host), "
		    "(SELECT count(*) FROM server WHERE deleted_us = 0), "
		    "(SELECT count(*) FROM server WHERE deleted_us = 0 AND vm_state = 'active'), "
		    "(SELECT count(*) FROM server WHERE deleted_us = 0 AND vm_state = 'error'), "
		    "(SELECT count(*) FROM flow), (SELECT count(*) FROM flow WHERE state = 'stuck'), "
		    "(SELECT count(*) FROM project), (SELECT count(*) FROM user), "
		    "(SELECT count(*) FROM image WHERE deleted_us = 0)",
		    "") < 0 ||
		db_row(st, err) < 0)
		return -1;
	*out = (struct cloud_counts) {
		.hosts = db_int(st, 0),
		.servers = db_int(st, 1),
		.servers_active = db_int(st, 2),
		.servers_error = db_int(st, 3),
		.flows = db_int(st, 4),
		.flows_stuck = db_int(st, 5),
		.projects = db_int(st, 6),
		.users = db_int(st, 7),
		.images = db_int(st, 8),
	};
	return 0;
}

static void read_server(sqlite3_stmt *st, struct arena *a, struct operator_server *out)
{
	char address[IPAM_TEXT];

	*out = (struct operator_server) {
		.uid = db_dup(st, 0, a),
		.name = db_dup(st, 1, a),
		.project_uid = db_dup(st, 2, a),
		.project_name = db_dup(st, 3, a),
		.vm_state = db_dup(st, 4, a),
		.task_state = db_dup(st, 5, a),
		.host = db_dup(st, 6, a),
		.flavor_name = db_dup(st, 7, a),
		.address = db_is_null(st, 8) ? NULL
					     : arena_strdup(a, ipam_format((uint32_t)db_int(st, 8), address)),
		.vcpus = db_int(st, 9),
		.ram_mib = db_int(st, 10),
		.created_us = db_int(st, 11),
		.power_state = (int)db_int(st, 12),
		.power_seen_us = db_int(st, 13),
		.fault_message = db_dup(st, 14, a),
		.fault_details = db_dup(st, 15, a),
		.fault_us = db_int(st, 16),
		.preemptible = db_int(st, 17) != 0,
		.leave_us = db_int(st, 18),
		.waits_for = db_dup(st, 19, a),
		.reservation = db_dup(st, 20, a),
	};
}

int store_operator_servers(struct db *db, struct arena *a, const char *uid, size_t limit,
	struct operator_server **out, size_t *out_n, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	struct operator_server *all = ARENA_ARRAY(a, struct operator_server, limit);
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st,
		    "SELECT s.uid, s.name, p.uid, p.name, s.vm_state, s.task_state, h.name, s.flavor_name, "
		    "(SELECT min(a.address) FROM port t JOIN port_address a ON a.port_id = t.id WHERE "
		    "t.server_id = s.id), "
		    "s.vcpus, s.ram_mib, s.created_us, s.power_state, s.power_seen_us, s.fault_message, "
		    "s.fault_details, "
		    "s.fault_us, l.preemptible, e.leave_us, (SELECT k.name FROM waiter w JOIN host k ON k.id "
		    "= "
		    "w.host_id WHERE w.server_id = s.id), b.uid FROM server s LEFT JOIN allocation l ON l.id "
		    "= s.id LEFT JOIN eviction e ON e.server_id = s.id LEFT JOIN block b ON b.id = "
		    "l.block_id "
		    "JOIN project p ON p.id = s.project_id LEFT JOIN host h ON h.id "
		    "= s.host_id "
		    "WHERE s.deleted_us = 0 AND (?1 IS NULL OR s.uid = ?1) ORDER BY s.id DESC LIMIT ?2",
		    "si", uid, (int64_t)limit) < 0)
		return -1;
	while (n < limit && (rc = db_row(st, err)) > 0)
		read_server(st, a, &all[n++]);
	if (rc < 0)
		return -1;
	*out = all;
	*out_n = n;
	return 0;
}

int store_server_movable(struct db *db, struct arena *a, int64_t **out, size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT s.id FROM server s JOIN allocation l ON l.id = s.id WHERE s.vm_state = 'active' AND "
		"s.task_state IS NULL AND s.locked = 0 AND s.deleted_us = 0 AND NOT EXISTS (SELECT 1 FROM "
		"allocation_device x WHERE x.allocation_id = l.id) AND NOT EXISTS (SELECT 1 FROM "
		"allocation_part x WHERE x.allocation_id = l.id) AND NOT EXISTS (SELECT 1 FROM "
		"allocation_cell "
		"x WHERE x.allocation_id = l.id) AND NOT EXISTS (SELECT 1 FROM allocation_cpu x WHERE "
		"x.allocation_id = l.id) ORDER BY s.id";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf ids = { 0 };
	int rc;

	if (db_query(db, err, &st, sql, NULL) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		int64_t id = db_int(st, 0);

		buf_append(&ids, &id, sizeof id);
	}
	*out = ids.len ? arena_copy(a, ids.data, ids.len) : NULL;
	*out_n = ids.len / sizeof(int64_t);
	return rc;
}

int store_image_copies(struct db *db, struct arena *a, int64_t image_id, size_t limit,
	struct image_copy **out, size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct image_copy *all = ARENA_ARRAY(a, struct image_copy, limit);
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st,
		    "SELECT x.id, x.host_id, h.name, x.state, x.error FROM host_image x JOIN host h ON h.id "
		    "= "
		    "x.host_id WHERE x.image_id = ? ORDER BY x.state = 'ready', x.id LIMIT ?",
		    "ii", image_id, (int64_t)limit) < 0)
		return -1;
	while (n < limit && (rc = db_row(st, err)) > 0)
		all[n++] = (struct image_copy) { .id = db_int(st, 0),
			.host_id = db_int(st, 1),
			.host = db_dup(st, 2, a),
			.state = db_dup(st, 3, a),
			.error = db_dup(st, 4, a) };
	*out = all;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}
