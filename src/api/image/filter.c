/* SPDX-License-Identifier: Apache-2.0 */
#include "api/image/filter.h"

#include <string.h>

#include "api/image/internal.h"
#include "base/clock.h"
#include "base/util.h"

/* --- which tests there are --------------------------------------------------------------------------------
 */

enum kind {
	TEST_TEXT,
	TEST_COUNT,
	TEST_FLAG,
	TEST_TIME,
	TEST_SIZE_MIN,
	TEST_SIZE_MAX,
	TEST_TAG,
	TEST_PROPERTY
};

struct column {
	const char *name;
	enum kind kind;
	size_t offset; /* in struct image */
};

static const struct column columns[] = {
	{ "name", TEST_TEXT, offsetof(struct image, name) },
	{ "id", TEST_TEXT, offsetof(struct image, uid) },
	{ "status", TEST_TEXT, offsetof(struct image, status) },
	{ "owner", TEST_TEXT, offsetof(struct image, project_uid) },
	{ "disk_format", TEST_TEXT, offsetof(struct image, disk_format) },
	{ "container_format", TEST_TEXT, offsetof(struct image, container_format) },
	{ "checksum", TEST_TEXT, offsetof(struct image, checksum) },
	{ "os_hash_value", TEST_TEXT, offsetof(struct image, sha512) },
	{ "min_disk", TEST_COUNT, offsetof(struct image, min_disk_gib) },
	{ "min_ram", TEST_COUNT, offsetof(struct image, min_ram_mib) },
	{ "size", TEST_COUNT, offsetof(struct image, size) },
	{ "size_min", TEST_SIZE_MIN, offsetof(struct image, size) },
	{ "size_max", TEST_SIZE_MAX, offsetof(struct image, size) },
	{ "protected", TEST_FLAG, offsetof(struct image, is_protected) },
	{ "os_hidden", TEST_FLAG, offsetof(struct image, hidden) },
	{ "created_at", TEST_TIME, offsetof(struct image, created_us) },
	{ "updated_at", TEST_TIME, offsetof(struct image, updated_us) },
	{ "tag", TEST_TAG, 0 },
};

enum relation { EQ, NEQ, LT, LTE, GT, GTE };
static const char *const relation_names[] = { "eq:", "neq:", "lt:", "lte:", "gt:", "gte:" };

struct image_test {
	const char *name;
	enum kind kind;
	size_t offset;
	const char **values; /* TEXT, TAG, PROPERTY */
	size_t values_n;
	int64_t number; /* COUNT, SIZE, FLAG, TIME */
	enum relation relation;
};

static bool is_control(const char *name)
{
	static const char *const names[] = { "limit", "marker", "sort_key", "sort_dir", "sort", "fields",
		NULL };

	return image_word_known(names, name);
}

/* --- reading the query ------------------------------------------------------------------------------------
 */

static int bad_value(struct error *err, const char *name, const char *value, const char *should)
{
	return error_set(err, ERR_BAD_REQUEST, "filter %.64s must be %s, not '%.64s'", name, should, value);
}

/* The parts of a,"b,c",d; at most as many as there are commas and one. */
static void split(struct arena *a, const char *text, const char **out, size_t *n)
{
	const char *p = text;

	for (*n = 0;;) {
		const char *end;

		if (*p == '"' && (end = strchr(p + 1, '"'))) {
			out[(*n)++] = arena_strndup(a, p + 1, (size_t)(end - p - 1));
			p = end + 1 + strcspn(end + 1, ",");
		} else {
			end = p + strcspn(p, ",");
			out[(*n)++] = arena_strndup(a, p, (size_t)(end - p));
			p = end;
		}
		if (!*p++)
			return;
	}
}

static size_t comma_count(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == ',';
	return n;
}

