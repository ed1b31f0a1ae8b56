/* SPDX-License-Identifier: Apache-2.0 */
/* Resource providers, and what each has. */
#include <string.h>

#include "api/placement/placement.h"
#include "api/placement/want.h"
#include "base/crypto.h"
#include "base/util.h"
#include "store/providers.h"

static const struct {
	const char *rel, *below;
	int since;
} links[] = {
	{ "self", "", 0 },
	{ "inventories", "/inventories", 0 },
	{ "usages", "/usages", 0 },
	{ "aggregates", "/aggregates", 1 },
	{ "traits", "/traits", SINCE_TRAITS },
	{ "allocations", "/allocations", SINCE_ALLOCATIONS_LINK },
};

static void write_provider(struct api_call *c, const struct rp_tree *t, size_t at)
{
	const struct rp *p = &t->all[at];
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "uuid", p->uid);
	jw_kv_str(b, "name", p->name);
	placement_kv_generation(c, "generation");
	if (c->version >= SINCE_TREES) {
		jw_kv_str(b, "parent_provider_uuid", p->parent == at ? NULL : t->all[p->parent].uid);
		jw_kv_str(b, "root_provider_uuid", t->all[p->root].uid);
	}
	jw_key(b, "links");
	jw_array(b);
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (c->version >= links[i].since)
			api_link(c, links[i].rel,
				arena_printf(c->arena, "/placement/resource_providers/%s%s", p->uid,
					links[i].below));
	jw_end_array(b);
	jw_end_object(b);
}

/* ---- the list ---- */

struct listing {
	const char *name, *uid;
	struct rp_want want;
	struct provider_member *members;
	size_t members_n;
};

static int read_param(struct api_call *c, const struct http_pair *q, struct listing *l, struct error *err)
{
	static const int since[WANT_PARAMS] = { [WANT_RESOURCES] = SINCE_RESOURCES,
		[WANT_REQUIRED] = SINCE_REQUIRED,
		[WANT_MEMBER_OF] = SINCE_MEMBER_OF,
		[WANT_IN_TREE] = SINCE_TREES };

	if (strcmp(q->name, "name") == 0) {
		l->name = q->value;
		return 0;
	}
	if (strcmp(q->name, "uuid") == 0) {
		l->uid = q->value;
		return uuid_valid(q->value) ? 0
					    : error_set(err, ERR_BAD_REQUEST,
						      "Invalid query parameter uuid: expected a uuid");
	}
	for (int i = 0; i < WANT_PARAMS; i++)
		if (strcmp(q->name, want_params[i]) == 0 && c->version >= since[i])
			return want_read(c, (enum want_param)i, q->name, q->value, &l->want, err);
	return error_set(
		err, ERR_BAD_REQUEST, "Invalid query parameter %.80s: there is none of that name", q->name);
}

static bool listed(const struct listing *l, const struct rp *p)
{
	if ((l->name && strcmp(p->name, l->name) != 0) || (l->uid && strcmp(p->uid, l->uid) != 0))
		return false;
	for (size_t i = 0; i < l->want.amounts_n; i++)
		if (!want_fits(p, &l->want.amounts[i]))
			return false;
	/* only hosts are in aggregates */
	return want_has_traits(p, &l->want) &&
	       want_is_member(l->members, p->kind == RP_HOST ? l->members_n : 0, p->host_id, &l->want);
}

