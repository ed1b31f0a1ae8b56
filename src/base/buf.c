/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

void buf_finish(struct buf *b)
{
	free(b->data);
	*b = (struct buf) { 0 };
}

char *buf_reserve(struct buf *b, size_t n)
{
	if (!b->data || b->cap - b->len < n) {
		size_t cap = b->cap ? b->cap : 256;

		while (cap - b->len < n)
			cap *= 2;
		b->data = xrealloc(b->data, cap);
		b->cap = cap;
	}
	return b->data + b->len;
}

void buf_append(struct buf *b, const void *p, size_t n)
{
	if (!n)
		return;
	memcpy(buf_reserve(b, n), p, n);
	b->len += n;
}

void buf_puts(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}

static void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(buf_reserve(b, 128), 128, fmt, ap);
	if (n >= 128)
		vsnprintf(buf_reserve(b, (size_t)n + 1), (size_t)n + 1, fmt, again);
	va_end(again);
	b->len += (size_t)n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_consume(struct buf *b, size_t n)
{
	if (n < b->len)
		memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

const char *buf_text(struct buf *b)
{
	*buf_reserve(b, 1) = '\0';
	return b->data;
}

/* A value or key follows: a comma unless it is the first, or the value of a key. */
static void separate(struct buf *b)
{
	char last = '\0';

	if (b->len)
		last = b->data[b->len - 1];
	if (last && last != '{' && last != '[' && last != ':' && last != ',')
		buf_append(b, ",", 1);
}

void jw_object(struct buf *b)
{
	separate(b);
	buf_append(b, "{", 1);
}

void jw_end_object(struct buf *b)
{
	buf_append(b, "}", 1);
}

void jw_array(struct buf *b)
{
	separate(b);
	buf_append(b, "[", 1);
}

void jw_end_array(struct buf *b)
{
	buf_append(b, "]", 1);
}

static size_t escape_one(char *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char plain[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (const char *p = plain; *p; p += 2) {
		if (c == (unsigned char)*p) {
			out[0] = '\\';
			out[1] = p[1];
			return 2;
		}
	}
	memcpy(out, "\\u00", 4);
	out[4] = hex[c >> 4];
	out[5] = hex[c & 15];
	return 6;
}

static void write_text(struct buf *b, const char *s, size_t n)
{
	size_t clean = 0;

	buf_reserve(b, n + 2);
	b->data[b->len++] = '"';
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		char out[6];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_append(b, s + clean, i - clean);
		buf_append(b, out, escape_one(out, c));
		clean = i + 1;
	}
	buf_append(b, s + clean, n - clean);
	buf_append(b, "\"", 1);
}

/* Bytes that are no UTF-8, one U+FFFD each. */
static void write_repaired(struct buf *b, const char *s, size_t n)
{
	struct buf fixed = { 0 };

	for (size_t i = 0; i < n;) {
		size_t len = 1;

		while (len <= 4 && i + len <= n && !utf8_valid(s + i, len))
			len++;
		if (s[i] == '\0') {
			buf_append(&fixed, "\xef\xbf\xbd", 3);
			i++;
		} else if (len <= 4 && i + len <= n) {
			buf_append(&fixed, s + i, len);
			i += len;
		} else {
			buf_append(&fixed, "\xef\xbf\xbd", 3);
			i++;
		}
	}
	write_text(b, fixed.data ? fixed.data : "", fixed.len);
	buf_finish(&fixed);
}

/* Nothing to escape and nothing that could be bad UTF-8, as nearly all texts are: eight bytes at a time. */
static bool is_plain(const char *s, size_t n)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
	uint64_t bad = 0, w, quote, slash;
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		memcpy(&w, s + i, 8);
		quote = w ^ ones * '"';
		slash = w ^ ones * '\\';
		/* a byte of v is zero: v - ones borrows there; a byte of w is below 0x20: so does w - ones *
		 * 0x20 */
		bad |= (w | (w - ones * 0x20) | (quote - ones) | (slash - ones)) & high;
	}
	for (; i < n; i++)
		bad |= (unsigned char)s[i] < 0x20 || (unsigned char)s[i] >= 0x80 || s[i] == '"' ||
		       s[i] == '\\';
	return !bad;
}

void jw_strn(struct buf *b, const char *s, size_t n)
{
	separate(b);
	if (is_plain(s, n)) {
		char *at = buf_reserve(b, n + 2);

		at[0] = at[n + 1] = '"';
		memcpy(at + 1, s, n);
		b->len += n + 2;
	} else if (utf8_valid(s, n))
		write_text(b, s, n);
	else
		write_repaired(b, s, n);
}

void jw_str(struct buf *b, const char *s)
{
	if (s)
		jw_strn(b, s, strlen(s));
	else
		jw_null(b);
}

void jw_strf(struct buf *b, const char *fmt, ...)
{
	struct buf text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	jw_strn(b, text.data, text.len);
	buf_finish(&text);
}

void jw_key(struct buf *b, const char *key)
{
	jw_str(b, key);
	buf_append(b, ":", 1);
}

void jw_int(struct buf *b, int64_t v)
{
	char text[24], *p = text + sizeof text;
	uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v;

	do
		*--p = (char)('0' + left % 10);
	while (left /= 10);
	if (v < 0)
		*--p = '-';
	separate(b);
	buf_append(b, p, (size_t)(text + sizeof text - p));
}

void jw_double(struct buf *b, double v)
{
	char text[40];
	int n;

	separate(b);
	if (!isfinite(v))
		v = 0;
	n = snprintf(text, sizeof text, "%.15g", v);
	if (!strpbrk(text, ".e")) {
		memcpy(text + n, ".0", 3);
		n += 2;
	}
	buf_append(b, text, (size_t)n);
}

void jw_bool(struct buf *b, bool v)
{
	separate(b);
	buf_puts(b, v ? "true" : "false");
}

void jw_null(struct buf *b)
{
	separate(b);
	buf_puts(b, "null");
}

void jw_raw(struct buf *b, const char *json, size_t n)
{
	separate(b);
	buf_append(b, json, n);
}

void jw_kv_str(struct buf *b, const char *key, const char *s)
{
	jw_key(b, key);
	jw_str(b, s);
}

void jw_kv_int(struct buf *b, const char *key, int64_t v)
{
	jw_key(b, key);
	jw_int(b, v);
}

void jw_kv_bool(struct buf *b, const char *key, bool v)
{
	jw_key(b, key);
	jw_bool(b, v);
}

void jw_kv_null(struct buf *b, const char *key)
{
	jw_key(b, key);
	jw_null(b);
}
