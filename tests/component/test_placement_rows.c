/* SPDX-License-Identifier: Apache-2.0 */
/* The rows and the engine live through random creates, deletes, resizes and changes of hosts, many units to a
 * tick, some of them undone: in the end the rows, the engine that followed them, one built from them, and the
 * check agree. The first argument is the number of operations, the second a seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "store_fixture.h"

#include <time.h>

#include "domain/gpu_products.h"
#include "flow/claims.h"
#include "flow/move.h"
#include "store/books.h"
#include "store/devices.h"
#include "store/hosts.h"

#if defined(__SANITIZE_ADDRESS__)
enum { OPERATIONS = 20000 };
#else
enum { OPERATIONS = 1000000 };
#endif

enum {
	HOSTS = 48,
	GUESTS = 2000,
	UNITS_PER_TICK = 100,
	WAVE = 3000, /* operations: servers are made more than deleted, and then the other way around */
	PROJECT = 200
};

struct guest { /* what a server is, by the test's own book */
	bool lives, moving, switched;
	int64_t move_id;
	struct move_flavor flavor, other;
};

static struct store_fixture fixture;
static struct db *db;
static struct loop loop;
static struct flow_engine engine;
static struct error err;
static struct guest guests[GUESTS]; /* a guest's id is FIRST plus its place */
static int64_t first, hosts[HOSTS];
static bool connected[HOSTS];
static int64_t operations = OPERATIONS;
static uint64_t seed = 1, state;
static struct {
	int64_t created, refused, deleted, resized, here, reverted, confirmed, changed, undone;
} did;

/* ---- chance ---- */

static uint64_t chance(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dull >> 16;
}

static int below(int n)
{
	return (int)(chance() % (uint64_t)n);
}

static bool one_in(int n)
{
	return below(n) == 0;
}

static void chance_fill(void *ctx, void *out, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		((unsigned char *)out)[i] = (unsigned char)chance();
}

static const struct rng rng = { chance_fill, NULL };

#define OK(call)                                                                                       \
	do {                                                                                           \
		if ((call) < 0)                                                                        \
			fail_msg("%s:%d: %s (%s), seed %llu", __FILE__, __LINE__, err.msg, err.detail, \
				(unsigned long long)seed);                                             \
	} while (0)

/* ---- hosts ---- */

static const char *const dedicated[] = { "2-15,18-31", "4-15,20-31", "2-7,18-23", "" };
static const struct {
	int64_t small, big;
} pages[] = { { 4096, 16 }, { 4096, 8 }, { 1024, 16 }, { 0, 0 } };

static void cells_put(int64_t host_id, int i)
{
	/* two threads of a core are 16 apart */
	struct host_cell_row cells[] = {
		{ .cell = 0,
			.ram_mib = 65536,
			.cpus = 16,
			.pages_2m = pages[i].small,
			.pages_1g = pages[i].big,
			.cpu_list = "0,16;1,17;2,18;3,19;4,20;5,21;6,22;7,23" },
		{ .cell = 1,
			.ram_mib = 65536,
			.cpus = 16,
			.pages_2m = pages[i].small,
			.pages_1g = pages[i].big,
			.cpu_list = "8,24;9,25;10,26;11,27;12,28;13,29;14,30;15,31" },
	};

	OK(store_host_cells_set(db, host_id, cells, ARRAY_LEN(cells), &err));
}

static void devices_put(int64_t host_id, int n, const char *cut)
{
	for (int i = 0; i < n; i++) {
		char uid[UUID_TEXT], address[32];
		struct device_row d = { .id = store_next_id(fixture.store),
			.host_id = host_id,
			.uid = uid,
			.address = address,
			.vendor = "NVIDIA",
			.product = "GPU",
			.model = strcmp(cut, "whole") == 0 ? "h100" : cut,
			.driver = "",
			.vendor_id = 0x10de,
			.product_id = 0x2330,
			.numa_cell = i * 2 / n,
			.iommu_group = 100 + i,
			.present = true,
			.companions = "",
			.mdev_types = strcmp(cut, "mdev") == 0 ? "t-1=4:T-4;t-2=2:T-2"
							       : "m-1=7:T-1-10C;m-2=3:T-2-20C;m-3=2:T-3-40C;"
								 "m-4=1:T-4-40C;m-7=1:T-7-80C",
			.health = "ok",
			.custody = "clean",
			.custody_reason = "",
			.cut = cut };

		uuid_make(&rng, uid);
		snprintf(address, sizeof address, "0000:%02x:00.0", 0x10 + i);
		OK(store_device_insert(db, &d, &err));
		OK(store_device_set_state(db, &d, &err));
	}
}

