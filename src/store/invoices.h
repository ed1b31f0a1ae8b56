/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `closed_month`, `invoice` and `invoice_line`. Lines are written with their invoice, and corrections
 * after them; nothing is ever edited. Strings are in the caller's arena. */
#ifndef STORE_INVOICES_H
#define STORE_INVOICES_H

#include "domain/invoice.h"
#include "store/db.h"

struct closed_month {
	int month, book_version;
	int64_t from_us, to_us;      /* books time */
	int64_t begun_us, closed_us; /* closed 0: its invoices are being written */
	int64_t invoices;
	unsigned char digest[SHA256_SIZE];
};

/* A month's bounds in books time: as it was closed; else from where the one before it ended, when that is
 * closed. */
int store_month_bounds(struct db *db, int month, int64_t *from_us, int64_t *to_us, struct error *err);
int store_month_begin(struct db *db, const struct closed_month *m, struct error *err);
/* 1, 0 it is not closed nor being closed, -1. */
int store_month_get(struct db *db, int month, struct closed_month *out, struct error *err);
/* The one that is being closed: 1, 0 none, -1. There is never more than one. */
int store_month_closing(struct db *db, struct closed_month *out, struct error *err);
/* The last that is closed or being closed: 1, 0 none, -1. */
int store_month_last(struct db *db, int *out, struct error *err);
/* The latest first. */
int store_month_list(struct db *db, struct arena *a, int64_t limit, struct closed_month **out, size_t *out_n,
	struct error *err);
/* It could not be rated, and none of its invoices is written: it is open again. */
int store_month_undo(struct db *db, int month, struct error *err);
/* All its invoices are written: seals them with one digest. */
int store_month_finish(struct db *db, int month, int64_t now_us, struct error *err);
/* Of its invoices' digests as they are now. */
int store_month_digest(struct db *db, int month, unsigned char out[SHA256_SIZE], struct error *err);

/* Sets id, uid (numbers go up by one within the month), totals and digest. */
int store_invoice_write(
	struct db *db, struct arena *a, struct invoice *v, const struct rating_invoice *r, struct error *err);
/* The projects' invoices of a month are written by the projects' keys: the last one, 0 without. */
int store_invoice_last_project(struct db *db, int month, int64_t *out, struct error *err);
/* project_id 0: of any. ERR_NOT_FOUND. */
int store_invoice_load(struct db *db, struct arena *a, const char *uid, int64_t project_id,
	struct invoice *out, struct error *err);
int store_invoice_lines(struct db *db, struct arena *a, int64_t invoice_id, struct rating_line **out,
	size_t *out_n, struct error *err);

struct invoice_filter {
	int64_t project_id; /* 0: all */
	int month;          /* 0: all */
	const char *after;  /* uid; NULL: from the first */
	int64_t limit;
};
/* By uid. */
int store_invoice_list(struct db *db, struct arena *a, const struct invoice_filter *f, struct invoice **out,
	size_t *out_n, struct error *err);

struct invoice_correction {
	const char *text, *user_uid;
	int64_t amount, now_us;
};
int store_invoice_correct(
	struct db *db, const struct invoice *v, const struct invoice_correction *c, struct error *err);

typedef void store_invoice_fault_fn(void *ctx, const char *uid, const char *fault);
/* Looks at each invoice of a closed month and at the month's own digest. */
int store_month_verify(struct db *db, int month, store_invoice_fault_fn *found, void *ctx, int64_t *out_n,
	struct error *err);

#endif
