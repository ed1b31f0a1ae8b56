/* SPDX-License-Identifier: Apache-2.0 */
/* The audit's chain in its file: records and what they tell of are undone together, old rows are taken in,
 * old records go, and heads are signed of what was verified, by keys that vouch for each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "store_fixture.h"

#include "flow/audit_keeper.h"
#include "store/audit.h"

static const char cloud[] = "11111111-2222-4333-8444-555555555555";

struct world {
	struct store_fixture f;
	struct lane_pool *lanes;
	struct audit_keeper *keeper;
	char key[160], witness[160];
	int64_t keep_us, ahead_us;
	struct clock clock;
};

static int64_t wall(void *ctx)
{
	return clock_wall(&clock_system) + ((struct world *)ctx)->ahead_us;
}

static int64_t mono(void *ctx)
{
	(void)ctx;
	return clock_mono(&clock_system);
}

static int64_t number(struct world *w, const char *sql)
{
	struct error err;
	int64_t n = -1;

	assert_true(db_int_query(store_ro(w->f.store), &err, &n, sql, NULL) >= 0);
	return n;
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof *w);

	fixture_dir(&w->f);
	snprintf(w->key, sizeof w->key, "%s/audit.key", w->f.dir);
	fixture_open(&w->f);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (w->f.store)
		fixture_close(&w->f);
	fixture_remove(&w->f);
	free(w);
	return 0;
}

static int insert(struct db *db, const char *request_id, int64_t at_us)
{
	const struct audit_record r = { .at_us = at_us,
		.request_id = request_id,
		.peer = "192.0.2.7",
		.method = "POST",
		.path = "/x",
		.action = "thing.create",
		.status = 201 };
	struct error err;

	return store_audit_insert(db, &r, &err);
}

/* Verifies all that is there, signatures too. Returns the number of the first bad record, 0 none. */
static int64_t walk(struct world *w, int64_t *out_heads)
{
	struct db *db = store_ro(w->f.store);
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	CLEANUP(arena_finish) struct arena a = { 0 };
	unsigned char hash[SHA256_SIZE];
	struct audit_head h = { 0 };
	struct audit_record r;
	struct audit_walk walk;
	struct audit_tip tip;
	struct audit_key *keys;
	struct error err;
	size_t n;
	int has;

	assert_int_equal(store_audit_tip(db, &tip, &err), 0);
	assert_int_equal(store_audit_key_list(db, &a, &keys, &n, &err), 0);
	audit_walk_begin(&walk, cloud, tip.base_seq, tip.base_hash);
	for (size_t i = 0; i < n; i++)
		audit_walk_key(&walk, keys[i].public_key, i == 0);
	has = store_audit_head_from(db, 0, &h, &err);
	assert_int_equal(store_audit_walk(db, 0, &st, &err), 0);
	for (;;) {
		while ((!has || walk.seq < h.seq) && store_audit_next(st, &r, hash, &err) > 0)
			audit_walk_record(&walk, &r, hash);
		if (!has)
			break;
		audit_walk_head(&walk, &h);
		has = store_audit_head_from(db, h.seq + 1, &h, &err) > 0;
	}
	audit_walk_end(&walk, tip.seq, tip.hash);
	audit_walk_finish(&walk);
	if (out_heads)
		*out_heads = walk.heads;
	return walk.bad ? walk.bad_seq : 0;
}

/* --- rows --- */

static void test_undone_together(void **state)
{
	struct world *w = *state;
	struct db *db = store_rw(w->f.store);

	store_tick_begin(w->f.store, &(struct error) { 0 });
	store_tick_savepoint(w->f.store);
	assert_int_equal(insert(db, "first", 1), 0);
	store_tick_release(w->f.store);
	store_tick_savepoint(w->f.store);
	assert_int_equal(insert(db, "undone", 2), 0);
	store_tick_rollback(w->f.store);
	store_tick_savepoint(w->f.store);
	assert_int_equal(insert(db, "second", 3), 0);
	store_tick_release(w->f.store);
	assert_int_equal(store_tick_commit(w->f.store, &(struct error) { 0 }), 0);
	store_tick_settle(w->f.store, true);
	assert_int_equal(number(w, "SELECT seq FROM audit WHERE request_id = 'second'"), 2);
	assert_int_equal(number(w, "SELECT count(*) FROM audit"), 2);
	assert_int_equal(walk(w, NULL), 0);
}