static void tell(int i)
{
	OK(capacity_host_set(&engine, db, hosts[i], connected[i], &err));
}

/* A third has no cells that are known, a third whole GPUs, a third GPUs that are cut. */
static void host_add_row(int i)
{
	char name[16], uri[32], uid[UUID_TEXT];
	struct host_row h = { .id = store_next_id(fixture.store),
		.uid = uid,
		.name = name,
		.uri = uri,
		.zone = i % 2 ? "a" : "b",
		.pool = "p",
		.accel = "auto",
		.state = "up",
		.vcpu_ratio_milli = 4000,
		.ram_ratio_milli = 1000,
		.disk_ratio_milli = 1000,
		.ram_reserved_mib = 1024,
		.hv_uuid = "u",
		.hv_hostname = "h",
		.hv_type = "QEMU",
		.arch = "x86_64",
		.cpu_model = "m",
		.cpu_features = "avx2 avx512f",
		.inventory_us = 1,
		.vcpus = 32,
		.ram_mib = 131072,
		.disk_gib = 4000,
		.kvm = true };

	uuid_make(&rng, uid);
	snprintf(name, sizeof name, "host%d", i);
	snprintf(uri, sizeof uri, "sim://host%d", i);
	OK(store_host_insert(db, &h, &err));
	OK(store_host_set_inventory(db, &h, &err));
	hosts[i] = h.id;
	connected[i] = true;
	if (i % 3) {
		cells_put(h.id, 0);
		OK(db_run(db, &err, "UPDATE host SET dedicated_cpus = ? WHERE id = ?", "si", dedicated[0],
			h.id));
	}
	if (i % 3 == 1)
		devices_put(h.id, 8, "whole");
	if (i % 3 == 2)
		devices_put(h.id, 4, i % 2 ? "mdev" : "mig-80");
	tell(i);
}

/* All that it ever had; wide: so much that what was given while there was more of it is within its capacity.
 */
static void host_whole(int i, bool wide)
{
	OK(db_run(db, &err,
		"UPDATE host SET state = 'up', vcpu_ratio_milli = ?, ram_ratio_milli = ?, "
		"ram_reserved_mib = 1024 WHERE id = ?",
		"iii", (int64_t)(wide ? 64000 : 4000), (int64_t)(wide ? 2000 : 1000), hosts[i]));
	OK(db_run(db, &err,
		"UPDATE device SET present = 1, health = 'ok', custody = 'clean' WHERE host_id = ?", "i",
		hosts[i]));
	if (i % 3) {
		cells_put(hosts[i], 0);
		OK(db_run(db, &err, "UPDATE host SET dedicated_cpus = ? WHERE id = ?", "si", dedicated[0],
			hosts[i]));
	}
	connected[i] = true;
	tell(i);
}

static void device_change(int i)
{
	static const char *const changes[] = {
		"UPDATE device SET present = 1 - present WHERE host_id = ?1 AND address = ?2",
		"UPDATE device SET health = iif(health = 'ok', 'faulty', 'ok') WHERE host_id = ?1 AND "
		"address = ?2",
		"UPDATE device SET custody = iif(custody = 'clean', 'quarantined', 'clean') "
		"WHERE host_id = ?1 AND address = ?2",
	};
	char address[32];

	snprintf(address, sizeof address, "0000:%02x:00.0", 0x10 + below(8));
	OK(db_run(db, &err, changes[below(3)], "is", hosts[i], address));
}

static void host_remove(int i)
{
	int64_t n = 0;

	OK(db_int_query(db, &err, &n, "SELECT count(*) FROM allocation WHERE host_id = ?", "i", hosts[i]));
	assert_int_equal(placement_host_remove(engine.placement, hosts[i]), n == 0);
	if (n)
		return;
	OK(store_host_remove(db, hosts[i], &err));
	host_add_row(i);
}

