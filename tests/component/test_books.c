/* SPDX-License-Identifier: Apache-2.0 */
/* The books follow the rows: intervals of servers, images, addresses and GPUs under a clock that the test
 * holds, with steps of the wall clock, restarts and boots between; and verify finds what does not add up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "store_fixture.h"

#include "base/log.h"
#include "store/allocations.h"
#include "store/books.h"
#include "store/books_verify.h"
#include "store/calendar.h"
#include "store/devices.h"
#include "store/hosts.h"
#include "store/images.h"
#include "store/migrate.h"
#include "store/server_ports.h"
#include "store/server_power.h"
#include "store/servers.h"

#define S INT64_C(1000000)
#define START (INT64_C(1800000000) * S) /* in 2027 */

enum { PROJECT = 200, HOST = 300, GPU = 400, SERVER = 500, OTHER = 501, IMAGE = 600, NETWORK = 700 };

/* The machine: its time since boot, and how far the wall clock is off. */
static struct {
	int64_t boot_us, wall_us;
	const char *boot_id;
} machine;

static int64_t machine_wall(void *ctx)
{
	(void)ctx;
	return machine.wall_us;
}

static int64_t machine_boot(void *ctx)
{
	(void)ctx;
	return machine.boot_us;
}

static const struct clock machine_clock = {
	.wall_us = machine_wall, .mono_us = machine_boot, .boot_us = machine_boot
};

static struct store_fixture fixture;
static struct db *db;
static struct error err;

