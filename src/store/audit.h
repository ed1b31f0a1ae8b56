/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `audit`: append-only. Strings are in the caller's arena. */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

struct audit_row {
	int64_t id, at_us;
	const char *request_id;
	const char *user_uid, *user_name, *project_uid; /* NULL: nobody was known */
	const char *peer, *method, *path, *action;
	const char *target; /* NULL: none */
	int64_t status;
	const char *reason; /* NULL: it was done */
};

int store_audit_insert(struct db *db, const struct audit_row *r, struct error *err);
/* The newest `limit` before the row `before` (0: from the end), newest first. */
int store_audit_list(struct db *db, struct arena *a, int64_t before, size_t limit, struct audit_row **out,
	size_t *out_n, struct error *err);

#endif