static void change_host(void)
{
	int i = below(HOSTS);
	bool cells = i % 3;

	did.changed++;
	switch (below(12)) {
	case 0:
		connected[i] = !connected[i];
		break;
	case 1:
		OK(store_host_set_state(db, hosts[i], one_in(2) ? "draining" : "up", "", &err));
		break;
	case 2:
		OK(db_run(db, &err, "UPDATE host SET vcpu_ratio_milli = ?, ram_reserved_mib = ? WHERE id = ?",
			"iii", (int64_t)(1000 + 1000 * below(4)), (int64_t)(1024 * below(32)), hosts[i]));
		break;
	case 3:
		if (cells)
			cells_put(hosts[i], below(4));
		break;
	case 4:
		if (cells)
			OK(db_run(db, &err, "UPDATE host SET dedicated_cpus = ? WHERE id = ?", "si",
				dedicated[below(4)], hosts[i]));
		break;
	case 5:
		host_remove(i);
		return;
	case 6:
		device_change(i);
		break;
	default:
		host_whole(i, false);
		return;
	}
	tell(i);
}

/* ---- what is asked ---- */

static void want_gpu(struct placement_request *r, const char *model, const char *profile, int count)
{
	struct placement_gpu_want *g = &r->gpus[r->gpus_n++];

	str_copy(g->model, sizeof g->model, model);
	str_copy(g->profile, sizeof g->profile, profile);
	g->count = count;
}

static void want_topology(struct placement_request *r)
{
	static const int sizes[] = { PAGE_4K, PAGE_2M, PAGE_1G, PAGE_LARGE };

	if (one_in(2))
		r->page_kib = sizes[below(4)];
	if (one_in(2)) {
		r->dedicated = true;
		r->threads = (enum placement_threads)below(3);
	}
	if (one_in(2)) {
		r->cells_n = (size_t)(1 + below(2));
		r->pci = (enum placement_pci)below(4);
		for (size_t i = 0; i < r->cells_n; i++)
			r->cells[i] = (struct placement_guest_cell) { (int)(r->vcpus / (int64_t)r->cells_n),
				r->ram_mib / (int64_t)r->cells_n };
	}
}

static void want_any(struct placement_request *r)
{
	static const char *const migs[] = { "1g.10gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb" };
	int kind = below(10);

	*r = (struct placement_request) {
		.vcpus = 2 << below(3), .ram_mib = 2048ll << below(3), .disk_gib = 5 + below(20)
	};
	if (kind >= 3 && kind < 8)
		want_topology(r);
	if (kind == 2 || kind == 6 || kind == 7) {
		want_gpu(r, one_in(3) ? "" : "h100", "", 1 << below(3));
		r->link = (enum placement_wish)below(3);
	}
	if (kind == 5)
		want_gpu(r, "mig-80", migs[below(5)], 1 + below(2));
	if (kind == 8)
		want_gpu(r, "", one_in(2) ? "t-1" : "t-2", 1 + below(2));
	r->exclusive = one_in(100);
	r->preemptible = one_in(4);
	if (one_in(10))
		str_copy(r->zone, sizeof r->zone, one_in(2) ? "a" : "b");
}

static struct move_flavor flavor_of(const struct placement_request *r)
{
	return (struct move_flavor) { .vcpus = r->vcpus, .ram_mib = r->ram_mib, .disk_gib = r->disk_gib };
}

/* ---- operations ---- */

static struct guest *book[64]; /* who was touched by the unit under way, and what it was */
static struct guest book_was[64];
static size_t book_n;

static struct guest *touch(int i)
{
	assert_true(book_n < ARRAY_LEN(book));
	book[book_n] = &guests[i];
	book_was[book_n++] = guests[i];
	return &guests[i];
}

static int64_t id_of(int i)
{
	return first + i;
}

static int pick(bool lives)
{
	for (int tries = 0; tries < 64; tries++) {
		int i = below(GUESTS);

		if (guests[i].lives == lives)
			return i;
	}
	return -1;
}

