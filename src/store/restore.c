/* SPDX-License-Identifier: Apache-2.0 */
/* Putting a backup back: proved first, worked on in a copy, and the present database is kept aside. Each file
 * is on disk before the next takes its name; a start in the middle is refused (store_open). */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/util.h"
#include "store/audit.h"
#include "store/backup_file.h"
#include "store/internal.h"
#include "store/migrate.h"
#include "store/restored.h"

/* IDS_APART: rows that the lost time may have made; domains on the hosts are named by ids */
enum { IDS_APART = 1 << 20, MISSING_SHOWN = 20 };

static void say(const struct restore_want *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(const struct restore_want *w, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (w->say)
		w->say(w->ctx, line);
}

/* --- is it good? ---------------------------------------------------------------------------------------- */

static int agrees(const struct backup_info *said, const struct backup_info *is, struct error *err)
{
	const struct {
		const char *what;
		int64_t said, is;
	} numbers[] = { { "schema", said->schema, is->schema }, { "seq", said->seq, is->seq },
		{ "audit_seq", said->audit_seq, is->audit_seq }, { "servers", said->servers, is->servers } };

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (numbers[i].said != numbers[i].is)
			return error_set(err, ERR_CONFLICT, "its manifest says %s %lld, the file has %lld",
				numbers[i].what, (long long)numbers[i].said, (long long)numbers[i].is);
	if (strcmp(said->cloud_id, is->cloud_id) != 0 || strcmp(said->audit_hash, is->audit_hash) != 0)
		return error_set(err, ERR_CONFLICT, "its manifest is that of another database");
	return 0;
}

static int same_bytes(const char *path, const struct backup_info *m, struct error *err)
{
	char hash[SHA256_TEXT];
	int64_t bytes;

	if (file_hash(path, hash, &bytes, err))
		return -1;
	if (bytes != m->bytes)
		return error_set(err, ERR_CONFLICT, "it has %lld bytes, its manifest says %lld: it is torn",
			(long long)bytes, (long long)m->bytes);
	if (strcmp(hash, m->sha256) != 0)
		return error_set(
			err, ERR_CONFLICT, "its SHA-256 is not that of its manifest: it was changed");
	return 0;
}

int backup_verify(const char *path, struct backup_info *out, struct error *err)
{
	CLEANUP(file_close) sqlite3 *h = NULL;
	struct backup_info m, is = { 0 };

	if (backup_manifest_read(path, &m, err))
		return -1;
	if (same_bytes(path, &m, err) || file_open(path, SQLITE_OPEN_READONLY, &h, err) ||
		migrate_refuse_newer(h, migrations, migrations_count, err) || file_whole(h, err) ||
		file_facts(h, &is, err) || agrees(&m, &is, err))
		return error_wrap(err, "backup %s", path);
	*out = m;
	return 0;
}

/* --- what will differ ----------------------------------------------------------------------------------- */

/* The present database, as far as it can be read: *next_id is left alone where it cannot. */
static void compare(const struct restore_want *w, const struct backup_info *b, int64_t *next_id)
{
	CLEANUP(file_close) sqlite3 *h = NULL;
	struct backup_info is = { 0 };
	struct error err;
	char made[TIME_TEXT];

	say(w, "backup %s of %s: cloud %s, schema %lld, seq %lld, %lld bytes", b->name,
		time_iso_usz(b->at_us, made), b->cloud_id, (long long)b->schema, (long long)b->seq,
		(long long)b->bytes);
	if (access(w->database, F_OK) < 0) {
		say(w, "there is no database at %s", w->database);
		return;
	}
	if (file_open(w->database, SQLITE_OPEN_READWRITE, &h, &err) || file_facts(h, &is, &err)) {
		say(w, "the present database cannot be read (%s): it is put aside as it is", err.msg);
		return;
	}
	file_int(h, "SELECT value FROM counter WHERE name = 'id'", next_id, &err);
	if (strcmp(is.cloud_id, b->cloud_id) != 0)
		say(w, "NOTE: the present database is of another cloud, %s", is.cloud_id);
	say(w, "%-10s %12s %12s", "", "now", "restored");
	say(w, "%-10s %12lld %12lld", "seq", (long long)is.seq, (long long)b->seq);
	say(w, "%-10s %12lld %12lld", "schema", (long long)is.schema, (long long)b->schema);
	say(w, "%-10s %12lld %12lld", "audit", (long long)is.audit_seq, (long long)b->audit_seq);
	say(w, "%-10s %12lld %12lld", "projects", (long long)is.projects, (long long)b->projects);
	say(w, "%-10s %12lld %12lld", "hosts", (long long)is.hosts, (long long)b->hosts);
	say(w, "%-10s %12lld %12lld", "servers", (long long)is.servers, (long long)b->servers);
	say(w, "%-10s %12lld %12lld", "images", (long long)is.images, (long long)b->images);
}

static int missing_images(const struct restore_want *w, sqlite3 *h, struct error *err)
{
	sqlite3_stmt *st = NULL;
	int64_t missing = 0;
	int rc = sqlite3_prepare_v2(h,
		"SELECT uid, coalesce(size, 0), coalesce(name, '') FROM image WHERE deleted_us = 0 AND "
		"status IN "
		"('active', 'deactivated')",
		-1, &st, NULL);

	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		const char *uid = (const char *)sqlite3_column_text(st, 0);
		CLEANUP(free_ptr) char *path = xasprintf("%s/%s", w->image_dir, uid);
		struct stat is;

		rc = SQLITE_OK;
		if (stat(path, &is) == 0 && is.st_size == sqlite3_column_int64(st, 1))
			continue;
		if (missing++ < MISSING_SHOWN)
			say(w, "MISSING image %s (%s), %lld bytes: put its file into %s", uid,
				(const char *)sqlite3_column_text(st, 2),
				(long long)sqlite3_column_int64(st, 1), w->image_dir);
	}
	if (missing > MISSING_SHOWN)
		say(w, "MISSING %lld images in all", (long long)missing);
	if (rc != SQLITE_DONE)
		db_error(h, rc, err);
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : -1;
}

