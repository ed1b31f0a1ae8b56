/* SPDX-License-Identifier: Apache-2.0 */
/* Backups: consistent while others write, refused when torn or changed, put back, found by time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "store/backup.h"
#include "store/restored.h"
#include "store_fixture.h"

enum { FILL_ROWS = 3000, FILL_BYTES = 4000, AT = 1769860800 };

struct world {
	struct store_fixture f;
	char dir[128];
	pthread_t writer;
	atomic_bool stop;
	atomic_long commits;
	long at_begin, at_end; /* commits when the copying began and ended */
	int steps, give_up_at;
};

/* --- what is in it -------------------------------------------------------------------------------------- */

/* One number in two tables: in every commit they are the same. */
static void write_twins(struct store_fixture *f, int64_t n)
{
	struct db *db = store_rw(f->store);
	char text[24];
	struct error err;

	snprintf(text, sizeof text, "%lld", (long long)n);
	fixture_begin(f);
	assert_int_equal(db_run(db, &err, "UPDATE counter SET value = ? WHERE name = 'twin'", "i", n), 1);
	assert_int_equal(db_run(db, &err, "UPDATE meta SET value = ? WHERE key = 'twin'", "s", text), 1);
	/* pages all over the file change, too */
	assert_true(db_run(db, &err, "UPDATE meta SET value = ? || substr(value, 9) WHERE key = ?", "ss",
			    "changed-", text) >= 0);
	fixture_commit(f);
}

static void fill(struct store_fixture *f)
{
	static char long_text[FILL_BYTES + 1];
	struct db *db = store_rw(f->store);
	struct error err;
	char key[24];

	memset(long_text, 'x', FILL_BYTES);
	fixture_begin(f);
	assert_true(db_run(db, &err, "INSERT INTO counter VALUES ('twin', 0)", NULL) >= 0);
	assert_true(db_run(db, &err, "INSERT INTO meta VALUES ('twin', '0')", NULL) >= 0);
	assert_true(db_run(db, &err, "INSERT INTO meta VALUES ('cloud_id', 'a-cloud')", NULL) >= 0);
	for (int i = 0; i < FILL_ROWS; i++) {
		snprintf(key, sizeof key, "%d", i);
		assert_true(db_run(db, &err, "INSERT INTO meta VALUES (?, ?)", "ss", key, long_text) >= 0);
	}
	fixture_commit(f);
}

static void *write_on(void *arg)
{
	struct world *w = arg;

	for (int64_t n = 1; !atomic_load(&w->stop); n++) {
		write_twins(&w->f, n);
		atomic_fetch_add(&w->commits, 1);
	}
	return NULL;
}

static int begin(void **state)
{
	static struct world w;

	w = (struct world) { .give_up_at = -1 };
	fixture_dir(&w.f);
	fixture_open(&w.f);
	snprintf(w.dir, sizeof w.dir, "%s/backups", w.f.dir);
	*state = &w;
	return 0;
}

static int end(void **state)
{
	struct world *w = *state;

	if (w->f.store)
		fixture_close(&w->f);
	fixture_remove(&w->f);
	return 0;
}

/* --- making --------------------------------------------------------------------------------------------- */

static bool on_step(void *ctx, int64_t done, int64_t total)
{
	struct world *w = ctx;
	long now = atomic_load(&w->commits);

	assert_true(done > 0 && done <= total);
	if (w->steps++ == 0)
		w->at_begin = now;
	w->at_end = now;
	return w->steps != w->give_up_at;
}

static int make(struct world *w, int64_t at_s, struct backup_info *out, struct error *err)
{
	const struct backup_want want = {
		.database = w->f.path, .dir = w->dir, .at_us = at_s * 1000000, .step = on_step, .ctx = w
	};

	w->steps = 0;
	return backup_make(&want, out, err);
}

static void must_make(struct world *w, int64_t at_s, struct backup_info *out)
{
	struct error err = { 0 };

	if (make(w, at_s, out, &err))
		fail_msg("backup: %s (%s)", err.msg, err.detail);
}

static const char *path_of(const struct world *w, const struct backup_info *b)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/%s", w->dir, b->name);
	return path;
}

