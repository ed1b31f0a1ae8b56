/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bind.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"

enum { STRING_MAX = 65535, PATH_TEXT = 240 };

const struct bind_field bind_item_any = { .type = BIND_ANY },
			bind_item_text = { .type = BIND_STR, .max = 255 };

/* --- where in the body, for messages */

struct spot {
	const struct spot *up;
	const char *key; /* NULL: an entry of an array */
	size_t index;
};

/* Room for any one value. */
union value {
	double number;
	int64_t integer;
	struct bind_list list;
};

struct bind {
	int version;
	struct arena *arena;
	struct error *err;
};

static size_t spot_text(const struct spot *s, char *out, size_t size)
{
	size_t n = s->up ? spot_text(s->up, out, size) : 0;
	int more;

	if (!s->key)
		more = snprintf(out + n, size - n, "[%zu]", s->index);
	else
		more = snprintf(out + n, size - n, "%s%.64s", n ? "." : "", s->key);
	return more < 0 || (size_t)more >= size - n ? size - 1 : n + (size_t)more;
}

static int __attribute__((format(printf, 3, 4)))
refuse(const struct bind *b, const struct spot *at, const char *fmt, ...)
{
	char path[PATH_TEXT] = "", why[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	spot_text(at, path, sizeof path);
	return error_set(b->err, ERR_BAD_REQUEST, "%s%s", path[0] ? path : "the body", why);
}

static int check_count(
	const struct bind *b, const struct spot *at, const struct bind_field *f, size_t n, const char *what)
{
	if (!(f->min || f->max) || ((int64_t)n >= f->min && (!f->max || (int64_t)n <= f->max)))
		return 0;
	if (!f->max)
		return refuse(b, at, " must be %s of %lld or more", what, (long long)f->min);
	return refuse(b, at, " must be %s of %lld to %lld", what, (long long)f->min, (long long)f->max);
}

/* --- values */

static int fill(const struct bind *b, const json_t *obj, const struct spot *at, const struct bind_table *t,
	void *out, struct bind_seen *seen);

static const char *find_word(const struct bind_field *f, const char *s)
{
	for (const char *const *w = f->words; *w; w++)
		if ((f->flags & BIND_ANY_CASE ? strcasecmp : strcmp)(*w, s) == 0)
			return *w;
	return NULL;
}

static int bind_word(
	const struct bind *b, const struct spot *at, const struct bind_field *f, const char *s, void *to)
{
	const char *word = find_word(f, s);
	char list[160] = "";
	size_t n = 0;

	if (word) {
		*(const char **)to = word;
		return 0;
	}
	for (const char *const *w = f->words; *w && n < sizeof list; w++)
		n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", *w);
	return refuse(b, at, f->words[1] ? " must be one of %s" : " must be %s", list);
}

static int bind_str(
	const struct bind *b, const json_t *v, const struct spot *at, const struct bind_field *f, void *to)
{
	int64_t max = f->max ? f->max : STRING_MAX;
	const char *s;
	size_t chars;

	if (json_is_integer(v) && (f->flags & BIND_LOOSE)) {
		*(const char **)to = arena_printf(b->arena, "%lld", (long long)json_integer_value(v));
		return 0;
	}
	if (!json_is_string(v))
		return refuse(b, at, " must be a string");
	s = json_string_value(v);
	if (strlen(s) != json_string_length(v))
		return refuse(b, at, " must be a string without NUL characters");
	if (f->words)
		return bind_word(b, at, f, s, to);
	chars = utf8_length(s);
	if ((int64_t)chars != max && f->min == max)
		return refuse(b, at, " must be a string of %lld characters", (long long)max);
	if ((int64_t)chars < f->min || (int64_t)chars > max)
		return refuse(b, at, " must be a string of %lld to %lld characters", (long long)f->min,
			(long long)max);
	*(const char **)to = arena_strdup(b->arena, s);
	return 0;
}

static int bind_int(
	const struct bind *b, const json_t *v, const struct spot *at, const struct bind_field *f, void *to)
{
	int64_t i;

	if (json_is_integer(v))
		i = json_integer_value(v);
	else if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v) ||
		 !str_int64(json_string_value(v), INT64_MIN, INT64_MAX, &i))
		return refuse(b, at, " must be an integer");
	if ((f->min || f->max) && (i < f->min || i > f->max))
		return refuse(
			b, at, " must be an integer from %lld to %lld", (long long)f->min, (long long)f->max);
	*(int64_t *)to = i;
	return 0;
}