static void create(void)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct placement_choice choices[3];
	struct placement_request r;
	size_t n = one_in(10) ? (size_t)(1 + below(3)) : 1;
	int chosen[3];

	want_any(&r);
	for (size_t k = 0; k < n; k++) {
		chosen[k] = pick(false);
		for (size_t j = 0; j < k; j++)
			if (chosen[j] == chosen[k])
				return;
		if (chosen[k] < 0)
			return;
	}
	if (placement_choose(engine.placement, &r, n, choices, &err)) {
		assert_int_equal(err.code, ERR_NO_HOST);
		did.refused++;
		return;
	}
	for (size_t k = 0; k < n; k++) {
		int64_t id = id_of(chosen[k]);

		/* the guards of the rows see what placement saw */
		OK(claim_take(&engine, db, &a, id, id, &r, &choices[k], &err));
		*touch(chosen[k]) = (struct guest) { .lives = true, .flavor = flavor_of(&r) };
		did.created++;
	}
}

static void delete (void)
{
	int i = pick(true);
	struct guest *g;

	if (i < 0)
		return;
	g = touch(i);
	OK(move_unhold(&engine, db, id_of(i), &err));
	if (g->moving)
		OK(move_unhold(&engine, db, g->move_id, &err));
	*g = (struct guest) { .lives = false };
	did.deleted++;
}

static void move_begin(int i)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct placement_choice c;
	struct allocation_row held;
	struct placement_request r;
	struct guest *g;
	int64_t move_id = store_next_id(fixture.store), id = id_of(i);
	bool here;

	want_any(&r);
	r.disk_gib += guests[i].flavor.disk_gib; /* disks do not shrink */
	assert_int_equal(store_allocation_get(db, &a, id, &held, &err), 1);
	r.within = &held.host_id;
	r.within_n = 1;
	here = move_choose_beside(&engine, db, &(struct decision_asked) { 0 }, &held, &r, &c, &err) == 0;
	r.within = NULL;
	r.avoid = &held.host_id;
	r.avoid_n = 1;
	if (!here && placement_choose(engine.placement, &r, 1, &c, &err)) {
		did.refused++;
		return;
	}
	if (here)
		OK(move_take_beside(&engine, db, &a, move_id, &held, &r, &c, &err));
	else
		OK(claim_take(&engine, db, &a, move_id, id, &r, &c, &err));
	did.here += here;
	g = touch(i);
	g->moving = true;
	g->switched = false;
	g->move_id = move_id;
	g->other = flavor_of(&r);
}

static void move_swap(int i)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct guest *g = touch(i);
	struct move_flavor was = g->flavor;
	struct allocation_row home, other;

	assert_int_equal(store_allocation_get(db, &a, id_of(i), &home, &err), 1);
	assert_int_equal(store_allocation_get(db, &a, g->move_id, &other, &err), 1);
	if (home.host_id == other.host_id) {
		move_share(&a, &was, &g->other, &home, &other);
	} else {
		struct allocation_row swap = home;

		home = other;
		other = swap;
		home.id = id_of(i);
		other.id = g->move_id;
	}
	OK(move_rehold(&engine, db, &home, &other, &err));
	g->flavor = g->other;
	g->other = was;
	g->switched = !g->switched;
}

/* What a resize does next: it begins, the server lives at the other place, it is confirmed or reverted. */
static void resize(void)
{
	int i = pick(true);
	struct guest *g;

	if (i < 0)
		return;
	if (!guests[i].moving) {
		move_begin(i);
		return;
	}
	if (!guests[i].switched) {
		move_swap(i);
		return;
	}
	if (one_in(2)) {
		move_swap(i);
		did.reverted++;
	} else {
		did.confirmed++;
	}
	g = touch(i);
	OK(move_unhold(&engine, db, g->move_id, &err));
	g->moving = g->switched = false;
	did.resized++;
}

/* Those that have not switched are given up. */
static void moves_end(void)
{
	for (int i = 0; i < GUESTS; i++)
		if (guests[i].moving) {
			OK(move_unhold(&engine, db, guests[i].move_id, &err));
			guests[i].moving = guests[i].switched = false;
		}
}

static void operation(int64_t n)
{
	int grow = n / WAVE % 2 ? 30 : 52, what = below(100);

	if (what < grow)
		create();
	else if (what < 80)
		delete ();
	else if (what < 98)
		resize();
	else
		change_host();
}

/* ---- comparing ---- */