/* One value more that is right for the test: several of one name mean any of them (tags: all). */
static void add_values(struct arena *a, struct image_test *t, const char *text)
{
	bool several = t->kind == TEST_TEXT && str_starts(text, "in:");
	const char **values = ARENA_ARRAY(a, const char *, t->values_n + comma_count(text) + 1);
	size_t n = 1;

	if (t->values_n)
		memcpy(values, t->values, t->values_n * sizeof *values);
	if (several)
		split(a, text + 3, values + t->values_n, &n);
	else
		values[t->values_n] = text;
	t->values = values;
	t->values_n += n;
}

static int read_time(struct image_test *t, const char *text, struct error *err)
{
	const char *when = text;

	t->relation = EQ;
	for (size_t i = 0; i < ARRAY_LEN(relation_names); i++) {
		if (str_starts(text, relation_names[i])) {
			t->relation = (enum relation)i;
			when = text + strlen(relation_names[i]);
		}
	}
	if (time_parse(when, &t->number) < 0)
		return bad_value(err, t->name, text, "a time like gt:2026-01-01T00:00:00Z");
	return 0;
}

static int read_value(struct arena *a, struct image_test *t, const char *text, struct error *err)
{
	bool flag;

	switch (t->kind) {
	case TEST_COUNT:
	case TEST_SIZE_MIN:
	case TEST_SIZE_MAX:
		if (!str_int64(text, 0, INT64_MAX, &t->number))
			return bad_value(err, t->name, text, "an integer of at least 0");
		return 0;
	case TEST_FLAG:
		if (!str_bool(text, &flag))
			return bad_value(err, t->name, text, "true or false");
		t->number = flag;
		return 0;
	case TEST_TIME:
		return read_time(t, text, err);
	case TEST_TEXT:
	case TEST_TAG:
	case TEST_PROPERTY:
		add_values(a, t, text);
		return 0;
	}
	return 0;
}

static struct image_test *test_of(struct image_filter *f, const char *name)
{
	struct image_test *t;

	for (size_t i = 0; i < f->tests_n; i++)
		if (strcmp(f->tests[i].name, name) == 0)
			return &f->tests[i];
	t = &f->tests[f->tests_n++];
	*t = (struct image_test) { .name = name, .kind = TEST_PROPERTY };
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		if (strcmp(columns[i].name, name) == 0) {
			t->kind = columns[i].kind;
			t->offset = columns[i].offset;
		}
	}
	return t;
}

static int read_pair(struct image_filter *f, const struct http_pair *q, struct error *err)
{
	static const char *const statuses[] = { "accepted", "rejected", "pending", "all", NULL };
	struct image_test *t;

	if (strcmp(q->name, "visibility") == 0) {
		if (strcmp(q->value, "all") != 0 && !image_word_known(image_visibilities, q->value))
			return bad_value(err, q->name, q->value, "public, private, shared, community or all");
		f->visibility = q->value;
		f->scan.community = true;
		return 0;
	}
	if (strcmp(q->name, "member_status") == 0) {
		if (!image_word_known(statuses, q->value))
			return bad_value(err, q->name, q->value, "accepted, rejected, pending or all");
		f->scan.member_status = q->value;
		return 0;
	}
	t = test_of(f, q->name);
	f->hidden_given |= strcmp(q->name, "os_hidden") == 0;
	return read_value(f->arena, t, q->value, err);
}

/* --- sorting ----------------------------------------------------------------------------------------------
 */

struct image_sort_key {
	const char *name;
	bool text;
	size_t offset;
};

static const struct image_sort_key sort_keys[] = {
	{ "created_at", false, offsetof(struct image, created_us) },
	{ "id", true, offsetof(struct image, uid) },
	{ "name", true, offsetof(struct image, name) },
	{ "status", true, offsetof(struct image, status) },
	{ "container_format", true, offsetof(struct image, container_format) },
	{ "disk_format", true, offsetof(struct image, disk_format) },
	{ "size", false, offsetof(struct image, size) },
	{ "virtual_size", false, offsetof(struct image, virtual_size) },
	{ "min_disk", false, offsetof(struct image, min_disk_gib) },
	{ "min_ram", false, offsetof(struct image, min_ram_mib) },
	{ "updated_at", false, offsetof(struct image, updated_us) },
};

