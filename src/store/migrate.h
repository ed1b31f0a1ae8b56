/* SPDX-License-Identifier: Apache-2.0 */
/* The schema's numbered scripts, embedded in the binary, and their way into a file. */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include <sqlite3.h>
#include <stddef.h>

#include "base/error.h"

struct migration {
	int version;
	const char *name; /* "0001_first" */
	const char *sql;
};

extern const struct migration migrations[];
extern const size_t migrations_count;

/* ERR_CONFLICT when the file's schema is newer than the last script. */
int migrate_refuse_newer(sqlite3 *h, const struct migration *list, size_t n, struct error *err);
/* Brings the file from its user_version to that of the last of the n scripts, each in one transaction that
 * also sets user_version. A newer file is refused and left alone. */
int migrate_run(sqlite3 *h, const struct migration *list, size_t n, int *out_version, struct error *err);

#endif
