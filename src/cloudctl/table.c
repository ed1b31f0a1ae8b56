/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudctl/table.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "base/util.h"

/* One character at s: its bytes and its width. Bytes that are no character, and control characters, have the
 * width -1. The locale is ours, not the caller's: the API's text is UTF-8 on every terminal. */
static size_t char_at(const char *s, size_t left, int *width)
{
	static locale_t utf8;
	locale_t before;
	mbstate_t state = { 0 };
	wchar_t c;
	size_t n;

	if (!utf8)
		utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	before = uselocale(utf8);
	n = mbrtowc(&c, s, left, &state);
	if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
		*width = -1;
		n = 1;
	} else {
		*width = wcwidth(c);
	}
	uselocale(before);
	return n;
}

size_t table_width(const char *text)
{
	size_t width = 0, left = strlen(text);

	while (left > 0) {
		int w;
		size_t n = char_at(text, left, &w);

		width += w < 0 ? 1 : (size_t)w;
		text += n;
		left -= n;
	}
	return width;
}

/* Tenants choose names: no escape sequence of theirs reaches the operator's terminal. */
static const char *printable(struct arena *a, const char *text)
{
	size_t left = strlen(text), at = 0;
	char *out = arena_alloc(a, left + 1);

	while (left > 0) {
		int w;
		size_t n = char_at(text, left, &w);

		if (w < 0)
			out[at++] = *text == '\n' || *text == '\t' ? ' ' : '?';
		else
			memcpy(out + at, text, n), at += n;
		text += n;
		left -= n;
	}
	return out;
}

void table_init(struct table *t, size_t columns, const char *const *titles)
{
	*t = (struct table) { .columns = columns };
	t->right = ARENA_ARRAY(&t->arena, bool, columns);
	if (!titles)
		return;
	t->titles = ARENA_ARRAY(&t->arena, const char *, columns);
	for (size_t i = 0; i < columns; i++)
		t->titles[i] = printable(&t->arena, titles[i]);
}

void table_finish(struct table *t)
{
	arena_finish(&t->arena);
	free((void *)t->cells);
	*t = (struct table) { 0 };
}

void table_row(struct table *t)
{
	if (t->rows == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 16;
		t->cells = xrealloc((void *)t->cells, t->cap * t->columns * sizeof *t->cells);
	}
	for (size_t i = 0; i < t->columns; i++)
		t->cells[t->rows * t->columns + i] = "";
	t->rows++;
}

void table_set(struct table *t, size_t column, const char *text)
{
	t->cells[(t->rows - 1) * t->columns + column] = printable(&t->arena, text);
}

static void spaces(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_puts(out, " ");
}

static void line_print(const struct table *t, const char *const *cells, const size_t *widths, struct buf *out)
{
	for (size_t i = 0; i < t->columns; i++) {
		size_t pad = widths[i] - table_width(cells[i]);

		if (t->right[i])
			spaces(out, pad);
		buf_puts(out, cells[i]);
		if (i + 1 < t->columns)
			spaces(out, 2 + (t->right[i] ? 0 : pad));
	}
	while (out->len && out->data[out->len - 1] == ' ')
		out->len--;
	buf_puts(out, "\n");
}

void table_print(const struct table *t, struct buf *out)
{
	CLEANUP(free_ptr) size_t *widths = xcalloc(t->columns, sizeof *widths);

	for (size_t i = 0; i < t->columns; i++) {
		widths[i] = t->titles ? table_width(t->titles[i]) : 0;
		for (size_t row = 0; row < t->rows; row++) {
			size_t width = table_width(t->cells[row * t->columns + i]);

			widths[i] = width > widths[i] ? width : widths[i];
		}
	}
	if (t->titles)
		line_print(t, t->titles, widths, out);
	for (size_t row = 0; row < t->rows; row++)
		line_print(t, t->cells + row * t->columns, widths, out);
}
