/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of identity: as elsewhere bound by tables, but attributes that no table knows are kept with the
 * entity. */
#include "api/identity/internal.h"

#include <stdlib.h>
#include <string.h>

#include "domain/names.h"

enum { EXTRA_KEYS_MAX = 64, EXTRA_KEY_MAX = 255, EXTRA_BYTES_MAX = 16384 };

const struct bind_table body_no_options = { .fields = NULL };
const struct bind_field body_tag_item = { .type = BIND_STR, .min = 1, .max = 60 };

static bool is_field(const struct bind_table *t, const char *key)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(bind_field_at(t, i)->name, key) == 0)
			return true;
	return false;
}

static int add_extra(json_t *extra, const char *top, const char *key, json_t *v, struct error *err)
{
	/* ours to say */
	static const char *const ours[] = { "id", "password_expires_at" };

	if (json_is_null(v)) {
		json_object_del(extra, key);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (strcmp(key, ours[i]) == 0)
			return error_set(err, ERR_BAD_REQUEST, "%s.%s cannot be set", top, key);
	if (utf8_length(key) > EXTRA_KEY_MAX)
		return error_set(
			err, ERR_BAD_REQUEST, "%s: a key has more than %d characters", top, EXTRA_KEY_MAX);
	json_object_set(extra, key, v);
	return 0;
}

/* What we sent comes back: the links, and the id of what the path names. */
static bool is_echo(const struct api_call *c, const char *key, const json_t *v)
{
	const struct route_match *m = &c->match;

	if (strcmp(key, "links") == 0)
		return true;
	return strcmp(key, "id") == 0 && m->params_n &&
	       str_eq(json_string_value(v), m->params[m->params_n - 1].value);
}

static int add_all(const struct api_call *c, const json_t *obj, json_t *extra, struct error *err)
{
	const struct bind_table *t = c->route->body;
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)obj, key, v)
	{
		if (!is_field(t, key) && !is_echo(c, key, v) && add_extra(extra, t->top, key, v, err) < 0)
			return -1;
	}
	if (json_object_size(extra) > EXTRA_KEYS_MAX)
		return error_set(err, ERR_BAD_REQUEST, "%s has more than %d further attributes", t->top,
			EXTRA_KEYS_MAX);
	return 0;
}

static int dump_extra(
	struct api_call *c, const char *top, const json_t *extra, const char **out, struct error *err)
{
	char *text = json_dumps(extra, JSON_COMPACT);
	int rc = 0;

	if (!text)
		return error_internal(err, "attributes that cannot be written");
	if (strlen(text) > EXTRA_BYTES_MAX)
		rc = error_set(err, ERR_BAD_REQUEST, "the further attributes of %s have more than %d bytes",
			top, EXTRA_BYTES_MAX);
	else
		*out = arena_strdup(c->arena, text);
	free(text);
	return rc;
}

int body_extra(struct api_call *c, const char *old, const char **out, struct error *err)
{
	const struct bind_table *t = c->route->body;
	json_t *extra = old ? json_loads(old, 0, NULL) : NULL;
	int rc;

	if (!extra)
		extra = json_object();
	rc = add_all(c, json_object_get(c->body, t->top), extra, err);
	if (rc == 0)
		rc = dump_extra(c, t->top, extra, out, err);
	json_decref(extra);
	return rc;
}

int body_tags(const json_t *tags, struct error *err)
{
	size_t i;
	json_t *v;

	if (json_array_size(tags) > TAGS_MAX)
		return error_set(err, ERR_BAD_REQUEST, "tags: at most %d", TAGS_MAX);
	json_array_foreach((json_t *)tags, i, v)
	{
		if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
			return error_set(err, ERR_BAD_REQUEST, "tags must be strings");
		if (name_check(NAME_TAG, json_string_value(v), err) < 0)
			return -1;
	}
	return 0;
}