/* --- the copy ------------------------------------------------------------------------------------------- */

static int copy_file(const char *from, const char *to, struct error *err)
{
	enum { PIECE = 1 << 20 };
	CLEANUP(free_ptr) char *piece = xmalloc(PIECE);
	CLEANUP(close_fd) int in = open(from, O_RDONLY | O_CLOEXEC);
	CLEANUP(close_fd) int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t n = -1;

	while (in >= 0 && out >= 0 && (n = read(in, piece, PIECE)) > 0)
		if (write(out, piece, (size_t)n) != n) {
			n = -1;
			break;
		}
	if (n == 0)
		return 0;
	return error_set(err, ERR_UNAVAILABLE, "cannot copy %s to %s: %s", from, to, strerror(errno));
}

/* What only a restored cloud has: its flag, flows that wait, and ids that the lost time did not give out. */
static int mark(const struct restore_want *w, const struct backup_info *b, sqlite3 *h, int64_t next_id,
	struct error *err)
{
	char *sql = sqlite3_mprintf(
		"BEGIN; INSERT INTO meta VALUES ('restored', '%lld %lld %q') ON CONFLICT (key) DO "
		"UPDATE SET value = excluded.value; "
		"UPDATE flow SET state = 'stuck', last_error = %Q; "
		"UPDATE counter SET value = max(value, %lld) + %d WHERE name = 'id'; "
		"UPDATE meta SET value = '0' WHERE key = 'clean'; COMMIT",
		(long long)w->at_us, (long long)b->at_us, b->name, RESTORED_HELD, (long long)next_id,
		IDS_APART);
	int rc = sql ? file_exec(h, sql, err) : error_internal(err, "out of memory");

	sqlite3_free(sql);
	return rc;
}

