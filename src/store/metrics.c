/* SPDX-License-Identifier: Apache-2.0 */
#include "store/metrics.h"

#include "base/util.h"

static int each(struct db *db, const char *sql, metrics_row_fn *fn, void *ctx, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (db_query(db, err, &st, sql, "") < 0)
		return -1;
	while ((rc = db_row(st, err)) > 0)
		fn(ctx, db_text(st, 0), db_text(st, 1), db_int(st, 2));
	return rc;
}

int store_metrics_servers(struct db *db, metrics_row_fn *fn, void *ctx, struct error *err)
{
	return each(db, "SELECT vm_state, '', count(*) FROM server WHERE deleted_us = 0 GROUP BY vm_state",
		fn, ctx, err);
}

int store_metrics_hosts(struct db *db, metrics_row_fn *fn, void *ctx, struct error *err)
{
	return each(db,
		"SELECT CASE WHEN forced_down THEN 'dead' ELSE state END, '', count(*) FROM host GROUP BY 1",
		fn, ctx, err);
}

int store_metrics_flows(struct db *db, metrics_row_fn *fn, void *ctx, struct error *err)
{
	return each(db, "SELECT kind, state, count(*) FROM flow GROUP BY kind, state", fn, ctx, err);
}

int store_metrics_gpus(struct db *db, metrics_row_fn *fn, void *ctx, struct error *err)
{
	return each(db, "SELECT owner, '', sum(share) FROM gpu_usage WHERE ended_us IS NULL GROUP BY owner",
		fn, ctx, err);
}

int store_metrics_audit(struct db *db, metrics_row_fn *fn, void *ctx, struct error *err)
{
	return each(db, "SELECT '', '', seq FROM audit_chain", fn, ctx, err);
}

int store_metrics_events(struct db *db, metrics_row_fn *fn, void *ctx, struct error *err)
{
	return each(db, "SELECT '', '', coalesce(max(id), 0) FROM event", fn, ctx, err);
}

int store_metrics_waiting(struct db *db, metrics_row_fn *fn, void *ctx, struct error *err)
{
	return each(db,
		"SELECT '', '', coalesce(min((SELECT e.at_us FROM event e WHERE e.id > w.done_id ORDER BY "
		"e.id LIMIT "
		"1)), 0) FROM webhook w WHERE w.state = 'active' AND w.tries > 0",
		fn, ctx, err);
}
