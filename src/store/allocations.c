/* SPDX-License-Identifier: Apache-2.0 */
#include "store/allocations.h"

#include "base/util.h"
#include "store/books.h"
#include "store/host_room.h"

static int64_t key_of(const struct allocation_row *a)
{
	return a->id ? a->id : a->server_id;
}

static int64_t part_insert(struct db *db, const struct allocation_row *a, const struct allocation_part *p,
	bool guard, struct error *err)
{
	/* the condition of a part: no one has the GPU whole, and all parts are no more than the whole */
	static const char sql[] =
		"INSERT INTO allocation_part (id, uid, device_id, allocation_id, profile, start, slots, "
		"share, guest_cell) SELECT ?1, ?2, d.id, ?4, ?5, ?6, ?7, ?8, ?9 FROM device d WHERE d.id = "
		"?3 "
		"AND (?10 = 0 OR (d.host_id = ?11 AND d.present = 1)) "
		"AND NOT EXISTS (SELECT 1 FROM allocation_device x WHERE x.device_id = ?3) "
		"AND (SELECT coalesce(sum(share), 0) FROM allocation_part o WHERE o.device_id = ?3) + ?8 <= "
		"1000";
	int64_t id = store_next_id(db_store(db));
	int rc = db_run(db, err, sql, "isiisiiiiii", id, p->uid, p->device_id, key_of(a), p->profile,
		p->start, p->slots, p->share, p->guest_cell, (int64_t)guard, a->host_id);

	if (rc == 0)
		error_set(err, ERR_CONFLICT, "no part of device %lld can be given", (long long)p->device_id);
	books_touch(db, BOOKS_DEVICE, p->device_id);
	return rc > 0 ? id : -1;
}

static int parts_insert(struct db *db, const struct allocation_row *a, bool guard, struct error *err)
{
	for (size_t i = 0; i < a->parts_n; i++) {
		const struct allocation_part *p = &a->parts[i];
		int64_t id = part_insert(db, a, p, guard, err);

		if (id < 0)
			return -1;
		for (int64_t slot = 0; slot < p->slots; slot++)
			if (db_run(db, err,
				    "INSERT INTO allocation_slot (device_id, slot, part_id) VALUES (?, ?, ?)",
				    "iii", p->device_id, p->start + slot, id) < 0)
				return -1;
	}
	return 0;
}

static int devices_insert(struct db *db, const struct allocation_row *a, bool guard, struct error *err)
{
	static const char sql[] = "INSERT INTO allocation_device (device_id, allocation_id, guest_cell) "
				  "SELECT id, ?1, ?4 FROM device WHERE id = ?2 "
				  "AND (?5 = 0 OR (host_id = ?3 AND present = 1)) "
				  "AND NOT EXISTS (SELECT 1 FROM allocation_part p WHERE p.device_id = ?2)";

	for (size_t i = 0; i < a->devices_n; i++) {
		const struct allocation_device *d = &a->devices[i];
		int rc = db_run(
			db, err, sql, "iiiii", key_of(a), d->id, a->host_id, d->guest_cell, (int64_t)guard);

		if (rc == 0)
			return error_set(err, ERR_CONFLICT, "device %lld cannot be given", (long long)d->id);
		if (rc < 0)
			return -1;
		books_touch(db, BOOKS_DEVICE, d->id);
	}
	for (size_t i = 0; i < a->also_n; i++)
		if (db_run(db, err,
			    "INSERT INTO allocation_also (allocation_id, device_id, guest_cell) "
			    "VALUES (?, ?, ?)",
			    "iii", key_of(a), a->also[i].id, a->also[i].guest_cell) < 0)
			return -1;
	return 0;
}