/* All trees, or the one that is named. */
static int load(struct api_call *c, const struct listing *l, struct rp_tree *out, struct error *err)
{
	const char *one = l->want.in_tree ? l->want.in_tree : l->uid;
	size_t at;

	if (!one)
		return rp_tree_load(c, 0, out, err);
	if (rp_tree_find(c, one, out, &at, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND)
		return -1;
	*out = (struct rp_tree) { 0 };
	return 0;
}

int provider_list(struct api_call *c, struct error *err)
{
	struct listing l = { 0 };
	struct rp_tree t;

	for (size_t i = 0; i < c->http->query_n; i++)
		if (read_param(c, &c->http->query[i], &l, err) < 0)
			return -1;
	if (load(c, &l, &t, err) < 0 || (l.want.members_n && store_provider_aggregates(c->db, c->arena, 0,
								     &l.members, &l.members_n, err) < 0))
		return -1;
	placement_fresh(c);
	jw_object(&c->out);
	jw_key(&c->out, "resource_providers");
	jw_array(&c->out);
	for (size_t i = 0; i < t.n; i++)
		if (listed(&l, &t.all[i]))
			write_provider(c, &t, i);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* ---- one ---- */

static const struct rp *find(struct api_call *c, struct rp_tree *t, struct error *err)
{
	size_t at;

	if (rp_tree_find(c, api_param(c, "uuid"), t, &at, err) < 0)
		return NULL;
	placement_fresh(c);
	return &t->all[at];
}

int provider_show(struct api_call *c, struct error *err)
{
	struct rp_tree t;
	const struct rp *p = find(c, &t, err);

	if (!p)
		return -1;
	write_provider(c, &t, (size_t)(p - t.all));
	return 0;
}

static void write_inventory(struct api_call *c, const struct rp_class *k)
{
	int64_t most = rp_class_capacity(k);

	jw_kv_int(&c->out, "total", k->total);
	jw_kv_int(&c->out, "reserved", k->reserved);
	jw_kv_int(&c->out, "min_unit", 1);
	jw_kv_int(&c->out, "max_unit", most > 1 ? most : 1);
	jw_kv_int(&c->out, "step_size", 1);
	jw_key(&c->out, "allocation_ratio");
	jw_double(&c->out, k->ratio_milli / 1000.0);
}

int provider_inventories(struct api_call *c, struct error *err)
{
	struct rp_tree t;
	const struct rp *p = find(c, &t, err);

	if (!p)
		return -1;
	jw_object(&c->out);
	placement_kv_generation(c, "resource_provider_generation");
	jw_key(&c->out, "inventories");
	jw_object(&c->out);
	for (size_t i = 0; i < p->classes_n; i++) {
		jw_key(&c->out, p->classes[i].name);
		jw_object(&c->out);
		write_inventory(c, &p->classes[i]);
		jw_end_object(&c->out);
	}
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int provider_inventory(struct api_call *c, struct error *err)
{
	struct rp_tree t;
	const struct rp *p = find(c, &t, err);
	const char *name = api_param(c, "resource_class");
	const struct rp_class *k = p ? rp_class_find(p, name) : NULL;

	if (!p)
		return -1;
	if (!k)
		return error_set(err, ERR_NOT_FOUND, "No inventory of class %.64s for %s", name, p->uid);
	jw_object(&c->out);
	placement_kv_generation(c, "resource_provider_generation");
	write_inventory(c, k);
	jw_end_object(&c->out);
	return 0;
}

int provider_usages(struct api_call *c, struct error *err)
{
	struct rp_tree t;
	const struct rp *p = find(c, &t, err);

	if (!p)
		return -1;
	jw_object(&c->out);
	placement_kv_generation(c, "resource_provider_generation");
	jw_key(&c->out, "usages");
	jw_object(&c->out);
	for (size_t i = 0; i < p->classes_n; i++)
		jw_kv_int(&c->out, p->classes[i].name, p->classes[i].used);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int provider_aggregates(struct api_call *c, struct error *err)
{
	struct provider_member *members;
	struct rp_tree t;
	const struct rp *p = find(c, &t, err);
	size_t n;

	if (!p || store_provider_aggregates(c->db, c->arena, p->host_id, &members, &n, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "aggregates");
	jw_array(&c->out);
	for (size_t i = 0; i < n && p->kind == RP_HOST; i++)
		jw_str(&c->out, members[i].aggregate_uid);
	jw_end_array(&c->out);
	if (c->version >= SINCE_AGGREGATE_GENERATION)
		placement_kv_generation(c, "resource_provider_generation");
	jw_end_object(&c->out);
	return 0;
}

void placement_kv_traits(struct api_call *c, const struct rp *p)
{
	jw_key(&c->out, "traits");
	jw_array(&c->out);
	for (size_t i = 0; i < p->traits_n; i++)
		jw_str(&c->out, p->traits[i]);
	jw_end_array(&c->out);
}

int provider_traits(struct api_call *c, struct error *err)
{
	struct rp_tree t;
	const struct rp *p = find(c, &t, err);

	if (!p)
		return -1;
	jw_object(&c->out);
	placement_kv_generation(c, "resource_provider_generation");
	placement_kv_traits(c, p);
	jw_end_object(&c->out);
	return 0;
}