#define OK(call)                                                                                        \
	do {                                                                                            \
		if ((call) != 0)                                                                        \
			fail_msg("%s:%d: %s: %s (%s)", __FILE__, __LINE__, #call, err.msg, err.detail); \
	} while (0)

static void run(const char *sql)
{
	if (db_run(db, &err, sql, NULL) < 0)
		fail_msg("%s: %s", sql, err.detail);
}

static int64_t number(const char *sql)
{
	int64_t n = -1;

	if (db_int_query(store_ro(fixture.store), &err, &n, sql, NULL) < 0)
		fail_msg("%s: %s", sql, err.detail);
	return n;
}

/* ---- ticks ---- */

static void pass(int64_t us)
{
	machine.boot_us += us;
	machine.wall_us += us;
}

static void begin(void)
{
	OK(store_tick_begin(fixture.store, &err));
	store_tick_savepoint(fixture.store);
	db = store_rw(fixture.store);
}

static void commit(void)
{
	OK(store_tick_seal(fixture.store, &err));
	store_tick_release(fixture.store);
	OK(store_tick_commit(fixture.store, &err));
	store_tick_settle(fixture.store, true);
}

/* After so long a unit that ends well. */
#define TICK(us, deeds)   \
	do {              \
		pass(us); \
		begin();  \
		deeds;    \
		commit(); \
	} while (0)

static void open_store(void)
{
	struct store_config config = {
		.path = fixture.path, .clock = &machine_clock, .boot_id = machine.boot_id, .no_sync = true
	};

	OK(store_open(&config, &fixture.store, &err));
	db = store_rw(fixture.store);
}

static void reopen(void)
{
	fixture_close(&fixture);
	open_store();
}

/* ---- the cloud ---- */

static const char *const rows[] = {
	"INSERT INTO project (id, uid, domain_id, name, created_us) VALUES (200, 'p', 1, 'p', 1)",
	"INSERT INTO host (id, uid, name, uri, zone, pool, vcpu_ratio_milli, ram_ratio_milli, "
	"disk_ratio_milli, ram_reserved_mib, created_us, inventory_us, vcpus, ram_mib, disk_gib) VALUES "
	"(300, 'h', 'h', 'sim://h', 'z', 'p', 1000, 1000, 1000, 0, 1, 1, 64, 262144, 1000)",
	"INSERT INTO network (id, uid, name, shared, mtu, source_kind, source, created_us, updated_us) "
	"VALUES (700, 'net', 'lan', 1, 1450, 'bridge', 'br0', 1, 1)",
	"INSERT INTO subnet (id, uid, network_id, name, cidr_base, cidr_bits, gateway, pool_first, "
	"pool_last, cursor, created_us, updated_us) VALUES (701, 'sub', 700, 's', 167772160, 24, 167772161, "
	"167772170, 167772180, 0, 1, 1)",
};

static void add_gpu(int64_t id, const char *uid)
{
	const struct device_row d = { .id = id,
		.host_id = HOST,
		.uid = uid,
		.address = uid,
		.vendor = "v",
		.product = "p",
		.model = "h100",
		.driver = "",
		.present = true,
		.companions = "",
		.mdev_types = "" };

	OK(store_device_insert(db, &d, &err));
}

static void server_insert(int64_t id, const char *uid)
{
	const struct server s = { .id = id,
		.project_id = PROJECT,
		.uid = uid,
		.user_uid = "u",
		.name = uid,
		.hostname = uid,
		.vm_state = VM_BUILDING,
		.task_state = TASK_NONE,
		.host_id = HOST,
		.flavor_uid = "small",
		.flavor_name = "small",
		.vcpus = 4,
		.ram_mib = 4096,
		.disk_gib = 10,
		.ephemeral_gib = 5,
		.extra_specs = "{\"x\":\"y\"}",
		.reservation_id = "r",
		.zone = "z",
		.created_us = machine.wall_us,
		.generation = 1 };

	OK(store_server_insert(db, &s, &err));
}

static void hold(int64_t key, int64_t server, const struct allocation_device *devices, size_t n,
	const struct allocation_part *parts, size_t parts_n, int64_t block)
{
	const struct allocation_row a = { .id = key,
		.server_id = server,
		.host_id = HOST,
		.vcpus = 4,
		.ram_mib = 4096,
		.disk_gib = 15,
		.float_vcpus = 4,
		.float_ram_mib = 4096,
		.block_id = block,
		.devices = devices,
		.devices_n = n,
		.parts = parts,
		.parts_n = parts_n };

	OK(store_allocation_insert(db, &a, &err));
}

static void settle(int64_t id, enum vm_state state)
{
	const struct server_settled to = {
		.id = id, .vm_state = state, .power_state = 1, .now_us = machine.wall_us, .launched = true
	};

	OK(store_server_settle(db, &to, &err));
}

static void save(int64_t id, enum vm_state state, bool gone)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct server s;

	OK(store_server_load(db, &a, id, &s, &err));
	s.vm_state = state;
	if (gone || state == VM_SHELVED_OFFLOADED) {
		s.host_id = 0;
		OK(store_allocation_remove(db, id, &err));
	}
	if (gone)
		s.terminated_us = s.deleted_us = machine.wall_us;
	OK(store_server_save(db, &s, &err));
}

static void make_server(int64_t id, const char *uid)
{
	server_insert(id, uid);
	hold(0, id, NULL, 0, NULL, 0, 0);
}

static int setup(void **state)
{
	machine.boot_us = 5 * S;
	machine.wall_us = START;
	machine.boot_id = "one";
	fixture_dir(&fixture);
	open_store();
	begin();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		run(rows[i]);
	commit();
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	fixture_remove(*state);
	return 0;
}

/* ---- what the books say ---- */

static int findings;

static void finding(void *ctx, const char *rule, const char *object, const char *message)
{
	(void)ctx;
	findings++;
	print_error("%s: %s %s\n", rule, object, message);
}

static void verify(store_finding_fn *found, void *ctx, struct arena *a, struct books_verify *out)
{
	static const atomic_bool never;
	struct db *ro = store_ro(fixture.store);

	*out = (struct books_verify) { .from_us = 0,
		.to_us = books_now(ro),
		.now_us = books_now(ro),
		.found = found,
		.ctx = ctx,
		.stop = &never,
		.arena = a };
	OK(store_books_verify(ro, out, &err));
}

static void adds_up(void)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct books_verify v;

	findings = 0;
	verify(finding, NULL, &a, &v);
	assert_int_equal(findings, 0);
}

