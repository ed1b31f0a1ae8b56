/* SPDX-License-Identifier: Apache-2.0 */
#include "store/host_room.h"

#include <string.h>

#include "base/util.h"

struct cpuset store_cell_cpus(const char *cpu_list)
{
	CLEANUP(free_ptr) char *flat = xstrdup(cpu_list);
	struct cpuset set = { 0 };

	for (char *p = flat; (p = strchr(p, ';'));)
		*p = ',';
	cpuset_parse(flat, &set);
	return set;
}

static int count(const struct cpuset *s)
{
	int n = 0;

	for (int cpu = cpuset_next(s, 0); cpu >= 0; cpu = cpuset_next(s, cpu + 1))
		n++;
	return n;
}

/* The dedicated ones that are there. */
static int pins_read(
	struct db *db, int64_t host_id, const char *dedicated, struct cpuset *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct cpuset wanted = { 0 }, listed = { 0 }, cell;
	int rc;

	*out = wanted;
	if (!*dedicated)
		return 0;
	cpuset_parse(dedicated, &wanted);
	if (db_query(db, err, &st, "SELECT cpu_list FROM host_cell WHERE host_id = ?", "i", host_id))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		cell = store_cell_cpus(db_text(st, 0));
		cpuset_join(&listed, &cell);
	}
	cpuset_common(&listed, &wanted);
	*out = listed;
	return rc;
}

int store_host_pins(struct db *db, int64_t host_id, struct cpuset *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, "SELECT dedicated_cpus FROM host WHERE id = ?", "i", host_id))
		return -1;
	rc = db_row(st, err);
	if (rc > 0 && pins_read(db, host_id, db_text(st, 0), out, err))
		return -1;
	return rc;
}

int store_host_siblings(
	struct db *db, int64_t host_id, const struct cpuset *cpus, struct cpuset *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct cpuset found = { 0 };
	int rc;

	if (db_query(db, err, &st, "SELECT cpu_list FROM host_cell WHERE host_id = ?", "i", host_id))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		CLEANUP(free_ptr) char *list = xstrdup(db_text(st, 0));
		char *rest = NULL;

		for (char *t = strtok_r(list, ";", &rest); t; t = strtok_r(NULL, ";", &rest)) {
			struct cpuset core = store_cell_cpus(t), own = core;

			cpuset_common(&own, cpus);
			if (!cpuset_empty(&own))
				cpuset_join(&found, &core);
		}
	}
	cpuset_without(&found, cpus);
	*out = found;
	return rc;
}

static int64_t scaled(int64_t n, int64_t milli)
{
	return n > 0 ? n * milli / 1000 : 0;
}

int store_host_room(struct db *db, int64_t host_id, struct host_room *out, struct error *err)
{
	/* the index allocation_host covers the sums */
	static const char sql[] =
		"SELECT h.vcpus, h.vcpu_ratio_milli, h.ram_mib - h.ram_reserved_mib - coalesce(p.mib, 0), "
		"h.ram_ratio_milli, h.disk_gib - h.disk_reserved_gib, h.disk_ratio_milli, h.dedicated_cpus, "
		"coalesce(u.vcpus, 0), coalesce(u.ram_mib, 0), coalesce(u.disk_gib, 0) FROM host h, "
		"(SELECT sum(pages_2m * 2 + pages_1g * 1024) AS mib FROM host_cell WHERE host_id = ?1) p, "
		"(SELECT sum(float_vcpus) AS vcpus, sum(float_ram_mib) AS ram_mib, "
		"sum(disk_gib) AS disk_gib FROM allocation WHERE host_id = ?1) u WHERE h.id = ?1";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct host_room r;
	int rc;

	if (db_query(db, err, &st, sql, "i", host_id))
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc;
	if (pins_read(db, host_id, db_text(st, 6), &r.pins, err))
		return -1;
	r.all = (struct host_amounts) { scaled(db_int(st, 0) - count(&r.pins), db_int(st, 1)),
		scaled(db_int(st, 2), db_int(st, 3)), scaled(db_int(st, 4), db_int(st, 5)) };
	r.used = (struct host_amounts) { db_int(st, 7), db_int(st, 8), db_int(st, 9) };
	*out = r;
	return 1;
}
