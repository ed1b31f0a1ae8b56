/* SPDX-License-Identifier: Apache-2.0 */
#include "store/invoices.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "domain/month.h"
#include "store/row.h"

#define COLUMNS                                                                                              \
	"v.id, v.uid, v.month, v.project_id, p.uid, p.name, v.book_version, v.currency, v.lines, v.total, "  \
	"v.created_us, v.digest, (SELECT coalesce(sum(l.amount), 0) FROM invoice_line l WHERE l.invoice_id " \
	"= v.id AND l.kind = 'correction')"
#define FROM " FROM invoice v JOIN project p ON p.id = v.project_id "

static void read_digest(sqlite3_stmt *st, int col, unsigned char out[SHA256_SIZE])
{
	memset(out, 0, SHA256_SIZE);
	if (sqlite3_column_bytes(st, col) == SHA256_SIZE)
		memcpy(out, sqlite3_column_blob(st, col), SHA256_SIZE);
}

static void fill(sqlite3_stmt *st, struct arena *a, struct invoice *out)
{
	*out = (struct invoice) { .id = db_int(st, 0),
		.uid = db_dup(st, 1, a),
		.month = (int)db_int(st, 2),
		.project_id = db_int(st, 3),
		.project_uid = db_dup(st, 4, a),
		.project_name = db_dup(st, 5, a),
		.book_version = (int)db_int(st, 6),
		.currency = db_dup(st, 7, a),
		.lines_n = db_int(st, 8),
		.total = db_int(st, 9),
		.created_us = db_int(st, 10),
		.corrections = db_int(st, 12) };
	read_digest(st, 11, out->digest);
}

/* --- reading --- */

int store_invoice_load(struct db *db, struct arena *a, const char *uid, int64_t project_id,
	struct invoice *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT " COLUMNS FROM "WHERE v.uid = ?1 AND (?2 = 0 OR v.project_id = ?2)", "si", uid,
		    project_id))
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc ? -1 : error_set(err, ERR_NOT_FOUND, "There is no invoice %.32s.", uid);
	fill(st, a, out);
	return 0;
}

/* By uid, which begins with the month; of one project by its own index. */
#define PAGE "v.uid > ?2 AND v.uid < ?3 ORDER BY v.uid LIMIT ?4"
#define LIST "SELECT " COLUMNS FROM "WHERE v.project_id = ?1 AND " PAGE
#define LIST_ALL "SELECT " COLUMNS FROM "WHERE ?1 = 0 AND " PAGE

