/* SPDX-License-Identifier: Apache-2.0 */
/* A growable run of bytes, and a writer of JSON (RFC 8259) onto it. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* not terminated */
	size_t len, cap;
};

/* An all-zero buf is ready; buf_finish frees and leaves it ready again. */
void buf_finish(struct buf *b);
void buf_append(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Room for n more bytes at the end; the caller adds to b->len what it wrote. */
char *buf_reserve(struct buf *b, size_t n);
/* Removes the first n bytes. */
void buf_consume(struct buf *b, size_t n);
/* The text with a NUL behind it (not counted in len); valid until the next change. */
const char *buf_text(struct buf *b);

/* JSON writer. Commas are its business: call key before each value inside an object.
 *	jw_object(b); jw_key(b, "id"); jw_str(b, id); jw_end_object(b);
 * Text is escaped; invalid UTF-8 becomes U+FFFD. A NULL string is written as null. */
void jw_object(struct buf *b);
void jw_end_object(struct buf *b);
void jw_array(struct buf *b);
void jw_end_array(struct buf *b);
void jw_key(struct buf *b, const char *key);
void jw_str(struct buf *b, const char *s);
void jw_strn(struct buf *b, const char *s, size_t n);
void jw_strf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void jw_int(struct buf *b, int64_t v);
void jw_double(struct buf *b, double v); /* shortest form with up to 15 digits; always with a point */
void jw_bool(struct buf *b, bool v);
void jw_null(struct buf *b);
/* Ready JSON text, taken as it is. */
void jw_raw(struct buf *b, const char *json, size_t n);

/* Key and value in one call: most views are rows of these. */
void jw_kv_str(struct buf *b, const char *key, const char *s);
void jw_kv_int(struct buf *b, const char *key, int64_t v);
void jw_kv_bool(struct buf *b, const char *key, bool v);
void jw_kv_null(struct buf *b, const char *key);

#endif
