/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ledger.h"

#include "base/util.h"

int store_ledger_walk(struct db *db, const struct ledger_filter *f, ledger_row_fn *fn, void *ctx,
	bool *out_more, struct error *err)
{
	static const char sql[] =
		"SELECT b.uid, b.host, b.address, u.model, u.zone, u.owner, u.profile, u.state, p.uid, "
		"s.uid, k.uid, u.share, u.started_us, u.ended_us, u.preemptible FROM gpu_book b CROSS JOIN "
		"gpu_usage u ON u.device_id = b.device_id LEFT JOIN project p ON p.id = u.project_id LEFT "
		"JOIN server s ON s.id = u.server_id LEFT JOIN block k ON k.id = u.block_id WHERE (?1 IS "
		"NULL OR b.uid = ?1 OR b.host || ':' || b.address = ?1) AND (?2 IS NULL OR b.host = ?2) AND "
		"(?3 IS NULL OR u.model = ?3) AND u.started_us < ?5 AND (u.ended_us IS NULL OR u.ended_us > "
		"?4) ORDER BY b.host, b.address, b.device_id, u.started_us, u.part_id LIMIT ?6";
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t n = 0;
	int rc;

	*out_more = false;
	if (db_query(db, err, &st, sql, "sssiii", f->gpu, f->host, f->model, f->from_us, f->to_us,
		    f->limit + 1))
		return -1;
	while ((rc = db_row(st, err)) > 0 && !(*out_more = n++ == f->limit))
		fn(ctx, &(struct ledger_row) { .gpu_uid = db_text(st, 0),
				.host = db_text(st, 1),
				.address = db_text(st, 2),
				.model = db_text(st, 3),
				.zone = db_text(st, 4),
				.owner = db_text(st, 5),
				.profile = db_text(st, 6),
				.state = db_text(st, 7),
				.project_uid = db_text(st, 8),
				.server_uid = db_text(st, 9),
				.block_uid = db_text(st, 10),
				.share = db_int(st, 11),
				.started_us = db_int(st, 12),
				.ended_us = db_int(st, 13),
				.preemptible = db_int(st, 14) != 0 });
	return rc < 0 ? -1 : 0;
}