static int64_t read_int(const char *path, const char *sql)
{
	sqlite3_stmt *st;
	sqlite3 *h;
	int64_t n;

	assert_int_equal(sqlite3_open_v2(path, &h, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(h, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(h);
	return n;
}

static void under_load(void **state)
{
	struct world *w = *state;
	struct backup_info b, read;
	struct stat st;
	struct error err;
	int64_t a, twin;

	fill(&w->f);
	assert_int_equal(pthread_create(&w->writer, NULL, write_on, w), 0);
	while (atomic_load(&w->commits) == 0)
		sched_yield();
	must_make(w, AT, &b);
	atomic_store(&w->stop, true);
	pthread_join(w->writer, NULL);

	assert_true(w->steps > 5);
	assert_true(w->at_end > w->at_begin); /* the writer went on while pages were copied */
	a = read_int(path_of(w, &b), "SELECT value FROM counter WHERE name = 'twin'");
	twin = read_int(path_of(w, &b), "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'twin'");
	assert_int_equal(a, twin);
	assert_true(a <= atomic_load(&w->commits));
	assert_int_equal(read_int(path_of(w, &b), "SELECT seq FROM applied"), b.seq);
	assert_string_equal(b.name + strlen("cloudd-20260131T120000Z-"), strrchr(b.name, '-') + 1);
	assert_int_equal(stat(path_of(w, &b), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, b.bytes);
	assert_int_equal(backup_verify(path_of(w, &b), &read, &err), 0);
	assert_string_equal(read.sha256, b.sha256);
	assert_string_equal(read.cloud_id, "a-cloud");
}

static void given_up(void **state)
{
	struct world *w = *state;
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct backup_info b, *all;
	struct error err;
	char part[160];
	size_t n;

	fill(&w->f);
	w->give_up_at = 3;
	assert_int_equal(make(w, AT, &b, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	snprintf(part, sizeof part, "%s/.backup.part", w->dir);
	assert_int_equal(access(part, F_OK), -1);
	assert_int_equal(backup_list(w->dir, &a, &all, &n, &err), 0);
	assert_int_equal(n, 0);
}

static void no_room(void **state)
{
	struct world *w = *state;
	struct backup_info b;
	struct error err;

	snprintf(w->dir, sizeof w->dir, "/proc/none");
	assert_int_equal(make(w, AT, &b, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
}

/* --- refused -------------------------------------------------------------------------------------------- */

static void change_byte(const char *path, off_t at)
{
	CLEANUP(close_fd) int fd = open(path, O_RDWR);
	char c;

	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
}

static void refused(struct world *w, const char *path, const char *why)
{
	const struct restore_want want = {
		.database = w->f.path, .backup = path, .at_us = (int64_t)AT * 1000000
	};
	struct backup_info b;
	struct error err = { 0 };

	assert_int_equal(backup_verify(path, &b, &err), -1);
	assert_non_null(strstr(err.msg, why));
	assert_int_equal(backup_restore(&want, &err), -1);
}

static void torn_or_changed(void **state)
{
	struct world *w = *state;
	struct backup_info b;
	char manifest[300];
	const char *path;

	must_make(w, AT, &b);
	fixture_close(&w->f);
	path = path_of(w, &b);
	change_byte(path, b.bytes / 2);
	refused(w, path, "it was changed");
	change_byte(path, b.bytes / 2);
	assert_int_equal(truncate(path, b.bytes - 4096), 0);
	refused(w, path, "it is torn");
	snprintf(manifest, sizeof manifest, "%s.json", path);
	assert_int_equal(truncate(manifest, 40), 0);
	refused(w, path, "not the manifest");
	assert_int_equal(unlink(manifest), 0);
	refused(w, path, "no manifest");
	/* what is there was not touched by any of it */
	assert_int_equal(read_int(w->f.path, "SELECT count(*) FROM meta WHERE key = 'restored'"), 0);
}

static void while_running(void **state)
{
	struct world *w = *state;
	struct restore_want want = { .database = w->f.path, .at_us = (int64_t)AT * 1000000 };
	struct backup_info b;
	struct error err;

	must_make(w, AT, &b);
	want.backup = path_of(w, &b);
	assert_int_equal(backup_restore(&want, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "another cloudd runs"));
}

/* --- put back ------------------------------------------------------------------------------------------- */

static void twins(struct world *w, int64_t n)
{
	struct error err;
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)n);
	fixture_begin(&w->f);
	assert_true(db_run(store_rw(w->f.store), &err,
			    "INSERT INTO meta VALUES ('twin', ?) ON CONFLICT (key) DO UPDATE SET value = "
			    "excluded.value",
			    "s", text) >= 0);
	for (int i = 0; i < 10; i++)
		store_next_id(w->f.store);
	fixture_commit(&w->f);
}

static void restore(struct world *w, const char *path)
{
	const struct restore_want want = { .database = w->f.path,
		.backup = path,
		.image_dir = w->f.dir,
		.at_us = (int64_t)(AT + 9000) * 1000000 };
	struct error err = { 0 };

	if (backup_restore(&want, &err))
		fail_msg("restore: %s (%s)", err.msg, err.detail);
}

static void back_and_at(void **state)
{
	struct world *w = *state;
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct backup_info first, second;
	struct restored r;
	struct error err;
	const char *path;
	char aside[200];
	int64_t last_id;

	twins(w, 1);
	must_make(w, AT, &first);
	twins(w, 2);
	must_make(w, AT + 3600, &second);
	twins(w, 3);
	last_id = store_next_id(w->f.store);
	fixture_close(&w->f);
	/* the newest that is not younger */
	assert_int_equal(backup_at(w->dir, (int64_t)(AT - 1) * 1000000, &a, &path, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(backup_at(w->dir, (int64_t)(AT + 3600) * 1000000, &a, &path, &err), 0);
	assert_non_null(strstr(path, second.name));
	assert_int_equal(backup_at(w->dir, (int64_t)(AT + 3599) * 1000000, &a, &path, &err), 0);
	assert_non_null(strstr(path, first.name));
	restore(w, path);
	assert_int_equal(
		read_int(w->f.path, "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'twin'"), 1);
	snprintf(aside, sizeof aside, "%s.before-restore-20260131T143000Z", w->f.path);
	assert_int_equal(read_int(aside, "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'twin'"), 3);
	fixture_open(&w->f);
	assert_true(store_next_id(w->f.store) > last_id + 100000);
	assert_int_equal(store_restored_get(store_ro(w->f.store), &r, &err), 1);
	assert_string_equal(r.backup, first.name);
	assert_int_equal(r.backup_us, (int64_t)AT * 1000000);
}

static void interrupted(void **state)
{
	struct world *w = *state;
	struct backup_info b;
	struct error err = { 0 };
	char ready[160];
	const char *path;

	twins(w, 5);
	must_make(w, AT, &b);
	fixture_close(&w->f);
	path = path_of(w, &b);
	/* as after a power failure between the two renames */
	snprintf(ready, sizeof ready, "%s.restoring", w->f.path);
	assert_int_equal(rename(w->f.path, ready), 0);
	assert_null(fixture_try_open(&w->f, &err));
	assert_non_null(strstr(err.msg, "interrupted"));
	assert_int_equal(access(w->f.path, F_OK), -1); /* no empty cloud was begun */
	restore(w, path);
	fixture_open(&w->f);
}

static void kept(void **state)
{
	struct world *w = *state;
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct backup_info b, *all;
	struct error err;
	size_t n;

	for (int i = 0; i < 5; i++)
		must_make(w, AT + i, &b);
	assert_int_equal(backup_prune(w->dir, 2, &err), 0);
	assert_int_equal(backup_list(w->dir, &a, &all, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_int_equal(all[0].at_us, (int64_t)(AT + 4) * 1000000);
	assert_int_equal(all[1].at_us, (int64_t)(AT + 3) * 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(under_load, begin, end),
		cmocka_unit_test_setup_teardown(given_up, begin, end),
		cmocka_unit_test_setup_teardown(no_room, begin, end),
		cmocka_unit_test_setup_teardown(torn_or_changed, begin, end),
		cmocka_unit_test_setup_teardown(while_running, begin, end),
		cmocka_unit_test_setup_teardown(back_and_at, begin, end),
		cmocka_unit_test_setup_teardown(interrupted, begin, end),
		cmocka_unit_test_setup_teardown(kept, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