/* In the audit: the first record of the restored cloud. */
static int note(struct store *s, const struct restore_want *w, const struct backup_info *b, struct error *err)
{
	char reason[160], made[TIME_TEXT];
	const struct audit_note n = { .at_us = w->at_us,
		.action = "cloud.restore",
		.status = 200,
		.target = b->name,
		.reason = reason };

	snprintf(reason, sizeof reason, "the rows are those of %s", time_iso_usz(b->at_us, made));
	if (store_tick_begin(s, err))
		return -1;
	store_tick_savepoint(s);
	if (store_audit_note(store_rw(s), &n, err) || store_tick_seal(s, err)) {
		store_tick_rollback(s);
		store_tick_settle(s, false);
		return -1;
	}
	store_tick_release(s);
	if (store_tick_commit(s, err)) {
		store_tick_settle(s, false);
		return -1;
	}
	store_tick_settle(s, true);
	return 0;
}

/* By the way of every start: schema, references, integrity, books. */
static int upgrade(
	const struct restore_want *w, const char *copy, const struct backup_info *b, struct error *err)
{
	const struct store_config config = { .path = copy, .clock = &clock_system, .check = true };
	CLEANUP(free_ptr) char *lock = xasprintf("%s.lock", copy);
	struct store *s = NULL;
	int rc;

	if (store_open(&config, &s, err)) {
		unlink(lock);
		return -1;
	}
	if (store_schema_version(s) != b->schema)
		say(w, "brought from schema %lld to %d", (long long)b->schema, store_schema_version(s));
	rc = note(s, w, b, err);
	store_close(s);
	unlink(lock);
	return rc;
}

static int prepare(const struct restore_want *w, const char *copy, const struct backup_info *b,
	int64_t next_id, struct error *err)
{
	sqlite3 *h CLEANUP(file_close) = NULL;

	if (copy_file(w->backup, copy, err) || same_bytes(copy, b, err) ||
		file_open(copy, SQLITE_OPEN_READWRITE, &h, err) || mark(w, b, h, next_id, err))
		return -1;
	if (w->image_dir && missing_images(w, h, err))
		return -1;
	file_close(&h);
	return upgrade(w, copy, b, err) || file_sync(copy, err) ? -1 : 0;
}

/* --- into its place ------------------------------------------------------------------------------------- */

static int put_aside(const struct restore_want *w, struct error *err)
{
	time_t at = (time_t)(w->at_us / 1000000);
	char stamp[32];
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
	for (const char *const *tail = (const char *const[]) { "", "-wal", NULL }; *tail; tail++) {
		CLEANUP(free_ptr) char *from = xasprintf("%s%s", w->database, *tail);
		CLEANUP(free_ptr) char *to = xasprintf("%s.before-restore-%s%s", w->database, stamp, *tail);

		if (access(from, F_OK) < 0)
			continue;
		if (access(to, F_OK) == 0)
			return error_set(err, ERR_CONFLICT, "%s is there already", to);
		if (file_rename(from, to, err))
			return -1;
		say(w, "kept what was there as %s", to);
	}
	{
		CLEANUP(free_ptr) char *shm = xasprintf("%s-shm", w->database);

		unlink(shm); /* made anew of the log */
	}
	return 0;
}

static int restore_locked(const struct restore_want *w, struct error *err)
{
	CLEANUP(free_ptr) char *copy = xasprintf("%s.restore-part", w->database);
	CLEANUP(free_ptr) char *ready = xasprintf("%s.restoring", w->database);
	struct backup_info b;
	int64_t next_id = 0;

	if (backup_verify(w->backup, &b, err))
		return -1;
	compare(w, &b, &next_id);
	if (prepare(w, copy, &b, next_id, err)) {
		unlink(copy);
		return error_wrap(err, "restore");
	}
	if (file_rename(copy, ready, err) || put_aside(w, err) || file_rename(ready, w->database, err))
		return error_wrap(err, "restore");
	say(w,
		"restored %s; it starts with what the rows do not know left alone: see 'cloudctl recovery "
		"show'",
		w->database);
	return 0;
}

int backup_restore(const struct restore_want *want, struct error *err)
{
	int fd = -1, rc;

	rc = store_lock_take(want->database, &fd, err);
	if (rc == 0)
		rc = restore_locked(want, err);
	if (fd >= 0)
		close(fd);
	return rc;
}