int store_invoice_list(struct db *db, struct arena *a, const struct invoice_filter *f, struct invoice **out,
	size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct invoice *all = ARENA_ARRAY(a, struct invoice, (size_t)f->limit);
	char month[MONTH_TEXT], from[MONTH_TEXT + 1] = "", to[MONTH_TEXT + 1] = "~";
	size_t n = 0;
	int rc = 0;

	if (f->month) {
		snprintf(from, sizeof from, "%s-", month_text(f->month, month));
		snprintf(to, sizeof to, "%s.", month); /* what comes behind - */
	}
	if (db_query(db, err, &st, f->project_id ? LIST : LIST_ALL, "issi", f->project_id,
		    f->after && strcmp(f->after, from) > 0 ? f->after : from, to, f->limit))
		return -1;
	while ((int64_t)n < f->limit && (rc = db_row(st, err)) > 0)
		fill(st, a, &all[n++]);
	*out = all;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

static enum rating_line_kind kind_of(const char *name)
{
	int kind = 0;

	while (kind < LINE_KINDS - 1 && strcmp(rating_line_names[kind], name) != 0)
		kind++;
	return (enum rating_line_kind)kind;
}

int store_invoice_lines(struct db *db, struct arena *a, int64_t invoice_id, struct rating_line **out,
	size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf lines = { 0 };
	int rc;

	if (db_query(db, err, &st,
		    "SELECT kind, text, item, quantity, unit, price, amount, created_us, user_uid FROM "
		    "invoice_line WHERE invoice_id = ? ORDER BY line",
		    "i", invoice_id))
		return -1;
	while ((rc = db_row(st, err)) > 0) {
		struct rating_line l = { .kind = kind_of(db_text(st, 0)),
			.text = db_dup(st, 1, a),
			.item = db_dup(st, 2, a),
			.quantity = db_dup(st, 3, a),
			.unit = db_dup(st, 4, a),
			.price = db_dup(st, 5, a),
			.amount = db_int(st, 6),
			.resource = -1,
			.created_us = db_int(st, 7),
			.user_uid = db_dup(st, 8, a) };

		buf_append(&lines, &l, sizeof l);
	}
	*out_n = lines.len / sizeof(struct rating_line);
	*out = *out_n ? arena_copy(a, lines.data, lines.len) : NULL;
	return rc;
}

/* --- writing --- */

static int write_line(struct db *db, int64_t invoice_id, int64_t number, const struct rating_line *l,
	int64_t now_us, struct error *err)
{
	return db_run(db, err,
		       "INSERT INTO invoice_line (invoice_id, line, kind, text, item, quantity, unit, price, "
		       "amount, created_us, user_uid) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		       "iissssssiis", invoice_id, number, rating_line_names[l->kind], l->text, l->item,
		       l->quantity, l->unit, l->price, l->amount, now_us, l->user_uid) < 0
		       ? -1
		       : 0;
}

int store_invoice_write(
	struct db *db, struct arena *a, struct invoice *v, const struct rating_invoice *r, struct error *err)
{
	char uid[INVOICE_UID_TEXT];
	int64_t number;

	if (db_int_query(db, err, &number, "SELECT count(*) + 1 FROM invoice WHERE month = ?", "i",
		    (int64_t)v->month) != 1)
		return -1;
	v->id = store_next_id(db_store(db));
	v->uid = arena_strdup(a, invoice_uid(v->month, number, uid));
	v->lines_n = (int64_t)r->n;
	v->total = r->total;
	invoice_digest(v, r->lines, r->n, v->digest);
	if (db_run(db, err,
		    "INSERT INTO invoice (id, uid, month, project_id, book_version, currency, lines, total, "
		    "created_us, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		    "isiiisiiib", v->id, v->uid, (int64_t)v->month, v->project_id, (int64_t)v->book_version,
		    v->currency, v->lines_n, v->total, v->created_us, v->digest, (size_t)SHA256_SIZE) < 0)
		return -1;
	for (size_t i = 0; i < r->n; i++)
		if (write_line(db, v->id, (int64_t)i + 1, &r->lines[i], v->created_us, err))
			return -1;
	return 0;
}

int store_invoice_last_project(struct db *db, int month, int64_t *out, struct error *err)
{
	*out = 0;
	return db_int_query(db, err, out, "SELECT max(project_id) FROM invoice WHERE month = ?", "i",
		       (int64_t)month) < 0
		       ? -1
		       : 0;
}

int store_invoice_correct(
	struct db *db, const struct invoice *v, const struct invoice_correction *c, struct error *err)
{
	const struct rating_line l = { .kind = LINE_CORRECTION,
		.text = c->text,
		.item = "{}",
		.quantity = "",
		.unit = "",
		.price = "",
		.amount = c->amount,
		.user_uid = c->user_uid };
	int64_t number, sum = v->total;

	if (!money_add(&sum, v->corrections) || !money_add(&sum, c->amount))
		return error_set(err, ERR_BAD_REQUEST, "the invoice's sum would be more than can be written");
	if (db_int_query(db, err, &number, "SELECT max(line) + 1 FROM invoice_line WHERE invoice_id = ?", "i",
		    v->id) != 1)
		return error_internal(err, "invoice %s has no lines", v->uid);
	return write_line(db, v->id, number, &l, c->now_us, err);
}
