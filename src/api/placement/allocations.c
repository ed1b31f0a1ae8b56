/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds what: by provider, by consumer, by project. A consumer is a server, or a move that keeps the
 * other place of its server. */
#include <string.h>

#include "api/placement/placement.h"
#include "base/crypto.h"
#include "base/util.h"

void placement_write_amounts(struct api_call *c, const struct rp_amount *list, size_t n)
{
	jw_object(&c->out);
	for (size_t i = 0; i < n; i++) {
		int64_t sum = 0;
		bool before = false;

		for (size_t k = 0; k < n; k++)
			if (strcmp(list[k].name, list[i].name) == 0) {
				before |= k < i;
				sum += list[k].n;
			}
		if (!before)
			jw_kv_int(&c->out, list[i].name, sum);
	}
	jw_end_object(&c->out);
}

/* Something that is held, with the provider that it is of. */
struct piece {
	const struct held *held;
	const struct rp *of;
};

static void write_resources(struct api_call *c, const struct piece *pieces, size_t n)
{
	struct rp_amount *list = ARENA_ARRAY(c->arena, struct rp_amount, (n + 1) * RP_AMOUNTS);
	size_t list_n = 0;

	for (size_t i = 0; i < n; i++)
		list_n += rp_amounts(c->arena, pieces[i].held, list + list_n);
	jw_key(&c->out, "resources");
	placement_write_amounts(c, list, list_n);
}

/* ---- of a provider ---- */

int provider_allocations(struct api_call *c, struct error *err)
{
	struct held *held;
	struct rp_tree t;
	struct piece *mine;
	size_t at, n, end;

	if (rp_tree_find(c, api_param(c, "uuid"), &t, &at, err) < 0 ||
		store_held_of_host(c->db, c->arena, t.all[at].host_id, &held, &n, err) < 0)
		return -1;
	placement_fresh(c);
	mine = ARENA_ARRAY(c->arena, struct piece, n + 1);
	jw_object(&c->out);
	jw_key(&c->out, "allocations");
	jw_object(&c->out);
	for (size_t i = 0; i < n; i = end) { /* by consumer */
		size_t mine_n = 0;

		for (end = i; end < n && strcmp(held[end].consumer, held[i].consumer) == 0; end++)
			if (rp_tree_holder(&t, &held[end]) == &t.all[at])
				mine[mine_n++].held = &held[end];
		if (!mine_n)
			continue;
		jw_key(&c->out, held[i].consumer);
		jw_object(&c->out);
		write_resources(c, mine, mine_n);
		if (c->version >= SINCE_CONSUMER_GENERATION)
			jw_kv_int(&c->out, "consumer_generation", held[i].generation);
		jw_end_object(&c->out);
	}
	jw_end_object(&c->out);
	placement_kv_generation(c, "resource_provider_generation");
	jw_end_object(&c->out);
	return 0;
}

/* ---- of a consumer ---- */

/* Finds the providers; those of one host follow each other. */
static int find_pieces(
	struct api_call *c, const struct held *held, size_t n, struct piece *out, struct error *err)
{
	struct rp_tree t = { 0 };

	for (size_t i = 0; i < n; i++) {
		if ((i == 0 || held[i].host_id != held[i - 1].host_id) &&
			rp_tree_load(c, held[i].host_id, &t, err) < 0)
			return -1;
		out[i] = (struct piece) { &held[i], rp_tree_holder(&t, &held[i]) };
	}
	return 0;
}

static void write_by_provider(struct api_call *c, const struct piece *pieces, size_t n)
{
	struct piece *mine = ARENA_ARRAY(c->arena, struct piece, n + 1);

	for (size_t i = 0; i < n; i++) {
		size_t mine_n = 0;
		bool before = !pieces[i].of;

		for (size_t k = 0; k < n; k++)
			if (pieces[k].of == pieces[i].of) {
				before |= k < i;
				mine[mine_n++] = pieces[k];
			}
		if (before)
			continue;
		jw_key(&c->out, pieces[i].of->uid);
		jw_object(&c->out);
		placement_kv_generation(c, "generation");
		write_resources(c, mine, mine_n);
		jw_end_object(&c->out);
	}
}

static const char *type_of(const struct held *h)
{
	return h->by_move ? "MIGRATION" : "INSTANCE";
}

