/* SPDX-License-Identifier: Apache-2.0 */
/* PATCH /v2/images/{id}: JSON patch (RFC 6902) as Glance has it: add, replace and remove on the top level.
 * The v2.0 media type names the operation by its key: {"replace": "/name", "value": …}. */
#include <string.h>
#include <strings.h>

#include "api/image/internal.h"
#include "base/util.h"

enum { OPERATIONS_MAX = 512 };

static const char *const op_names[] = { "add", "replace", "remove" };
enum op { OP_ADD, OP_REPLACE, OP_REMOVE, OP_NONE };

struct operation {
	enum op op;
	const char *path;
	json_t *value; /* NULL: none given */
};

static enum op op_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(op_names); i++)
		if (str_eq(name, op_names[i]))
			return (enum op)i;
	return OP_NONE;
}

static int read_legacy(const json_t *o, struct operation *out, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(op_names); i++) {
		const json_t *path = json_object_get(o, op_names[i]);

		if (path && out->op != OP_NONE)
			return error_set(
				err, ERR_BAD_REQUEST, "an operation must be one of add, replace, remove");
		if (path) {
			out->op = (enum op)i;
			out->path = json_string_value(path);
		}
	}
	return 0;
}

static int read_operation(const json_t *o, bool legacy, struct operation *out, struct error *err)
{
	*out = (struct operation) { .op = OP_NONE };
	if (!json_is_object(o))
		return error_set(err, ERR_BAD_REQUEST, "each operation must be a JSON object");
	if (legacy) {
		if (read_legacy(o, out, err) < 0)
			return -1;
	} else {
		out->op = op_of(json_string_value(json_object_get(o, "op")));
		out->path = json_string_value(json_object_get(o, "path"));
	}
	if (out->op == OP_NONE)
		return error_set(
			err, ERR_BAD_REQUEST, "an operation's \"op\" must be add, replace or remove");
	out->value = json_object_get(o, "value");
	if (out->op != OP_REMOVE && !out->value)
		return error_set(
			err, ERR_BAD_REQUEST, "operation \"%s\" needs a \"value\"", op_names[out->op]);
	return 0;
}

/* The one name of a JSON pointer (RFC 6901). */
static const char *pointer_name(struct arena *a, const char *path, struct error *err)
{
	char *name, *out;

	if (!path || path[0] != '/' || !path[1] || strchr(path + 1, '/')) {
		error_set(err, ERR_BAD_REQUEST,
			"a path must be '/' and the name of an attribute, not '%.64s'", path ? path : "");
		return NULL;
	}
	name = out = arena_strdup(a, path + 1);
	for (const char *p = path + 1; *p; p++) {
		if (*p != '~') {
			*out++ = *p;
		} else if (p[1] == '0' || p[1] == '1') {
			*out++ = *++p == '0' ? '~' : '/';
		} else {
			error_set(err, ERR_BAD_REQUEST, "path '%.64s': '~' must be followed by 0 or 1", path);
			return NULL;
		}
	}
	*out = '\0';
	return name;
}

static int apply_one(struct image_edit *e, const struct operation *o, struct error *err)
{
	const char *name = pointer_name(e->call->arena, o->path, err);

	if (!name)
		return -1;
	if (o->op == OP_REMOVE)
		return image_attribute_remove(e, name, err);
	if (o->op == OP_REPLACE && !image_attribute_exists(e, name))
		return error_set(err, ERR_CONFLICT, "Property %.64s does not exist.", name);
	return image_attribute_set(e, name, o->value, err);
}

int image_patch_apply(struct image_edit *e, const json_t *patch, bool legacy, struct error *err)
{
	struct operation o;
	json_t *item;
	size_t i;

	if (!json_is_array(patch))
		return error_set(err, ERR_BAD_REQUEST, "the body must be a JSON array of operations");
	if (json_array_size(patch) > OPERATIONS_MAX)
		return error_set(err, ERR_TOO_LARGE, "a patch has at most %d operations", OPERATIONS_MAX);
	json_array_foreach(patch, i, item)
	{
		if (read_operation(item, legacy, &o, err) < 0 || apply_one(e, &o, err) < 0)
			return -1;
	}
	return 0;
}

/* 1: v2.1, 0: v2.0, -1: neither. */
static int patch_version(const struct api_call *c)
{
	static const char *const types[] = { "application/openstack-images-v2.0-json-patch",
		"application/openstack-images-v2.1-json-patch" };
	const char *type = http_header(c->http, "Content-Type");

	for (int i = 0; type && i < 2; i++) {
		size_t n = strlen(types[i]);

		if (strncasecmp(type, types[i], n) == 0 && (!type[n] || type[n] == ';' || type[n] == ' '))
			return i;
	}
	return -1;
}

/* The old owner's first: a limit above both of them counts it once. */
static int hand_over(struct api_call *c, const struct image *i, int64_t owner, struct error *err)
{
	if (image_counted(c->api, c->db, owner, err) < 0 ||
		image_quota(c->api, c->db, i->project_id, 1, i->size > 0 ? i->size : 0, NULL, err) < 0)
		return -1;
	return image_counted(c->api, c->db, i->project_id, err);
}

int image_patch(struct api_call *c, struct error *err)
{
	int version = patch_version(c);
	struct image i;
	struct image_edit e = { c, &i, false };
	const char *visibility;
	int64_t owner;

	if (version < 0)
		return error_set(err, ERR_MEDIA_TYPE,
			"PATCH needs Content-Type: application/openstack-images-v2.1-json-patch");
	if (image_find_own(c, &i, err) < 0)
		return -1;
	owner = i.project_id;
	visibility = i.visibility;
	c->body = bind_parse(c->http->body ? c->http->body : "", c->http->body_n, err);
	if (!c->body || image_patch_apply(&e, c->body, version == 0, err) < 0)
		return -1;
	if ((i.project_id != owner || strcmp(i.visibility, visibility) != 0) && image_allowed(c, &i, err) < 0)
		return -1;
	i.updated_us = c->now_us;
	if (store_image_update(c->db, &i, err) < 0 ||
		(i.project_id != owner && hand_over(c, &i, owner, err) < 0))
		return -1;
	image_view(&c->out, &i);
	return 0;
}
