/* SPDX-License-Identifier: Apache-2.0 */
/* What hangs on a flavor: its extra specs, and which projects may use it when it is not public. */
#include <string.h>

#include "api/compute/flavor_view.h"
#include "base/util.h"
#include "domain/flavor.h"
#include "store/quotas.h"

/* --- extra specs */

static int specs_reply(struct api_call *c, const struct server_pair *specs, size_t n)
{
	jw_object(&c->out);
	jw_key(&c->out, "extra_specs");
	jw_object(&c->out);
	for (size_t i = 0; i < n; i++)
		jw_kv_str(&c->out, specs[i].key, specs[i].value);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	c->status = 200;
	return 0;
}

static int one_reply(struct api_call *c, const char *key, const char *value)
{
	jw_object(&c->out);
	jw_kv_str(&c->out, key, value);
	jw_end_object(&c->out);
	c->status = 200;
	return 0;
}

int compute_flavor_spec_text(
	struct api_call *c, const char *key, const json_t *value, const char **out, struct error *err)
{
	if (json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value))
		*out = arena_strdup(c->arena, json_string_value(value));
	else if (json_is_integer(value))
		*out = arena_printf(c->arena, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		*out = arena_printf(c->arena, "%.15g", json_real_value(value));
	else
		return error_set(err, ERR_BAD_REQUEST, "extra_specs.%.64s must be a string or a number", key);
	return flavor_extra_spec(key, *out, NULL, err);
}

int compute_flavor_specs_list(struct api_call *c, struct error *err)
{
	struct server_pair *specs;
	struct flavor f;
	size_t n;

	if (compute_flavor_get(c, &f, err) < 0 ||
		store_flavor_extras(c->db, c->arena, f.id, &specs, &n, err) < 0)
		return -1;
	return specs_reply(c, specs, n);
}

struct specs_body {
	json_t *map;
};

static const struct bind_table map_table = { .more = &bind_item_any };
static const struct bind_field specs_fields[] = {
	{ .name = "extra_specs",
		.type = BIND_OBJ,
		.flags = BIND_REQUIRED | BIND_JSON,
		.max = FLAVOR_EXTRA_SPECS_MAX,
		.table = &map_table },
};

const struct bind_table compute_flavor_specs_body = { BIND_TABLE(specs_body, specs_fields) };
/* One key, the path's. */
const struct bind_table compute_flavor_spec_body = { .more = &bind_item_any };

/* What a flavor has after a change makes sense as a whole. */
static int check_all(struct api_call *c, const struct flavor *f, struct error *err)
{
	struct flavor_wants wants = { .gpus_n = 0 };
	struct server_pair *all;
	size_t n;

	if (store_flavor_extras(c->db, c->arena, f->id, &all, &n, err) < 0)
		return -1;
	if (n > FLAVOR_EXTRA_SPECS_MAX)
		return error_set(
			err, ERR_BAD_REQUEST, "a flavor has at most %d extra specs", FLAVOR_EXTRA_SPECS_MAX);
	for (size_t i = 0; i < n; i++)
		if (flavor_extra_spec(all[i].key, all[i].value, &wants, err) < 0)
			return -1;
	return flavor_wants_check(&wants, f->vcpus, f->ram_mib, err);
}