static int add_sort(struct image_filter *f, const char *name, bool descending, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(sort_keys); i++) {
		if (strcmp(sort_keys[i].name, name) != 0)
			continue;
		if (f->sort_n >= IMAGE_SORT_KEYS_MAX)
			return error_set(err, ERR_BAD_REQUEST, "at most %d sort keys", IMAGE_SORT_KEYS_MAX);
		f->sort[f->sort_n].key = &sort_keys[i];
		f->sort[f->sort_n++].descending = descending;
		return 0;
	}
	return error_set(err, ERR_BAD_REQUEST, "images cannot be sorted by '%.64s'", name);
}

static int read_direction(const char *text, bool *out_descending, struct error *err)
{
	if (!str_eq(text, "asc") && !str_eq(text, "desc"))
		return error_set(
			err, ERR_BAD_REQUEST, "a sort direction must be asc or desc, not '%.32s'", text);
	*out_descending = str_eq(text, "desc");
	return 0;
}

/* sort=name:asc,size:desc */
static int read_sort(struct image_filter *f, const char *text, struct error *err)
{
	const char **parts = ARENA_ARRAY(f->arena, const char *, comma_count(text) + 1);
	size_t n;

	split(f->arena, text, parts, &n);
	for (size_t i = 0; i < n; i++) {
		const char *colon = strchr(parts[i], ':');
		bool descending = true;

		if (colon) {
			if (read_direction(colon + 1, &descending, err) < 0)
				return -1;
			parts[i] = arena_strndup(f->arena, parts[i], (size_t)(colon - parts[i]));
		}
		if (add_sort(f, parts[i], descending, err) < 0)
			return -1;
	}
	return 0;
}

/* The n-th sort_dir belongs to the n-th sort_key; one alone to all. */
static int read_directions(struct image_filter *f, const struct http_pair *query, size_t n, struct error *err)
{
	size_t at = 0;
	bool descending = true;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(query[i].name, "sort_dir") != 0)
			continue;
		if (read_direction(query[i].value, &descending, err) < 0)
			return -1;
		if (at < f->sort_n)
			f->sort[at].descending = descending;
		at++;
	}
	for (size_t i = 0; at == 1 && i < f->sort_n; i++)
		f->sort[i].descending = descending;
	return 0;
}

static int init_sort(struct image_filter *f, const struct http_pair *query, size_t n, struct error *err)
{
	bool last;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(query[i].name, "sort") == 0 && read_sort(f, query[i].value, err) < 0)
			return -1;
		if (strcmp(query[i].name, "sort_key") == 0 && add_sort(f, query[i].value, true, err) < 0)
			return -1;
	}
	if (!f->sort_n)
		add_sort(f, "created_at", true, err);
	if (read_directions(f, query, n, err) < 0)
		return -1;
	/* ties are broken by age, then id */
	last = f->sort[f->sort_n - 1].descending;
	for (size_t i = 0; i < 2; i++) {
		f->sort[f->sort_n].key = &sort_keys[i];
		f->sort[f->sort_n++].descending = last;
	}
	return 0;
}

int image_filter_init(struct image_filter *f, struct arena *a, struct image_viewer viewer,
	const struct http_pair *query, size_t n, struct error *err)
{
	*f = (struct image_filter) { .arena = a, .scan = { .viewer = viewer, .member_status = "accepted" } };
	f->tests = ARENA_ARRAY(a, struct image_test, n + 1);
	for (size_t i = 0; i < n; i++)
		if (!is_control(query[i].name) && read_pair(f, &query[i], err) < 0)
			return -1;
	return init_sort(f, query, n, err);
}

/* --- passing ----------------------------------------------------------------------------------------------
 */

static const char *text_at(const struct image *i, size_t offset)
{
	return *(const char *const *)(const void *)((const char *)i + offset);
}

static int64_t number_at(const struct image *i, size_t offset)
{
	return *(const int64_t *)(const void *)((const char *)i + offset);
}

