/* SPDX-License-Identifier: Apache-2.0 */
/* Guardrails: what a project and all below it may use at all. */
#include "store/guardrails.h"

#include <string.h>

#include "api/operator/operator.h"
#include "base/util.h"
#include "store/flavors.h"
#include "store/quotas.h"
#include "store/server_refs.h"

enum { VALUES_MAX = 1000 };

/* --- view --- */

static const char *const keys[GUARDRAIL_LISTS] = { "flavors", "zones", "image_visibility" };

static void write_rules(struct buf *b, const struct guardrail *g)
{
	for (int r = 0; r < GUARDRAIL_LISTS; r++) {
		jw_key(b, keys[r]);
		if (!g->lists[r].said) {
			jw_null(b);
			continue;
		}
		jw_array(b);
		for (size_t i = 0; i < g->lists[r].n; i++)
			jw_str(b, g->lists[r].values[i]);
		jw_end_array(b);
	}
	jw_kv_bool(b, "preemptible", !g->no_preemptible);
	jw_kv_bool(b, "reserved", !g->no_reserved);
}

/* Administrators see any project's, others what holds for their own. */
static int find_project(struct api_call *c, int64_t *id, struct error *err)
{
	const char *uid = api_param(c, "project");
	int found;

	c->target = uid;
	if (!api_is_admin(c) && !str_eq(uid, c->who->project.uid))
		return error_set(
			err, ERR_FORBIDDEN, "only an administrator sees another project's guardrails");
	found = store_quota_project(c->db, uid, false, id, err);
	return found > 0   ? 0
	       : found < 0 ? -1
			   : error_set(err, ERR_NOT_FOUND, "there is no project %.64s", uid);
}

static int reply(struct api_call *c, int64_t project, struct error *err)
{
	struct guardrail own, effective;
	struct buf *b = &c->out;

	if (store_guardrail_own(c->db, c->arena, project, &own, err) < 0 ||
		store_guardrail_effective(c->db, c->arena, project, &effective, err) < 0)
		return -1;
	jw_object(b);
	jw_key(b, "guardrail");
	jw_object(b);
	jw_kv_str(b, "project_id", c->target);
	write_rules(b, &own);
	jw_key(b, "effective");
	jw_object(b);
	write_rules(b, &effective);
	jw_end_object(b);
	jw_end_object(b);
	jw_end_object(b);
	return 0;
}

int guardrail_show(struct api_call *c, struct error *err)
{
	int64_t project;

	return find_project(c, &project, err) < 0 ? -1 : reply(c, project, err);
}

/* --- changes --- */

struct guardrail_body {
	struct bind_list flavors, zones, visibility;
	bool preemptible, reserved;
};

static const struct bind_field visibility_item = { .type = BIND_STR, .words = guardrail_visibilities };

#define LIST(member, json_name, item)                                                                     \
	{                                                                                                 \
		.name = (json_name), .type = BIND_ARR, .offset = offsetof(struct guardrail_body, member), \
		.flags = BIND_NULL, .min = 1, .max = VALUES_MAX, .items = (item)                          \
	}
#define MAY(member)                                                                                    \
	{                                                                                              \
		.name = #member, .type = BIND_BOOL, .offset = offsetof(struct guardrail_body, member), \
		.absent = true                                                                         \
	}

static const struct bind_field fields[] = {
	LIST(flavors, "flavors", &bind_item_text),
	LIST(zones, "zones", &bind_item_text),
	LIST(visibility, "image_visibility", &visibility_item),
	MAY(preemptible),
	MAY(reserved),
};

#undef LIST
#undef MAY

const struct bind_table guardrail_body = { .top = "guardrail", BIND_TABLE(guardrail_body, fields) };

/* A flavor by its id, or by its name. */
static int find_flavor(struct api_call *c, const char *text, const char **out, struct error *err)
{
	const struct flavor_filter all = { .is_public = -1 };
	struct flavor f, *list;
	size_t n;

	*out = text;
	if (store_flavor_get(c->db, c->arena, 0, text, &f, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND || store_flavor_list(c->db, c->arena, &all, &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].name, text) == 0) {
			*out = list[i].uid;
			return 0;
		}
	return error_set(err, ERR_BAD_REQUEST, "guardrail.flavors: there is no flavor %.64s", text);
}

static int find_zone(struct api_call *c, const char *text, const char **out, struct error *err)
{
	int rc = store_ref_zone(c->db, text, err);

	*out = text;
	if (rc < 0)
		return -1;
	if (rc == 0 && !str_eq(text, c->api->config.default_zone))
		return error_set(
			err, ERR_BAD_REQUEST, "guardrail.zones: there is no availability zone %.64s", text);
	return 0;
}

static int any(struct api_call *c, const char *text, const char **out, struct error *err)
{
	(void)c;
	(void)err;
	*out = text;
	return 0;
}

static int read_list(struct api_call *c, const struct bind_list *in,
	int (*find)(struct api_call *c, const char *text, const char **out, struct error *err),
	struct guardrail_list *out, struct error *err)
{
	const char *const *texts = in->items;

	out->said = texts != NULL;
	out->values = ARENA_ARRAY(c->arena, const char *, in->n + 1);
	for (out->n = 0; texts && out->n < in->n; out->n++)
		if (find(c, texts[out->n], &out->values[out->n], err) < 0)
			return -1;
	return 0;
}

int guardrail_set(struct api_call *c, struct error *err)
{
	const struct guardrail_body *in = c->in;
	struct guardrail g = { .no_preemptible = !in->preemptible, .no_reserved = !in->reserved };
	int64_t project;

	if (find_project(c, &project, err) < 0 ||
		read_list(c, &in->flavors, find_flavor, &g.lists[GUARDRAIL_FLAVOR], err) < 0 ||
		read_list(c, &in->zones, find_zone, &g.lists[GUARDRAIL_ZONE], err) < 0 ||
		read_list(c, &in->visibility, any, &g.lists[GUARDRAIL_IMAGE], err) < 0 ||
		store_guardrail_set(c->db, project, &g, err) < 0)
		return -1;
	return reply(c, project, err);
}

int guardrail_clear(struct api_call *c, struct error *err)
{
	const struct guardrail nothing = { .no_reserved = false };
	int64_t project;

	if (find_project(c, &project, err) < 0 || store_guardrail_set(c->db, project, &nothing, err) < 0)
		return -1;
	c->status = 204;
	return 0;
}
