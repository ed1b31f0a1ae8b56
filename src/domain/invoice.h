/* SPDX-License-Identifier: Apache-2.0 */
/* An invoice that was issued, and the digest that seals its original lines. */
#ifndef DOMAIN_INVOICE_H
#define DOMAIN_INVOICE_H

#include "base/buf.h"
#include "base/crypto.h"
#include "domain/rating.h"

struct invoice {
	int64_t id, project_id;
	int month;
	const char *uid; /* "2027-01-000042"; NULL: provisional */
	const char *project_uid, *project_name;
	int book_version;
	const char *currency;
	int64_t lines_n;     /* original ones */
	int64_t total;       /* of those */
	int64_t corrections; /* the sum of the others */
	int64_t created_us;
	unsigned char digest[SHA256_SIZE];
};

enum { INVOICE_UID_TEXT = 24 };
const char *invoice_uid(int month, int64_t number, char out[INVOICE_UID_TEXT]);

/* SHA-256 over the invoice's uid, month, project, book, currency, time, total and its lines but corrections:
 * each value as its length in bytes, a colon, the value, a comma. */
void invoice_digest(
	const struct invoice *v, const struct rating_line *lines, size_t n, unsigned char out[SHA256_SIZE]);
/* Adds a value to what is hashed, so. */
void invoice_digest_value(struct buf *b, const void *p, size_t n);

/* What is wrong with it, as far as it can be told by itself: digest, sum, amounts. NULL: nothing. */
const char *invoice_fault(const struct invoice *v, const struct rating_line *lines, size_t n);

/* Lines as comma-separated values (RFC 4180), with a heading. */
void invoice_csv(struct buf *out, const struct invoice *v, const struct rating_line *lines, size_t n);

#endif