static int bind_num(
	const struct bind *b, const json_t *v, const struct spot *at, const struct bind_field *f, void *to)
{
	double d = json_number_value(v);

	if (!json_is_number(v))
		return refuse(b, at, " must be a number");
	if ((f->min || f->max) && !(d >= (double)f->min && d <= (double)f->max))
		return refuse(
			b, at, " must be a number from %lld to %lld", (long long)f->min, (long long)f->max);
	*(double *)to = d;
	return 0;
}

static int bind_bool(
	const struct bind *b, const json_t *v, const struct spot *at, const struct bind_field *f, void *to)
{
	bool loose = f->flags & BIND_LOOSE;

	if (json_is_boolean(v))
		*(bool *)to = json_is_true(v);
	else if (loose && json_is_integer(v) && (json_integer_value(v) == 0 || json_integer_value(v) == 1))
		*(bool *)to = json_integer_value(v) == 1;
	else if (!loose || !json_is_string(v) || !str_bool(json_string_value(v), to))
		return refuse(b, at, " must be true or false");
	return 0;
}

static int bind_obj(
	const struct bind *b, json_t *v, const struct spot *at, const struct bind_field *f, void *to)
{
	const struct bind_table *t = f->table;
	void *inside = NULL;

	if (!json_is_object(v))
		return refuse(b, at, " must be an object");
	if (check_count(b, at, f, json_object_size(v), "an object") < 0)
		return -1;
	if (t) {
		inside = t->size ? arena_alloc(b->arena, t->size) : NULL;
		if (fill(b, v, at, t, inside, NULL) < 0)
			return -1;
	}
	if (!t || (f->flags & BIND_JSON))
		*(json_t **)to = v;
	else if (t->size)
		*(void **)to = inside;
	return 0;
}

static size_t item_size(const struct bind_field *f)
{
	switch (f->type) {
	case BIND_INT:
		return sizeof(int64_t);
	case BIND_BOOL:
		return sizeof(bool);
	case BIND_NUM:
		return sizeof(double);
	case BIND_OBJ:
		if (f->table && f->table->size && !(f->flags & BIND_JSON))
			return f->table->size;
		break;
	case BIND_ARR:
		if (f->items && !(f->flags & BIND_JSON))
			return sizeof(struct bind_list);
		break;
	case BIND_STR:
	case BIND_ANY:
		break;
	}
	return sizeof(void *);
}

static int bind_value(
	const struct bind *b, json_t *v, const struct spot *at, const struct bind_field *f, void *to);

/* Structs stand in the list one after the other, not as pointers. */
static int bind_item(
	const struct bind *b, json_t *v, const struct spot *at, const struct bind_field *f, void *to)
{
	if (f->type != BIND_OBJ || !f->table || !f->table->size || (f->flags & BIND_JSON))
		return bind_value(b, v, at, f, to);
	if (!json_is_object(v))
		return refuse(b, at, " must be an object");
	return fill(b, v, at, f->table, to, NULL);
}