/* Microseconds in a state, until now. */
static int64_t in_state(int64_t id, const char *state)
{
	char sql[256];

	snprintf(sql, sizeof sql,
		"SELECT coalesce(sum(coalesce(ended_us, %lld) - started_us), 0) FROM usage WHERE kind = "
		"'server' AND subject_id = %lld AND state = '%s'",
		(long long)books_now(store_ro(fixture.store)), (long long)id, state);
	return number(sql);
}

/* Share × microseconds of a GPU's owner. */
static int64_t owned(int64_t gpu, const char *owner)
{
	char sql[256];

	snprintf(sql, sizeof sql,
		"SELECT coalesce(sum((coalesce(ended_us, %lld) - started_us) * share), 0) FROM gpu_usage "
		"WHERE device_id = %lld AND owner || ' ' || state GLOB '%s'",
		(long long)books_now(store_ro(fixture.store)), (long long)gpu, owner);
	return number(sql);
}

/* ---- servers ---- */

static void test_states(void **state)
{
	(void)state;
	TICK(S, make_server(SERVER, "s"));
	TICK(10 * S, settle(SERVER, VM_ACTIVE));
	TICK(100 * S, settle(SERVER, VM_PAUSED));
	TICK(20 * S, settle(SERVER, VM_ACTIVE));
	TICK(30 * S, settle(SERVER, VM_STOPPED));
	TICK(7 * S, save(SERVER, VM_SHELVED, false));
	assert_int_equal(
		number("SELECT vcpus * 1000000 + ram_mib * 100 + disk_gib FROM usage WHERE ended_us IS NULL"),
		4 * 1000000 + 409600 + 15);
	TICK(3 * S, save(SERVER, VM_SHELVED_OFFLOADED, false));
	assert_int_equal(
		number("SELECT vcpus + ram_mib + disk_gib + gpus FROM usage WHERE ended_us IS NULL"), 0);
	TICK(50 * S, {
		hold(0, SERVER, NULL, 0, NULL, 0, 0);
		save(SERVER, VM_ERROR, false);
	});
	TICK(2 * S, save(SERVER, VM_DELETED, true));
	pass(S);
	assert_int_equal(in_state(SERVER, "building"), 10 * S);
	assert_int_equal(in_state(SERVER, "active"), 130 * S);
	assert_int_equal(in_state(SERVER, "paused"), 20 * S);
	assert_int_equal(in_state(SERVER, "stopped"), 7 * S);
	assert_int_equal(in_state(SERVER, "shelved"), 3 * S);
	assert_int_equal(in_state(SERVER, "shelved_offloaded"), 50 * S);
	assert_int_equal(in_state(SERVER, "error"), 2 * S);
	assert_int_equal(number("SELECT count(*) FROM usage WHERE ended_us IS NULL"), 0);
	adds_up();
}

static int64_t changes(void)
{
	int64_t n = -1;

	assert_int_equal(db_int_query(db, &err, &n, "SELECT total_changes()", NULL), 1);
	return n;
}

/* The same again writes nothing, and what does not count neither. */
static void test_idempotent(void **state)
{
	static const enum books_kind kinds[] = { BOOKS_SERVER, BOOKS_HOST, BOOKS_DEVICE, BOOKS_PORT,
		BOOKS_IMAGE, BOOKS_BLOCK };
	int64_t before;

	(void)state;
	TICK(S, {
		make_server(SERVER, "s");
		add_gpu(GPU, "g");
	});
	pass(S);
	begin();
	before = changes();
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
			for (int64_t id = GPU; id <= SERVER; id += SERVER - GPU)
				books_touch(db, kinds[i], id);
		books_touch(db, BOOKS_HOST, HOST);
		OK(store_tick_seal(fixture.store, &err));
	}
	assert_int_equal(changes(), before);
	/* two changes at one time: the interval between has no length, and is not written */
	settle(SERVER, VM_ACTIVE);
	OK(store_tick_seal(fixture.store, &err));
	settle(SERVER, VM_PAUSED);
	commit();
	assert_int_equal(number("SELECT count(*) FROM usage"), 2);
	assert_int_equal(in_state(SERVER, "active"), 0);
	adds_up();
}

