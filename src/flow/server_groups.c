/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/server_groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "store/aggregates.h"
#include "store/guardrails.h"

enum { HOSTS_OF_ONE = 4 }; /* store_server_hosts */

/* ---- the group ---- */

static enum placement_policy policy_of(const char *text)
{
	static const struct {
		const char *text;
		enum placement_policy policy;
	} policies[] = {
		{ "affinity", PLACEMENT_TOGETHER },
		{ "anti-affinity", PLACEMENT_APART },
		{ "soft-affinity", PLACEMENT_SOFT_TOGETHER },
		{ "soft-anti-affinity", PLACEMENT_SOFT_APART },
	};

	for (size_t i = 0; i < ARRAY_LEN(policies); i++)
		if (strcmp(policies[i].text, text) == 0)
			return policies[i].policy;
	return PLACEMENT_NO_GROUP;
}

static int fill_group(struct db *db, struct arena *a, int64_t group_id, int64_t server_id,
	struct placement_request *req, struct error *err)
{
	struct server_group_host *hosts;
	struct placement_members *members;
	struct server_group g;
	size_t n;
	int rc = store_server_group_load(db, a, group_id, &g, err);

	if (rc <= 0) /* deleted meanwhile: no group */
		return rc;
	if (store_server_group_hosts(db, a, group_id, server_id, &hosts, &n, err) < 0)
		return -1;
	members = ARENA_ARRAY(a, struct placement_members, n + 1);
	for (size_t i = 0; i < n; i++)
		members[i] = (struct placement_members) { hosts[i].host_id, (int)hosts[i].n };
	req->policy = policy_of(g.policy);
	req->max_per_host = (int)g.max_per_host;
	req->members = members;
	req->members_n = n;
	return 0;
}

/* ---- hints ---- */

/* The hosts of all servers that hints of this kind name. */
static int hinted_hosts(struct db *db, struct arena *a, const struct server_rules *rules, enum hint_kind kind,
	int64_t **out, size_t *out_n, bool *out_any, struct error *err)
{
	*out = ARENA_ARRAY(a, int64_t, rules->hints_n * HOSTS_OF_ONE + 1);
	*out_n = 0;
	*out_any = false;
	for (size_t i = 0; i < rules->hints_n; i++) {
		if (rules->hints[i].kind != kind)
			continue;
		*out_any = true;
		if (store_server_hosts(db, rules->hints[i].other_id, *out, out_n, err) < 0)
			return -1;
	}
	return 0;
}

