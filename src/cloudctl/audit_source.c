/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudctl/audit_source.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "domain/audit_json.h"

/* --- a database --- */

struct database {
	sqlite3 *h;
	sqlite3_stmt *records, *heads;
	struct audit_head head; /* the next */
	bool has_head;
	int64_t tip_seq;
	unsigned char tip_hash[SHA256_SIZE];
};

static void database_close(struct database *d)
{
	sqlite3_finalize(d->records);
	sqlite3_finalize(d->heads);
	sqlite3_close(d->h);
}

static int sql_error(const struct database *d, const char *path, struct error *err)
{
	return error_set(err, ERR_BAD_REQUEST, "%s: %s", path, sqlite3_errmsg(d->h));
}

static int prepare(struct database *d, const char *sql, sqlite3_stmt **out)
{
	return sqlite3_prepare_v2(d->h, sql, -1, out, NULL) == SQLITE_OK ? 0 : -1;
}

/* Bytes of another length are none that was ever written: all zero, which fits nothing. */
static void blob(sqlite3_stmt *st, int col, unsigned char *out, size_t n)
{
	const void *p = sqlite3_column_blob(st, col);

	memset(out, 0, n);
	if (p && (size_t)sqlite3_column_bytes(st, col) == n)
		memcpy(out, p, n);
}

/* Bytes behind a NUL were never written, and would not be seen: such a text fits nothing. */
static const char *text(sqlite3_stmt *st, int col)
{
	const char *s = (const char *)sqlite3_column_text(st, col);

	return s && strlen(s) != (size_t)sqlite3_column_bytes(st, col) ? "(bytes behind a NUL)" : s;
}

static void next_head(struct database *d)
{
	d->has_head = sqlite3_step(d->heads) == SQLITE_ROW;
	if (!d->has_head)
		return;
	d->head.seq = sqlite3_column_int64(d->heads, 0);
	blob(d->heads, 1, d->head.hash, SHA256_SIZE);
	d->head.at_us = sqlite3_column_int64(d->heads, 2);
	str_copy(d->head.key_id, sizeof d->head.key_id, text(d->heads, 3) ? text(d->heads, 3) : "");
	blob(d->heads, 4, d->head.signature, SIGN_BYTES);
}

static void give_heads(struct database *d, struct audit_walk *w, bool end)
{
	while (d->has_head && (end || d->head.seq <= w->seq)) {
		audit_walk_head(w, &d->head);
		next_head(d);
	}
}

static int read_chain(struct database *d, struct audit_trust *trust, struct audit_result *out)
{
	sqlite3_stmt *st = NULL;
	unsigned char base[SHA256_SIZE], public_key[SIGN_PUBLIC];
	int rc = -1;

	if (prepare(d, "SELECT value FROM meta WHERE key = 'cloud_id'", &st) == 0 &&
		sqlite3_step(st) == SQLITE_ROW)
		str_copy(out->cloud_id, sizeof out->cloud_id, text(st, 0) ? text(st, 0) : "");
	sqlite3_finalize(st);
	st = NULL;
	if (prepare(d, "SELECT seq, hash, base_seq, base_hash FROM audit_chain WHERE one = 1", &st) == 0 &&
		sqlite3_step(st) == SQLITE_ROW) {
		d->tip_seq = sqlite3_column_int64(st, 0);
		blob(st, 1, d->tip_hash, SHA256_SIZE);
		blob(st, 3, base, SHA256_SIZE);
		audit_trust_begin(trust, out, sqlite3_column_int64(st, 2), base);
		rc = 0;
	}
	sqlite3_finalize(st);
	st = NULL;
	if (rc == 0 && prepare(d, "SELECT public_key FROM audit_key ORDER BY seq", &st) == 0)
		while (sqlite3_step(st) == SQLITE_ROW) {
			blob(st, 0, public_key, SIGN_PUBLIC);
			audit_walk_key(&out->walk, public_key, false);
		}
	sqlite3_finalize(st);
	return rc;
}

static int walk_database(struct database *d, struct audit_trust *trust, struct audit_walk *w)
{
	sqlite3_stmt *st = d->records;
	unsigned char hash[SHA256_SIZE];
	int rc;

	next_head(d);
	give_heads(d, w, false);
	audit_trust_heads(trust, w, false);
	while (!w->bad && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		const struct audit_record r = { .seq = sqlite3_column_int64(st, 0),
			.at_us = sqlite3_column_int64(st, 1),
			.request_id = text(st, 2),
			.user_uid = text(st, 3),
			.user_name = text(st, 4),
			.project_uid = text(st, 5),
			.peer = text(st, 6),
			.method = text(st, 7),
			.path = text(st, 8),
			.action = text(st, 9),
			.target = text(st, 10),
			.status = sqlite3_column_int64(st, 11),
			.reason = text(st, 12) };

		blob(st, 13, hash, SHA256_SIZE);
		audit_walk_record(w, &r, hash);
		give_heads(d, w, false);
		audit_trust_heads(trust, w, false);
	}
	if (!w->bad && rc != SQLITE_DONE)
		return -1;
	give_heads(d, w, true);
	audit_trust_heads(trust, w, true);
	audit_walk_end(w, d->tip_seq, d->tip_hash);
	return 0;
}

