/* SPDX-License-Identifier: Apache-2.0 */
#include "store/backup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/util.h"
#include "store/internal.h"

/* --- rows ----------------------------------------------------------------------------------------------- */

void file_close(sqlite3 **h)
{
	sqlite3_close(*h);
	*h = NULL;
}

int file_open(const char *path, int flags, sqlite3 **out, struct error *err)
{
	int rc = sqlite3_open_v2(path, out,
		flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE, NULL);

	if (rc == SQLITE_OK) {
		sqlite3_db_config(*out, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		sqlite3_db_config(*out, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
		return 0;
	}
	db_error(*out, rc, err);
	file_close(out);
	return error_wrap(err, "%s", path);
}

int file_exec(sqlite3 *h, const char *sql, struct error *err)
{
	int rc = sqlite3_exec(h, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_error(h, rc, err);
}

static int first_row(sqlite3 *h, const char *sql, sqlite3_stmt **st, struct error *err)
{
	int rc = sqlite3_prepare_v2(h, sql, -1, st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(*st);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return rc == SQLITE_ROW;
	return db_error(h, rc, err);
}

int file_text(sqlite3 *h, const char *sql, char *out, size_t size, struct error *err)
{
	sqlite3_stmt *st = NULL;
	int rc = first_row(h, sql, &st, err);
	const char *text = rc > 0 ? (const char *)sqlite3_column_text(st, 0) : NULL;

	if (rc >= 0)
		str_copy(out, size, text ? text : "");
	sqlite3_finalize(st);
	return rc;
}

int file_int(sqlite3 *h, const char *sql, int64_t *out, struct error *err)
{
	sqlite3_stmt *st = NULL;
	int rc = first_row(h, sql, &st, err);

	if (rc > 0)
		*out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc;
}

int file_whole(sqlite3 *h, struct error *err)
{
	char text[200] = "";

	if (file_text(h, "PRAGMA integrity_check(1)", text, sizeof text, err) < 0)
		return -1;
	if (!str_eq(text, "ok"))
		return error_set(err, ERR_CONFLICT, "the file is damaged: %s", text);
	if (file_text(h,
		    "SELECT 'a row of ' || \"table\" || ' names a row of ' || parent || ' that is not there' "
		    "FROM "
		    "pragma_foreign_key_check LIMIT 1",
		    text, sizeof text, err) > 0)
		return error_set(err, ERR_CONFLICT, "the file is damaged: %s", text);
	return 0;
}

int file_facts(sqlite3 *h, struct backup_info *out, struct error *err)
{
	static const char *const audit[] = { "SELECT seq FROM audit_chain",
		"SELECT lower(hex(hash)) FROM audit_chain" };
	const struct {
		const char *sql;
		int64_t *to;
	} numbers[] = {
		{ "PRAGMA user_version", &out->schema },
		{ "SELECT seq FROM applied WHERE one = 1", &out->seq },
		{ "SELECT count(*) FROM project WHERE domain_id IS NOT NULL", &out->projects },
		{ "SELECT count(*) FROM host", &out->hosts },
		{ "SELECT count(*) FROM server WHERE deleted_us = 0", &out->servers },
		{ "SELECT count(*) FROM image WHERE deleted_us = 0", &out->images },
	};
	int64_t chained = 0;

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (file_int(h, numbers[i].sql, numbers[i].to, err) != 1)
			return error_wrap(err, "not a cloudd database");
	if (file_text(h, "SELECT value FROM meta WHERE key = 'cloud_id'", out->cloud_id, sizeof out->cloud_id,
		    err) < 0 ||
		file_int(h, "SELECT count(*) FROM sqlite_schema WHERE name = 'audit_chain'", &chained, err) <
			0)
		return -1;
	out->audit_seq = 0;
	out->audit_hash[0] = '\0';
	if (!chained) /* of a schema from before it was a chain */
		return 0;
	return file_int(h, audit[0], &out->audit_seq, err) < 0 ||
			       file_text(h, audit[1], out->audit_hash, sizeof out->audit_hash, err) < 0
		       ? -1
		       : 0;
}

/* --- files ---------------------------------------------------------------------------------------------- */

static int cannot(struct error *err, const char *what, const char *path)
{
	return error_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNAVAILABLE, "cannot %s %s: %s", what,
		path, strerror(errno));
}

int file_hash(const char *path, char out[SHA256_TEXT], int64_t *bytes, struct error *err)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char hash[SHA256_SIZE];

	if (fd < 0 || sha256_fd(fd, hash, bytes) < 0)
		return cannot(err, "read", path);
	hex_encode(hash, sizeof hash, out);
	return 0;
}

int file_sync(const char *path, struct error *err)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? cannot(err, "sync", path) : 0;
}

int file_sync_dir_of(const char *path, struct error *err)
{
	CLEANUP(free_ptr) char *copy = xstrdup(path);

	return file_sync(dirname(copy), err);
}

int file_rename(const char *from, const char *to, struct error *err)
{
	return rename(from, to) < 0 ? cannot(err, "rename", from) : file_sync_dir_of(to, err);
}

int file_put(const char *path, const struct buf *text, struct error *err)
{
	CLEANUP(free_ptr) char *part = xasprintf("%s.part", path);
	CLEANUP(close_fd) int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return cannot(err, "write", part);
	if (write(fd, text->data, text->len) == (ssize_t)text->len && fsync(fd) == 0)
		return file_rename(part, path, err);
	cannot(err, "write", part);
	unlink(part);
	return -1;
}