static int bind_arr(
	const struct bind *b, json_t *v, const struct spot *at, const struct bind_field *f, void *to)
{
	size_t n = json_array_size(v), size = f->items ? item_size(f->items) : 0;
	char *items;

	if (!json_is_array(v))
		return refuse(b, at, " must be an array");
	if (check_count(b, at, f, n, "an array") < 0)
		return -1;
	items = arena_alloc(b->arena, n * size);
	for (size_t i = 0; f->items && i < n; i++) {
		struct spot here = { .up = at, .index = i };

		if (bind_item(b, json_array_get(v, i), &here, f->items, items + i * size) < 0)
			return -1;
	}
	if (f->items && !(f->flags & BIND_JSON))
		*(struct bind_list *)to = (struct bind_list) { items, n };
	else
		*(json_t **)to = v;
	return 0;
}

static int bind_value(
	const struct bind *b, json_t *v, const struct spot *at, const struct bind_field *f, void *to)
{
	switch (f->type) {
	case BIND_STR:
		return bind_str(b, v, at, f, to);
	case BIND_INT:
		return bind_int(b, v, at, f, to);
	case BIND_BOOL:
		return bind_bool(b, v, at, f, to);
	case BIND_NUM:
		return bind_num(b, v, at, f, to);
	case BIND_OBJ:
		return bind_obj(b, v, at, f, to);
	case BIND_ARR:
		return bind_arr(b, v, at, f, to);
	case BIND_ANY:
		break;
	}
	*(json_t **)to = v;
	return 0;
}

/* --- objects */

const struct bind_field *bind_field_at(const struct bind_table *t, size_t i)
{
	return (const void *)((const char *)t->fields + i * (t->stride ? t->stride : sizeof *t->fields));
}

static bool fits(const struct bind_field *f, const json_t *v)
{
	switch (f->type) {
	case BIND_OBJ:
		return json_is_object(v);
	case BIND_ARR:
		return json_is_array(v);
	case BIND_STR:
		return json_is_string(v);
	case BIND_BOOL:
		return json_is_boolean(v);
	case BIND_INT:
	case BIND_NUM:
		return json_is_number(v);
	case BIND_ANY:
		break;
	}
	return true;
}

static bool known_at(const struct bind_field *f, int version)
{
	return version >= f->since && (!f->until || version <= f->until);
}

/* The row of a key: of several the first whose type fits, else the first. */
static const struct bind_field *find(
	const struct bind_table *t, const char *key, int version, const json_t *v, size_t *out_i)
{
	const struct bind_field *found = NULL;

	for (size_t i = 0; i < t->n; i++) {
		const struct bind_field *f = bind_field_at(t, i);

		if (strcmp(f->name, key) != 0 || !known_at(f, version) || (found && !fits(f, v)))
			continue;
		found = f;
		*out_i = i;
		if (fits(f, v))
			break;
	}
	return found;
}

static int unknown(const struct bind *b, const struct bind_table *t, const struct spot *at)
{
	if (t->flags & BIND_ONE)
		return error_set(b->err, ERR_BAD_REQUEST, "There is no such action: %.64s", at->key);
	return refuse(b, at, ": Additional properties are not allowed (this field is not known here%s)",
		b->version ? " at this API version" : "");
}

/* Keys that no field names. */
static int bind_more(const struct bind *b, const struct bind_table *t, json_t *v, const struct spot *at)
{
	union value unused;

	if ((t->flags & BIND_LINKS) && strcmp(at->key, "links") == 0)
		return 0;
	if (!t->more)
		return unknown(b, t, at);
	if (json_is_null(v) && (t->more->flags & BIND_NULL))
		return 0;
	return bind_value(b, v, at, t->more, &unused);
}

/* Did any row of that name come? */
static bool has(const struct bind_table *t, const char *name, uint64_t present)
{
	for (size_t i = 0; i < t->n; i++)
		if ((present >> i & 1) && strcmp(bind_field_at(t, i)->name, name) == 0)
			return true;
	return false;
}

