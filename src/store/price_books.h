/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `price_book`: never changed; for a month the latest version that begins by then is in force. */
#ifndef STORE_PRICE_BOOKS_H
#define STORE_PRICE_BOOKS_H

#include "domain/price_book.h"
#include "store/db.h"

struct price_book_row {
	int version, from_month;
	const char *currency, *body; /* in the arena */
	int64_t created_us;
};

/* Sets its version: the one after the last. */
int store_price_book_add(struct db *db, struct price_book_row *r, struct error *err);
/* By version; limit at most. Without bodies. */
int store_price_book_list(struct db *db, struct arena *a, int64_t limit, struct price_book_row **out,
	size_t *out_n, struct error *err);
/* ERR_NOT_FOUND. */
int store_price_book_load(
	struct db *db, struct arena *a, int version, struct price_book_row *out, struct error *err);
/* 1, 0 there is none, -1. */
int store_price_book_in_force(struct db *db, int month, int *out_version, struct error *err);
/* Of its body. */
int store_price_book_open(
	struct db *db, struct arena *a, int version, struct price_book *out, struct error *err);

#endif
