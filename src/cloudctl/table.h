/* SPDX-License-Identifier: Apache-2.0 */
/* Rows and columns as text: aligned by display width, and safe for a terminal whatever the cells hold. */
#ifndef CLOUDCTL_TABLE_H
#define CLOUDCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"

struct table {
	struct arena arena; /* owns the cells */
	size_t columns, rows;
	const char **titles; /* NULL: no heading */
	bool *right;         /* aligned to the right */
	const char **cells;  /* rows * columns */
	size_t cap;
};

/* Room for a heading and rows of n cells. The titles are copied. */
void table_init(struct table *t, size_t columns, const char *const *titles);
void table_finish(struct table *t);
/* Adds an empty row. */
void table_row(struct table *t);
/* Sets a cell of the last row; the text is copied, control characters become '?'. */
void table_set(struct table *t, size_t column, const char *text);
void table_print(const struct table *t, struct buf *out);
/* Columns that the text takes on a terminal; what is not valid UTF-8 counts one a byte. */
size_t table_width(const char *text);

#endif