static int check_present(
	const struct bind *b, const struct bind_table *t, const struct spot *at, uint64_t present)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct bind_field *f = bind_field_at(t, i);
		struct spot here = { .up = at, .key = f->name };
		bool required = (f->flags & BIND_REQUIRED) || (t->required >> i & 1);

		if (required && known_at(f, b->version) && !has(t, f->name, present))
			return refuse(b, &here, " is required");
	}
	return 0;
}

static void set_absent(const struct bind_table *t, char *out)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct bind_field *f = bind_field_at(t, i);

		if (f->absent && f->type == BIND_INT)
			*(int64_t *)(void *)(out + f->offset) = f->absent;
		else if (f->absent && f->type == BIND_NUM)
			*(double *)(void *)(out + f->offset) = (double)f->absent;
		else if (f->absent && f->type == BIND_BOOL)
			*(bool *)(out + f->offset) = true;
	}
}

static int fill(const struct bind *b, const json_t *obj, const struct spot *at, const struct bind_table *t,
	void *out, struct bind_seen *seen)
{
	struct bind_seen here = { 0, 0 };
	union value unused;
	const char *key;
	json_t *v;

	if ((t->flags & BIND_ONE) && json_object_size(obj) != 1)
		return refuse(b, at, " must be an object with one key, the action");
	if (out)
		set_absent(t, out);
	json_object_foreach((json_t *)obj, key, v)
	{
		size_t i = 0;
		const struct bind_field *f = find(t, key, b->version, v, &i);
		struct spot inner = { .up = at, .key = key };
		uint64_t bit = f ? UINT64_C(1) << i : 0;

		if (f && json_is_null(v)) {
			here.null |= bit;
			if (f->flags & BIND_NULL)
				here.present |= bit;
			else if (t->flags & BIND_ONE)
				return refuse(b, &inner, " must not be null");
			continue; /* clients send explicit nulls for what they leave out */
		}
		if ((f ? bind_value(b, v, &inner, f, out ? (char *)out + f->offset : (void *)&unused)
		       : bind_more(b, t, v, &inner)) < 0)
			return -1;
		here.present |= bit;
	}
	if (seen)
		*seen = here;
	return check_present(b, t, at, here.present);
}

int bind_one(json_t *v, const char *where, const struct bind_field *f, int version, struct arena *arena,
	void *out, struct error *err)
{
	const struct bind b = { version, arena, err };

	return bind_value(&b, v, &(struct spot) { .key = where }, f, out);
}

static const json_t *only_object(const json_t *body, const char *key, struct error *err)
{
	const json_t *v = json_object_get(body, key);

	if (json_is_object(v))
		return v;
	error_set(
		err, ERR_BAD_REQUEST, "the body must be an object with the key '%s', itself an object", key);
	return NULL;
}

/* What a table describes of a body; NULL with the error set. */
static const json_t *described(const json_t *body, const struct bind_table *t, struct error *err)
{
	const json_t *obj = t->top ? only_object(body, t->top, err) : body;
	const char *key;
	json_t *v;

	if (!t->top && !json_is_object(body))
		error_set(err, ERR_BAD_REQUEST, "the body must be a JSON object");
	if (!t->top || !obj)
		return json_is_object(obj) ? obj : NULL;
	json_object_foreach((json_t *)body, key, v)
	{
		if (strcmp(key, t->top) == 0)
			continue;
		error_set(err, ERR_BAD_REQUEST, "%.64s: Additional properties are not allowed beside '%s'",
			key, t->top);
		return NULL;
	}
	return obj;
}

int bind_body(const json_t *body, const struct bind_table *t, int version, struct arena *arena, void *out,
	struct bind_seen *seen, struct error *err)
{
	const struct bind b = { version, arena, err };
	const struct spot at = { .key = t->top ? t->top : "" };
	const json_t *obj;

	if (!body && (t->flags & BIND_OPTIONAL)) {
		set_absent(t, out);
		return 0;
	}
	obj = described(body, t, err);
	return obj ? fill(&b, obj, &at, t, t->size ? out : NULL, seen) : -1;
}
