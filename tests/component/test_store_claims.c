/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of what servers hold: they come back as they were written, and no guard gives anything twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "store_fixture.h"

#include "store/allocation_place.h"
#include "store/checks.h"

enum { PROJECT = 200, HOST = 300, OTHER_HOST = 301, GPU = 400, OTHER_GPU = 401, FOREIGN_GPU = 402 };
enum { SERVER = 500, SECOND = 501, THIRD = 502 };

static struct store_fixture fixture;
static struct db *db;
static struct arena arena;
static struct error err;

/* Two cells of four cores with two threads each, of which 2-7 and 10-15 are set apart; 64 GiB, of which 4 GiB
 * of each cell are in 2 MiB pages, and 8 GiB of the second in 1 GiB pages. */
static const char *const rows[] = {
	"INSERT INTO project (id, uid, domain_id, name, created_us) VALUES (200, 'p', 1, 'p', 1)",
	"INSERT INTO host (id, uid, name, uri, zone, pool, vcpu_ratio_milli, ram_ratio_milli, "
	"disk_ratio_milli, ram_reserved_mib, created_us, inventory_us, vcpus, ram_mib, disk_gib, "
	"disk_reserved_gib, dedicated_cpus) VALUES (300, 'h', 'h', 'sim://h', 'z', 'p', 2000, 1000, 1000, "
	"1024, 1, 1, 16, 65536, 100, 10, '2-7,10-15,99')",
	"INSERT INTO host (id, uid, name, uri, zone, pool, vcpu_ratio_milli, ram_ratio_milli, "
	"disk_ratio_milli, ram_reserved_mib, created_us, inventory_us, vcpus, ram_mib, disk_gib) "
	"VALUES (301, 'i', 'i', 'sim://i', 'z', 'p', 1000, 1000, 1000, 0, 1, 1, 16, 65536, 100)",
	"INSERT INTO host_cell (host_id, cell, ram_mib, cpus, cpu_list, pages_2m, pages_1g) "
	"VALUES (300, 0, 32768, 8, '0,8;1,9;2,10;3,11', 2048, 0), "
	"(300, 1, 32768, 8, '4,12;5,13;6,14;7,15', 2048, 8)",
	"INSERT INTO device (id, uid, host_id, address, vendor_id, product_id, vendor, product, model, "
	"numa_cell, iommu_group, driver, companions, cut) "
	"VALUES (400, 'd', 300, 'a', 1, 2, 'v', 'p', 'm', 0, 0, '', 'a.1', 'whole'), "
	"(401, 'e', 300, 'b', 1, 2, 'v', 'p', 'm', 1, 0, '', '', 'mig'), "
	"(402, 'f', 301, 'a', 1, 2, 'v', 'p', 'm', 1, 0, '', '', 'whole')",
	"INSERT INTO server (id, uid, project_id, user_uid, name, hostname, vm_state, host_id, flavor_uid, "
	"flavor_name, vcpus, ram_mib, disk_gib, reservation_id, created_us, updated_us) "
	"VALUES (500, 's', 200, 'u', 's', 's', 'active', 300, 'f', 'f', 4, 4096, 10, 'r', 1, 1), "
	"(501, 't', 200, 'u', 's', 's', 'active', 300, 'f', 'f', 4, 4096, 10, 'r', 1, 1), "
	"(502, 'w', 200, 'u', 's', 's', 'active', 300, 'f', 'f', 4, 4096, 10, 'r', 1, 1)",
};

static int setup(void **state)
{
	fixture_dir(&fixture);
	fixture_open(&fixture);
	fixture_begin(&fixture);
	db = store_rw(fixture.store);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (db_run(db, &err, rows[i], NULL) < 0)
			fail_msg("%s: %s", rows[i], err.detail);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_commit(&fixture);
	fixture_close(&fixture);
	fixture_remove(&fixture);
	arena_finish(&arena);
	return 0;
}

static int64_t count(const char *sql)
{
	int64_t n = -1;

	assert_int_equal(db_int_query(db, &err, &n, sql, NULL), 1);
	return n;
}

static struct allocation_row plain(int64_t server_id)
{
	return (struct allocation_row) {
		.server_id = server_id,
		.host_id = HOST,
		.vcpus = 4,
		.ram_mib = 4096,
		.disk_gib = 10,
		.float_vcpus = 4,
		.float_ram_mib = 4096,
	};
}

static void taken(const struct allocation_row *a)
{
	if (store_allocation_insert(db, a, &err))
		fail_msg("%s (%s)", err.msg, err.detail);
}

