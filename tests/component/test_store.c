/* SPDX-License-Identifier: Apache-2.0 */
/* The store's core on a real file: opening, statements, savepoints, schema. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include "store_fixture.h"

#include "store/migrate.h"

static int setup(void **state)
{
	struct store_fixture *f = xcalloc(1, sizeof *f);

	fixture_dir(f);
	fixture_open(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct store_fixture *f = *state;

	fixture_close(f);
	fixture_remove(f);
	free(f);
	return 0;
}

static int64_t count(struct db *db, const char *sql)
{
	struct error err;
	int64_t n = -1;

	assert_int_equal(db_int_query(db, &err, &n, sql, NULL), 1);
	return n;
}

static void put(struct store_fixture *f, const char *key, const char *value)
{
	struct error err;

	assert_int_equal(
		db_run(store_rw(f->store), &err, "INSERT INTO meta VALUES (?, ?)", "ss", key, value), 1);
}

static void test_open(void **state)
{
	struct store_fixture *f = *state;
	struct error err = { 0 };
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(store_schema_version(f->store), migrations[migrations_count - 1].version);
	assert_string_equal(store_path(f->store), f->path);
	assert_true(store_bytes(f->store) > 0);
	/* a second one on the same file */
	assert_null(fixture_try_open(f, &err));
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "another cloudd"));
	/* what was committed is there after a reopening, and the log is gone */
	fixture_begin(f);
	put(f, "a", "1");
	fixture_commit(f);
	assert_int_equal(store_seq(f->store), 1);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(store_seq(f->store), 1);
	assert_int_equal(count(store_ro(f->store), "SELECT count(*) FROM meta WHERE key = 'a'"), 1);
	assert_int_equal(count(store_ro(f->store), "SELECT epoch FROM applied"), 2);
	assert_int_equal(count(store_ro(f->store), "SELECT prev FROM applied"), 1);
	assert_int_equal(
		count(store_ro(f->store), "SELECT schema FROM applied"), store_schema_version(f->store));
}

static void test_open_fails(void **state)
{
	struct store_fixture *f = *state, g = *f;
	struct error err = { 0 };

	snprintf(g.path, sizeof g.path, "%s/none/cloud.db", f->dir);
	assert_null(fixture_try_open(&g, &err));
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	/* not a database */
	snprintf(g.path, sizeof g.path, "%s/text.db", f->dir);
	FILE *text = fopen(g.path, "w");
	for (int i = 0; i < 1000; i++)
		fputs("this is not a database ", text);
	fclose(text);
	assert_null(fixture_try_open(&g, &err));
	assert_non_null(strstr(err.msg, "text.db"));
}

