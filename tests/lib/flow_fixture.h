/* SPDX-License-Identifier: Apache-2.0 */
/* A cloud without its API: store, loop, tick, lanes and flow engine on simulated hosts, that can be stopped
 * as kill -9 would and opened again on the same files. Waiting is for a condition, by turns of the loop, with
 * a guard that fails the test. */
#ifndef TESTS_FLOW_FIXTURE_H
#define TESTS_FLOW_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "flow/decisions.h"
#include "flow/server.h"
#include "hv/sim.h"
#include "store/allocations.h"
#include "store/books.h"
#include "store/flows.h"
#include "store/quota_use.h"

enum { GUARD_MS = 60000, BEAT_MS = 10, WORLDS_MAX = 64 };

#define CLOUD_ID "0c10d000-0000-4000-8000-000000000001"
#define IMAGE_UID "1a9e0000-0000-4000-8000-000000000001"

/* The clock that rows go by: the system's, and as far ahead as a test says; or one that stands still until
 * the test moves it. */
static int64_t clock_ahead_us;
static int64_t clock_set_us; /* somebody set the wall clock, by so much */
static struct {
	bool held;
	int64_t wall_us, mono_us;
} clock_hold;

static inline int64_t test_wall(void *ctx)
{
	(void)ctx;
	return clock_hold.held ? clock_hold.wall_us
			       : clock_wall(&clock_system) + clock_ahead_us + clock_set_us;
}

static inline int64_t test_mono(void *ctx)
{
	(void)ctx;
	return clock_hold.held ? clock_hold.mono_us : clock_mono(&clock_system);
}

static inline int64_t test_boot(void *ctx)
{
	(void)ctx;
	return clock_hold.held ? clock_hold.mono_us : clock_boot(&clock_system) + clock_ahead_us;
}

/* Of the machine's run that boot time counts from; NULL: the kernel's. */
static const char *cloud_boot_id;

static const struct clock test_clock = { .wall_us = test_wall, .mono_us = test_mono, .boot_us = test_boot };

struct cloud {
	char dir[64], db_path[96], image_dir[96];
	struct store *store;
	struct loop loop;
	struct tick *tick;
	struct lane_pool *lanes;
	uv_prepare_t turn; /* ends the snapshot that the reads of a turn share, as the daemon does */
	struct flow_engine *e;
	struct flow_hooks hooks;
	struct flow_config flow; /* what open uses; zero fields get defaults */
	int64_t project, image, network, subnet;
	int64_t hosts[WORLDS_MAX];
	char worlds[WORLDS_MAX][32];
	unsigned hosts_n;
	struct error err; /* of the last unit */
	bool guard_hit;
};

static inline void cloud_fatal(void *ctx, const struct error *err)
{
	(void)ctx;
	fail_msg("the tick's outcome is unknown: %s", err->detail);
}

/* ---- units ---- */

typedef int cloud_fn(struct cloud *c, struct db *db, void *arg, struct error *err);

struct cloud_unit {
	struct tick_unit unit;
	struct cloud *c;
	cloud_fn *fn;
	void *arg;
	bool finished;
	enum tick_outcome outcome;
	struct error err;
};

static inline int cloud_unit_run(struct tick_unit *u, struct error *err)
{
	struct cloud_unit *k = CONTAINER_OF(u, struct cloud_unit, unit);

	return k->fn(k->c, store_rw(k->c->store), k->arg, err);
}

static inline void cloud_unit_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct cloud_unit *k = CONTAINER_OF(u, struct cloud_unit, unit);

	k->finished = true;
	k->outcome = outcome;
	k->err = *err;
}

static inline void cloud_guard(uv_timer_t *t)
{
	*(bool *)t->data = true;
}

static inline void cloud_guard_closed(uv_handle_t *h)
{
	free(h);
}

typedef bool cloud_pred(struct cloud *c, void *arg);