int audit_source_database(
	const char *path, struct audit_trust *trust, struct audit_result *out, struct error *err)
{
	CLEANUP(database_close) struct database d = { 0 };

	/* all in one snapshot, should a daemon be at work on the file */
	if (sqlite3_open_v2(path, &d.h, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
		sqlite3_exec(d.h, "BEGIN", NULL, NULL, NULL) != SQLITE_OK || read_chain(&d, trust, out) ||
		prepare(&d,
			"SELECT seq, at_us, request_id, user_uid, user_name, project_uid, peer, method, "
			"path, action, target, status, reason, hash FROM audit ORDER BY seq",
			&d.records) ||
		prepare(&d, "SELECT seq, hash, at_us, key_id, signature FROM audit_head ORDER BY seq",
			&d.heads) ||
		walk_database(&d, trust, &out->walk))
		return sql_error(&d, path, err);
	return 0;
}

/* --- an export --- */

struct lines {
	FILE *f;
	const char *path;
	char *line;
	size_t cap;
	int64_t n;
	int64_t tip_seq;
	unsigned char tip_hash[SHA256_SIZE];
	bool ended;
};

static void lines_close(struct lines *l)
{
	if (l->f && l->f != stdin)
		fclose(l->f);
	free(l->line);
}

/* 1, 0 at the end, -1; *out is the caller's. */
static int next_line(struct lines *l, json_t **out, struct error *err)
{
	ssize_t n = getline(&l->line, &l->cap, l->f);
	json_error_t where;

	if (n < 0)
		return ferror(l->f) ? error_set(err, ERR_BAD_REQUEST, "cannot read %s: %s", l->path,
					      strerror(errno))
				    : 0;
	l->n++;
	*out = json_loadb(l->line, (size_t)n, JSON_REJECT_DUPLICATES, &where);
	return *out ? 1
		    : error_set(err, ERR_BAD_REQUEST, "%s:%lld: no JSON: %s", l->path, (long long)l->n,
			      where.text);
}

static int begin_line(struct lines *l, struct audit_trust *trust, struct audit_result *out, struct error *err)
{
	unsigned char before[SHA256_SIZE];
	json_t *j = NULL;
	int64_t from = 0;
	int rc = next_line(l, &j, err);

	if (rc > 0) {
		const char *cloud = json_string_value(json_object_get(j, "cloud"));
		const char *format = json_string_value(json_object_get(j, "format"));

		from = json_integer_value(json_object_get(j, "from"));
		l->tip_seq = json_integer_value(json_object_get(j, "to"));
		if (cloud)
			str_copy(out->cloud_id, sizeof out->cloud_id, cloud);
		rc = !str_eq(format, AUDIT_EXPORT_FORMAT) || !cloud || from < 1 ||
				     audit_hash_read(j, "before", before, err)
			     ? 0
			     : 1;
	}
	json_decref(j);
	if (rc <= 0)
		return rc < 0 ? -1 : error_set(err, ERR_BAD_REQUEST, "%s is no export of an audit", l->path);
	audit_trust_begin(trust, out, from - 1, before);
	return 0;
}

static int record_line(const json_t *j, struct audit_walk *w, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	unsigned char hash[SHA256_SIZE];
	struct audit_record r;

	if (audit_record_read(j, &a, &r, hash, err))
		return -1;
	audit_walk_record(w, &r, hash);
	return 0;
}

static int line(struct lines *l, const json_t *j, struct audit_walk *w, struct error *err)
{
	const char *type = json_string_value(json_object_get(j, "type"));
	unsigned char public_key[SIGN_PUBLIC];
	struct audit_head head;

	if (str_eq(type, "record"))
		return record_line(j, w, err);
	if (str_eq(type, "head")) {
		if (audit_head_read(j, &head, err))
			return -1;
		audit_walk_head(w, &head);
		return 0;
	}
	if (str_eq(type, "key")) {
		if (audit_key_read(j, public_key, err))
			return -1;
		audit_walk_key(w, public_key, false);
		return 0;
	}
	if (!str_eq(type, "end"))
		return error_set(err, ERR_BAD_REQUEST, "a line of no known type");
	l->ended = true;
	l->tip_seq = json_integer_value(json_object_get(j, "seq"));
	return audit_hash_read(j, "hash", l->tip_hash, err);
}

static int walk_lines(struct lines *l, struct audit_trust *trust, struct audit_walk *w, struct error *err)
{
	json_t *j;
	int rc = 1;

	audit_trust_heads(trust, w, false);
	while (!w->bad && (rc = next_line(l, &j, err)) > 0) {
		rc = line(l, j, w, err);
		json_decref(j);
		if (rc)
			return error_wrap(err, "%s:%lld", l->path, (long long)l->n);
		audit_trust_heads(trust, w, false);
	}
	if (rc < 0)
		return -1;
	audit_trust_heads(trust, w, true);
	/* without its last line an export was broken off: what it announced is missing */
	audit_walk_end(w, l->ended || l->tip_seq > w->seq ? l->tip_seq : -1, l->tip_hash);
	return 0;
}

int audit_source_export(
	const char *path, struct audit_trust *trust, struct audit_result *out, struct error *err)
{
	CLEANUP(lines_close) struct lines l = { .path = path };

	l.f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	if (!l.f)
		return error_set(err, ERR_BAD_REQUEST, "cannot read %s: %s", path, strerror(errno));
	return begin_line(&l, trust, out, err) || walk_lines(&l, trust, &out->walk, err) ? -1 : 0;
}