/* A unit that is undone leaves nothing behind, not even for the next one. */
static void test_undone(void **state)
{
	(void)state;
	TICK(S, make_server(SERVER, "s"));
	pass(S);
	begin();
	settle(SERVER, VM_ACTIVE);
	store_tick_rollback(fixture.store);
	store_tick_savepoint(fixture.store);
	commit();
	assert_int_equal(number("SELECT count(*) FROM usage"), 1);
	adds_up();
}

/* ---- images and addresses ---- */

static void test_images(void **state)
{
	const struct image i = { .id = IMAGE, .size = 4096, .virtual_size = 8192 };

	(void)state;
	TICK(S, run("INSERT INTO image (id, uid, project_id, status, visibility, created_us, updated_us) "
		    "VALUES (600, 'i', 200, 'saving', 'private', 1, 1)"));
	assert_int_equal(number("SELECT count(*) FROM usage"), 0);
	TICK(S, assert_int_equal(store_image_activate(db, &i, 1, &err), 1));
	assert_int_equal(number("SELECT amount FROM usage WHERE ended_us IS NULL AND kind = 'image'"), 4096);
	TICK(60 * S, OK(store_image_delete(db, IMAGE, 2, &err)));
	assert_int_equal(number("SELECT sum(ended_us - started_us) FROM usage WHERE kind = 'image'"), 60 * S);
	adds_up();
}

static void test_addresses(void **state)
{
	const struct server_port_want want = {
		.uid = "port", .network_id = NETWORK, .project_id = PROJECT, .server_id = SERVER, .mac = "m"
	};
	int64_t id, n, addresses;

	(void)state;
	TICK(S, {
		make_server(SERVER, "s");
		OK(store_server_port_make(db, &want, &id, &err));
	});
	assert_int_equal(number("SELECT amount FROM usage WHERE kind = 'address' AND item = 'net' AND "
				"ended_us IS NULL"),
		1);
	TICK(9 * S, {
		OK(store_server_port_release(db, SERVER, 1, &n, &addresses, &err));
		save(SERVER, VM_DELETED, true);
	});
	assert_int_equal(
		number("SELECT sum(ended_us - started_us) FROM usage WHERE kind = 'address'"), 9 * S);
	adds_up();
}

/* ---- GPUs ---- */

static void health(const char *health, const char *custody)
{
	const struct device_row d = {
		.id = GPU, .health = health, .custody = custody, .custody_reason = "", .cut = "whole"
	};

	OK(store_device_set_state(db, &d, &err));
}

static void block(int64_t id, bool maintenance, const char *state)
{
	const struct block b = { .id = id,
		.uid = maintenance ? "window" : "block",
		.name = "b",
		.project_id = maintenance ? 0 : PROJECT,
		.model = "h100",
		.gpus = 1,
		.scope = "",
		.start_us = 1,
		.end_us = 2,
		.state = state,
		.reason = "" };

	OK(store_block_insert(db, &b, &err));
	if (maintenance)
		OK(store_block_host_add(db, id, HOST, &err));
	else
		OK(store_block_device_add(db, id, GPU, &err));
}

static int set_down(bool down)
{
	const struct host_row h = {
		.id = HOST, .forced_down = down, .down_proof = "", .down_by = "", .down_reason = ""
	};

	return store_host_set_down(db, &h, &err);
}

