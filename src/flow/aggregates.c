/* SPDX-License-Identifier: Apache-2.0 */
/* Aggregates of hosts: what their rows say reaches placement, and with a zone the links. */
#include "store/aggregates.h"

#include <string.h>

#include "base/util.h"
#include "flow/internal.h"
#include "store/hosts.h"

/* The hosts of the aggregate, and one that is about to join. */
static int affected_hosts(struct db *db, struct arena *a, int64_t id, int64_t add_host, struct host_row **out,
	size_t *out_n, struct error *err)
{
	struct aggregate g;
	struct host_row *hosts;
	size_t n = 0;

	if (store_aggregate_get(db, a, id, &g, err))
		return -1;
	hosts = ARENA_ARRAY(a, struct host_row, g.hosts_n + 1);
	for (; n < g.hosts_n; n++)
		if (store_host_load(db, a, g.host_ids[n], &hosts[n], err))
			return -1;
	if (add_host && store_host_load(db, a, add_host, &hosts[n++], err))
		return -1;
	*out = hosts;
	*out_n = n;
	return 0;
}

static int write_change(
	struct db *db, int64_t id, const struct aggregate_change *c, int64_t now_us, struct error *err)
{
	if (store_aggregate_update(db, id, c->name, now_us, err) ||
		(c->add_host && store_aggregate_host_add(db, id, c->add_host, err)) ||
		(c->remove_host && store_aggregate_host_remove(db, id, c->remove_host, err)))
		return -1;
	for (size_t i = 0; i < c->metadata_n; i++)
		if (store_aggregate_metadata_set(db, id, c->metadata[i].key, c->metadata[i].value, err))
			return -1;
	return 0;
}

/* A server that asked for a zone stays in it: hosts change theirs while they are empty. */
static int follow(
	struct flow_engine *e, struct db *db, struct arena *a, const struct host_row *was, struct error *err)
{
	const struct link *l = link_find(e, was->id);
	struct host_row is;
	int64_t servers = 0;

	if (store_host_load(db, a, was->id, &is, err) || store_host_servers(db, was->id, &servers, err))
		return -1;
	if (strcmp(is.zone, was->zone) != 0 && servers)
		return error_set(err, ERR_CONFLICT,
			"Host %.64s has %lld servers: it cannot leave zone %.63s while they are there.",
			was->name, (long long)servers, was->zone);
	if (strcmp(is.zone, was->zone) != 0)
		host_sync_later(e, was->id);
	return capacity_host_set(e, db, was->id, l && link_placed(l), err);
}

int flow_aggregate_change(struct flow_engine *e, struct db *db, struct arena *a, int64_t id,
	const struct aggregate_change *change, int64_t now_us, struct error *err)
{
	struct host_row *hosts;
	const char *torn;
	size_t n;
	int rc;

	if (affected_hosts(db, a, id, change->add_host, &hosts, &n, err) ||
		write_change(db, id, change, now_us, err))
		return -1;
	rc = store_aggregate_torn_host(db, a, &torn, err);
	if (rc > 0)
		error_set(err, ERR_CONFLICT, "Host %.64s would be in two availability zones.", torn);
	if (rc)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (follow(e, db, a, &hosts[i], err))
			return -1;
	return 0;
}

int flow_aggregate_cache(struct flow_engine *e, struct db *db, struct arena *a, const struct aggregate *g,
	int64_t image_id, const char *request_id, int64_t now_us, struct error *err)
{
	for (size_t i = 0; i < g->hosts_n; i++)
		if (image_stage_ensure(e, db, a, g->host_ids[i], image_id, request_id, now_us, err))
			return -1;
	return 0;
}
