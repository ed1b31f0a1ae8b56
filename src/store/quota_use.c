/* SPDX-License-Identifier: Apache-2.0 */
#include "store/quota_use.h"

#include <string.h>

#include "base/util.h"
#include "store/images.h"

int store_quota_use_servers(
	struct db *db, struct arena *a, struct quota_use_row **out, size_t *out_n, struct error *err)
{
	static const char sql[] =
		"SELECT s.project_id, count(*), sum(max(s.vcpus, coalesce(m.vcpus, 0))), "
		"sum(max(s.ram_mib, coalesce(m.ram_mib, 0))), sum(max(s.disk_gib + s.ephemeral_gib, "
		"coalesce(m.disk_gib + m.ephemeral_gib, 0))), s.extra_specs, m.extra_specs FROM server s "
		"LEFT JOIN migration m ON m.server_id = s.id AND m.ended_us IS NULL "
		"WHERE s.deleted_us = 0 GROUP BY s.project_id, s.extra_specs, m.extra_specs";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct quota_use_row *rows = NULL;
	size_t n = 0, cap = 0;
	int rc;

	if (db_query(db, err, &st, sql, NULL))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		if (n == cap) {
			struct quota_use_row *more = ARENA_ARRAY(a, struct quota_use_row, cap ? cap * 2 : 16);

			if (n)
				memcpy(more, rows, n * sizeof *rows);
			rows = more;
			cap = cap ? cap * 2 : 16;
		}
		rows[n++] = (struct quota_use_row) {
			.project_id = db_int(st, 0),
			.servers = db_int(st, 1),
			.vcpus = db_int(st, 2),
			.ram_mib = db_int(st, 3),
			.disk_gib = db_int(st, 4),
			.extra_specs = db_dup(st, 5, a),
			.other_specs = db_dup(st, 6, a),
		};
	}
	*out = rows;
	*out_n = n;
	return rc;
}

/* A resource that is rows of its own is a row here: project, how much. */
static const struct {
	enum quota_resource resource;
	const char *sql;
} counted[] = {
	{ QUOTA_PORTS, "SELECT project_id, count(*) FROM port GROUP BY project_id" },
	{ QUOTA_ADDRESSES,
		"SELECT p.project_id, count(*) FROM port_address x JOIN port p ON p.id = x.port_id "
		"GROUP BY p.project_id" },
	{ QUOTA_SERVER_GROUPS, "SELECT project_id, count(*) FROM server_group GROUP BY project_id" },
	{ QUOTA_IMAGES, "SELECT project_id, count(*) FROM image WHERE deleted_us = 0 GROUP BY project_id" },
	{ QUOTA_IMAGE_MIB, "SELECT project_id, coalesce(sum((size + 1048575) / 1048576), 0) FROM image WHERE "
			   "deleted_us = 0 GROUP BY project_id" },
};

static int add_parents(struct db *db, struct quota_index *q, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, "SELECT id, parent_id FROM project WHERE parent_id IS NOT NULL", NULL) < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0)
		quota_index_parent(q, db_int(st, 0), db_int(st, 1));
	return rc;
}

int store_quota_use_all(struct db *db, struct quota_index *q, struct error *err)
{
	if (add_parents(db, q, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(counted); i++) {
		CLEANUP(db_done) sqlite3_stmt *st = NULL;
		int rc;

		if (db_query(db, err, &st, counted[i].sql, NULL) < 0)
			return -1;
		while ((rc = db_row(st, err)) > 0)
			quota_index_add(q, db_int(st, 0), (int)counted[i].resource, db_int(st, 1));
		if (rc < 0)
			return -1;
	}
	return 0;
}

static void set_use(struct quota_index *q, int64_t project_id, enum quota_resource r, int64_t n)
{
	quota_index_add(q, project_id, (int)r, n - quota_index_get(q, project_id, (int)r));
}

int store_quota_use_images(struct db *db, struct quota_index *q, int64_t project_id, struct error *err)
{
	int64_t images, mib;

	if (store_image_use(db, project_id, &images, &mib, err) < 0)
		return -1;
	set_use(q, project_id, QUOTA_IMAGES, images);
	set_use(q, project_id, QUOTA_IMAGE_MIB, mib);
	return 0;
}
