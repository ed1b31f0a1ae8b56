/* SPDX-License-Identifier: Apache-2.0 */
#include "store/server_refs.h"

#include <string.h>

#include "base/util.h"
#include "store/hosts.h"

int store_ref_image(struct db *db, int64_t project_id, bool is_admin, const char *uid,
	struct server_image_ref *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT i.id, i.status, i.virtual_size, i.min_disk_gib, i.min_ram_mib FROM image i"
		    " WHERE i.uid = ?1 AND i.deleted_us = 0 AND (?3 OR i.project_id = ?2"
		    " OR i.visibility IN ('public', 'community') OR (i.visibility = 'shared' AND EXISTS"
		    " (SELECT 1 FROM image_member m WHERE m.image_id = i.id AND m.project_id = ?2)))",
		    "sii", uid, project_id, (int64_t)is_admin) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		*out = (struct server_image_ref) { .id = db_int(st, 0),
			.active = strcmp(db_text(st, 1), "active") == 0,
			.virtual_size = db_int(st, 2),
			.min_disk_gib = db_int(st, 3),
			.min_ram_mib = db_int(st, 4) };
	return rc;
}

int store_ref_network(struct db *db, int64_t project_id, const char *uid, int64_t *out_id, struct error *err)
{
	return db_int_query(db, err, out_id,
		"SELECT id FROM network WHERE uid = ?1 AND (shared = 1 OR project_id = ?2)", "si", uid,
		project_id);
}

int store_ref_network_only(
	struct db *db, int64_t project_id, int64_t *out_id, int64_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT coalesce(min(id), 0), count(*) FROM network WHERE shared = 1 OR project_id = ?1",
		    "i", project_id) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc < 0)
		return -1;
	*out_id = db_int(st, 0);
	*out_n = db_int(st, 1);
	return *out_n == 1;
}

int store_ref_port(
	struct db *db, int64_t project_id, const char *uid, struct server_port_ref *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT id, network_id, server_id FROM port WHERE uid = ?1 AND project_id = ?2", "si",
		    uid, project_id) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		*out = (struct server_port_ref) {
			.id = db_int(st, 0), .network_id = db_int(st, 1), .in_use = !db_is_null(st, 2)
		};
	return rc;
}

int store_ref_host(struct db *db, struct arena *a, const char *name, const char **out_name,
	const char **out_zone, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT name, " STORE_HOST_ZONE " FROM host WHERE name = ?1 OR hv_hostname = ?1"
		    " ORDER BY name = ?1 DESC LIMIT 1",
		    "s", name) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc > 0 && out_name)
		*out_name = db_dup(st, 0, a);
	if (rc > 0 && out_zone)
		*out_zone = db_dup(st, 1, a);
	return rc;
}

int store_ref_zone(struct db *db, const char *zone, struct error *err)
{
	int64_t one;

	return db_int_query(
		db, err, &one, "SELECT 1 FROM host WHERE " STORE_HOST_ZONE " = ? LIMIT 1", "s", zone);
}
