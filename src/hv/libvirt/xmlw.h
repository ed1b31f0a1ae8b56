/* SPDX-License-Identifier: Apache-2.0 */
/* A writer of XML by construction: names are ours, every value is escaped, so no text can become markup. */
#ifndef HV_LIBVIRT_XMLW_H
#define HV_LIBVIRT_XMLW_H

#include "base/buf.h"

enum { XMLW_DEPTH = 16 };

struct xmlw {
	struct buf *out;
	const char *names[XMLW_DEPTH];
	int depth;
	bool head; /* the start tag is not closed yet */
	bool text; /* the element has text: its end tag follows directly */
};

/* Elements: open, then attributes, then text or children, then close. Names are borrowed until closed. */
void xw_open(struct xmlw *w, const char *name);
void xw_attr(struct xmlw *w, const char *name, const char *value);
void xw_attrf(struct xmlw *w, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void xw_text(struct xmlw *w, const char *text);
void xw_textf(struct xmlw *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void xw_close(struct xmlw *w);

/* <name>text</name> */
void xw_leaf(struct xmlw *w, const char *name, const char *text);
/* <name attr='value' .../>: pairs, ended by NULL; a pair with a NULL value ends the list too */
void xw_empty(struct xmlw *w, const char *name, ...) __attribute__((sentinel));

#endif