static int cells_insert(struct db *db, const struct allocation_row *a, bool guard, struct error *err)
{
	/* small pages are of the host's own amounts */
	static const char sql[] =
		"INSERT INTO allocation_cell (allocation_id, guest_cell, host_id, cell, vcpus, ram_mib, "
		"page_kib) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE ?8 = 0 OR EXISTS "
		"(SELECT 1 FROM host_cell h WHERE h.host_id = ?3 AND h.cell = ?4 AND (?7 = 4 OR "
		"(SELECT coalesce(sum((c.ram_mib * 1024 + ?7 - 1) / ?7), 0) FROM allocation_cell c "
		"WHERE c.host_id = ?3 AND c.cell = ?4 AND c.page_kib = ?7) + (?6 * 1024 + ?7 - 1) / ?7 <= "
		"iif(?7 = 2048, h.pages_2m, h.pages_1g)))";

	for (size_t i = 0; i < a->cells_n; i++) {
		const struct allocation_cell *c = &a->cells[i];
		int rc = db_run(db, err, sql, "iiiiiiii", key_of(a), (int64_t)i, a->host_id, c->cell,
			c->vcpus, c->ram_mib, c->page_kib, (int64_t)guard);

		if (rc == 0)
			return error_set(err, ERR_CONFLICT, "cell %lld of host %lld has not the pages",
				(long long)c->cell, (long long)a->host_id);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int cpu_insert(struct db *db, const struct allocation_row *a, int cpu, int64_t vcpu, struct error *err)
{
	static const char sql[] = "INSERT INTO allocation_cpu (host_id, cpu, allocation_id, vcpu) "
				  "VALUES (?1, ?2, ?3, iif(?4 < 0, NULL, ?4))";

	return db_run(db, err, sql, "iiii", a->host_id, (int64_t)cpu, key_of(a), vcpu) < 0 ? -1 : 0;
}

/* pins NULL: what is idle is known */
static int cpus_insert(
	struct db *db, const struct allocation_row *a, const struct cpuset *pins, struct error *err)
{
	struct cpuset cpus = { 0 }, idle = { 0 };

	for (size_t i = 0; i < a->cpus_n; i++)
		if (!cpuset_add(&cpus, a->cpus[i]) || cpu_insert(db, a, a->cpus[i], (int64_t)i, err))
			return -1;
	for (size_t i = 0; i < a->idle_n; i++)
		cpuset_add(&idle, a->idle[i]);
	if (pins && a->cpus_isolated) {
		if (store_host_siblings(db, a->host_id, &cpus, &idle, err))
			return -1;
		cpuset_common(&idle, pins);
	}
	for (int cpu = cpuset_next(&idle, 0); cpu >= 0; cpu = cpuset_next(&idle, cpu + 1))
		if (cpu_insert(db, a, cpu, -1, err))
			return -1;
	return 0;
}

/* pins: what the host has for dedicated use; NULL: what it has is not asked. */
static int rows_insert(
	struct db *db, const struct allocation_row *a, const struct cpuset *pins, struct error *err)
{
	static const char sql[] =
		"INSERT INTO allocation (id, server_id, host_id, vcpus, ram_mib, disk_gib, float_vcpus, "
		"float_ram_mib, exclusive, preemptible, block_id, cpus_isolated) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?)";

	if (db_run(db, err, sql, "iiiiiiiiiiii", key_of(a), a->server_id, a->host_id, a->vcpus, a->ram_mib,
		    a->disk_gib, a->float_vcpus, a->float_ram_mib, (int64_t)a->exclusive,
		    (int64_t)a->preemptible, a->block_id, (int64_t)a->cpus_isolated) < 0)
		return -1;
	if (key_of(a) == a->server_id)
		books_touch(db, BOOKS_SERVER, a->server_id);
	return cells_insert(db, a, pins != NULL, err) || cpus_insert(db, a, pins, err) ||
			       devices_insert(db, a, pins != NULL, err) ||
			       parts_insert(db, a, pins != NULL, err)
		       ? -1
		       : 0;
}

static int lacks(const struct allocation_row *a, struct error *err)
{
	return error_set(
		err, ERR_CONFLICT, "host %lld has not the room that placement saw", (long long)a->host_id);
}

/* Nothing is asked of what it takes nothing of. */
static bool fits(int64_t want, int64_t used, int64_t all)
{
	return !want || used + want <= all;
}

int store_allocation_insert(struct db *db, const struct allocation_row *a, struct error *err)
{
	struct host_room room;
	int rc = store_host_room(db, a->host_id, &room, err);

	if (rc < 0)
		return -1;
	if (rc == 0 || !fits(a->float_vcpus, room.used.vcpus, room.all.vcpus) ||
		!fits(a->float_ram_mib, room.used.ram_mib, room.all.ram_mib) ||
		!fits(a->disk_gib, room.used.disk_gib, room.all.disk_gib))
		return lacks(a, err);
	for (size_t i = 0; i < a->cpus_n; i++)
		if (!cpuset_has(&room.pins, a->cpus[i]))
			return error_set(err, ERR_CONFLICT, "CPU %d of host %lld is not for dedicated use",
				a->cpus[i], (long long)a->host_id);
	return rows_insert(db, a, &room.pins, err);
}

int store_allocation_restore(struct db *db, const struct allocation_row *a, struct error *err)
{
	return rows_insert(db, a, NULL, err);
}

int store_allocation_remove(struct db *db, int64_t id, struct error *err)
{
	static const char slots[] = "DELETE FROM allocation_slot WHERE part_id IN "
				    "(SELECT id FROM allocation_part WHERE allocation_id = ?)";
	static const char *const devices[] = {
		"DELETE FROM allocation_part WHERE allocation_id = ? RETURNING device_id",
		"DELETE FROM allocation_device WHERE allocation_id = ? RETURNING device_id",
	};
	static const char *const parts[] = {
		"DELETE FROM allocation_cell WHERE allocation_id = ?",
		"DELETE FROM allocation_cpu WHERE allocation_id = ?",
		"DELETE FROM allocation_also WHERE allocation_id = ?",
		"DELETE FROM allocation WHERE id = ?",
	};

	if (db_run(db, err, slots, "i", id) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(devices); i++)
		if (books_touch_each(db, BOOKS_DEVICE, devices[i], id, err) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (db_run(db, err, parts[i], "i", id) < 0)
			return -1;
	books_touch(db, BOOKS_SERVER, id);
	return 0;
}
