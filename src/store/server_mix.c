/* SPDX-License-Identifier: Apache-2.0 */
#include "store/server_mix.h"

#include "base/util.h"

enum { NEWEST = 20000 }; /* servers that are looked at: this runs on the loop */

int store_server_mix(struct db *db, struct arena *a, int64_t since_us, size_t max,
	struct server_mix_row **out, size_t *out_n, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	struct server_mix_row *rows = ARENA_ARRAY(a, struct server_mix_row, max + 1);
	size_t n = 0;
	int rc = 0;

	if (db_query(db, err, &st,
		    "SELECT vcpus, ram_mib, extra_specs, count(*), sum(deleted_us != 0) FROM (SELECT vcpus, "
		    "ram_mib, extra_specs, deleted_us, created_us FROM server ORDER BY id DESC LIMIT ?1) "
		    "WHERE created_us >= ?2 AND extra_specs != '{}' GROUP BY vcpus, ram_mib, extra_specs "
		    "ORDER BY count(*) DESC, vcpus, ram_mib, extra_specs LIMIT ?3",
		    "iii", (int64_t)NEWEST, since_us, (int64_t)max) < 0)
		return -1;
	while (n < max && (rc = db_row(st, err)) > 0)
		rows[n++] = (struct server_mix_row) { .vcpus = db_int(st, 0),
			.ram_mib = db_int(st, 1),
			.made = db_int(st, 3),
			.gone = db_int(st, 4),
			.extra_specs = db_dup(st, 2, a) };
	*out = rows;
	*out_n = n;
	return rc < 0 ? -1 : 0;
}
