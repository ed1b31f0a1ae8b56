/* SPDX-License-Identifier: Apache-2.0 */
/* Making a backup: the pages of one commit, in steps, while others write. A transaction that only reads holds
 * the commit still, so that writers do not make the copying begin anew; what they write meanwhile waits in
 * the write-ahead log. */
#include "store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "store/backup_file.h"
#include "store/internal.h"

enum { STEP_PAGES = 256 }; /* a mebibyte */

static int source_open(const char *path, sqlite3 **out, struct error *err)
{
	int64_t ignored;

	if (file_open(path, SQLITE_OPEN_READONLY, out, err) || file_exec(*out, "BEGIN", err))
		return -1;
	/* the first read is what settles which commit it sees */
	return file_int(*out, "SELECT count(*) FROM meta", &ignored, err) < 0 ? -1 : 0;
}

static int target_open(const char *path, sqlite3 **out, struct error *err)
{
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); /* secrets' hashes are in it */
	if (fd < 0)
		return error_set(err, ERR_UNAVAILABLE, "cannot make %s: %s", path, strerror(errno));
	close(fd);
	return file_open(path, SQLITE_OPEN_READWRITE, out, err) ||
			       /* nothing of it counts before it is synced as a whole */
			       file_exec(*out, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF", err)
		       ? -1
		       : 0;
}

static bool go_on(const struct backup_want *w, sqlite3_backup *b, int64_t page)
{
	int64_t total = sqlite3_backup_pagecount(b), left = sqlite3_backup_remaining(b);

	return !w->step || w->step(w->ctx, (total - left) * page, total * page);
}

static int copy_pages(const struct backup_want *w, sqlite3 *from, sqlite3 *to, struct error *err)
{
	const struct timespec breath = { .tv_nsec = 200000 }; /* others want the disk, too */
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
	int64_t page = 4096;
	int rc = SQLITE_OK;

	if (!b)
		return db_error(to, sqlite3_extended_errcode(to), err);
	if (file_int(from, "PRAGMA page_size", &page, err) < 0) {
		sqlite3_backup_finish(b);
		return -1;
	}
	while (rc == SQLITE_OK) {
		rc = sqlite3_backup_step(b, STEP_PAGES);
		if (rc == SQLITE_OK && !go_on(w, b, page))
			rc = SQLITE_INTERRUPT;
		if (rc == SQLITE_OK)
			nanosleep(&breath, NULL);
	}
	sqlite3_backup_finish(b);
	if (rc == SQLITE_INTERRUPT)
		return error_set(err, ERR_UNAVAILABLE, "the backup was given up");
	return rc == SQLITE_DONE ? 0 : db_error(to, rc, err);
}

/* One file, that needs no log beside it. */
static int write_copy(const struct backup_want *w, const char *part, struct error *err)
{
	CLEANUP(file_close) sqlite3 *from = NULL;
	CLEANUP(file_close) sqlite3 *to = NULL;

	if (source_open(w->database, &from, err) || target_open(part, &to, err) ||
		copy_pages(w, from, to, err))
		return -1;
	file_close(&to);
	if (file_open(part, SQLITE_OPEN_READWRITE, &to, err))
		return -1;
	return file_exec(to, "PRAGMA journal_mode = DELETE", err);
}

static void name_it(const struct backup_want *w, struct backup_info *b)
{
	time_t s = (time_t)(w->at_us / 1000000);
	char stamp[32];
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
	snprintf(b->name, sizeof b->name, "cloudd-%s-%lld.db", stamp, (long long)b->seq);
}

static int prove_and_name(
	const struct backup_want *w, const char *part, struct backup_info *b, struct error *err)
{
	CLEANUP(file_close) sqlite3 *h = NULL;
	CLEANUP(free_ptr) char *path = NULL;

	if (file_open(part, SQLITE_OPEN_READONLY, &h, err) || file_whole(h, err) || file_facts(h, b, err))
		return -1;
	b->at_us = w->at_us;
	name_it(w, b);
	path = xasprintf("%s/%s", w->dir, b->name);
	if (file_sync(part, err) || file_hash(part, b->sha256, &b->bytes, err) ||
		file_rename(part, path, err))
		return -1;
	return manifest_write(path, h, b, err);
}

int backup_make(const struct backup_want *want, struct backup_info *out, struct error *err)
{
	CLEANUP(free_ptr) char *part = xasprintf("%s/.backup.part", want->dir);
	struct backup_info made = { 0 };

	if (mkdir(want->dir, 0700) < 0 && access(want->dir, W_OK | X_OK) < 0)
		return error_set(err, ERR_UNAVAILABLE, "cannot write to %s: %s", want->dir, strerror(errno));
	if (write_copy(want, part, err) || prove_and_name(want, part, &made, err)) {
		unlink(part);
		return error_wrap(err, "backup of %s", want->database);
	}
	*out = made;
	return 0;
}