static void test_newer_schema_is_refused(void **state)
{
	struct store_fixture *f = *state;
	struct error err = { 0 };
	sqlite3 *h;

	fixture_close(f);
	assert_int_equal(sqlite3_open(f->path, &h), SQLITE_OK);
	assert_int_equal(sqlite3_exec(h, "PRAGMA user_version = 4711", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(h);
	assert_null(fixture_try_open(f, &err));
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "schema 4711"));
	assert_int_equal(sqlite3_open(f->path, &h), SQLITE_OK);
	char *clean = NULL;
	sqlite3_stmt *st;
	assert_int_equal(
		sqlite3_prepare_v2(h, "SELECT value FROM meta WHERE key = 'clean'", -1, &st, NULL), 0);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	clean = xstrdup((const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	assert_string_equal(clean, "1"); /* left alone */
	free(clean);
	assert_int_equal(sqlite3_exec(h, "PRAGMA user_version = 1", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(h);
}

static void test_values(void **state)
{
	struct store_fixture *f = *state;
	struct db *db = store_rw(f->store);
	struct arena a = { 0 };
	struct error err;
	char small[4];
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	fixture_begin(f);
	assert_int_equal(db_query(db, &err, &st, "SELECT ?, ?, ?, ?, ?, ?, ?", "isbdnsb", INT64_MIN, "text",
				 (const void *)"\0\1", (size_t)2, 2.5, (const char *)NULL, (const void *)"",
				 (size_t)0),
		0);
	assert_int_equal(db_row(st, &err), 1);
	assert_true(db_int(st, 0) == INT64_MIN);
	assert_string_equal(db_text(st, 1), "text");
	assert_int_equal(sqlite3_column_bytes(st, 2), 2);
	assert_true(sqlite3_column_double(st, 3) == 2.5);
	assert_true(db_is_null(st, 4));
	assert_true(db_is_null(st, 5));
	assert_int_equal(sqlite3_column_type(st, 6), SQLITE_BLOB);
	assert_string_equal(db_dup(st, 1, &a), "text");
	assert_null(db_dup(st, 4, &a));
	assert_false(db_copy(st, 1, small, sizeof small));
	assert_string_equal(small, "tex");
	assert_true(db_copy(st, 4, small, sizeof small));
	assert_string_equal(small, "");
	assert_int_equal(db_row(st, &err), 0);
	arena_finish(&a);
	db_done(&st);
	fixture_commit(f);
}

static void test_mistakes(void **state)
{
	struct store_fixture *f = *state;
	struct db *db = store_rw(f->store);
	sqlite3_stmt *st = NULL;
	struct error err = { 0 };
	int64_t n;

	/* outside of a tick */
	assert_int_equal(db_run(db, &err, "DELETE FROM meta", NULL), -1);
	assert_int_equal(err.code, ERR_INTERNAL);
	/* the reader cannot write */
	assert_int_equal(db_run(store_ro(f->store), &err, "DELETE FROM meta", NULL), -1);
	assert_int_equal(err.code, ERR_INTERNAL);
	fixture_begin(f);
	assert_int_equal(db_run(db, &err, "INSERT INTO meta VALUES (?, ?)", "s", "x"), -1);
	assert_int_equal(err.code, ERR_INTERNAL);
	assert_int_equal(db_run(db, &err, "INSERT INTO nonsense VALUES (?)", "i", (int64_t)1), -1);
	assert_int_equal(err.code, ERR_INTERNAL);
	assert_non_null(strstr(err.detail, "nonsense"));
	assert_int_equal(db_query(db, &err, &st, "SELECT ?", "x", 1), -1);
	assert_null(st);
	assert_int_equal(db_int_query(db, &err, &n, "SELECT value FROM meta WHERE key = 'none'", NULL), 0);
	assert_int_equal(db_int_query(db, &err, &n, "SELECT NULL", NULL), 0);
	fixture_commit(f);
}

static void test_broken_constraints_are_conflicts(void **state)
{
	struct store_fixture *f = *state;
	struct db *db = store_rw(f->store);
	struct error err = { 0 };
	static const char *const broken[] = {
		"INSERT INTO counter VALUES ('id', 1)",                               /* primary key */
		"INSERT INTO domain (id, uid, name) VALUES (77, 'default', 'Other')", /* unique */
		"UPDATE domain SET enabled = 2",                                      /* check */
		"DELETE FROM role WHERE id = 2",                                      /* foreign key */
	};

	fixture_begin(f);
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		err = (struct error) { 0 };
		assert_int_equal(db_run(db, &err, broken[i], NULL), -1);
		assert_int_equal(err.code, ERR_CONFLICT);
		assert_true(*err.detail);
	}
	assert_int_equal(db_run(db, &err, "UPDATE counter SET value = 'text'", NULL), -1); /* STRICT */
	assert_int_equal(err.code, ERR_INTERNAL);
	fixture_commit(f);
}

static int depth(struct db *db, int levels)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct error err;
	int rows = 0;

	assert_int_equal(
		db_query(db, &err, &st, "SELECT id FROM role WHERE id > ? ORDER BY id", "i", (int64_t)1), 0);
	while (db_row(st, &err) > 0) {
		rows++;
		assert_int_equal(db_int(st, 0), rows + 1); /* not disturbed by the inner ones */
		if (levels)
			assert_int_equal(depth(db, levels - 1), 3);
	}
	return rows;
}

static void test_statements_nest(void **state)
{
	struct store_fixture *f = *state;

	assert_int_equal(depth(store_ro(f->store), 4), 3);
	assert_int_equal(depth(store_ro(f->store), 0), 3);
}

/* Texts made at run time: the same address with another text is another statement; more texts than are kept
 * work too. */
static void test_statements_made_at_run_time(void **state)
{
	struct store_fixture *f = *state;
	struct error err;
	char text[64];

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 1500; i++) {
			int64_t n;

			snprintf(text, sizeof text, "SELECT %d + ?", i);
			assert_int_equal(
				db_int_query(store_ro(f->store), &err, &n, text, "i", (int64_t)round), 1);
			assert_int_equal(n, i + round);
		}
	}
}