static void compare(void)
{
	struct placement *p = placement_create();
	struct buf memory = { 0 }, rows = { 0 };

	OK(capacity_placement_rebuild(&engine, engine.placement, db, p, &err));
	placement_dump(engine.placement, &memory);
	placement_dump(p, &rows);
	if (memory.len != rows.len || memcmp(memory.data, rows.data, rows.len) != 0) {
		const char *x = buf_text(&memory), *y = buf_text(&rows);

		while (*x == *y)
			x++, y++;
		for (int back = 0; back < 150 && x > memory.data && x[-1] != '\n'; back++)
			x--, y--;
		fail_msg("memory: %.300s\nrows: %.300s\nseed %llu", x, y, (unsigned long long)seed);
	}
	buf_finish(&memory);
	buf_finish(&rows);
	placement_destroy(p);
}

/* Servers as they are by the book, for the check. The units were not sealed: the usage of a million changes
 * is not what this is about. */
static void servers_write(void)
{
	static const char *const books[] = { "DELETE FROM usage", "DELETE FROM gpu_usage",
		"DELETE FROM gpu_book" };

	for (int i = 0; i < GUESTS; i++) {
		const struct guest *g = &guests[i];

		OK(db_run(db, &err,
			"UPDATE server SET vm_state = ?2, vcpus = ?3, ram_mib = ?4, disk_gib = ?5, host_id = "
			"(SELECT host_id FROM allocation WHERE id = ?1) WHERE id = ?1",
			"isiii", id_of(i), g->lives ? "active" : "error", g->flavor.vcpus, g->flavor.ram_mib,
			g->flavor.disk_gib));
	}
	for (size_t i = 0; i < ARRAY_LEN(books); i++)
		OK(db_run(db, &err, books[i], NULL));
	for (int i = 0; i < GUESTS; i++)
		books_touch(db, BOOKS_SERVER, id_of(i));
	assert_true(books_touch_each(db, BOOKS_DEVICE, "SELECT id FROM device WHERE id > ?", 0, &err) >= 0);
	OK(store_tick_seal(fixture.store, &err));
	quota_index_destroy(engine.quota);
	engine.quota = quota_index_create();
	OK(capacity_quota_rebuild(db, engine.quota, &err));
}

static void finding(void *ctx, const char *rule, const char *object, const char *message)
{
	if ((*(int *)ctx)++ < 10)
		print_error("%s: %s %s\n", rule, object, message);
}

static void check(void)
{
	int findings = 0, rules;

	servers_write();
	OK(flow_check(&engine, db, finding, &findings, &rules, &err));
	assert_int_equal(findings, 0);
}

/* ---- ticks ---- */

static void unit(int64_t *done)
{
	size_t mark = placement_mark(engine.placement);
	bool was_connected[HOSTS];
	int64_t were[HOSTS];

	memcpy(was_connected, connected, sizeof connected);
	memcpy(were, hosts, sizeof hosts);
	book_n = 0;
	store_tick_savepoint(fixture.store);
	for (int n = 1 + below(4); n; n--)
		operation((*done)++);
	if (!one_in(10)) {
		store_tick_release(fixture.store);
		return;
	}
	did.undone++;
	store_tick_rollback(fixture.store);
	placement_undo(engine.placement, mark);
	while (book_n--)
		*book[book_n] = book_was[book_n];
	memcpy(connected, was_connected, sizeof connected);
	memcpy(hosts, were, sizeof hosts);
}

static void begin(void)
{
	OK(store_tick_begin(fixture.store, &err));
	db = store_rw(fixture.store);
}

static void end(void)
{
	assert_int_equal(store_tick_commit(fixture.store, &err), 0);
	store_tick_settle(fixture.store, true);
	placement_forget(engine.placement);
}

static void setup_rows(void)
{
	begin();
	store_tick_savepoint(fixture.store);
	OK(db_run(db, &err,
		"INSERT INTO project (id, uid, domain_id, name, created_us) VALUES (?, 'p', 1, 'p', 1)", "i",
		(int64_t)PROJECT));
	first = store_next_id(fixture.store);
	for (int i = 0; i < GUESTS; i++) {
		OK(db_run(db, &err,
			"INSERT INTO server (id, uid, project_id, user_uid, name, hostname, vm_state, "
			"flavor_uid, "
			"flavor_name, vcpus, ram_mib, disk_gib, reservation_id, created_us, updated_us) "
			"VALUES (?1, 's' || ?1, ?2, 'u', 's', 's', 'error', 'f', 'f', 1, 1, 1, 'r', 1, 1)",
			"ii", id_of(i), (int64_t)PROJECT));
		if (i < GUESTS - 1)
			store_next_id(fixture.store);
	}
	for (int i = 0; i < HOSTS; i++)
		host_add_row(i);
	store_tick_release(fixture.store);
	end();
}