/* Turns the loop until the condition holds. */
static inline void cloud_beat(uv_timer_t *t)
{
	(void)t;
}

static inline bool cloud_try_until(struct cloud *c, cloud_pred *pred, void *arg)
{
	uv_timer_t *guard = malloc(sizeof *guard), *beat = malloc(sizeof *beat);

	c->guard_hit = false;
	/* what a host's thread does by itself (hang) wakes no loop: look again now and then */
	uv_timer_init(&c->loop.uv, beat);
	uv_timer_start(beat, cloud_beat, BEAT_MS, BEAT_MS);
	guard->data = &c->guard_hit;
	uv_timer_init(&c->loop.uv, guard);
	uv_timer_start(guard, cloud_guard, GUARD_MS, 0);
	while (!pred(c, arg) && !c->guard_hit)
		uv_run(&c->loop.uv, UV_RUN_ONCE);
	uv_close((uv_handle_t *)guard, cloud_guard_closed);
	uv_close((uv_handle_t *)beat, cloud_guard_closed);
	return !c->guard_hit;
}

#define cloud_until(c, pred, arg)                                                      \
	do {                                                                           \
		if (!cloud_try_until(c, pred, arg))                                    \
			fail_msg("%s:%d: %s did not come", __FILE__, __LINE__, #pred); \
	} while (0)

static inline bool unit_finished(struct cloud *c, void *arg)
{
	(void)c;
	return ((struct cloud_unit *)arg)->finished;
}

/* 0, or -1 with c->err. */
static inline int cloud_do(struct cloud *c, cloud_fn *fn, void *arg)
{
	struct cloud_unit k = {
		.unit = { .run = cloud_unit_run, .finish = cloud_unit_finish }, .c = c, .fn = fn, .arg = arg
	};

	tick_submit(c->tick, &k.unit);
	cloud_until(c, unit_finished, &k);
	c->err = k.err;
	return k.outcome == TICK_DONE ? 0 : -1;
}

#define cloud_ok(c, fn, arg)                                                                  \
	do {                                                                                  \
		if (cloud_do(c, fn, arg))                                                     \
			fail_msg("%s:%d: %s: %s (%s)", __FILE__, __LINE__, #fn, (c)->err.msg, \
				(c)->err.detail);                                             \
	} while (0)

/* ---- open and close ---- */

/* The store's last words in a unit; a bench does without. */
static int (*cloud_seal)(void *store, struct error *err) = store_tick_seal;

static inline struct tick_member cloud_store_member(struct store *s)
{
	return (struct tick_member) { .begin = store_tick_begin,
		.savepoint = store_tick_savepoint,
		.seal = cloud_seal,
		.release = store_tick_release,
		.rollback = store_tick_rollback,
		.dirty = store_tick_dirty,
		.full = store_tick_full,
		.commit = store_tick_commit,
		.tired = store_tick_tired,
		.rest = store_tick_rest,
		.settle = store_tick_settle,
		.ctx = s };
}

static inline void cloud_config(struct cloud *c)
{
	static const struct flow_gpu_model models[] = { { "h100", 0x10de, 0x2330 } };
	struct flow_config *f = &c->flow;

	f->loop = &c->loop;
	f->tick = c->tick;
	f->store = c->store;
	f->lanes = c->lanes;
	f->cloud_id = CLOUD_ID;
	f->image_dir = c->image_dir;
	f->default_zone = "nova";
	f->gpu_models = models;
	f->gpu_models_n = ARRAY_LEN(models);
	f->connect_timeout_ms = f->connect_timeout_ms ? f->connect_timeout_ms : 10000;
	f->call_timeout_ms = f->call_timeout_ms ? f->call_timeout_ms : 20000;
	f->stage_timeout_ms = f->stage_timeout_ms ? f->stage_timeout_ms : 20000;
	f->stop_timeout_ms = f->stop_timeout_ms ? f->stop_timeout_ms : 100;
	f->retry_min_ms = f->retry_min_ms ? f->retry_min_ms : 2;
	f->retry_max_ms = f->retry_max_ms ? f->retry_max_ms : 20;
	f->connects_max = f->connects_max ? f->connects_max : 2;
	f->poll_ms = f->poll_ms ? f->poll_ms : 3600000;
}

static inline void cloud_turn_end(uv_prepare_t *h)
{
	struct cloud *c = h->data;

	uv_prepare_stop(h);
	store_turn_end(c->store);
}

static inline void cloud_reading(void *ctx)
{
	struct cloud *c = ctx;

	uv_prepare_start(&c->turn, cloud_turn_end);
}

static inline void cloud_open(struct cloud *c)
{
	struct store_config store = { .path = c->db_path,
		.clock = &test_clock,
		.boot_id = cloud_boot_id,
		.no_sync = true,
		.reading = cloud_reading,
		.reading_ctx = c };
	struct tick_config tick = { .loop = &c->loop, .fatal = cloud_fatal };
	struct tick_member member;
	struct error err = { 0 };

	assert_int_equal(loop_init(&c->loop, &test_clock, &rng_system, &err), 0);
	uv_prepare_init(&c->loop.uv, &c->turn);
	c->turn.data = c;
	if (store_open(&store, &c->store, &err))
		fail_msg("store_open: %s (%s)", err.msg, err.detail);
	assert_int_equal(hv_init(&c->loop.uv, CLOUD_ID, &err), 0);
	c->tick = tick_create(&tick);
	member = cloud_store_member(c->store);
	tick_add_member(c->tick, &member);
	c->lanes = lane_pool_create(&c->loop);
	cloud_config(c);
	if (flow_engine_create(&c->flow, &c->e, &err))
		fail_msg("flow_engine_create: %s (%s)", err.msg, err.detail);
	flow_engine_hooks(c->e, &c->hooks);
	flow_engine_start(c->e);
}

static inline bool tick_idle(struct cloud *c, void *arg)
{
	(void)arg;
	return tick_pending(c->tick) == 0;
}

static inline bool lanes_idle(struct cloud *c, void *arg)
{
	(void)arg;
	return lane_pool_given_up(c->lanes) == 0;
}

/* Nothing of memory stays. A dead engine refuses its units: as if the process were gone. */
static inline void cloud_shut(struct cloud *c)
{
	cloud_until(c, tick_idle, NULL);
	for (unsigned i = 0; i < c->hosts_n; i++)
		sim_release(c->worlds[i]);
	flow_engine_destroy(c->e);
	cloud_until(c, lanes_idle, NULL);
	lane_pool_destroy(c->lanes, 20000);
	tick_destroy(c->tick);
	hv_finish();
	store_turn_end(c->store);
	uv_close((uv_handle_t *)&c->turn, NULL);
	loop_finish(&c->loop);
	store_close(c->store);
}

static inline void cloud_stopped(void *ctx)
{
	*(bool *)ctx = true;
}

static inline bool flag_set(struct cloud *c, void *arg)
{
	(void)c;
	return *(bool *)arg;
}

/* A graceful stop. */
static inline void cloud_close(struct cloud *c)
{
	bool stopped = false;

	flow_engine_stop(c->e, 30000, cloud_stopped, &stopped);
	cloud_until(c, flag_set, &stopped);
	cloud_shut(c);
}

/* ---- what is in it ---- */

/* What a request tells of images that it writes. */
static inline int images_counted(struct cloud *c, struct db *db, struct error *err)
{
	return store_quota_use_images(db, flow_quota(c->e), c->project, err);
}

static inline int seed_rows(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	(void)arg;
	c->project = store_next_id(c->store);
	c->image = store_next_id(c->store);
	c->network = store_next_id(c->store);
	c->subnet = store_next_id(c->store);
	if (db_run(db, err,
		    "INSERT INTO project (id, uid, domain_id, name, created_us) "
		    "VALUES (?, 'c0ffee00000000000000000000000001', 1, 'tenant', 1)",
		    "i", c->project) < 0 ||
		db_run(db, err,
			"INSERT INTO image (id, uid, project_id, name, status, visibility, disk_format, "
			"container_format, size, virtual_size, created_us, updated_us) VALUES (?, ?, ?, "
			"'img', "
			"'active', 'public', 'qcow2', 'bare', 4096, 1073741824, 1, 1)",
			"isi", c->image, IMAGE_UID, c->project) < 0 ||
		db_run(db, err,
			"INSERT INTO network (id, uid, name, shared, mtu, source_kind, source, created_us, "
			"updated_us) VALUES (?, 'e1000000-0000-4000-8000-000000000001', 'lan', 1, 1450, "
			"'bridge', "
			"'br0', 1, 1)",
			"i", c->network) < 0)
		return -1;
	books_touch(db, BOOKS_IMAGE, c->image);
	/* 10.0.0.0/24: 10.0.0.10 to 10.0.0.20 */
	return db_run(db, err,
		       "INSERT INTO subnet (id, uid, network_id, name, cidr_base, cidr_bits, gateway, "
		       "pool_first, "
		       "pool_last, cursor, dns, created_us, updated_us) VALUES (?, "
		       "'5b000000-0000-4000-8000-000000000001', ?, 'lan4', 167772160, 24, 167772161, "
		       "167772170, "
		       "167772180, 0, '9.9.9.9, 1.1.1.1', 1, 1)",
		       "ii", c->subnet, c->network) < 0
		       ? -1
		       : images_counted(c, db, err);
}

static inline int add_host(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	unsigned i = c->hosts_n;
	char name[16];
	struct host_add want = {
		.name = name,
		.uri = arg,
		.vcpu_ratio_milli = 4000,
		.ram_ratio_milli = 1000,
		.disk_ratio_milli = 1000,
	};

	snprintf(name, sizeof name, "host%u", i);
	return flow_host_add(c->e, db, &want, 1, &c->hosts[i], err);
}

static inline bool host_connected(struct cloud *c, void *arg)
{
	struct host_link l;

	return flow_host_link(c->e, c->hosts[*(unsigned *)arg], &l) && strcmp(l.state, "connected") == 0;
}

static inline unsigned cloud_host(struct cloud *c, const char *params)
{
	static unsigned worlds;
	char uri[160];
	unsigned i = c->hosts_n;

	snprintf(c->worlds[i], sizeof c->worlds[i], "w%d-%u", (int)getpid(), worlds++);
	snprintf(uri, sizeof uri, "sim://%s?%s", c->worlds[i], params);
	cloud_ok(c, add_host, uri);
	c->hosts_n++;
	cloud_until(c, host_connected, &i);
	return i;
}

/* An empty database of today's schema, whose books have not begun: made once, since that takes longer than
 * most of what is done with it. */
static inline void cloud_database(const char *path)
{
	static void *bytes;
	static size_t bytes_n;
	FILE *f;

	if (!bytes) {
		struct store_config config = { .path = path, .clock = &clock_system, .no_sync = true };
		struct store *s;
		struct error err = { 0 };
		sqlite3 *h;

		if (store_open(&config, &s, &err))
			fail_msg("store_open: %s (%s)", err.msg, err.detail);
		store_close(s);
		assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
		assert_int_equal(sqlite3_exec(h, "DELETE FROM books_clock; PRAGMA wal_checkpoint(TRUNCATE)",
					 NULL, NULL, NULL),
			SQLITE_OK);
		assert_int_equal(sqlite3_close(h), SQLITE_OK);
		assert_non_null(f = fopen(path, "r"));
		assert_int_equal(fseek(f, 0, SEEK_END), 0);
		bytes_n = (size_t)ftell(f);
		bytes = xmalloc(bytes_n);
		rewind(f);
		assert_int_equal(fread(bytes, 1, bytes_n, f), bytes_n);
	} else {
		assert_non_null(f = fopen(path, "w"));
		assert_int_equal(fwrite(bytes, 1, bytes_n, f), bytes_n);
	}
	assert_int_equal(fclose(f), 0);
}

static inline void cloud_make(struct cloud *c)
{
	char path[160];
	int fd;

	snprintf(c->dir, sizeof c->dir, "%.40s/flow-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(c->dir));
	snprintf(c->db_path, sizeof c->db_path, "%s/cloud.db", c->dir);
	snprintf(c->image_dir, sizeof c->image_dir, "%s/images", c->dir);
	assert_int_equal(mkdir(c->image_dir, 0700), 0);
	snprintf(path, sizeof path, "%s/%s", c->image_dir, IMAGE_UID);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	close(fd);
	cloud_database(c->db_path);
	cloud_open(c);
	cloud_ok(c, seed_rows, NULL);
}

static inline int cloud_unlink(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline void cloud_remove(struct cloud *c)
{
	nftw(c->dir, cloud_unlink, 8, FTW_DEPTH | FTW_PHYS);
	sim_reset();
}

/* ---- servers ---- */

static const struct flow_origin test_origin = {
	.request_id = "req-1", .user_uid = "u", .project_uid = "c0ffee00000000000000000000000001", .now_us = 0
};

static inline struct flow_origin origin_now(void)
{
	struct flow_origin o = test_origin;

	o.now_us = clock_wall(&test_clock);
	return o;
}

struct want { /* for do_create; zero fields get defaults */
	int64_t vcpus, ram_mib, disk_gib, ephemeral_gib, swap_mib;
	const char *extra_specs, *host, *fixed_ip, *pass;
	int count;
	int64_t reservation; /* the block whose GPUs it uses */
	bool drive, no_image;
	char uid[8][UUID_TEXT]; /* out: the first eight */
};

static inline int do_create(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct want *w = arg;
	struct flow_origin o = origin_now();
	struct server_nic_want nic = { .network_id = c->network, .fixed_ip = w->fixed_ip };
	struct server_pair meta = { "role", "db" };
	struct server_hint hint = { HINT_RESERVATION, w->reservation };
	const char *tag = "blue", **uids;
	struct server_create want = {
		.base = {
			.project_id = c->project,
			.user_uid = "u",
			.name = "vm",
			.flavor_uid = "f",
			.flavor_name = "m1.small",
			.vcpus = w->vcpus ? w->vcpus : 2,
			.ram_mib = w->ram_mib ? w->ram_mib : 1024,
			.disk_gib = w->disk_gib ? w->disk_gib : 10,
			.ephemeral_gib = w->ephemeral_gib,
			.swap_mib = w->swap_mib,
			.extra_specs = w->extra_specs ? w->extra_specs : "{}",
			.image_id = w->no_image ? 0 : c->image,
			.key_name = "k",
			.key_type = "ssh",
			.key_public = "ssh-ed25519 AAAA test",
			.user_data = "I2Nsb3VkLWNvbmZpZwo=",
			.config_drive = w->drive,
			.admin_pass = w->pass,
		},
		.metadata = &meta,
		.metadata_n = 1,
		.tags = &tag,
		.tags_n = 1,
		.nics = &nic,
		.nics_n = 1,
		.host = w->host,
		.hints = &hint,
		.hints_n = w->reservation != 0,
		.count = w->count ? w->count : 1,
		.numbered = w->count > 1,
	};

	if (flow_server_create(c->e, db, &a, &want, &o, &uids, err))
		return -1;
	for (int i = 0; i < want.count && i < 8; i++)
		str_copy(w->uid[i], UUID_TEXT, uids[i]);
	return 0;
}

struct op {
	const char *uid;
	enum server_op op;
};

static inline int do_op(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct op *op = arg;
	struct flow_origin o = origin_now();
	struct server s;

	if (store_server_get(db, &a, c->project, op->uid, &s, err))
		return -1;
	return flow_server_act(c->e, db, &s, op->op, false, &o, err);
}

static inline int do_delete(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct flow_origin o = origin_now();
	struct server s;

	if (store_server_get(db, &a, c->project, arg, &s, err))
		return -1;
	return flow_server_delete(c->e, db, &s, false, &o, err);
}

/* A number from the last commit. */
static inline int64_t cloud_count(struct cloud *c, const char *sql)
{
	struct error err;
	int64_t n = 0;

	if (db_int_query(store_ro(c->store), &err, &n, sql, NULL) < 0)
		fail_msg("%s: %s", sql, err.detail);
	return n;
}

struct expect {
	const char *uid;
	enum vm_state vm;
};

/* The server's row, live or not, into the arena. */
static inline struct server cloud_server(struct cloud *c, struct arena *a, const char *uid)
{
	struct error err;
	int64_t id = 0;
	struct server s = { 0 };

	if (db_int_query(store_ro(c->store), &err, &id, "SELECT id FROM server WHERE uid = ?", "s", uid) == 1)
		assert_int_equal(store_server_load(store_ro(c->store), a, id, &s, &err), 0);
	return s;
}

static inline bool server_is(struct cloud *c, void *arg)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct expect *x = arg;
	struct server s = cloud_server(c, &a, x->uid);

	return s.id && s.vm_state == x->vm && s.task_state == TASK_NONE;
}

static inline bool flows_gone(struct cloud *c, void *arg)
{
	(void)arg;
	/* a commit is on disk before the loop hears of it */
	return cloud_count(c, "SELECT count(*) FROM flow") == 0 && tick_pending(c->tick) == 0;
}

#define cloud_until_server(c, server_uid, state)                                                   \
	do {                                                                                       \
		struct expect x_ = { server_uid, state };                                          \
		if (!cloud_try_until(c, server_is, &x_)) {                                         \
			struct arena a_ = { 0 };                                                   \
			struct server s_ = cloud_server(c, &a_, server_uid);                       \
			fail_msg("%s:%d: server is %s/%s, fault '%s', not %s", __FILE__, __LINE__, \
				vm_state_text(s_.vm_state), task_state_text(s_.task_state),        \
				s_.fault_message ? s_.fault_message : "", vm_state_text(state));   \
		}                                                                                  \
	} while (0)

/* ---- the check ---- */

static inline void print_finding(void *ctx, const char *rule, const char *object, const char *message)
{
	print_error("%s: %s %s\n", rule, object, message);
	(*(int *)ctx)++;
}

/* The latest decisions are the same when they are asked for again as of then. */
static inline int decisions_again(struct cloud *c, struct db *db, size_t most, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const struct decision_filter f = { .limit = most };
	struct decision_row *all;
	const char *answer;
	size_t n;

	if (store_decision_list(db, &a, &f, &all, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (flow_decision_ask(c->e, db, &a, &all[i], &answer, err))
			return -1;
		if (strcmp(answer, all[i].answer) != 0)
			return error_internal(err, "decision %lld of %s was %s, is %s", (long long)all[i].id,
				all[i].input, all[i].answer, answer);
	}
	return (int)n;
}

static inline int do_check(struct cloud *c, struct db *db, void *arg, struct error *err)
{
	int rules = 0;

	if (flow_check(c->e, db, print_finding, arg, &rules, err) || decisions_again(c, db, 10, err) < 0)
		return -1;
	return rules > 15 ? 0 : error_internal(err, "%d rules", rules);
}

#define cloud_clean(c)                                                                 \
	do {                                                                           \
		int findings_ = 0;                                                     \
		cloud_ok(c, do_check, &findings_);                                     \
		if (findings_)                                                         \
			fail_msg("%s:%d: %d findings", __FILE__, __LINE__, findings_); \
	} while (0)

#endif
