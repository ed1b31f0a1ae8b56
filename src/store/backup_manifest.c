/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest beside a backup: written last, so what has one is whole; and the backups of a directory by it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bind.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/util.h"
#include "store/backup_file.h"
#include "store/internal.h"

/* MANIFEST_MAX: with the images of a very large cloud */
enum { MANIFEST_MAX = 64 << 20, LIST_MAX = 10000 };

#define FORMAT "cloudd-backup-1"

char *manifest_path(const char *backup)
{
	return xasprintf("%s.json", backup);
}

/* --- writing -------------------------------------------------------------------------------------------- */

static int write_images(sqlite3 *h, struct buf *b, struct error *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(h,
		"SELECT uid, name, size, sha512 FROM image WHERE deleted_us = 0 AND status IN ('active', "
		"'deactivated') "
		"ORDER BY uid",
		-1, &st, NULL);

	jw_key(b, "images");
	jw_array(b);
	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		jw_object(b);
		jw_kv_str(b, "id", (const char *)sqlite3_column_text(st, 0));
		jw_kv_str(b, "name", (const char *)sqlite3_column_text(st, 1));
		jw_kv_int(b, "size", sqlite3_column_int64(st, 2));
		jw_kv_str(b, "sha512", (const char *)sqlite3_column_text(st, 3));
		jw_end_object(b);
		rc = SQLITE_OK;
	}
	jw_end_array(b);
	if (rc != SQLITE_DONE)
		db_error(h, rc, err);
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : -1;
}

int manifest_write(const char *backup, sqlite3 *h, const struct backup_info *m, struct error *err)
{
	CLEANUP(free_ptr) char *path = manifest_path(backup);
	CLEANUP(buf_finish) struct buf b = { 0 };
	char text[TIME_TEXT];

	jw_object(&b);
	jw_kv_str(&b, "format", FORMAT);
	jw_kv_str(&b, "file", m->name);
	jw_kv_str(&b, "cloud_id", m->cloud_id);
	jw_kv_int(&b, "schema", m->schema);
	jw_kv_int(&b, "seq", m->seq);
	jw_kv_str(&b, "at", time_iso_usz(m->at_us, text));
	jw_kv_int(&b, "at_us", m->at_us);
	jw_kv_int(&b, "bytes", m->bytes);
	jw_kv_str(&b, "sha256", m->sha256);
	jw_kv_int(&b, "audit_seq", m->audit_seq);
	jw_kv_str(&b, "audit_hash", m->audit_hash);
	jw_kv_int(&b, "projects", m->projects);
	jw_kv_int(&b, "hosts", m->hosts);
	jw_kv_int(&b, "servers", m->servers);
	if (write_images(h, &b, err))
		return -1;
	jw_end_object(&b);
	buf_puts(&b, "\n");
	return file_put(path, &b, err);
}

/* --- reading -------------------------------------------------------------------------------------------- */

static int read_all(const char *path, struct buf *out, struct error *err)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	if (fd < 0)
		return error_set(err, ERR_NOT_FOUND, "there is no manifest %s", path);
	while (out->len < MANIFEST_MAX && (n = read(fd, buf_reserve(out, 65536), 65536)) > 0)
		out->len += (size_t)n;
	return n ? error_set(err, ERR_BAD_REQUEST, "the manifest %s cannot be read", path) : 0;
}

static bool take_text(const json_t *j, const char *key, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text && str_copy(out, size, text);
}

static bool take_all(const json_t *j, struct backup_info *m)
{
	const struct {
		const char *key;
		int64_t *to;
	} numbers[] = { { "schema", &m->schema }, { "seq", &m->seq }, { "at_us", &m->at_us },
		{ "bytes", &m->bytes }, { "audit_seq", &m->audit_seq }, { "projects", &m->projects },
		{ "hosts", &m->hosts }, { "servers", &m->servers } };

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		const json_t *v = json_object_get(j, numbers[i].key);

		if (!json_is_integer(v))
			return false;
		*numbers[i].to = json_integer_value(v);
	}
	m->images = (int64_t)json_array_size(json_object_get(j, "images"));
	return str_eq(json_string_value(json_object_get(j, "format")), FORMAT) &&
	       take_text(j, "file", m->name, sizeof m->name) && !strchr(m->name, '/') &&
	       take_text(j, "cloud_id", m->cloud_id, sizeof m->cloud_id) &&
	       take_text(j, "sha256", m->sha256, sizeof m->sha256) &&
	       take_text(j, "audit_hash", m->audit_hash, sizeof m->audit_hash);
}

