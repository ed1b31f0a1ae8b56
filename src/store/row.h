/* SPDX-License-Identifier: Apache-2.0 */
/* Small helps for files that turn rows into structs. */
#ifndef STORE_ROW_H
#define STORE_ROW_H

#include "base/util.h"
#include "store/db.h"

/* Copied into the arena; without one borrowed until the next row. */
static inline const char *row_text(sqlite3_stmt *st, int col, struct arena *a)
{
	return a ? db_dup(st, col, a) : db_text(st, col);
}

/* A key that may be null, 0 then: keys start above it. */
static inline int64_t row_key(sqlite3_stmt *st, int col)
{
	return db_int(st, col);
}

/* A broken unique key in the words of the one who sent it. Always -1. */
static inline int row_taken(struct error *err, const char *what, const char *name)
{
	if (err->code == ERR_CONFLICT) {
		char detail[sizeof err->detail];

		str_copy(detail, sizeof detail, err->detail);
		error_set(err, ERR_CONFLICT,
			"Duplicate entry found with name %.128s: %s of that name exists.", name, what);
		error_detail(err, "%s", detail);
	}
	return -1;
}

#endif
