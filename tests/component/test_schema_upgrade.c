/* SPDX-License-Identifier: Apache-2.0 */
/* A filled database of an older schema, opened by today's code: whole, with books and audit, and in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow_fixture.h"
#include "store/backup.h"
#include "store/migrate.h"

enum { OLD = 13 };

/* Of what is under way just then; a cloud at rest has no such rows. */
static const char *const may_be_empty[] = { "allocation_also", "allocation_part", "allocation_slot",
	"eviction", "server_block", "waiter" };

static struct cloud cloud;

static void exec_file(sqlite3 *h, const char *path)
{
	CLEANUP(buf_finish) struct buf b = { 0 };
	FILE *in = fopen(path, "re");
	char *why = NULL;
	size_t n;

	assert_non_null(in);
	while ((n = fread(buf_reserve(&b, 4096), 1, 4096, in)) > 0)
		b.len += n;
	fclose(in);
	if (sqlite3_exec(h, buf_text(&b), NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", path, why);
}

static int64_t number(sqlite3 *h, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t v;

	if (sqlite3_prepare_v2(h, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(h));
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

/* The old file proves something only if it has rows everywhere. */
static void all_filled(sqlite3 *h)
{
	sqlite3_stmt *st = NULL;

	sqlite3_prepare_v2(h, "SELECT name FROM sqlite_schema WHERE type = 'table'", -1, &st, NULL);
	while (sqlite3_step(st) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(st, 0);
		char sql[128];
		bool may = false;

		for (size_t i = 0; i < ARRAY_LEN(may_be_empty); i++)
			may |= strcmp(may_be_empty[i], name) == 0;
		snprintf(sql, sizeof sql, "SELECT count(*) FROM \"%s\"", name);
		if (!may && number(h, sql) == 0)
			fail_msg("the old database has no rows in %s", name);
	}
	sqlite3_finalize(st);
}

static void make_old(const char *path)
{
	struct error err = { 0 };
	sqlite3 *h;
	int version;

	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	if (migrate_run(h, migrations, OLD, &version, &err))
		fail_msg("%s (%s)", err.msg, err.detail);
	assert_int_equal(version, OLD);
	exec_file(h, SOURCE_DIR "/tests/component/rows_0013.sql");
	all_filled(h);
	assert_int_equal(number(h, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
	sqlite3_close(h);
}

static void is_whole(const char *path)
{
	sqlite3 *h;

	assert_int_equal(sqlite3_open_v2(path, &h, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(number(h, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
	assert_int_equal(number(h, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
	assert_int_equal(number(h, "PRAGMA user_version"), migrations[migrations_count - 1].version);
	/* nothing was lost on the way */
	assert_int_equal(number(h, "SELECT count(*) FROM server"), 4);
	assert_int_equal(number(h, "SELECT count(*) FROM allocation"), 3);
	assert_int_equal(number(h, "SELECT count(*) FROM port_address"), 3);
	assert_int_equal(
		number(h, "SELECT hard_limit FROM quota WHERE project_id = 110 AND resource = 'cores'"), 100);
	/* the books go on from what was written before them */
	assert_int_equal(
		number(h, "SELECT count(*) FROM usage WHERE kind = 'server' AND ended_us IS NULL"), 3);
	assert_int_equal(number(h, "SELECT count(*) FROM gpu_usage WHERE ended_us IS NULL"), 3);
	/* and the audit is a chain, of the old records too */
	assert_true(number(h, "SELECT seq FROM audit_chain") >= 2);
	assert_int_equal(number(h, "SELECT count(*) FROM audit WHERE length(hash) != 32"), 0);
	assert_int_equal(number(h, "SELECT count(*) FROM audit WHERE action = 'server.create'"), 2);
	sqlite3_close(h);
}

static int setup(void **state)
{
	(void)state;
	snprintf(cloud.dir, sizeof cloud.dir, "%s", "/tmp/cloudd-upgrade-XXXXXX");
	assert_non_null(mkdtemp(cloud.dir));
	snprintf(cloud.db_path, sizeof cloud.db_path, "%s/cloud.db", cloud.dir);
	snprintf(cloud.image_dir, sizeof cloud.image_dir, "%s/images", cloud.dir);
	make_old(cloud.db_path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cloud_remove(&cloud);
	return 0;
}

static void opened_by_todays_code(void **state)
{
	(void)state;
	cloud_open(&cloud);
	cloud_clean(&cloud);
	cloud_close(&cloud);
	is_whole(cloud.db_path);
	cloud_open(&cloud); /* and a second time there is nothing to do */
	cloud_clean(&cloud);
	cloud_close(&cloud);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(opened_by_todays_code, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
