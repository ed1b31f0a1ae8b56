/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bind.h"

#include <string.h>

#include "base/util.h"

enum { STRING_MAX = 65535, DEPTH_MAX = 32 };

/* jansson's own depth limit is 2048; ours keeps every later recursion small. */
static bool depth_ok(const json_t *v, int left)
{
	const char *key;
	json_t *child;
	size_t i;

	if (left == 0)
		return false;
	if (json_is_object(v)) {
		json_object_foreach((json_t *)v, key, child) if (!depth_ok(child, left - 1)) return false;
	} else if (json_is_array(v)) {
		json_array_foreach(v, i, child) if (!depth_ok(child, left - 1)) return false;
	}
	return true;
}

json_t *bind_parse(const char *text, size_t n, struct error *err)
{
	json_error_t je;
	json_t *v = json_loadb(text, n, JSON_REJECT_DUPLICATES, &je);

	if (!v) {
		error_set(err, ERR_BAD_REQUEST, "the body is not JSON: line %d, column %d: %s", je.line,
			je.column, je.text);
		return NULL;
	}
	if (!depth_ok(v, DEPTH_MAX)) {
		json_decref(v);
		error_set(err, ERR_BAD_REQUEST, "the body is nested more than %d deep", DEPTH_MAX);
		return NULL;
	}
	return v;
}

json_t *bind_top(const json_t *body, const char *key, struct error *err)
{
	json_t *v = json_object_get(body, key);

	if (!json_is_object(v)) {
		error_set(err, ERR_BAD_REQUEST,
			"the body must be an object with the key '%s', itself an object", key);
		return NULL;
	}
	return v;
}

static int bad(struct error *err, const char *where, const struct bind_field *f, const char *should)
{
	return error_set(err, ERR_BAD_REQUEST, "%s.%s must be %s", where, f->name, should);
}

static int out_of_range(struct error *err, const char *where, const struct bind_field *f, const char *what)
{
	return error_set(err, ERR_BAD_REQUEST, "%s.%s must be %s from %lld to %lld", where, f->name, what,
		(long long)f->min, (long long)f->max);
}

static int bind_str(const json_t *v, const char *where, const struct bind_field *f, struct arena *arena,
	void *to, struct error *err)
{
	int64_t max = f->max ? f->max : STRING_MAX;
	const char *s;
	size_t chars;

	if (json_is_integer(v) && (f->flags & BIND_LOOSE)) {
		*(const char **)to = arena_printf(arena, "%lld", (long long)json_integer_value(v));
		return 0;
	}
	if (!json_is_string(v))
		return bad(err, where, f, "a string");
	s = json_string_value(v);
	if (strlen(s) != json_string_length(v))
		return bad(err, where, f, "a string without NUL characters");
	chars = utf8_length(s);
	if ((int64_t)chars < f->min || (int64_t)chars > max)
		return error_set(err, ERR_BAD_REQUEST, "%s.%s must be a string of %lld to %lld characters",
			where, f->name, (long long)f->min, (long long)max);
	*(const char **)to = arena_strdup(arena, s);
	return 0;
}

static int bind_int(
	const json_t *v, const char *where, const struct bind_field *f, void *to, struct error *err)
{
	int64_t i;

	if (json_is_integer(v))
		i = json_integer_value(v);
	else if (!json_is_string(v) || !str_int64(json_string_value(v), INT64_MIN, INT64_MAX, &i))
		return bad(err, where, f, "an integer");
	if ((f->min || f->max) && (i < f->min || i > f->max))
		return out_of_range(err, where, f, "an integer");
	*(int64_t *)to = i;
	return 0;
}

static int bind_bool(
	const json_t *v, const char *where, const struct bind_field *f, void *to, struct error *err)
{
	bool loose = f->flags & BIND_LOOSE;

	if (json_is_boolean(v))
		*(bool *)to = json_is_true(v);
	else if (loose && json_is_integer(v) && (json_integer_value(v) == 0 || json_integer_value(v) == 1))
		*(bool *)to = json_integer_value(v) == 1;
	else if (!loose || !json_is_string(v) || !str_bool(json_string_value(v), to))
		return bad(err, where, f, "true or false");
	return 0;
}

static int bind_value(json_t *v, const char *where, const struct bind_field *f, struct arena *arena, void *to,
	struct error *err)
{
	size_t n;

	switch (f->type) {
	case BIND_STR:
		return bind_str(v, where, f, arena, to, err);
	case BIND_INT:
		return bind_int(v, where, f, to, err);
	case BIND_BOOL:
		return bind_bool(v, where, f, to, err);
	case BIND_OBJ:
		if (!json_is_object(v))
			return bad(err, where, f, "an object");
		break;
	case BIND_ARR:
		if (!json_is_array(v))
			return bad(err, where, f, "an array");
		n = json_array_size(v);
		if ((f->min || f->max) && ((int64_t)n < f->min || (int64_t)n > f->max))
			return out_of_range(err, where, f, "an array with a number of entries");
		break;
	case BIND_ANY:
		break;
	}
	*(json_t **)to = v;
	return 0;
}

static const struct bind_field *find(const struct bind_field *fields, size_t n, const char *key, int version)
{
	for (size_t i = 0; i < n; i++) {
		const struct bind_field *f = &fields[i];

		if (strcmp(f->name, key) == 0 && version >= f->since && (!f->until || version <= f->until))
			return f;
	}
	return NULL;
}

int bind_object(const json_t *obj, const char *where, const struct bind_field *fields, size_t n, int version,
	struct arena *arena, void *out, struct bind_seen *seen, struct error *err)
{
	struct bind_seen here = { 0, 0 };
	const char *key;
	json_t *v;

	if (!json_is_object(obj))
		return error_set(err, ERR_BAD_REQUEST, "%s must be an object", where);
	json_object_foreach((json_t *)obj, key, v)
	{
		const struct bind_field *f = find(fields, n, key, version);
		uint64_t bit;

		if (!f)
			return error_set(err, ERR_BAD_REQUEST,
				"%s.%.64s: Additional properties are not allowed (this field is not known "
				"here%s)",
				where, key, version ? " at this API version" : "");
		bit = UINT64_C(1) << (f - fields);
		if (json_is_null(v)) {
			here.null |= bit;
			if (f->flags & BIND_NULL)
				here.present |= bit;
			continue; /* clients send explicit nulls for what they leave out */
		}
		if (bind_value(v, where, f, arena, (char *)out + f->offset, err) < 0)
			return -1;
		here.present |= bit;
	}
	for (size_t i = 0; i < n; i++)
		if ((fields[i].flags & BIND_REQUIRED) && !(here.present >> i & 1) &&
			version >= fields[i].since && (!fields[i].until || version <= fields[i].until))
			return error_set(err, ERR_BAD_REQUEST, "%s.%s is required", where, fields[i].name);
	if (seen)
		*seen = here;
	return 0;
}