static void test_reader_sees_the_last_commit(void **state)
{
	struct store_fixture *f = *state;
	struct db *ro = store_ro(f->store);
	static const char sql[] = "SELECT count(*) FROM meta WHERE key LIKE 'k%'";
	struct error err;

	fixture_begin(f);
	put(f, "k1", "");
	assert_int_equal(count(store_rw(f->store), sql), 1);
	assert_int_equal(count(ro, sql), 0);
	fixture_commit(f);
	assert_int_equal(count(ro, sql), 1);
	/* a snapshot stays */
	assert_int_equal(store_snapshot_begin(f->store, &err), 0);
	assert_int_equal(count(ro, sql), 1);
	fixture_begin(f);
	put(f, "k2", "");
	fixture_commit(f);
	assert_int_equal(count(ro, sql), 1);
	store_snapshot_end(f->store);
	assert_int_equal(count(ro, sql), 2);
	store_snapshot_end(f->store); /* harmless */
}

static void on_reading(void *ctx)
{
	++*(int *)ctx;
}

/* Reads of a turn share one commit, but who reads after a tick settles sees it. */
static void test_reads_of_a_turn(void **state)
{
	struct store_fixture *f = *state;
	static const char sql[] = "SELECT count(*) FROM meta WHERE key LIKE 'k%'";
	struct store_config config = { .path = f->path, .clock = &clock_system, .reading = on_reading };
	struct error err;
	int turns = 0;

	fixture_close(f);
	config.reading_ctx = &turns;
	assert_int_equal(store_open(&config, &f->store, &err), 0);
	assert_int_equal(count(store_ro(f->store), sql), 0);
	assert_int_equal(count(store_ro(f->store), sql), 0);
	assert_int_equal(turns, 1);
	fixture_begin(f);
	put(f, "k1", "");
	assert_int_equal(count(store_ro(f->store), sql), 0);
	assert_int_equal(turns, 2);
	fixture_commit(f);
	assert_int_equal(count(store_ro(f->store), sql), 1);
	assert_int_equal(turns, 3);
	/* an explicit snapshot takes its place, and is not ended with it */
	assert_int_equal(store_snapshot_begin(f->store, &err), 0);
	assert_int_equal(count(store_ro(f->store), sql), 1);
	store_turn_end(f->store);
	fixture_begin(f);
	put(f, "k2", "");
	fixture_commit(f);
	assert_int_equal(count(store_ro(f->store), sql), 1);
	store_snapshot_end(f->store);
	assert_int_equal(count(store_ro(f->store), sql), 2);
	assert_int_equal(turns, 4);
	store_turn_end(f->store);
	store_turn_end(f->store);
}

static void test_savepoints(void **state)
{
	struct store_fixture *f = *state;
	struct store *s = f->store;
	struct error err;

	assert_int_equal(store_tick_begin(s, &err), 0);
	store_tick_savepoint(s);
	put(f, "one", "");
	store_tick_release(s);
	store_tick_savepoint(s);
	put(f, "two", "");
	put(f, "three", "");
	store_tick_rollback(s);
	store_tick_savepoint(s);
	put(f, "two", "again");
	store_tick_release(s);
	assert_true(store_tick_dirty(s));
	assert_int_equal(store_tick_commit(s, &err), 0);
	store_tick_settle(s, true);
	assert_int_equal(count(store_ro(s), "SELECT count(*) FROM meta WHERE key IN ('one', 'two')"), 2);
	assert_int_equal(count(store_ro(s), "SELECT count(*) FROM meta WHERE key = 'three'"), 0);
	assert_int_equal(store_seq(s), 1);

	/* all undone: nothing to write, no tick counted */
	assert_int_equal(store_tick_begin(s, &err), 0);
	store_tick_savepoint(s);
	put(f, "four", "");
	store_tick_rollback(s);
	assert_false(store_tick_dirty(s));
	assert_int_equal(store_tick_commit(s, &err), 0);
	store_tick_settle(s, true);
	assert_int_equal(store_seq(s), 1);

	/* another member could not begin */
	assert_int_equal(store_tick_begin(s, &err), 0);
	store_tick_settle(s, false);
	assert_int_equal(store_tick_begin(s, &err), 0);
	assert_false(store_tick_dirty(s));
	assert_int_equal(store_tick_commit(s, &err), 0);
}

static void test_full_after_many_rows(void **state)
{
	struct store_fixture *f = *state;
	struct error err;

	fixture_begin(f);
	assert_false(store_tick_full(f->store));
	assert_int_equal(db_run(store_rw(f->store), &err,
				 "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
				 "INSERT INTO meta SELECT 'row' || i, '' FROM n",
				 "i", (int64_t)5000),
		5000);
	assert_true(store_tick_full(f->store));
	fixture_commit(f);
}