int backup_manifest_read(const char *backup, struct backup_info *out, struct error *err)
{
	CLEANUP(free_ptr) char *path = manifest_path(backup);
	CLEANUP(buf_finish) struct buf b = { 0 };
	struct error why;
	json_t *j;
	bool ok;

	if (read_all(path, &b, err))
		return -1;
	*out = (struct backup_info) { 0 };
	j = bind_parse(b.data, b.len, &why);
	ok = j && take_all(j, out);
	json_decref(j);
	return ok ? 0 : error_set(err, ERR_BAD_REQUEST, "%s is not the manifest of a backup", path);
}

/* --- of a directory ------------------------------------------------------------------------------------- */

static int newest_first(const void *a, const void *b)
{
	const struct backup_info *x = a, *y = b;

	if (x->at_us != y->at_us)
		return x->at_us > y->at_us ? -1 : 1;
	return (x->seq < y->seq) - (x->seq > y->seq);
}

static bool is_backup(const char *name)
{
	size_t n = strlen(name), tail = strlen(".db.json");

	return str_starts(name, "cloudd-") && n > tail && n < BACKUP_NAME + strlen(".json") &&
	       strcmp(name + n - tail, ".db.json") == 0;
}

int backup_list(const char *dir, struct arena *a, struct backup_info **out, size_t *out_n, struct error *err)
{
	struct backup_info *all = NULL;
	DIR *d = opendir(dir);
	struct dirent *e;
	size_t n = 0;

	*out = NULL;
	*out_n = 0;
	if (!d)
		return errno == ENOENT
			       ? 0
			       : error_set(err, ERR_UNAVAILABLE, "cannot read %s: %s", dir, strerror(errno));
	while ((e = readdir(d)) && n < LIST_MAX) {
		CLEANUP(free_ptr) char *path = NULL;
		struct error ignored;

		if (!is_backup(e->d_name))
			continue;
		path = xasprintf("%s/%.*s", dir, (int)(strlen(e->d_name) - strlen(".json")), e->d_name);
		all = xrealloc(all, (n + 1) * sizeof *all);
		if (access(path, R_OK) == 0 && backup_manifest_read(path, &all[n], &ignored) == 0 &&
			strcmp(strrchr(path, '/') + 1, all[n].name) == 0)
			n++;
	}
	closedir(d);
	if (n) {
		qsort(all, n, sizeof *all, newest_first);
		*out = arena_copy(a, all, n * sizeof *all);
		*out_n = n;
	}
	free(all);
	return 0;
}

int backup_prune(const char *dir, size_t keep, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct backup_info *all;
	size_t n;

	if (backup_list(dir, &a, &all, &n, err))
		return -1;
	for (size_t i = keep; i < n; i++) {
		CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, all[i].name);
		CLEANUP(free_ptr) char *manifest = manifest_path(path);

		/* without its manifest it is none */
		if (unlink(manifest) < 0 || unlink(path) < 0)
			return error_set(err, ERR_UNAVAILABLE, "cannot remove %s: %s", path, strerror(errno));
	}
	return 0;
}

int backup_at(const char *dir, int64_t at_us, struct arena *a, const char **out_path, struct error *err)
{
	struct backup_info *all;
	char text[TIME_TEXT];
	size_t n;

	if (backup_list(dir, a, &all, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (all[i].at_us <= at_us) {
			*out_path = arena_printf(a, "%s/%s", dir, all[i].name);
			return 0;
		}
	return error_set(err, ERR_NOT_FOUND, "%s has no backup of %s or before (%zu in all)", dir,
		time_iso_usz(at_us, text), n);
}
