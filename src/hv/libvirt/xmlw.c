/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/libvirt/xmlw.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* Length of the valid UTF-8 sequence at s, or 0. XML has no U+FFFE and U+FFFF. */
static size_t sequence(const char *s)
{
	for (size_t n = 1; n <= 4 && s[n - 1]; n++)
		if (utf8_valid(s, n))
			return n == 3 && (!memcmp(s, "\xef\xbf\xbe", 3) || !memcmp(s, "\xef\xbf\xbf", 3)) ? 0
													  : n;
	return 0;
}

static void escape(struct buf *b, const char *s)
{
	while (*s) {
		size_t n = sequence(s);

		if (*s == '<')
			buf_puts(b, "&lt;");
		else if (*s == '>')
			buf_puts(b, "&gt;");
		else if (*s == '&')
			buf_puts(b, "&amp;");
		else if (*s == '\'')
			buf_puts(b, "&apos;");
		else if (*s == '"')
			buf_puts(b, "&quot;");
		else if (*s == '\t' || *s == '\n' || *s == '\r')
			buf_printf(b, "&#%d;", *s); /* as they are they would be folded to blanks */
		else if (n && !(n == 1 && ((unsigned char)*s < ' ' || *s == 0x7f)))
			buf_append(b, s, n);
		else
			buf_puts(b, replacement);
		s += n ? n : 1;
	}
}

static void end_head(struct xmlw *w)
{
	if (w->head)
		buf_puts(w->out, ">");
	w->head = false;
}

static void indent(struct xmlw *w)
{
	if (w->out->len)
		buf_puts(w->out, "\n");
	for (int i = 0; i < w->depth; i++)
		buf_puts(w->out, "  ");
}

void xw_open(struct xmlw *w, const char *name)
{
	assert(w->depth < XMLW_DEPTH);
	end_head(w);
	indent(w);
	buf_puts(w->out, "<");
	buf_puts(w->out, name);
	w->names[w->depth++] = name;
	w->head = true;
	w->text = false;
}

void xw_attr(struct xmlw *w, const char *name, const char *value)
{
	assert(w->head);
	buf_puts(w->out, " ");
	buf_puts(w->out, name);
	buf_puts(w->out, "='");
	escape(w->out, value);
	buf_puts(w->out, "'");
}

void xw_attrf(struct xmlw *w, const char *name, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	xw_attr(w, name, text);
}

void xw_text(struct xmlw *w, const char *text)
{
	end_head(w);
	escape(w->out, text);
	w->text = true;
}

void xw_textf(struct xmlw *w, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	xw_text(w, text);
}

void xw_close(struct xmlw *w)
{
	const char *name = w->names[--w->depth];

	if (w->head) {
		buf_puts(w->out, "/>");
	} else {
		if (!w->text)
			indent(w);
		buf_puts(w->out, "</");
		buf_puts(w->out, name);
		buf_puts(w->out, ">");
	}
	w->head = w->text = false;
	if (!w->depth)
		buf_puts(w->out, "\n");
}

void xw_leaf(struct xmlw *w, const char *name, const char *text)
{
	xw_open(w, name);
	xw_text(w, text);
	xw_close(w);
}

void xw_empty(struct xmlw *w, const char *name, ...)
{
	const char *attr, *value;
	va_list ap;

	xw_open(w, name);
	va_start(ap, name);
	while ((attr = va_arg(ap, const char *)) && (value = va_arg(ap, const char *)))
		xw_attr(w, attr, value);
	va_end(ap);
	xw_close(w);
}
