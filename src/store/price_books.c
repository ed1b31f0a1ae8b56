/* SPDX-License-Identifier: Apache-2.0 */
#include "store/price_books.h"

#include <string.h>

#include "store/row.h"

int store_price_book_add(struct db *db, struct price_book_row *r, struct error *err)
{
	int64_t version;

	if (db_int_query(db, err, &version, "SELECT coalesce(max(version), 0) + 1 FROM price_book", NULL) !=
			1 ||
		db_run(db, err,
			"INSERT INTO price_book (version, from_month, currency, body, created_us) VALUES (?, "
			"?, ?, ?, ?)",
			"iissi", version, (int64_t)r->from_month, r->currency, r->body, r->created_us) < 0)
		return -1;
	r->version = (int)version;
	return 0;
}

int store_price_book_list(struct db *db, struct arena *a, int64_t limit, struct price_book_row **out,
	size_t *out_n, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	struct price_book_row *all = ARENA_ARRAY(a, struct price_book_row, (size_t)limit);
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st,
		    "SELECT version, from_month, currency, created_us FROM price_book ORDER BY version DESC "
		    "LIMIT ?",
		    "i", limit))
		return -1;
	while ((int64_t)n < limit && (rc = db_row(st, err)) > 0)
		all[n++] = (struct price_book_row) { .version = (int)db_int(st, 0),
			.from_month = (int)db_int(st, 1),
			.currency = db_dup(st, 2, a),
			.created_us = db_int(st, 3) };
	*out = all;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}

int store_price_book_load(
	struct db *db, struct arena *a, int version, struct price_book_row *out, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT version, from_month, currency, body, created_us FROM price_book WHERE version = "
		    "?",
		    "i", (int64_t)version))
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc ? -1 : error_set(err, ERR_NOT_FOUND, "There is no price book %d.", version);
	*out = (struct price_book_row) { .version = (int)db_int(st, 0),
		.from_month = (int)db_int(st, 1),
		.currency = db_dup(st, 2, a),
		.body = db_dup(st, 3, a),
		.created_us = db_int(st, 4) };
	return 0;
}

int store_price_book_in_force(struct db *db, int month, int *out_version, struct error *err)
{
	int64_t version;
	int rc = db_int_query(db, err, &version, "SELECT max(version) FROM price_book WHERE from_month <= ?",
		"i", (int64_t)month);

	if (rc > 0)
		*out_version = (int)version;
	return rc;
}

int store_price_book_open(
	struct db *db, struct arena *a, int version, struct price_book *out, struct error *err)
{
	struct price_book_row row;

	if (store_price_book_load(db, a, version, &row, err))
		return -1;
	if (price_book_parse(row.body, strlen(row.body), a, out, err))
		return error_internal(err, "price book %d is damaged: %s", version, err->msg);
	out->version = version;
	return 0;
}