static bool among(int64_t id, const int64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/* Those in both lists; no list is all hosts. */
static const int64_t *both(
	struct arena *a, const int64_t *x, size_t x_n, const int64_t *y, size_t y_n, size_t *out_n)
{
	int64_t *ids = ARENA_ARRAY(a, int64_t, y_n + 1);
	size_t n = 0;

	for (size_t i = 0; i < y_n; i++)
		if (!x || among(y[i], x, x_n))
			ids[n++] = y[i];
	*out_n = n;
	return ids;
}

static int fill_hints(struct db *db, struct arena *a, const struct server_rules *rules,
	struct placement_request *req, struct error *err)
{
	int64_t *same, *different, *avoid;
	size_t same_n, different_n;
	bool any;

	if (hinted_hosts(db, a, rules, HINT_DIFFERENT_HOST, &different, &different_n, &any, err) < 0)
		return -1;
	if (different_n) {
		avoid = ARENA_ARRAY(a, int64_t, req->avoid_n + different_n);
		for (size_t i = 0; i < req->avoid_n; i++)
			avoid[i] = req->avoid[i];
		memcpy(avoid + req->avoid_n, different, different_n * sizeof *avoid);
		req->avoid = avoid;
		req->avoid_n += different_n;
	}
	if (hinted_hosts(db, a, rules, HINT_SAME_HOST, &same, &same_n, &any, err) < 0)
		return -1;
	if (any)
		req->within = both(a, req->within, req->within_n, same, same_n, &req->within_n);
	return 0;
}

/* ---- aggregates ---- */

static int by_id(const void *x, const void *y)
{
	const int64_t *a = x, *b = y;

	return (*a > *b) - (*a < *b);
}

/* Both lists are sorted. */
static size_t intersect(int64_t *ids, size_t n, const int64_t *other, size_t other_n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (other_n && bsearch(&ids[i], other, other_n, sizeof *other, by_id))
			ids[kept++] = ids[i];
	return kept;
}

/* The capacity block whose GPUs it may use. */
static void fill_reservation(const struct server_rules *rules, struct placement_request *req)
{
	for (size_t i = 0; i < rules->hints_n; i++)
		if (rules->hints[i].kind == HINT_RESERVATION)
			req->reservation = rules->hints[i].other_id;
}

static int fill_aggregates(struct db *db, struct arena *a, const struct flavor_wants *wants,
	struct placement_request *req, struct error *err)
{
	int64_t *ids = NULL, *with;
	size_t n = 0, with_n;

	for (size_t i = 0; i < wants->aggregates_n; i++) {
		const struct flavor_aggregate_want *w = &wants->aggregates[i];

		if (store_aggregate_hosts_with(db, a, w->key, w->value, &with, &with_n, err) < 0)
			return -1;
		n = i ? intersect(ids, n, with, with_n) : with_n;
		ids = i ? ids : with;
	}
	req->eligible = ids;
	req->eligible_n = n;
	req->exclusive = wants->exclusive_host;
	return 0;
}

static bool requires(const struct flavor_wants *wants, const char *trait)
{
	for (size_t i = 0; i < wants->traits_n; i++)
		if (!wants->traits[i].forbidden && str_eq(wants->traits[i].name, trait))
			return true;
	return false;
}

/* Hosts that are set apart for flavors which require a trait that this one does not. */
static int fill_apart(struct db *db, struct arena *a, const struct flavor_wants *wants,
	struct placement_request *req, struct error *err)
{
	struct aggregate_demand *demands;
	int64_t *apart;
	size_t n;

	if (store_aggregate_demands(db, a, &demands, &n, err) < 0)
		return -1;
	apart = ARENA_ARRAY(a, int64_t, n + 1);
	for (size_t i = 0; i < n; i++)
		if (!requires(wants, demands[i].trait))
			apart[req->apart_n++] = demands[i].host_id;
	req->apart = apart;
	return 0;
}

int server_rules_fill(struct db *db, struct arena *a, const struct server_rules *rules,
	const struct flavor_wants *wants, int64_t server_id, struct placement_request *req, struct error *err)
{
	if (rules->group_id && fill_group(db, a, rules->group_id, server_id, req, err) < 0)
		return -1;
	fill_reservation(rules, req);
	return fill_hints(db, a, rules, req, err) < 0 || fill_aggregates(db, a, wants, req, err) < 0 ||
			       fill_apart(db, a, wants, req, err) < 0
		       ? -1
		       : 0;
}

int server_rules_zones(
	struct db *db, struct arena *a, int64_t project_id, struct placement_request *req, struct error *err)
{
	int64_t *hosts;
	size_t n;

	if (!project_id)
		return 0;
	if (store_guardrail_hosts(db, a, project_id, &hosts, &n, err) < 0)
		return -1;
	if (hosts)
		req->within = both(a, req->within, req->within_n, hosts, n, &req->within_n);
	return 0;
}

int server_rules_request(struct db *db, struct arena *a, int64_t server_id, const struct flavor_wants *wants,
	struct placement_request *req, struct error *err)
{
	struct server_rules rules;
	struct server_hint *hints;
	const char *uid;

	if (store_server_group_of(db, a, server_id, &rules.group_id, &uid, err) < 0 ||
		store_server_hints(db, a, server_id, &hints, &rules.hints_n, err) < 0)
		return -1;
	rules.hints = hints;
	return server_rules_fill(db, a, &rules, wants, server_id, req, err);
}