static void test_ids(void **state)
{
	struct store_fixture *f = *state;
	int64_t first = store_next_id(f->store), last;

	assert_true(first > 100);
	fixture_begin(f);
	last = store_next_id(f->store);
	assert_true(last > first);
	put(f, "id", "");
	fixture_commit(f);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(store_next_id(f->store), last + 1);
}

/* ---- migrations ---- */

static sqlite3 *memory_open(void)
{
	sqlite3 *h;

	assert_int_equal(sqlite3_open_v2(":memory:", &h,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE, NULL),
		SQLITE_OK);
	return h;
}

static int int_of(sqlite3 *h, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int n;

	assert_int_equal(sqlite3_prepare_v2(h, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return n;
}

static void test_migrations_in_order_once(void **state)
{
	static const struct migration list[] = {
		{ 1, "0001_a",
			"CREATE TABLE a (x INTEGER NOT NULL PRIMARY KEY) STRICT; INSERT INTO a VALUES (1);" },
		{ 2, "0002_b", "INSERT INTO a SELECT max(x) + 1 FROM a;" },
		{ 3, "0003_c", "INSERT INTO a SELECT max(x) * 10 FROM a;" },
	};
	sqlite3 *h = memory_open();
	struct error err = { 0 };
	int version = 0;

	(void)state;
	assert_int_equal(migrate_run(h, list, 2, &version, &err), 0);
	assert_int_equal(version, 2);
	assert_int_equal(migrate_run(h, list, 3, &version, &err), 0);
	assert_int_equal(migrate_run(h, list, 3, &version, &err), 0);
	assert_int_equal(version, 3);
	assert_int_equal(int_of(h, "SELECT sum(x) FROM a"), 1 + 2 + 20);
	assert_int_equal(migrate_run(h, list, 2, &version, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(int_of(h, "PRAGMA foreign_keys"), 1);
	sqlite3_close(h);
}

static size_t scripts_until(int version)
{
	size_t n = 0;

	while (n < migrations_count && migrations[n].version <= version)
		n++;
	return n;
}

/* A server with a GPU, as an older cloudd left it, holds what it held. */
static void test_allocations_of_old(void **state)
{
	static const char rows[] =
		"INSERT INTO project (id, uid, domain_id, name, created_us) VALUES (200, 'p', 1, 'p', 1);"
		"INSERT INTO host (id, uid, name, uri, zone, pool, vcpu_ratio_milli, ram_ratio_milli, "
		"disk_ratio_milli, ram_reserved_mib, created_us) VALUES (201, 'h', 'h', 'sim://h', 'z', 'p', "
		"1, "
		"1, 1, 0, 1);"
		"INSERT INTO device (id, uid, host_id, address, vendor_id, product_id, vendor, product, "
		"model, "
		"numa_cell, iommu_group, driver) VALUES (202, 'd', 201, 'a', 1, 2, 'v', 'p', 'm', 0, 0, '');"
		"INSERT INTO server (id, uid, project_id, user_uid, name, hostname, vm_state, host_id, "
		"flavor_uid, flavor_name, vcpus, ram_mib, disk_gib, reservation_id, created_us, updated_us) "
		"VALUES (203, 's', 200, 'u', 's', 's', 'active', 201, 'f', 'f', 2, 512, 10, 'r', 1, 1);"
		"INSERT INTO allocation VALUES (203, 201, 2, 512, 10);"
		"INSERT INTO allocation_device VALUES (202, 203);";
	sqlite3 *h = memory_open();
	struct error err = { 0 };
	int version = 0;

	(void)state;
	assert_int_equal(migrate_run(h, migrations, scripts_until(4), &version, &err), 0);
	assert_int_equal(sqlite3_exec(h, rows, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(migrate_run(h, migrations, migrations_count, &version, &err), 0);
	assert_int_equal(int_of(h, "SELECT count(*) FROM allocation WHERE id = 203 AND server_id = 203 AND "
				   "host_id = 201 AND vcpus = 2 AND ram_mib = 512 AND disk_gib = 10 AND "
				   "float_vcpus = 2 AND float_ram_mib = 512"),
		1);
	assert_int_equal(int_of(h, "SELECT allocation_id FROM allocation_device WHERE device_id = 202"), 203);
	sqlite3_close(h);
}

static void test_failed_migration_leaves_no_trace(void **state)
{
	static const struct migration bad[] = {
		{ 1, "0001_good", "CREATE TABLE a (x INTEGER NOT NULL PRIMARY KEY) STRICT;" },
		{ 2, "0002_syntax", "INSERT INTO a VALUES (1); CREATE TABLE b (nonsense;" },
	};
	static const struct migration dangling[] = {
		{ 1, "0001_good", "CREATE TABLE a (x INTEGER NOT NULL PRIMARY KEY) STRICT;" },
		{ 2, "0002_dangling",
			"CREATE TABLE b (y INTEGER NOT NULL PRIMARY KEY REFERENCES a (x)) STRICT; INSERT "
			"INTO b VALUES (7);" },
	};
	sqlite3 *h = memory_open();
	struct error err = { 0 };
	int version = 0;

	(void)state;
	assert_int_equal(migrate_run(h, bad, 2, &version, &err), -1);
	assert_non_null(strstr(err.msg, "0002_syntax"));
	assert_int_equal(version, 0);
	assert_int_equal(int_of(h, "PRAGMA user_version"), 1);
	assert_int_equal(int_of(h, "SELECT count(*) FROM a"), 0);
	assert_int_equal(migrate_run(h, dangling, 2, &version, &err), -1);
	assert_int_equal(int_of(h, "PRAGMA user_version"), 1);
	assert_int_equal(int_of(h, "SELECT count(*) FROM sqlite_schema WHERE name = 'b'"), 0);
	sqlite3_close(h);
}

/* ---- the schema's rules ---- */

static void walk_columns(struct db *db, const char *table)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct error err;
	int keys = 0;

	assert_int_equal(
		db_query(db, &err, &st, "SELECT name, \"notnull\", pk, hidden FROM pragma_table_xinfo(?)",
			"s", table),
		0);
	while (db_row(st, &err) > 0) {
		if (sqlite3_column_int(st, 3))
			fail_msg("%s.%s is a generated or hidden column", table, db_text(st, 0));
		if (sqlite3_column_int(st, 2) && !sqlite3_column_int(st, 1))
			fail_msg("%s.%s: a key must be NOT NULL", table, db_text(st, 0));
		keys += sqlite3_column_int(st, 2) > 0;
	}
	if (!keys)
		fail_msg("table %s has no explicit primary key", table);
}

static void walk_references(struct db *db, const char *table)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct error err;

	assert_int_equal(
		db_query(db, &err, &st,
			"SELECT \"table\", on_update, on_delete, \"to\" FROM pragma_foreign_key_list(?)", "s",
			table),
		0);
	while (db_row(st, &err) > 0) {
		if (!str_eq(db_text(st, 1), "NO ACTION") || !str_eq(db_text(st, 2), "NO ACTION"))
			fail_msg("%s: a reference to %s acts by itself", table, db_text(st, 0));
		if (db_is_null(st, 3))
			fail_msg("%s: a reference to %s names no column", table, db_text(st, 0));
	}
}

static void walk_table(struct db *db, const char *name, const char *sql, bool strict)
{
	if (!strict)
		fail_msg("table %s is not STRICT", name);
	if (strcasestr(sql, "AUTOINCREMENT") || strcasestr(sql, "CURRENT_TIME") || strcasestr(sql, "random("))
		fail_msg("table %s uses what the rules forbid", name);
	walk_columns(db, name);
	walk_references(db, name);
}

static void test_schema_walk(void **state)
{
	struct store_fixture *f = *state;
	struct db *db = store_ro(f->store);
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct error err;
	int tables = 0;

	assert_int_equal(
		db_query(db, &err, &st,
			"SELECT l.name, s.sql, l.strict FROM pragma_table_list l JOIN sqlite_schema s USING "
			"(name) "
			"WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite_%'",
			NULL),
		0);
	while (db_row(st, &err) > 0) {
		walk_table(db, db_text(st, 0), db_text(st, 1), sqlite3_column_int(st, 2));
		tables++;
	}
	db_done(&st);
	assert_true(tables >= 30);
	assert_int_equal(
		count(db, "SELECT count(*) FROM sqlite_schema WHERE type NOT IN ('table', 'index')"), 0);
	assert_int_equal(count(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'"), 0);
	assert_int_equal(count(db, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_open),
		T(test_open_fails),
		T(test_newer_schema_is_refused),
		T(test_values),
		T(test_mistakes),
		T(test_broken_constraints_are_conflicts),
		T(test_statements_nest),
		T(test_statements_made_at_run_time),
		T(test_reader_sees_the_last_commit),
		T(test_reads_of_a_turn),
		T(test_savepoints),
		T(test_full_after_many_rows),
		T(test_ids),
		cmocka_unit_test(test_migrations_in_order_once),
		cmocka_unit_test(test_allocations_of_old),
		cmocka_unit_test(test_failed_migration_leaves_no_trace),
		T(test_schema_walk),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