/* What no tenant holds is faulty, in maintenance, reserved or idle, in this order. */
static void test_precedence(void **state)
{
	(void)state;
	TICK(S, add_gpu(GPU, "g"));
	TICK(1 * S, block(800, false, "planned"));
	TICK(2 * S, OK(store_block_state(db, 800, "active", 1, &err)));
	TICK(4 * S, block(801, true, "active"));
	TICK(8 * S, health("ok", "quarantined"));
	TICK(16 * S, health("ok", "reset"));
	TICK(32 * S, OK(store_block_state(db, 801, "ended", 1, &err)));
	TICK(64 * S, health("ok", "clean"));
	TICK(128 * S, OK(store_host_set_state(db, HOST, "draining", "why", &err)));
	TICK(256 * S, OK(set_down(true)));
	TICK(512 * S, {
		OK(set_down(false));
		OK(store_host_set_state(db, HOST, "up", "", &err));
	});
	TICK(1024 * S, OK(store_block_state(db, 800, "ended", 1, &err)));
	pass(2048 * S);
	assert_int_equal(owned(GPU, "idle *"), (1 + 2 + 2048) * 1000 * S);
	assert_int_equal(owned(GPU, "reserved *"), (4 + 128 + 1024) * 1000 * S);
	assert_int_equal(owned(GPU, "maintenance *"), (8 + 32 + 64 + 256) * 1000 * S);
	assert_int_equal(owned(GPU, "faulty *"), (16 + 512) * 1000 * S);
	adds_up();
}

/* A whole one: its server's in all states, with the block that it uses; where it only keeps it, held. */
static void test_whole(void **state)
{
	const struct allocation_device d = { .id = GPU };

	(void)state;
	TICK(S, {
		add_gpu(GPU, "g");
		block(800, false, "active");
	});
	TICK(10 * S, {
		server_insert(SERVER, "s");
		hold(0, SERVER, &d, 1, NULL, 0, 800);
	});
	assert_int_equal(number("SELECT gpus FROM usage WHERE ended_us IS NULL"), 1);
	TICK(5 * S, settle(SERVER, VM_ACTIVE));
	TICK(100 * S, health("faulty", "clean")); /* still the tenant's */
	TICK(20 * S, settle(SERVER, VM_STOPPED));
	TICK(7 * S, OK(store_block_state(db, 800, "ended", 1, &err)));
	assert_int_equal(
		number("SELECT count(*) FROM gpu_usage WHERE block_id = 800 AND ended_us IS NULL"), 0);
	/* it lives elsewhere, and this is left over */
	TICK(3 * S, {
		OK(store_allocation_remove(db, SERVER, &err));
		hold(900, SERVER, &d, 1, NULL, 0, 0);
	});
	TICK(11 * S, OK(store_allocation_remove(db, 900, &err)));
	pass(S);
	assert_int_equal(owned(GPU, "reserved *"), 10 * 1000 * S);
	assert_int_equal(owned(GPU, "tenant building"), 5 * 1000 * S);
	assert_int_equal(owned(GPU, "tenant active"), 120 * 1000 * S);
	assert_int_equal(owned(GPU, "tenant stopped"), 10 * 1000 * S);
	assert_int_equal(owned(GPU, "tenant held"), 11 * 1000 * S);
	assert_int_equal(owned(GPU, "faulty *"), 1 * 1000 * S);
	assert_int_equal(number("SELECT sum(ended_us - started_us) FROM gpu_usage WHERE block_id = 800 AND "
				"owner = 'tenant'"),
		132 * S);
	adds_up();
}

/* In parts: each is its server's, and what they leave is nobody's. */
static void test_parts(void **state)
{
	const struct allocation_part mine[] = { { GPU, "m1", "1g.10gb", 0, 1, 142, -1 },
		{ GPU, "m2", "3g.40gb", 4, 4, 428, -1 } };
	const struct allocation_part theirs = { GPU, "m3", "", -1, 0, 430, -1 };

	(void)state;
	TICK(S, add_gpu(GPU, "g"));
	TICK(S, {
		server_insert(SERVER, "s");
		server_insert(OTHER, "t");
		hold(0, SERVER, NULL, 0, mine, 2, 0);
	});
	assert_int_equal(number("SELECT count(*) FROM gpu_usage WHERE ended_us IS NULL"), 3);
	TICK(10 * S, hold(0, OTHER, NULL, 0, &theirs, 1, 0));
	assert_int_equal(number("SELECT count(*) FROM gpu_usage WHERE ended_us IS NULL AND part_id = 0"), 0);
	TICK(20 * S, save(SERVER, VM_DELETED, true));
	TICK(30 * S, save(OTHER, VM_DELETED, true));
	assert_int_equal(owned(GPU, "tenant *"), (570 * 30 + 430 * 50) * S);
	assert_int_equal(owned(GPU, "idle *"), (1000 + 430 * 10 + 570 * 30) * S);
	adds_up();
}