/* It is refused, and what was there before is all that is there after its unit is undone. */
static void refused(const struct allocation_row *a)
{
	static const char all[] =
		"SELECT (SELECT count(*) FROM allocation) + (SELECT count(*) FROM allocation_cpu) + "
		"(SELECT count(*) FROM allocation_cell) + (SELECT count(*) FROM allocation_part) + "
		"(SELECT count(*) FROM allocation_slot) + (SELECT count(*) FROM allocation_device)";
	int64_t before = count(all);

	assert_int_equal(db_run(db, &err, "SAVEPOINT refused", NULL), 0);
	assert_int_equal(store_allocation_insert(db, a, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(db_run(db, &err, "ROLLBACK TO refused", NULL), 0);
	assert_int_equal(db_run(db, &err, "RELEASE refused", NULL), 0);
	assert_int_equal(count(all), before);
}

static void gone(int64_t id)
{
	assert_int_equal(store_allocation_remove(db, id, &err), 0);
}

/* ---- all of it, and back ---- */

static const struct allocation_cell full_cells[] = { { 0, 2, 2048, 2048 }, { 1, 2, 2048, 1048576 } };
static const struct allocation_device full_devices[] = { { GPU, 0 } };
static const struct allocation_part full_parts[] = {
	{ OTHER_GPU, "11111111-0000-4000-8000-000000000001", "3g.40gb", 4, 4, 428, 1 },
	{ OTHER_GPU, "11111111-0000-4000-8000-000000000002", "", -1, 0, 100, -1 },
};
static const int16_t full_cpus[] = { 2, 3, 5, 4 };

static struct allocation_row full(int64_t id)
{
	return (struct allocation_row) {
		.id = id,
		.server_id = SERVER,
		.host_id = HOST,
		.vcpus = 4,
		.ram_mib = 4096,
		.disk_gib = 10,
		.preemptible = true,
		.block_id = 77,
		.exclusive = true,
		.devices = full_devices,
		.devices_n = ARRAY_LEN(full_devices),
		.cells = full_cells,
		.cells_n = ARRAY_LEN(full_cells),
		.cpus = full_cpus,
		.cpus_n = ARRAY_LEN(full_cpus),
		.cpus_isolated = true,
		.parts = full_parts,
		.parts_n = ARRAY_LEN(full_parts),
	};
}

static void assert_full(const struct allocation_row *a)
{
	static const int16_t idle[] = { 10, 11, 12, 13 };

	assert_int_equal(a->server_id, SERVER);
	assert_int_equal(a->host_id, HOST);
	assert_true(a->exclusive && a->preemptible && a->cpus_isolated);
	assert_int_equal(a->block_id, 77);
	assert_int_equal(a->float_vcpus + a->float_ram_mib, 0);
	assert_int_equal(a->devices_n, ARRAY_LEN(full_devices));
	assert_memory_equal(a->devices, full_devices, sizeof full_devices);
	assert_int_equal(a->cells_n, ARRAY_LEN(full_cells));
	assert_memory_equal(a->cells, full_cells, sizeof full_cells);
	assert_int_equal(a->cpus_n, ARRAY_LEN(full_cpus));
	assert_memory_equal(a->cpus, full_cpus, sizeof full_cpus);
	assert_int_equal(a->idle_n, ARRAY_LEN(idle));
	assert_memory_equal(a->idle, idle, sizeof idle);
	assert_int_equal(a->parts_n, ARRAY_LEN(full_parts));
	for (size_t i = 0; i < a->parts_n; i++) {
		assert_string_equal(a->parts[i].uid, full_parts[i].uid);
		assert_string_equal(a->parts[i].profile, full_parts[i].profile);
		assert_int_equal(a->parts[i].device_id, full_parts[i].device_id);
		assert_int_equal(a->parts[i].start, full_parts[i].start);
		assert_int_equal(a->parts[i].slots, full_parts[i].slots);
		assert_int_equal(a->parts[i].share, full_parts[i].share);
		assert_int_equal(a->parts[i].guest_cell, full_parts[i].guest_cell);
	}
}

static void no_finding(void *ctx, const char *rule, const char *object, const char *message)
{
	(void)ctx;
	if (strncmp(rule, "usage", 5) != 0 && strncmp(rule, "gpu-", 4) != 0)
		fail_msg("%s: %s %s", rule, object, message);
}

static void test_comes_back(void **state)
{
	struct allocation_row a = full(0), second = plain(SECOND), *list, got;
	struct allocation_place place;
	size_t n;
	int rules;

	(void)state;
	taken(&a);
	taken(&second);
	assert_int_equal(store_allocation_get(db, &arena, SERVER, &got, &err), 1);
	assert_full(&got);
	assert_int_equal(store_allocation_list(db, &arena, 0, &list, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_full(&list[0]);
	assert_int_equal(list[1].cpus_n + list[1].devices_n + list[1].parts_n + list[1].cells_n, 0);
	assert_int_equal(list[1].float_vcpus, 4);
	/* in another way: under another key, with all that hangs on it */
	gone(SERVER);
	got.id = 900;
	assert_int_equal(store_allocation_restore(db, &got, &err), 0);
	assert_int_equal(store_allocation_get(db, &arena, SERVER, &got, &err), 0);
	assert_int_equal(store_allocation_list(db, &arena, SERVER, &list, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(list[0].id, 900);
	assert_full(&list[0]);
	/* for the domain */
	assert_int_equal(store_allocation_place(db, &arena, 900, &place, &err), 1);
	assert_int_equal(place.gpus_n, 1);
	assert_string_equal(place.gpus[0].address, "a");
	assert_string_equal(place.gpus[0].companions, "a.1");
	assert_int_equal(place.gpus[0].guest_cell, 0);
	assert_int_equal(place.parts_n, 2);
	assert_string_equal(place.parts[1].uid, full_parts[0].uid);
	assert_string_equal(place.parts[1].address, "b");
	assert_string_equal(place.parts[1].cut, "mig");
	assert_int_equal(place.shared_n, 4); /* 0, 1, 8, 9 */
	assert_int_equal(place.shared[3], 9);
	assert_int_equal(place.shared_cell[3], 0);
	assert_int_equal(store_allocation_place(db, &arena, 12345, &place, &err), 0);
	gone(900);
	assert_int_equal(count("SELECT (SELECT count(*) FROM allocation_cpu) + (SELECT count(*) FROM "
			       "allocation_cell) + (SELECT count(*) FROM allocation_part) + (SELECT count(*) "
			       "FROM allocation_slot) + (SELECT count(*) FROM allocation_device)"),
		0);
	/* and without it the check has nothing to say of claims */
	assert_int_equal(db_run(db, &err, "DELETE FROM server WHERE id != 501", NULL), 2);
	assert_int_equal(store_check(db, no_finding, NULL, &rules, &err), 0);
}

/* ---- the guards ---- */

/* 4 of 16 CPUs float, twice; 64 GiB without 1 GiB and 16 GiB of pages; 90 of 100 GiB of disk. */
static void test_amounts(void **state)
{
	struct allocation_row a = plain(SERVER), b = plain(SECOND), c = plain(THIRD);

	(void)state;
	a.vcpus = a.float_vcpus = 9;
	refused(&a);
	a.vcpus = a.float_vcpus = 8;
	taken(&a);
	refused(&b);
	b.float_vcpus = 0; /* it has CPUs of its own: none of the host's amount is asked */
	b.float_ram_mib = b.ram_mib = 65536 - 1024 - 16384 - 4096 + 1;
	refused(&b);
	b.float_ram_mib = b.ram_mib -= 1;
	b.disk_gib = 81;
	refused(&b);
	b.disk_gib = 80;
	taken(&b);
	c.float_vcpus = c.float_ram_mib = 0;
	refused(&c);
	c.disk_gib = 0;
	taken(&c); /* takes nothing of what is used up */
	c.host_id = 999;
	c.server_id = SERVER;
	refused(&c);
}

static void test_cpus(void **state)
{
	static const int16_t some[] = { 2, 3 }, overlap[] = { 4, 3 }, floating[] = { 0 }, absent[] = { 99 },
			     sibling[] = { 10 }, twice[] = { 6, 6 };
	struct allocation_row a = plain(SERVER), b = plain(SECOND);

	(void)state;
	a.float_vcpus = b.float_vcpus = 0;
	a.cpus = some;
	a.cpus_n = 2;
	taken(&a);
	b.cpus = overlap;
	b.cpus_n = 2;
	refused(&b);
	b.cpus = twice;
	refused(&b);
	b.cpus_n = 1;
	b.cpus = floating;
	refused(&b);
	b.cpus = absent;
	refused(&b);
	b.cpus = sibling;
	taken(&b); /* of core 2, whose other thread has not asked to be alone */
	gone(SECOND);
	b.cpus_isolated = true;
	refused(&b); /* but this one does */
	gone(SERVER);
	a.cpus_isolated = true;
	taken(&a);
	b.cpus_isolated = false;
	refused(&b);
	gone(SERVER);
	taken(&b);
}

static void test_pages(void **state)
{
	static const struct allocation_cell half[] = { { 1, 4, 2048, 2048 } },
					    more[] = { { 1, 4, 2050, 2048 } },
					    big[] = { { 1, 4, 8192, 1048576 } },
					    bigger[] = { { 1, 4, 8193, 1048576 } },
					    nowhere[] = { { 2, 4, 2048, 4 } },
					    none[] = { { 0, 4, 1024, 1048576 } };
	struct allocation_row a = plain(SERVER), b = plain(SECOND), c = plain(THIRD);

	(void)state;
	a.float_ram_mib = b.float_ram_mib = c.float_ram_mib = 0;
	a.float_vcpus = b.float_vcpus = c.float_vcpus = 0;
	a.cells_n = b.cells_n = c.cells_n = 1;
	a.cells = half;
	taken(&a);
	b.cells = more; /* one page too much */
	refused(&b);
	b.cells = half;
	taken(&b);
	c.cells = half;
	refused(&c);
	c.cells = none;
	refused(&c);
	c.cells = nowhere;
	refused(&c);
	c.cells = bigger; /* a page is not cut */
	refused(&c);
	c.cells = big;
	taken(&c);
}

static void test_whole_devices(void **state)
{
	static const struct allocation_device one[] = { { GPU, -1 } }, foreign[] = { { FOREIGN_GPU, -1 } },
					      cut[] = { { OTHER_GPU, -1 } };
	static const struct allocation_part part = { GPU, "p1", "1g", 0, 1, 142, -1 },
					    other = { OTHER_GPU, "p2", "1g", 0, 1, 142, -1 };
	struct allocation_row a = plain(SERVER), b = plain(SECOND);

	(void)state;
	a.float_vcpus = b.float_vcpus = 0;
	a.devices = one;
	a.devices_n = b.devices_n = 1;
	taken(&a);
	b.devices = one;
	refused(&b);
	b.devices = foreign;
	refused(&b);
	b.devices_n = 0;
	b.parts = &part; /* one that is given whole */
	b.parts_n = 1;
	refused(&b);
	b.parts = &other;
	taken(&b);
	gone(SERVER);
	a.devices = cut; /* one that is given in parts */
	refused(&a);
	gone(SECOND);
	taken(&a);
	gone(SERVER);
	assert_int_equal(db_run(db, &err, "UPDATE device SET present = 0", NULL), 3);
	refused(&a);
	refused(&b);
	assert_int_equal(store_allocation_restore(db, &a, &err), 0); /* what is held stays held */
}

static void test_parts(void **state)
{
	static const struct allocation_part left = { OTHER_GPU, "p1", "4g", 0, 4, 571, -1 },
					    right = { OTHER_GPU, "p2", "3g", 4, 4, 428, -1 },
					    over = { OTHER_GPU, "p3", "1g", 3, 1, 100, -1 },
					    same = { OTHER_GPU, "p1", "", -1, 0, 1, -1 },
					    rest = { OTHER_GPU, "p4", "", -1, 0, 429, -1 },
					    edge = { OTHER_GPU, "p5", "1g", 32, 1, 1, -1 },
					    slotless = { OTHER_GPU, "p6", "1g", 6, 0, 1, -1 },
					    shareless = { OTHER_GPU, "p7", "1g", 6, 1, 0, -1 };
	static const struct allocation_part *const wrong[] = { &over, &same, &edge, &slotless, &shareless };
	struct allocation_row a = plain(SERVER), b = plain(SECOND), c = plain(THIRD);

	(void)state;
	a.float_vcpus = b.float_vcpus = c.float_vcpus = 0;
	a.parts_n = b.parts_n = c.parts_n = 1;
	a.parts = &left;
	taken(&a);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		b.parts = wrong[i];
		refused(&b);
	}
	b.parts = &right;
	taken(&b);
	c.parts = &rest; /* the slots are free of it, but 1001 thousandths there are not */
	refused(&c);
	gone(SECOND);
	taken(&c);
}

/* What a server has in both of its flavors is held by one row, and listed by the other. */
static void test_also(void **state)
{
	static const struct allocation_device one[] = { { GPU, 0 } }, other[] = { { OTHER_GPU, 1 } };
	struct allocation_row a = plain(SERVER), b = plain(SERVER), got;

	(void)state;
	a.float_vcpus = b.float_vcpus = 0;
	a.devices = b.also = one;
	a.devices_n = b.also_n = b.devices_n = 1;
	b.devices = other;
	b.id = 900;
	taken(&a);
	taken(&b);
	assert_int_equal(store_allocation_get(db, &arena, 900, &got, &err), 1);
	assert_int_equal(got.also_n, 1);
	assert_memory_equal(got.also, one, sizeof one);
	assert_memory_equal(got.devices, other, sizeof other);
	gone(900);
	assert_int_equal(count("SELECT count(*) FROM allocation_also"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_amounts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cpus, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_whole_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_also, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