/* Merged into what is there; the answer is what was sent. */
int compute_flavor_specs_create(struct api_call *c, struct error *err)
{
	const struct specs_body *in = c->in;
	json_t *map = in->map, *value;
	struct server_pair *sent;
	struct flavor f;
	const char *key;
	size_t n = 0;

	sent = ARENA_ARRAY(c->arena, struct server_pair, json_object_size(map) + 1);
	json_object_foreach(map, key, value)
	{
		sent[n].key = key;
		if (compute_flavor_spec_text(c, key, value, &sent[n++].value, err) < 0)
			return -1;
	}
	if (compute_flavor_get(c, &f, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (store_flavor_extra_set(c->db, f.id, sent[i].key, sent[i].value, err) < 0)
			return -1;
	return check_all(c, &f, err) < 0 ? -1 : specs_reply(c, sent, n);
}

int compute_flavor_spec_show(struct api_call *c, struct error *err)
{
	const char *key = api_param(c, "key");
	struct server_pair *specs;
	struct flavor f;
	size_t n;

	if (compute_flavor_get(c, &f, err) < 0 ||
		store_flavor_extras(c->db, c->arena, f.id, &specs, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (strcmp(specs[i].key, key) == 0)
			return one_reply(c, key, specs[i].value);
	return error_set(err, ERR_NOT_FOUND, "Flavor %.128s has no extra specs with key %.128s.", f.uid, key);
}

int compute_flavor_spec_update(struct api_call *c, struct error *err)
{
	const char *key = api_param(c, "key"), *value;
	json_t *v = json_object_get(c->body, key);
	struct flavor f;

	if (!v || json_object_size(c->body) != 1)
		return error_set(err, ERR_BAD_REQUEST,
			"the body must have exactly one key, the same as the path's: '%.64s'", key);
	if (compute_flavor_spec_text(c, key, v, &value, err) < 0 || compute_flavor_get(c, &f, err) < 0 ||
		store_flavor_extra_set(c->db, f.id, key, value, err) < 0 || check_all(c, &f, err) < 0)
		return -1;
	return one_reply(c, key, value);
}

int compute_flavor_spec_delete(struct api_call *c, struct error *err)
{
	struct flavor f;

	c->status = 200;
	return compute_flavor_get(c, &f, err) < 0 ||
			       store_flavor_extra_remove(c->db, f.id, api_param(c, "key"), err) < 0 ||
			       check_all(c, &f, err) < 0
		       ? -1
		       : 0;
}

/* --- access */

static int access_reply(struct api_call *c, const struct flavor *f, struct error *err)
{
	const char **projects;
	size_t n;

	if (store_flavor_access(c->db, c->arena, f->id, &projects, &n, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "flavor_access");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		jw_object(&c->out);
		jw_kv_str(&c->out, "flavor_id", f->uid);
		jw_kv_str(&c->out, "tenant_id", projects[i]);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	c->status = 200;
	return 0;
}

int compute_flavor_access(struct api_call *c, struct error *err)
{
	struct flavor f;

	if (compute_flavor_get(c, &f, err) < 0)
		return -1;
	if (f.is_public)
		return error_set(err, ERR_NOT_FOUND, "Access list not available for public flavors.");
	return access_reply(c, &f, err);
}

struct access_args {
	const char *tenant;
};

struct access_body {
	const struct access_args *args;
};

static const struct bind_field access_fields[] = {
	BIND(access_args, tenant, "tenant", BIND_STR, BIND_REQUIRED, 1, 64),
};

static const struct bind_table access_table = { BIND_TABLE(access_args, access_fields) };

enum { ADD_ACCESS, REMOVE_ACCESS };

static const struct bind_field access_actions[] = {
	[ADD_ACCESS] = { .name = "addTenantAccess", .type = BIND_OBJ, .table = &access_table },
	[REMOVE_ACCESS] = { .name = "removeTenantAccess", .type = BIND_OBJ, .table = &access_table },
};

const struct bind_table compute_flavor_action_body = { BIND_TABLE(access_body, access_actions),
	.flags = BIND_ONE };

static int find_project(struct api_call *c, const char *uid, int64_t *out, struct error *err)
{
	int rc = store_quota_project(c->db, uid, false, out, err);

	if (rc == 0)
		return error_set(err, ERR_BAD_REQUEST, "Project ID %.64s is not a valid project.", uid);
	return rc < 0 ? -1 : 0;
}

int compute_flavor_action(struct api_call *c, struct error *err)
{
	const struct access_body *in = c->in;
	bool add = c->seen.present >> ADD_ACCESS & 1;
	struct flavor f;
	int64_t project;

	c->action = add ? "flavor.addTenantAccess" : "flavor.removeTenantAccess";
	if (find_project(c, in->args->tenant, &project, err) < 0 || compute_flavor_get(c, &f, err) < 0)
		return -1;
	if (f.is_public && since(c, 7))
		return error_set(
			err, ERR_CONFLICT, "Can not %s access of a public flavor.", add ? "add" : "remove");
	if ((add ? store_flavor_access_add(c->db, f.id, project, err)
		 : store_flavor_access_remove(c->db, f.id, project, err)) < 0)
		return -1;
	return access_reply(c, &f, err);
}
