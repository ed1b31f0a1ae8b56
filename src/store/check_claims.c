/* SPDX-License-Identifier: Apache-2.0 */
/* What servers hold of hosts, and within them: amounts, cells, CPUs, pages, whole GPUs and parts of them. */
#include <inttypes.h>
#include <stdio.h>

#include "base/util.h"
#include "store/check_rules.h"
#include "store/host_room.h"

#define PAGES "(c.ram_mib * 1024 + c.page_kib - 1) / c.page_kib"

const struct check_rule check_claim_rules[] = {
	{ "allocation-size",
		"SELECT s.uid, 'its allocation is not what its flavor says' FROM allocation a "
		"JOIN server s ON s.id = a.id "
		"WHERE a.vcpus != s.vcpus OR a.ram_mib != s.ram_mib OR a.disk_gib < s.disk_gib" },
	{ "allocation-float",
		"SELECT s.uid, 'what it takes of the host''s own amounts is not what its CPUs and pages "
		"leave' FROM (SELECT a.*, EXISTS (SELECT 1 FROM allocation_cpu p WHERE p.allocation_id = "
		"a.id) AS pinned, (SELECT coalesce(sum(c.ram_mib), 0) FROM allocation_cell c "
		"WHERE c.allocation_id = a.id AND c.page_kib > 4) AS huge FROM allocation a) a "
		"JOIN server s ON s.id = a.server_id WHERE a.float_vcpus != iif(a.pinned, 0, a.vcpus) "
		"OR a.float_ram_mib != max(0, a.ram_mib - a.huge)" },
	{ "allocation-device",
		"SELECT d.uid, 'given to a server of another host' FROM (SELECT device_id, allocation_id "
		"FROM allocation_device UNION ALL SELECT device_id, allocation_id FROM allocation_part "
		"UNION ALL SELECT device_id, allocation_id FROM allocation_also) x "
		"JOIN device d ON d.id = x.device_id JOIN allocation a ON a.id = x.allocation_id "
		"WHERE a.host_id != d.host_id" },
	{ "allocation-also",
		"SELECT d.uid, 'counted for a server that does not hold it' FROM allocation_also x "
		"JOIN allocation a ON a.id = x.allocation_id JOIN device d ON d.id = x.device_id "
		"WHERE NOT EXISTS (SELECT 1 FROM allocation_device y JOIN allocation b ON b.id = "
		"y.allocation_id WHERE y.device_id = x.device_id AND b.server_id = a.server_id)" },
	{ "allocation-cell",
		"SELECT s.uid, 'lies in cell ' || c.cell || ', which its host does not list' "
		"FROM allocation_cell c JOIN allocation a ON a.id = c.allocation_id JOIN server s "
		"ON s.id = a.server_id LEFT JOIN host_cell h ON h.host_id = a.host_id AND h.cell = c.cell "
		"WHERE h.cell IS NULL OR c.host_id != a.host_id" },
	{ "allocation-cells",
		"SELECT s.uid, 'its cells and CPUs are not all that it has' FROM allocation a "
		"JOIN server s ON s.id = a.server_id LEFT JOIN (SELECT allocation_id, sum(vcpus) AS vcpus, "
		"sum(ram_mib) AS ram_mib FROM allocation_cell GROUP BY allocation_id) c ON "
		"c.allocation_id = a.id LEFT JOIN (SELECT allocation_id, count(vcpu) AS n, max(vcpu) AS top "
		"FROM allocation_cpu GROUP BY allocation_id) p ON p.allocation_id = a.id "
		"WHERE (a.id = a.server_id AND (c.vcpus != a.vcpus OR c.ram_mib != a.ram_mib)) "
		"OR p.n != a.vcpus OR p.top != p.n - 1" },
	{ "cell-pages",
		"SELECT h.name, 'more huge pages of cell ' || c.cell || ' are given than it has' FROM "
		"(SELECT c.host_id, c.cell, c.page_kib, sum(" PAGES ") AS n FROM allocation_cell c "
		"WHERE c.page_kib > 4 GROUP BY c.host_id, c.cell, c.page_kib) c JOIN host h ON h.id = "
		"c.host_id "
		"JOIN host_cell l ON l.host_id = c.host_id AND l.cell = c.cell "
		"WHERE c.n > iif(c.page_kib = 2048, l.pages_2m, l.pages_1g)" },
	{ "device-cut", "SELECT d.uid, iif(x.device_id IS NULL, 'more of it is given than there is', "
			"'given whole and in parts') FROM (SELECT device_id, sum(share) AS share FROM "
			"allocation_part GROUP BY device_id) p JOIN device d ON d.id = p.device_id "
			"LEFT JOIN allocation_device x ON x.device_id = p.device_id "
			"WHERE x.device_id IS NOT NULL OR p.share > 1000" },
	{ "part-slots",
		"SELECT p.uid, 'a part of a GPU without its slots' FROM allocation_part p "
		"LEFT JOIN (SELECT part_id, count(*) AS n, min(slot) AS first, max(slot) AS last, "
		"min(device_id) AS device_id FROM allocation_slot GROUP BY part_id) t ON t.part_id = p.id "
		"WHERE coalesce(t.n, 0) != p.slots OR t.first != p.start OR t.last != p.start + p.slots - 1 "
		"OR t.device_id != p.device_id" },
};
const size_t check_claim_rules_n = ARRAY_LEN(check_claim_rules);

/* ---- rooms ---- */

struct room_check {
	struct db *db;
	store_finding_fn *found;
	void *ctx;
};

static void amounts_check(const struct room_check *c, const char *name, const struct host_room *r)
{
	char message[160];

	if (r->used.vcpus <= r->all.vcpus && r->used.ram_mib <= r->all.ram_mib &&
		r->used.disk_gib <= r->all.disk_gib)
		return;
	snprintf(message, sizeof message,
		"allocations pass the capacity: %" PRId64 " of %" PRId64 " vcpus, %" PRId64 " of %" PRId64
		" MiB, %" PRId64 " of %" PRId64 " GiB",
		r->used.vcpus, r->all.vcpus, r->used.ram_mib, r->all.ram_mib, r->used.disk_gib,
		r->all.disk_gib);
	c->found(c->ctx, "host-capacity", name, message);
}

static int pins_check(
	const struct room_check *c, int64_t host_id, const struct host_room *r, struct error *err)
{
	static const char sql[] =
		"SELECT p.cpu, s.uid, p.host_id != a.host_id FROM allocation_cpu p JOIN allocation a "
		"ON a.id = p.allocation_id JOIN server s ON s.id = a.server_id "
		"WHERE p.host_id = ? AND p.vcpu IS NOT NULL";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	char message[96];
	int rc;

	if (db_query(c->db, err, &st, sql, "i", host_id))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		if (cpuset_has(&r->pins, (int)db_int(st, 0)) && !db_int(st, 2))
			continue;
		snprintf(message, sizeof message,
			"has CPU %d, which its host does not list for dedicated use", (int)db_int(st, 0));
		c->found(c->ctx, "allocation-cpu", db_text(st, 1), message);
	}
	return rc;
}

int check_rooms(struct db *db, store_finding_fn *found, void *ctx, struct error *err)
{
	const struct room_check c = { db, found, ctx };
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, "SELECT id, name FROM host WHERE inventory_us != 0 ORDER BY id", NULL))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		struct host_room r;

		if (store_host_room(db, db_int(st, 0), &r, err) < 0 || pins_check(&c, db_int(st, 0), &r, err))
			return -1;
		amounts_check(&c, db_text(st, 1), &r);
	}
	return rc;
}
