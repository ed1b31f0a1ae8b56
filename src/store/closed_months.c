/* SPDX-License-Identifier: Apache-2.0 */
/* Months that are closed: their invoices are sealed one by one, and together. */
#include <string.h>

#include "base/buf.h"
#include "domain/month.h"
#include "store/books.h"
#include "store/invoices.h"
#include "store/row.h"

#define SELECT                                                                                       \
	"SELECT m.month, m.from_us, m.to_us, m.book_version, m.begun_us, coalesce(m.closed_us, 0), " \
	"m.digest, (SELECT count(*) FROM invoice v WHERE v.month = m.month) FROM closed_month m "

static void fill(sqlite3_stmt *st, struct closed_month *out)
{
	*out = (struct closed_month) { .month = (int)db_int(st, 0),
		.from_us = db_int(st, 1),
		.to_us = db_int(st, 2),
		.book_version = (int)db_int(st, 3),
		.begun_us = db_int(st, 4),
		.closed_us = db_int(st, 5),
		.invoices = db_int(st, 7) };
	if (sqlite3_column_bytes(st, 6) == SHA256_SIZE)
		memcpy(out->digest, sqlite3_column_blob(st, 6), SHA256_SIZE);
}

static int one(sqlite3_stmt *st, struct closed_month *out, struct error *err)
{
	int rc = db_row(st, err);

	if (rc > 0)
		fill(st, out);
	return rc;
}

int store_month_bounds(struct db *db, int month, int64_t *from_us, int64_t *to_us, struct error *err)
{
	static const char before[] =
		"SELECT month, to_us FROM closed_month WHERE month < ? ORDER BY month DESC LIMIT 1";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct closed_month m;
	int64_t end;
	int rc = store_month_get(db, month, &m, err);

	if (rc > 0) {
		*from_us = m.from_us;
		*to_us = m.to_us;
	}
	if (rc)
		return rc < 0 ? -1 : 0;
	*from_us = books_from_wall(db, month_start(month));
	*to_us = books_from_wall(db, month_start(month_next(month)));
	if (db_query(db, err, &st, before, "i", (int64_t)month))
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc;
	/* what was billed is not billed again, whatever the clock was set to since */
	end = db_int(st, 1);
	if (month_next((int)db_int(st, 0)) == month || *from_us < end)
		*from_us = end;
	if (*to_us < *from_us)
		*to_us = *from_us;
	return 0;
}

int store_month_begin(struct db *db, const struct closed_month *m, struct error *err)
{
	return db_run(db, err,
		       "INSERT INTO closed_month (month, from_us, to_us, book_version, begun_us) VALUES (?, "
		       "?, ?, ?, ?)",
		       "iiiii", (int64_t)m->month, m->from_us, m->to_us, (int64_t)m->book_version,
		       m->begun_us) < 0
		       ? -1
		       : 0;
}

int store_month_get(struct db *db, int month, struct closed_month *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	return db_query(db, err, &st, SELECT "WHERE m.month = ?", "i", (int64_t)month) ? -1
										       : one(st, out, err);
}

int store_month_closing(struct db *db, struct closed_month *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;

	return db_query(db, err, &st, SELECT "WHERE m.closed_us IS NULL", NULL) ? -1 : one(st, out, err);
}

int store_month_last(struct db *db, int *out, struct error *err)
{
	int64_t month;
	int rc = db_int_query(db, err, &month, "SELECT max(month) FROM closed_month", NULL);

	if (rc > 0)
		*out = (int)month;
	return rc;
}

int store_month_list(struct db *db, struct arena *a, int64_t limit, struct closed_month **out, size_t *out_n,
	struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct closed_month *all = ARENA_ARRAY(a, struct closed_month, (size_t)limit);
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st, SELECT "ORDER BY m.month DESC LIMIT ?", "i", limit))
		return -1;
	while ((int64_t)n < limit && (rc = one(st, &all[n], err)) > 0)
		n++;
	*out = all;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int store_month_digest(struct db *db, int month, unsigned char out[SHA256_SIZE], struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	CLEANUP(buf_finish) struct buf b = { 0 };
	int rc;

	if (db_query(db, err, &st, "SELECT uid, digest FROM invoice WHERE month = ? ORDER BY uid", "i",
		    (int64_t)month))
		return -1;
	buf_printf(&b, "cloudd month 1 %d\n", month);
	while ((rc = db_row(st, err)) > 0) {
		invoice_digest_value(&b, db_text(st, 0), (size_t)sqlite3_column_bytes(st, 0));
		invoice_digest_value(&b, sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1));
	}
	sha256(b.data, b.len, out);
	return rc;
}

int store_month_finish(struct db *db, int month, int64_t now_us, struct error *err)
{
	unsigned char digest[SHA256_SIZE];

	if (store_month_digest(db, month, digest, err))
		return -1;
	return db_run(db, err,
		       "UPDATE closed_month SET closed_us = ?, digest = ? WHERE month = ? AND closed_us IS "
		       "NULL",
		       "ibi", now_us, digest, (size_t)SHA256_SIZE, (int64_t)month) < 0
		       ? -1
		       : 0;
}

int store_month_undo(struct db *db, int month, struct error *err)
{
	return db_run(db, err,
		       "DELETE FROM closed_month WHERE month = ?1 AND closed_us IS NULL AND NOT EXISTS "
		       "(SELECT "
		       "1 FROM invoice v WHERE v.month = ?1)",
		       "i", (int64_t)month) < 0
		       ? -1
		       : 0;
}

static int verify_invoice(struct db *db, const struct invoice *v, struct arena *a,
	store_invoice_fault_fn *found, void *ctx, struct error *err)
{
	struct rating_line *lines;
	const char *fault;
	size_t n;

	if (store_invoice_lines(db, a, v->id, &lines, &n, err))
		return -1;
	fault = invoice_fault(v, lines, n);
	if (fault)
		found(ctx, v->uid, fault);
	return 0;
}

/* A page of invoices; *after is where the next begins, NULL behind the last. */
static int verify_page(struct db *db, struct invoice_filter *f, struct arena *last,
	store_invoice_fault_fn *found, void *ctx, int64_t *out_n, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct invoice *all;
	size_t n;

	if (store_invoice_list(db, &a, f, &all, &n, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (verify_invoice(db, &all[i], &a, found, ctx, err))
			return -1;
	*out_n += (int64_t)n;
	f->after = (int64_t)n == f->limit ? arena_strdup(last, all[n - 1].uid) : NULL;
	return 0;
}

int store_month_verify(
	struct db *db, int month, store_invoice_fault_fn *found, void *ctx, int64_t *out_n, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct invoice_filter f = { .month = month, .limit = 100 };
	unsigned char digest[SHA256_SIZE];
	struct closed_month m;
	int rc = store_month_get(db, month, &m, err);

	*out_n = 0;
	if (rc <= 0)
		return rc;
	do {
		if (verify_page(db, &f, &a, found, ctx, out_n, err))
			return -1;
	} while (f.after);
	if (!m.closed_us)
		return 0;
	if (store_month_digest(db, month, digest, err))
		return -1;
	if (memcmp(digest, m.digest, SHA256_SIZE) != 0)
		found(ctx, "the month", "its invoices are not those that were sealed");
	return 0;
}