/* It comes, its host goes with it, and its time in the books ends. */
static void test_gone(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct books_verify v;

	(void)state;
	TICK(S, add_gpu(GPU, "g"));
	TICK(60 * S, OK(store_host_remove(db, HOST, &err)));
	pass(S);
	assert_int_equal(number("SELECT last_us - first_us FROM gpu_book"), 60 * S);
	verify(finding, NULL, &a, &v);
	assert_int_equal(v.gpus, 1);
	assert_int_equal(v.models_n, 1);
	assert_true(v.models[0].lifetime == (usage_wide)60000 * S);
	assert_true(v.models[0].owners[GPU_IDLE] == (usage_wide)60000 * S);
	/* one that came and went in a tick never was */
	TICK(S, {
		run(rows[1]);
		add_gpu(GPU + 1, "h");
		OK(store_tick_seal(fixture.store, &err));
		OK(store_host_remove(db, HOST, &err));
	});
	assert_int_equal(number("SELECT count(*) FROM gpu_book"), 1);
	adds_up();
}

/* ---- time ---- */

static void test_steps(void **state)
{
	struct db *ro = store_ro(fixture.store);

	(void)state;
	TICK(S, make_server(SERVER, "s"));
	machine.wall_us -= 3600 * S;
	TICK(10 * S, settle(SERVER, VM_ACTIVE));
	machine.wall_us += 86400 * S;
	TICK(5 * S, settle(SERVER, VM_STOPPED));
	machine.wall_us += 20000; /* jitter is no step */
	TICK(S, settle(SERVER, VM_ACTIVE));
	assert_int_equal(in_state(SERVER, "building"), 10 * S);
	assert_int_equal(in_state(SERVER, "active"), 5 * S);
	assert_int_equal(number("SELECT count(*) FROM clock_step"), 2);
	assert_int_equal(books_now(ro), START + 17 * S);
	assert_int_equal(books_to_wall(ro, books_now(ro)), machine.wall_us - 20000);
	assert_int_equal(books_from_wall(ro, machine.wall_us - 20000), books_now(ro));
	adds_up();
}

/* The step is in the tick that saw it: when that is lost, the next one sees it again. */
static void test_step_refused(void **state)
{
	(void)state;
	machine.wall_us += 3600 * S;
	pass(S);
	begin();
	store_tick_rollback(fixture.store);
	store_tick_settle(fixture.store, false);
	assert_int_equal(number("SELECT count(*) FROM clock_step"), 0);
	TICK(S, run("UPDATE host SET name = 'x'"));
	assert_int_equal(number("SELECT offset_us FROM clock_step"), 3600 * S);
	adds_up();
}

static void test_restarts(void **state)
{
	(void)state;
	TICK(S, make_server(SERVER, "s"));
	pass(100 * S);
	begin(); /* is lost with the process */
	settle(SERVER, VM_ACTIVE);
	OK(store_tick_seal(fixture.store, &err));
	reopen();
	assert_int_equal(number("SELECT count(*) FROM usage"), 1);
	machine.wall_us -= 7 * S; /* the same boot: only the step is seen, time is exact */
	TICK(100 * S, settle(SERVER, VM_ACTIVE));
	assert_int_equal(in_state(SERVER, "building"), 200 * S);
	fixture_close(&fixture);
	machine.boot_id = "two";
	machine.boot_us = 1 * S;
	machine.wall_us += 500 * S; /* off for so long */
	open_store();
	TICK(5 * S, settle(SERVER, VM_STOPPED));
	assert_int_equal(in_state(SERVER, "active"), 505 * S);
	assert_int_equal(number("SELECT count(*) FROM clock_step"), 1);
	fixture_close(&fixture);
	machine.boot_id = "three"; /* without a battery */
	machine.boot_us = 1 * S;
	machine.wall_us = 0;
	open_store();
	TICK(2 * S, settle(SERVER, VM_ACTIVE));
	assert_int_equal(in_state(SERVER, "stopped"), 2 * S);
	adds_up();
}