int allocation_show(struct api_call *c, struct error *err)
{
	struct held *held;
	struct piece *pieces;
	size_t n;

	if (store_held_of_consumer(c->db, c->arena, api_param(c, "consumer_uuid"), &held, &n, err) < 0)
		return -1;
	pieces = ARENA_ARRAY(c->arena, struct piece, n + 1);
	if (find_pieces(c, held, n, pieces, err) < 0)
		return -1;
	placement_fresh(c);
	jw_object(&c->out);
	jw_key(&c->out, "allocations");
	jw_object(&c->out);
	write_by_provider(c, pieces, n);
	jw_end_object(&c->out);
	if (n && c->version >= SINCE_BY_PROVIDER) {
		jw_kv_str(&c->out, "project_id", held[0].project_uid);
		jw_kv_str(&c->out, "user_id", held[0].user_uid);
	}
	if (n && c->version >= SINCE_CONSUMER_GENERATION)
		jw_kv_int(&c->out, "consumer_generation", held[0].generation);
	if (n && c->version >= SINCE_CONSUMER_TYPE)
		jw_kv_str(&c->out, "consumer_type", type_of(&held[0]));
	jw_end_object(&c->out);
	return 0;
}

/* ---- of a project ---- */

/* Everything that consumers of one type hold; type NULL: of all. */
static void write_usage(struct api_call *c, const struct held *held, size_t n, const char *type, bool counted)
{
	struct rp_amount *list = ARENA_ARRAY(c->arena, struct rp_amount, (n + 1) * RP_AMOUNTS + 1);
	struct rp_amount one[RP_AMOUNTS];
	size_t list_n = 0;
	int64_t consumers = 0;
	const char *last = "";

	for (size_t i = 0; i < n; i++) {
		size_t one_n, at;

		if (type && strcmp(type, type_of(&held[i])) != 0)
			continue;
		consumers += strcmp(last, held[i].consumer) != 0; /* they are in their order */
		last = held[i].consumer;
		one_n = rp_amounts(c->arena, &held[i], one);
		for (size_t k = 0; k < one_n; k++) { /* there are few names */
			for (at = 0; at < list_n && strcmp(list[at].name, one[k].name) != 0; at++)
				;
			if (at == list_n)
				list[list_n++] = (struct rp_amount) { one[k].name, 0 };
			list[at].n += one[k].n;
		}
	}
	if (counted)
		list[list_n++] = (struct rp_amount) { "consumer_count", consumers };
	placement_write_amounts(c, list, list_n);
}

static void write_usages_by_type(struct api_call *c, const struct held *held, size_t n, const char *wanted)
{
	static const char *const types[] = { "INSTANCE", "MIGRATION" };

	jw_object(&c->out);
	if (str_eq(wanted, "all") && n) {
		jw_key(&c->out, "all");
		write_usage(c, held, n, NULL, true);
	}
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		bool any = false;

		for (size_t k = 0; k < n && !any; k++)
			any = strcmp(type_of(&held[k]), types[i]) == 0;
		if (!any || (wanted && strcmp(wanted, types[i]) != 0))
			continue;
		jw_key(&c->out, types[i]);
		write_usage(c, held, n, types[i], true);
	}
	jw_end_object(&c->out);
}

int usage_show(struct api_call *c, struct error *err)
{
	const char *project = api_query(c, "project_id");
	struct held *held;
	size_t n;

	for (size_t i = 0; i < c->http->query_n; i++) {
		const char *name = c->http->query[i].name;

		if (strcmp(name, "project_id") != 0 && strcmp(name, "user_id") != 0 &&
			!(strcmp(name, "consumer_type") == 0 && c->version >= SINCE_CONSUMER_TYPE))
			return error_set(err, ERR_BAD_REQUEST,
				"Invalid query parameter %.80s: there is none of that name", name);
	}
	if (!project)
		return error_set(err, ERR_BAD_REQUEST, "Invalid query: project_id is required");
	if (store_held_of_project(c->db, c->arena, project, api_query(c, "user_id"), &held, &n, err) < 0)
		return -1;
	placement_fresh(c);
	jw_object(&c->out);
	jw_key(&c->out, "usages");
	if (c->version >= SINCE_CONSUMER_TYPE)
		write_usages_by_type(c, held, n, api_query(c, "consumer_type"));
	else
		write_usage(c, held, n, NULL, false);
	jw_end_object(&c->out);
	return 0;
}