static bool flag_at(const struct image *i, size_t offset)
{
	return *(const bool *)(const void *)((const char *)i + offset);
}

static bool any_value(const struct image_test *t, const char *text)
{
	for (size_t k = 0; k < t->values_n; k++)
		if (str_eq(t->values[k], text))
			return true;
	return false;
}

static bool pass_time(const struct image_test *t, int64_t at_us)
{
	/* what the client saw has whole seconds */
	int64_t at = at_us / 1000000, want = t->number / 1000000;

	switch (t->relation) {
	case EQ:
		return at == want;
	case NEQ:
		return at != want;
	case LT:
		return at < want;
	case LTE:
		return at <= want;
	case GT:
		return at > want;
	case GTE:
		return at >= want;
	}
	return false;
}

/* Of what is in the row itself. */
static bool pass_row(const struct image_test *t, const struct image *i)
{
	switch (t->kind) {
	case TEST_TEXT:
		return any_value(t, text_at(i, t->offset));
	case TEST_COUNT:
		return number_at(i, t->offset) == t->number;
	case TEST_SIZE_MIN:
		return i->size >= t->number;
	case TEST_SIZE_MAX:
		return i->size >= 0 && i->size <= t->number;
	case TEST_FLAG:
		return flag_at(i, t->offset) == (t->number != 0);
	case TEST_TIME:
		return pass_time(t, number_at(i, t->offset));
	case TEST_TAG:
	case TEST_PROPERTY:
		return true;
	}
	return false;
}

/* Any value of a property, all tags. */
static int pass_details(const struct image_test *t, struct db *db, int64_t id, struct error *err)
{
	int rc = 1;

	for (size_t k = 0; k < t->values_n; k++) {
		bool tag = t->kind == TEST_TAG;

		rc = tag ? store_image_has_tag(db, id, t->values[k], err)
			 : store_image_has_property(db, id, t->name, t->values[k], err);
		if (rc < 0 || (rc > 0) != tag)
			return rc;
	}
	return rc;
}

/* By default a list has what is one's own, what is public, and what was shared and accepted; community images
 * only when asked for. Administrators see all. */
static bool pass_visibility(const struct image_filter *f, const struct image *i)
{
	const struct image_scan *s = &f->scan;

	if (f->visibility && strcmp(f->visibility, "all") != 0 && strcmp(f->visibility, i->visibility) != 0)
		return false;
	if (s->viewer.is_admin || i->project_id == s->viewer.project_id ||
		strcmp(i->visibility, "public") == 0)
		return true;
	if (strcmp(i->visibility, "community") == 0)
		return s->community;
	return i->member_status &&
	       (strcmp(s->member_status, "all") == 0 || strcmp(s->member_status, i->member_status) == 0);
}

int image_filter_pass(const struct image_filter *f, struct db *db, const struct image *i, struct error *err)
{
	int rc = 1;

	if (!pass_visibility(f, i) || (i->hidden && !f->hidden_given))
		return 0;
	for (size_t k = 0; k < f->tests_n; k++)
		if (!pass_row(&f->tests[k], i))
			return 0;
	for (size_t k = 0; k < f->tests_n && rc > 0; k++)
		if (f->tests[k].kind == TEST_TAG || f->tests[k].kind == TEST_PROPERTY)
			rc = pass_details(&f->tests[k], db, i->id, err);
	return rc;
}

static int compare_text(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

int image_filter_compare(const struct image_filter *f, const struct image *a, const struct image *b)
{
	int d = 0;

	for (size_t k = 0; k < f->sort_n && !d; k++) {
		const struct image_sort_key *key = f->sort[k].key;

		if (key->text) {
			d = compare_text(text_at(a, key->offset), text_at(b, key->offset));
		} else {
			int64_t x = number_at(a, key->offset), y = number_at(b, key->offset);

			d = (x > y) - (x < y);
		}
		if (f->sort[k].descending)
			d = -d;
	}
	return d;
}