static void plain_sql(struct world *w, const char *sql)
{
	char *why = NULL;
	sqlite3 *h;

	assert_int_equal(sqlite3_open(w->f.path, &h), SQLITE_OK);
	if (sqlite3_exec(h, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	sqlite3_close(h);
}

/* More rows than one piece takes; a text that is no UTF-8 among them. */
static void test_old_rows(void **state)
{
	struct world *w = *state;

	fixture_close(&w->f);
	plain_sql(w,
		"CREATE TABLE audit_before (id INTEGER NOT NULL PRIMARY KEY, at_us INTEGER, request_id TEXT, "
		"user_uid TEXT, user_name TEXT, project_uid TEXT, peer TEXT, method TEXT, path TEXT, action "
		"TEXT, target TEXT, status INTEGER, reason TEXT);"
		"WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 6000) "
		"INSERT INTO audit_before SELECT i * 7, i, 'req-' || i, NULL, 'u', 'p', '-', 'POST', '/', "
		"'a.b', NULL, 200, CASE i WHEN 5 THEN CAST(x'ff61' AS TEXT) END FROM n");
	fixture_open(&w->f);
	assert_int_equal(number(w, "SELECT count(*) FROM audit"), 6000);
	assert_int_equal(
		number(w, "SELECT count(*) FROM audit WHERE request_id = 'req-' || seq AND at_us = seq"),
		6000);
	assert_int_equal(number(w, "SELECT count(*) FROM audit WHERE reason = '?a'"), 1);
	assert_int_equal(number(w, "SELECT count(*) FROM sqlite_schema WHERE name = 'audit_before'"), 0);
	assert_int_equal(walk(w, NULL), 0);
}

static void test_purge(void **state)
{
	struct world *w = *state;
	struct db *db = store_rw(w->f.store);
	struct error err = { 0 };

	fixture_begin(&w->f);
	for (int i = 1; i <= 10; i++)
		assert_int_equal(insert(db, "r", i), 0);
	assert_int_equal(store_audit_purge(db, 7, 4, &err), 4);
	assert_int_equal(store_audit_purge(db, 7, 4, &err), 3);
	assert_int_equal(store_audit_purge(db, 7, 4, &err), 0);
	fixture_commit(&w->f);
	assert_int_equal(number(w, "SELECT min(seq) FROM audit"), 8);
	assert_int_equal(number(w, "SELECT base_seq FROM audit_chain"), 7);
	assert_int_equal(walk(w, NULL), 0);
}

static void test_filters(void **state)
{
	struct world *w = *state;
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct audit_filter f = { .limit = 3 };
	struct audit_record *all;
	struct error err;
	int64_t next;
	size_t n;

	fixture_begin(&w->f);
	for (int i = 1; i <= 10; i++)
		assert_int_equal(insert(store_rw(w->f.store), i % 2 ? "odd" : "even", i * 1000), 0);
	fixture_commit(&w->f);
	assert_int_equal(store_audit_list(store_ro(w->f.store), &a, &f, &all, &n, &next, &err), 0);
	assert_int_equal(n, 3);
	assert_int_equal(all[0].seq, 10);
	assert_int_equal(next, 8);
	f = (struct audit_filter) { .request_id = "odd", .from_us = 3000, .to_us = 8000, .limit = 9 };
	assert_int_equal(store_audit_list(store_ro(w->f.store), &a, &f, &all, &n, &next, &err), 0);
	assert_int_equal(n, 3);
	assert_int_equal(all[0].seq, 7);
	assert_int_equal(all[2].seq, 3);
	assert_int_equal(next, 0);
	f = (struct audit_filter) { .action = "thing.", .status_min = 200, .status_max = 299, .limit = 20 };
	assert_int_equal(store_audit_list(store_ro(w->f.store), &a, &f, &all, &n, &next, &err), 0);
	assert_int_equal(n, 10);
	f.action = "thin";
	assert_int_equal(store_audit_list(store_ro(w->f.store), &a, &f, &all, &n, &next, &err), 0);
	assert_int_equal(n, 0);
}

/* --- the keeper --- */

static void up(struct world *w)
{
	struct error err = { 0 };
	struct audit_keeper_config config;

	if (!w->f.store)
		fixture_open(&w->f);
	fixture_start(&w->f);
	w->clock = (struct clock) { .wall_us = wall, .mono_us = mono, .ctx = w };
	w->f.loop.clock = &w->clock;
	w->lanes = lane_pool_create(&w->f.loop);
	config = (struct audit_keeper_config) { .loop = &w->f.loop,
		.tick = w->f.tick,
		.store = w->f.store,
		.lanes = w->lanes,
		.cloud_id = cloud,
		.key_path = w->key,
		.witness = w->witness,
		.head_s = 3600,
		.head_records = 1000000,
		.keep_us = w->keep_us };
	if (audit_keeper_create(&config, &w->keeper, &err))
		fail_msg("%s", err.msg);
	fixture_drain(&w->f);
}

static void down(struct world *w)
{
	audit_keeper_stop(w->keeper);
	fixture_drain(&w->f);
	audit_keeper_destroy(w->keeper);
	lane_pool_destroy(w->lanes, 1000);
	fixture_stop(&w->f);
	fixture_close(&w->f);
}

struct job {
	struct tick_unit unit;
	struct world *w;
	const char *request_id;
	int64_t at_us;
	bool rotates;
};

static int job_run(struct tick_unit *u, struct error *err)
{
	struct job *j = CONTAINER_OF(u, struct job, unit);
	struct db *db = store_rw(j->w->f.store);
	const char *id;

	if (j->rotates)
		return audit_keeper_rotate(j->w->keeper, db, "req-rotate", &id, err);
	return insert(db, j->request_id, j->at_us);
}

static void job_finish(struct tick_unit *u, enum tick_outcome outcome, const struct error *err)
{
	struct job *j = CONTAINER_OF(u, struct job, unit);

	if (outcome != TICK_DONE)
		fail_msg("%s", err->msg);
	if (j->rotates)
		audit_keeper_rotated(j->w->keeper);
}

static void work(struct world *w, const char *request_id, int64_t at_us)
{
	struct job j = { .unit = { .run = job_run, .finish = job_finish },
		.w = w,
		.request_id = request_id,
		.at_us = at_us,
		.rotates = !request_id };

	tick_submit(w->f.tick, &j.unit);
	fixture_drain(&w->f);
}

static void test_heads(void **state)
{
	struct world *w = *state;
	struct stat st;
	char pub[200];
	int64_t heads;

	up(w); /* makes the key, introduces it, and signs that */
	assert_int_equal(stat(w->key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	snprintf(pub, sizeof pub, "%s.pub", w->key);
	assert_int_equal(stat(pub, &st), 0);
	assert_int_equal(number(w, "SELECT max(seq) FROM audit_head"), 1);
	for (int i = 0; i < 5; i++)
		work(w, "r", i);
	assert_int_equal(number(w, "SELECT max(seq) FROM audit_head"), 1);
	down(w); /* signs what there is */
	up(w);
	assert_int_equal(number(w, "SELECT max(seq) FROM audit_head"), 6);
	assert_int_equal(number(w, "SELECT count(*) FROM audit_key"), 1);
	assert_int_equal(walk(w, &heads), 0);
	assert_int_equal(heads, 2);
	down(w);
}

static void test_rotation(void **state)
{
	struct world *w = *state;
	int64_t heads;

	up(w);
	work(w, "before", 1);
	work(w, NULL, 0);
	work(w, "after", 2);
	down(w);
	up(w);
	assert_int_equal(number(w, "SELECT count(*) FROM audit_key"), 2);
	/* the old key signed for the new one's record, and the new one since */
	assert_int_equal(number(w, "SELECT count(*) FROM audit_head h JOIN audit_key k ON k.id = h.key_id "
				   "WHERE h.seq = 3 AND k.seq = 1"),
		1);
	assert_int_equal(number(w, "SELECT count(*) FROM audit_head h JOIN audit_key k ON k.id = h.key_id "
				   "WHERE h.seq = 4 AND k.seq = 3"),
		1);
	assert_int_equal(walk(w, &heads), 0);
	assert_int_equal(heads, 3);
	down(w);
}

static const struct {
	const char *sql;
} changes[] = {
	{ "UPDATE audit SET user_name = 'nobody' WHERE seq = 4" },
	{ "UPDATE audit SET hash = zeroblob(32) WHERE seq = 5" },
	{ "DELETE FROM audit WHERE seq = 6; UPDATE audit_chain SET seq = 5" },
	{ "UPDATE audit_chain SET hash = zeroblob(32)" },
	{ "UPDATE audit_head SET signature = zeroblob(64)" },
	{ "UPDATE audit_head SET hash = (SELECT hash FROM audit WHERE seq = 2)" },
};

/* Not even with the key at hand is something signed that is not what it was. */
static void test_nothing_wrong_is_signed(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		up(w);
		for (int k = 0; k < 5; k++)
			work(w, "r", k);
		/* as it is after a crash: no last head */
		audit_keeper_destroy(w->keeper);
		fixture_drain(&w->f);
		lane_pool_destroy(w->lanes, 1000);
		fixture_stop(&w->f);
		fixture_close(&w->f);
		plain_sql(w, changes[i].sql);
		up(w);
		work(w, "more", 9);
		down(w);
		fixture_open(&w->f);
		if (number(w, "SELECT max(seq) FROM audit_head") != 1)
			fail_msg("signed after: %s", changes[i].sql);
		fixture_close(&w->f);
		fixture_remove(&w->f);
		fixture_dir(&w->f);
		snprintf(w->key, sizeof w->key, "%s/audit.key", w->f.dir);
	}
}

/* The end was cut off together with its head, as when an old copy of the file is put back: the witness knows.
 */
static void test_witness(void **state)
{
	struct world *w = *state;

	snprintf(w->witness, sizeof w->witness, "%s/witness", w->f.dir);
	up(w);
	work(w, "r", 1);
	down(w);
	plain_sql(w,
		"DELETE FROM audit WHERE seq = 2; DELETE FROM audit_head WHERE seq = 2; UPDATE audit_chain "
		"SET seq = 1, hash = (SELECT hash FROM audit WHERE seq = 1)");
	up(w);
	work(w, "forged", 1);
	down(w);
	fixture_open(&w->f);
	assert_int_equal(number(w, "SELECT max(seq) FROM audit_head"), 1);
}

static void test_retention(void **state)
{
	const int64_t day_us = 86400LL * 1000000;
	struct world *w = *state;
	int64_t heads;

	up(w);
	for (int i = 0; i < 4; i++)
		work(w, "old", clock_wall(&w->clock));
	down(w); /* signs 5 */
	up(w);
	work(w, "between", clock_wall(&w->clock));
	w->ahead_us = 20 * day_us;
	work(w, "new", clock_wall(&w->clock));
	down(w); /* signs 7, twenty days later */
	w->keep_us = 10 * day_us;
	up(w);
	/* up to the last head that is old enough, and no further: what it does not cover cannot be proved */
	assert_int_equal(number(w, "SELECT base_seq FROM audit_chain"), 5);
	assert_int_equal(number(w, "SELECT min(seq) FROM audit"), 6);
	assert_int_equal(number(w, "SELECT min(seq) FROM audit_head"), 5);
	assert_int_equal(
		number(w, "SELECT count(*) FROM audit WHERE action = 'audit.purge' AND target = 5"), 1);
	assert_int_equal(walk(w, &heads), 0);
	assert_int_equal(heads, 3);
	down(w);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_undone_together),
		T(test_old_rows),
		T(test_purge),
		T(test_filters),
		T(test_heads),
		T(test_rotation),
		T(test_nothing_wrong_is_signed),
		T(test_witness),
		T(test_retention),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