static void report(const struct timespec *from)
{
	struct timespec to;

	clock_gettime(CLOCK_MONOTONIC, &to);
	print_message(
		"%lld operations in %.1f s: %lld servers made, %lld refused, %lld deleted, %lld resizes "
		"(%lld begun in place, %lld confirmed, %lld reverted), %lld changes of hosts, %lld units "
		"undone; seed %llu\n",
		(long long)operations,
		(double)(to.tv_sec - from->tv_sec) + (double)(to.tv_nsec - from->tv_nsec) / 1e9,
		(long long)did.created, (long long)did.refused, (long long)did.deleted,
		(long long)did.resized, (long long)did.here, (long long)did.confirmed,
		(long long)did.reverted, (long long)did.changed, (long long)did.undone,
		(unsigned long long)seed);
}

static void test_agree(void **unused)
{
	int64_t done = 0, compared = 0;
	struct timespec from;

	(void)unused;
	clock_gettime(CLOCK_MONOTONIC, &from);
	while (done < operations) {
		begin();
		for (int i = 0; i < UNITS_PER_TICK; i++)
			unit(&done);
		if (done - compared > operations / 20) {
			compare();
			compared = done;
		}
		end();
	}
	begin();
	store_tick_savepoint(fixture.store);
	compare();
	for (int i = 0; i < HOSTS; i++)
		host_whole(i, true);
	moves_end();
	compare();
	check();
	report(&from);
	store_tick_release(fixture.store);
	end();
	assert_true(
		did.created > operations / 10 && did.deleted && did.here && did.reverted && did.confirmed);
}

/* What is given back leaves nothing. */
static void test_nothing_is_left(void **unused)
{
	static const char all[] =
		"SELECT (SELECT count(*) FROM allocation) + (SELECT count(*) FROM allocation_cpu) + "
		"(SELECT count(*) FROM allocation_cell) + (SELECT count(*) FROM allocation_part) + "
		"(SELECT count(*) FROM allocation_slot) + (SELECT count(*) FROM allocation_device) + "
		"(SELECT count(*) FROM allocation_also)";
	int64_t n = 0;

	(void)unused;
	begin();
	store_tick_savepoint(fixture.store);
	for (int i = 0; i < GUESTS; i++) {
		if (!guests[i].lives)
			continue;
		OK(move_unhold(&engine, db, id_of(i), &err));
		if (guests[i].moving)
			OK(move_unhold(&engine, db, guests[i].move_id, &err));
		guests[i] = (struct guest) { .lives = false };
	}
	OK(db_int_query(db, &err, &n, all, NULL));
	assert_int_equal(n, 0);
	compare();
	check();
	for (int i = 0; i < HOSTS; i++) {
		struct placement_usage u;

		assert_true(placement_host_usage(engine.placement, hosts[i], &u));
		assert_int_equal(u.vcpus_used + u.ram_used_mib + u.disk_used_gib + u.dedicated_used +
					 u.huge_used_mib + u.gpus_used + u.shares_used + u.servers,
			0);
	}
	store_tick_release(fixture.store);
	end();
}

static int setup(void **unused)
{
	struct store_config config = { .path = fixture.path, .clock = &clock_system, .no_sync = true };

	(void)unused;
	fixture_dir(&fixture);
	OK(store_open(&config, &fixture.store, &err));
	loop.rng = &rng;
	loop.clock = &clock_system;
	engine.cfg = (struct flow_config) { .loop = &loop, .store = fixture.store };
	engine.placement = placement_create();
	engine.quota = quota_index_create();
	setup_rows();
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	placement_destroy(engine.placement);
	quota_index_destroy(engine.quota);
	fixture_close(&fixture);
	fixture_remove(&fixture);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agree),
		cmocka_unit_test(test_nothing_is_left),
	};

	if (argc > 1)
		operations = strtoll(argv[1], NULL, 10);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 10);
	state = seed * 0x9e3779b97f4a7c15ull + 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}