/* What was there before there were books is in them from their first day on. */
static void test_fill(void **state)
{
	(void)state;
	TICK(S, {
		make_server(SERVER, "s");
		add_gpu(GPU, "g");
		run("INSERT INTO image (id, uid, project_id, status, visibility, size, created_us, "
		    "updated_us) VALUES (600, 'i', 200, 'active', 'private', 7, 1, 1)");
	});
	TICK(S, {
		run("DELETE FROM usage WHERE kind != 'server'");
		run("DELETE FROM gpu_usage");
		run("DELETE FROM gpu_book");
		run("DELETE FROM books_clock");
	});
	pass(S);
	reopen();
	assert_int_equal(number("SELECT count(*) FROM usage WHERE ended_us IS NULL"), 2);
	assert_int_equal(number("SELECT share FROM gpu_usage WHERE ended_us IS NULL"), 1000);
	adds_up();
}

/* ---- a file of before the books ---- */

static void exec_all(sqlite3 *h, const char *sql)
{
	char *why = NULL;

	if (sqlite3_exec(h, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
}

/* As the version before wrote it: intervals of servers in wall time, with keys of their own. */
static void write_old(void)
{
	static const char *const old[] = {
		"INSERT INTO server (id, uid, project_id, user_uid, name, hostname, vm_state, host_id, zone, "
		"flavor_uid, flavor_name, vcpus, ram_mib, disk_gib, ephemeral_gib, reservation_id, "
		"created_us, "
		"updated_us) VALUES (500, 's', 200, 'u', 's', 's', 'active', 300, 'z', 'small', 'small', 4, "
		"4096, 10, 5, 'r', 1, 1)",
		"INSERT INTO allocation (id, server_id, host_id, vcpus, ram_mib, disk_gib, float_vcpus, "
		"float_ram_mib) VALUES (500, 500, 300, 4, 4096, 15, 4, 4096)",
		"INSERT INTO usage (id, project_id, server_id, state, vcpus, ram_mib, disk_gib, gpus, "
		"started_us, "
		"ended_us) VALUES (900, 200, 500, 'building', 4, 4096, 10, 0, 1799999000000000, "
		"1799999010000000), (901, 200, 500, 'error', 4, 4096, 10, 0, 1799999010000000, "
		"1799999010000000), (902, 200, 500, 'active', 4, 4096, 10, 0, 1799999010000000, NULL)",
		"INSERT INTO port (id, uid, network_id, project_id, server_id, mac, created_us, updated_us) "
		"VALUES (702, 'port', 700, 200, 500, 'm', 1, 1)",
		"INSERT INTO port_address (subnet_id, address, port_id) VALUES (701, 167772170, 702)",
	};
	sqlite3 *h = NULL;
	int version;

	assert_int_equal(sqlite3_open(fixture.path, &h), SQLITE_OK);
	OK(migrate_run(h, migrations, 13, &version, &err));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		exec_all(h, rows[i]);
	for (size_t i = 0; i < ARRAY_LEN(old); i++)
		exec_all(h, old[i]);
	sqlite3_close(h);
}

static void test_upgrade(void **state)
{
	teardown(state);
	fixture_dir(&fixture);
	write_old();
	open_store();
	pass(5 * S);
	assert_int_equal(number("SELECT count(*) FROM usage WHERE kind = 'server'"), 3);
	assert_int_equal(in_state(SERVER, "building"), 10 * S);
	/* from here on with its zone */
	assert_int_equal(
		number("SELECT count(*) FROM usage WHERE kind = 'server' AND zone = 'z' AND ended_us "
		       "IS NULL"),
		1);
	assert_int_equal(in_state(SERVER, "active"), 995 * S);
	assert_int_equal(number("SELECT amount FROM usage WHERE kind = 'address'"), 1);
	adds_up();
}

/* ---- damage ---- */

struct damage {
	const char *sql, *rule;
};

static const struct damage damages[] = {
	{ "UPDATE gpu_usage SET ended_us = ended_us - 1 WHERE ended_us IS NOT NULL AND owner = 'idle'",
		"gpu-gap" },
	{ "UPDATE gpu_usage SET started_us = started_us - 1 WHERE owner = 'tenant'", "gpu-overlap" },
	{ "UPDATE gpu_usage SET share = 999", "gpu-gap" },
	{ "DELETE FROM gpu_usage WHERE owner = 'tenant'", "gpu-gap" },
	{ "DELETE FROM gpu_usage", "gpu-sum" },
	{ "UPDATE gpu_usage SET project_id = 4711 WHERE project_id IS NOT NULL", "gpu-owner" },
	{ "UPDATE gpu_usage SET server_id = 4711 WHERE server_id IS NOT NULL", "gpu-owner" },
	{ "UPDATE gpu_book SET first_us = first_us + 1000000", "gpu-bounds" },
	{ "UPDATE gpu_usage SET state = 'paused' WHERE ended_us IS NULL AND server_id IS NOT NULL",
		"gpu-open" },
	{ "DELETE FROM usage WHERE state = 'building'", "usage-first" },
	{ "DELETE FROM usage WHERE state = 'active'", "usage-gap" },
	{ "UPDATE usage SET ended_us = ended_us + 1 WHERE state = 'building'", "usage-overlap" },
	{ "UPDATE usage SET ended_us = ended_us - 1 WHERE state = 'building'", "usage-gap" },
	{ "UPDATE usage SET project_id = 4711", "usage-owner" },
	{ "UPDATE usage SET subject_id = 4711 WHERE kind = 'server'", "usage-owner" },
	{ "DELETE FROM usage WHERE ended_us IS NULL", "usage-open" },
	{ "UPDATE usage SET state = 'paused' WHERE ended_us IS NULL", "usage-state" },
	{ "UPDATE books_clock SET offset_us = 7", "books-clock" },
};

static void note(void *ctx, const char *rule, const char *object, const char *message)
{
	const struct damage **d = ctx;

	assert_true(object && *object && message && *message);
	if (*d && strcmp((*d)->rule, rule) == 0)
		*d = NULL;
}

static void plant(const struct damage *d)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct books_verify v;
	sqlite3 *h = NULL;

	/* past the store and its references */
	assert_int_equal(sqlite3_open(fixture.path, &h), SQLITE_OK);
	if (sqlite3_exec(h, "SAVEPOINT all_of_it", NULL, NULL, NULL) != SQLITE_OK ||
		sqlite3_exec(h, d->sql, NULL, NULL, NULL) != SQLITE_OK ||
		sqlite3_exec(h, "RELEASE all_of_it", NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", d->sql, sqlite3_errmsg(h));
	sqlite3_close(h);
	verify(note, &d, &a, &v);
	if (d)
		fail_msg("%s: no %s was found", d->sql, d->rule);
}

static void test_damage(void **state)
{
	const struct allocation_device device = { .id = GPU };

	for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
		if (i)
			setup(state);
		TICK(S, add_gpu(GPU, "g"));
		TICK(10 * S, {
			server_insert(SERVER, "s");
			hold(0, SERVER, &device, 1, NULL, 0, 0);
		});
		TICK(10 * S, settle(SERVER, VM_ACTIVE));
		TICK(10 * S, settle(SERVER, VM_STOPPED));
		pass(S);
		adds_up();
		plant(&damages[i]);
		if (i + 1 < ARRAY_LEN(damages))
			teardown(state);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_states),
		TEST(test_idempotent),
		TEST(test_undone),
		TEST(test_images),
		TEST(test_addresses),
		TEST(test_precedence),
		TEST(test_whole),
		TEST(test_parts),
		TEST(test_gone),
		TEST(test_steps),
		TEST(test_step_refused),
		TEST(test_restarts),
		TEST(test_fill),
		TEST(test_upgrade),
		TEST(test_damage),
	};

	log_set_level(LOG_WARNING);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
