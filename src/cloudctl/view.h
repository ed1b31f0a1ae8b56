/* SPDX-License-Identifier: Apache-2.0 */
/* How an answer of the API becomes a table: which member of each object stands in which column, in which
 * form. */
#ifndef CLOUDCTL_VIEW_H
#define CLOUDCTL_VIEW_H

#include <jansson.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

enum column_form {
	FORM_TEXT,     /* as it is; lists joined by commas */
	FORM_COUNT,    /* a number, aligned to the right */
	FORM_MIB,      /* 1536 as 1.5 GiB */
	FORM_BYTES,    /* 1536 as 1.5 KiB */
	FORM_SECONDS,  /* 3700 as 1h 1m */
	FORM_TIME,     /* microseconds since 1970, or a time's text */
	FORM_USED,     /* "used/total": two members, "3/8" */
	FORM_USED_MIB, /* the same in GiB */
	FORM_ALLOWED,  /* a list of what is allowed: null is "any", an empty one "none" */
};

struct column {
	const char *title; /* in lower case, as -c names it */
	const char *path;  /* "hosts.total": member of a member; for FORM_USED two paths with '/' between */
	enum column_form form;
};

struct view {
	const char *key; /* the answer's member with the object or the list; NULL: the answer itself */
	const struct column *columns; /* ended by a NULL title; NULL: all members, by name */
	const struct view *parts;     /* lists inside the object, shown below it; ended by a NULL key */
	const char *empty;            /* said instead of a list without rows */
};

/* -c COL, up to a few; none: all. */
struct selection {
	const char *names[32];
	size_t n;
};

/* A table for people. ERR_BAD_REQUEST when a column of the selection does not exist. */
int view_table(const struct view *view, const json_t *answer, const struct selection *sel, struct buf *out,
	struct error *err);
/* Bare values, a line for each object, tabs between the columns. */
int view_values(const struct view *view, const json_t *answer, const struct selection *sel, struct buf *out,
	struct error *err);

/* Comma-separated values (RFC 4180) with a heading, a line for each object, values as for view_values. */
int view_csv(const struct view *view, const json_t *answer, const struct selection *sel, struct buf *out,
	struct error *err);

#endif
