/* SPDX-License-Identifier: Apache-2.0 */
#include "placement/json.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* How a member lies in its struct. */
enum form {
	FORM_NUMBER, /* a signed integer of `size` bytes, or an enum */
	FORM_UNSIGNED,
	FORM_BOOL,
	FORM_TEXT,    /* char[size] */
	FORM_OBJECT,  /* a pointer to a struct of `table`, or NULL */
	FORM_LIST,    /* an array within the struct, `max` items of `item` */
	FORM_POINTER, /* a pointer to such an array elsewhere */
	FORM_TEXTS    /* a pointer to pointers to texts */
};

struct table;

struct member {
	const char *name;
	enum form form;
	size_t offset, size;
	size_t count;              /* where the number of items is */
	size_t max;                /* items */
	const struct table *table; /* of items that are objects; else `item` */
	enum form item;
	size_t item_size;
};

struct table {
	const struct member *members;
	size_t n, size;
};

enum { IDS_MAX = 1 << 20, TRAITS_MAX = 1024, TEXT_MAX = 256 };

/* NOLINTBEGIN(bugprone-macro-parentheses): types and members */
#define SIZE(type, member) sizeof(((type *)0)->member)
#define NUMBER(type, m)                                                                             \
	{                                                                                           \
		.name = #m, .form = FORM_NUMBER, .offset = offsetof(type, m), .size = SIZE(type, m) \
	}
#define UNSIGNED(type, m)                                                                             \
	{                                                                                             \
		.name = #m, .form = FORM_UNSIGNED, .offset = offsetof(type, m), .size = SIZE(type, m) \
	}
#define BOOL(type, m)                                                                             \
	{                                                                                         \
		.name = #m, .form = FORM_BOOL, .offset = offsetof(type, m), .size = SIZE(type, m) \
	}
#define TEXT(type, m)                                                                             \
	{                                                                                         \
		.name = #m, .form = FORM_TEXT, .offset = offsetof(type, m), .size = SIZE(type, m) \
	}
#define OBJECT(type, m, t)                                                                 \
	{                                                                                  \
		.name = #m, .form = FORM_OBJECT, .offset = offsetof(type, m), .table = (t) \
	}
#define LIST(type, m, t)                                                                                    \
	{                                                                                                   \
		.name = #m, .form = FORM_LIST, .offset = offsetof(type, m), .count = offsetof(type, m##_n), \
		.max = SIZE(type, m) / SIZE(type, m[0]), .table = (t), .item_size = SIZE(type, m[0])        \
	}
#define NUMBERS(type, m)                                                                                    \
	{                                                                                                   \
		.name = #m, .form = FORM_LIST, .offset = offsetof(type, m), .count = offsetof(type, m##_n), \
		.max = SIZE(type, m) / SIZE(type, m[0]), .item = FORM_NUMBER, .item_size = SIZE(type, m[0]) \
	}
#define POINTER(type, m, t, most)                                                                          \
	{                                                                                                  \
		.name = #m, .form = FORM_POINTER, .offset = offsetof(type, m),                             \
		.count = offsetof(type, m##_n), .max = (most), .table = (t), .item_size = SIZE(type, m[0]) \
	}
#define POINTER_TO(type, m, what, most)                                                                      \
	{                                                                                                    \
		.name = #m, .form = FORM_POINTER, .offset = offsetof(type, m),                               \
		.count = offsetof(type, m##_n), .max = (most), .item = (what), .item_size = SIZE(type, m[0]) \
	}
#define TEXTS(type, m)                                                                                       \
	{                                                                                                    \
		.name = #m, .form = FORM_TEXTS, .offset = offsetof(type, m), .count = offsetof(type, m##_n), \
		.max = TRAITS_MAX                                                                            \
	}
#define TABLE(type, array)                              \
	{                                               \
		(array), ARRAY_LEN(array), sizeof(type) \
	}
/* NOLINTEND(bugprone-macro-parentheses) */

/* ---- the tables ---- */

#define T struct placement_profile
static const struct member profile_members[] = { TEXT(T, name), UNSIGNED(T, starts), UNSIGNED(T, slots),
	NUMBER(T, share) };
#undef T
static const struct table profile_table = TABLE(struct placement_profile, profile_members);

#define T struct placement_geometry
static const struct member geometry_members[] = { UNSIGNED(T, slots), BOOL(T, alike),
	POINTER(T, profiles, &profile_table, 64) };
#undef T
static const struct table geometry_table = TABLE(struct placement_geometry, geometry_members);

#define T struct placement_gpu
static const struct member gpu_members[] = { NUMBER(T, id), TEXT(T, model), NUMBER(T, numa_cell),
	NUMBER(T, iommu_group), BOOL(T, healthy), OBJECT(T, geometry, &geometry_table), BOOL(T, shared),
	NUMBER(T, reserved), BOOL(T, reserved_begun) };
#undef T
static const struct table gpu_table = TABLE(struct placement_gpu, gpu_members);

#define T struct placement_cpu
static const struct member cpu_members[] = { NUMBER(T, id), NUMBER(T, core) };
#undef T
static const struct table cpu_table = TABLE(struct placement_cpu, cpu_members);

#define T struct placement_cell
static const struct member cell_members[] = { NUMBER(T, id), NUMBER(T, ram_mib), NUMBER(T, pages_2m),
	NUMBER(T, pages_1g), POINTER(T, cpus, &cpu_table, PLACEMENT_CPUS_MAX) };
#undef T
static const struct table cell_table = TABLE(struct placement_cell, cell_members);

#define T struct placement_host
static const struct member host_members[] = { NUMBER(T, id), TEXT(T, name), TEXT(T, zone), TEXT(T, rack),
	TEXT(T, fabric), NUMBER(T, state), NUMBER(T, vcpus), NUMBER(T, ram_mib), NUMBER(T, ram_reserved_mib),
	NUMBER(T, disk_gib), NUMBER(T, disk_reserved_gib), NUMBER(T, vcpu_ratio_milli),
	NUMBER(T, ram_ratio_milli), NUMBER(T, disk_ratio_milli), BOOL(T, exclusive),
	POINTER(T, gpus, &gpu_table, PLACEMENT_GPUS_MAX), POINTER(T, cells, &cell_table, PLACEMENT_CELLS_MAX),
	POINTER_TO(T, links, FORM_UNSIGNED, PLACEMENT_LINKS_MAX), TEXTS(T, traits) };
#undef T
static const struct table host_table = TABLE(struct placement_host, host_members);

#define T struct placement_gpu_want
static const struct member want_members[] = { TEXT(T, model), NUMBER(T, count), NUMBER(T, share),
	TEXT(T, profile) };
#undef T
static const struct table want_table = TABLE(struct placement_gpu_want, want_members);

#define T struct placement_guest_cell
static const struct member guest_cell_members[] = { NUMBER(T, vcpus), NUMBER(T, ram_mib) };
#undef T
static const struct table guest_cell_table = TABLE(struct placement_guest_cell, guest_cell_members);

#define T struct placement_members
static const struct member group_members[] = { NUMBER(T, host_id), NUMBER(T, n) };
#undef T
static const struct table group_table = TABLE(struct placement_members, group_members);

#define T struct placement_request
static const struct member request_members[] = { NUMBER(T, vcpus), NUMBER(T, ram_mib), NUMBER(T, disk_gib),
	LIST(T, gpus, &want_table), NUMBER(T, link), NUMBER(T, pci), LIST(T, cells, &guest_cell_table),
	BOOL(T, dedicated), NUMBER(T, threads), NUMBER(T, page_kib), TEXTS(T, traits_required),
	TEXTS(T, traits_forbidden), TEXT(T, zone), TEXT(T, host), POINTER_TO(T, avoid, FORM_NUMBER, IDS_MAX),
	POINTER_TO(T, within, FORM_NUMBER, IDS_MAX), POINTER_TO(T, eligible, FORM_NUMBER, IDS_MAX),
	POINTER_TO(T, apart, FORM_NUMBER, IDS_MAX), NUMBER(T, policy), NUMBER(T, max_per_host),
	POINTER(T, members, &group_table, IDS_MAX), BOOL(T, exclusive), NUMBER(T, scope),
	BOOL(T, scope_required), NUMBER(T, reservation), BOOL(T, preemptible) };
#undef T
static const struct table request_table = TABLE(struct placement_request, request_members);

#define T struct placement_gpu_choice
static const struct member gpu_choice_members[] = { NUMBER(T, id), NUMBER(T, start), NUMBER(T, share),
	TEXT(T, profile), NUMBER(T, guest_cell) };
#undef T
static const struct table gpu_choice_table = TABLE(struct placement_gpu_choice, gpu_choice_members);

#define T struct placement_cell_choice
static const struct member cell_choice_members[] = { NUMBER(T, cell), NUMBER(T, vcpus), NUMBER(T, ram_mib),
	NUMBER(T, page_kib) };
#undef T
static const struct table cell_choice_table = TABLE(struct placement_cell_choice, cell_choice_members);

#define T struct placement_choice
static const struct member choice_members[] = { NUMBER(T, host_id), LIST(T, gpus, &gpu_choice_table),
	LIST(T, cells, &cell_choice_table), NUMBERS(T, cpus), BOOL(T, cpus_isolated), NUMBERS(T, idle) };
#undef T
static const struct table choice_table = TABLE(struct placement_choice, choice_members);

/* ---- writing ---- */

static int64_t load_number(const void *p, size_t size)
{
	switch (size) {
	case 1:
		return *(const int8_t *)p;
	case 2:
		return *(const int16_t *)p;
	case 4:
		return *(const int32_t *)p;
	default:
		return *(const int64_t *)p;
	}
}

static uint64_t load_unsigned(const void *p, size_t size)
{
	switch (size) {
	case 1:
		return *(const uint8_t *)p;
	case 2:
		return *(const uint16_t *)p;
	case 4:
		return *(const uint32_t *)p;
	default:
		return *(const uint64_t *)p;
	}
}

static void write_object(struct buf *b, const struct table *t, const void *object);

static void write_item(struct buf *b, const struct member *m, const void *item)
{
	if (m->table)
		write_object(b, m->table, item);
	else if (m->item == FORM_UNSIGNED)
		jw_int(b, (int64_t)load_unsigned(item, m->item_size)); /* the bits of it */
	else
		jw_int(b, load_number(item, m->item_size));
}

/* An array that is there is written even if it is empty: "none of them" is not "any". */
static void write_array(struct buf *b, const struct member *m, const char *object, const char *items)
{
	size_t n = *(const size_t *)(const void *)(object + m->count);

	if (m->form == FORM_LIST ? !n : !items)
		return;
	jw_key(b, m->name);
	jw_array(b);
	for (size_t i = 0; i < n; i++) {
		if (m->form == FORM_TEXTS)
			jw_str(b, ((const char *const *)(const void *)items)[i]);
		else
			write_item(b, m, items + i * m->item_size);
	}
	jw_end_array(b);
}

static void write_member(struct buf *b, const struct member *m, const char *object)
{
	const char *at = object + m->offset;
	const void *pointer;

	switch (m->form) {
	case FORM_NUMBER:
		if (load_number(at, m->size))
			jw_kv_int(b, m->name, load_number(at, m->size));
		break;
	case FORM_UNSIGNED:
		if (load_unsigned(at, m->size))
			jw_kv_int(b, m->name, (int64_t)load_unsigned(at, m->size));
		break;
	case FORM_BOOL:
		if (*(const bool *)at)
			jw_kv_bool(b, m->name, true);
		break;
	case FORM_TEXT:
		if (*at)
			jw_kv_str(b, m->name, at);
		break;
	case FORM_OBJECT:
		memcpy(&pointer, at, sizeof pointer);
		if (pointer) {
			jw_key(b, m->name);
			write_object(b, m->table, pointer);
		}
		break;
	case FORM_LIST:
		write_array(b, m, object, at);
		break;
	case FORM_POINTER:
	case FORM_TEXTS:
		memcpy(&pointer, at, sizeof pointer);
		write_array(b, m, object, pointer);
		break;
	}
}

static void write_object(struct buf *b, const struct table *t, const void *object)
{
	jw_object(b);
	for (size_t i = 0; i < t->n; i++)
		write_member(b, &t->members[i], object);
	jw_end_object(b);
}

void placement_host_write(struct buf *b, const struct placement_host *h)
{
	write_object(b, &host_table, h);
}

void placement_request_write(struct buf *b, const struct placement_request *r)
{
	write_object(b, &request_table, r);
}

void placement_choice_write(struct buf *b, const struct placement_choice *c)
{
	write_object(b, &choice_table, c);
}

void placement_mix_write(struct buf *b, const struct placement_mix *m)
{
	jw_object(b);
	jw_kv_bool(b, "churning", m->churning);
	jw_key(b, "requests");
	jw_array(b);
	for (size_t i = 0; i < m->n; i++)
		placement_request_write(b, &m->requests[i]);
	jw_end_array(b);
	jw_key(b, "weights");
	jw_array(b);
	for (size_t i = 0; i < m->n; i++)
		jw_int(b, m->weights[i]);
	jw_end_array(b);
	jw_end_object(b);
}

/* ---- reading ---- */

static int wrong(const struct member *m, struct error *err)
{
	return error_set(
		err, ERR_BAD_REQUEST, "'%s' has not the type or the range that placement knows", m->name);
}

static int store_number(
	const struct member *m, const json_t *v, bool is_unsigned, void *to, size_t size, struct error *err)
{
	int64_t n = json_integer_value(v), min, max;

	if (!json_is_integer(v))
		return wrong(m, err);
	max = size == 8 ? INT64_MAX : ((int64_t)1 << (8 * size - (is_unsigned ? 0 : 1))) - 1;
	min = is_unsigned && size < 8 ? 0 : size == 8 ? INT64_MIN : -max - 1;
	if (n < min || n > max)
		return wrong(m, err);
	memcpy(to, &n, size);
	return 0;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "store_number copies the low bytes");

static int read_object(const struct table *t, const json_t *j, struct arena *a, void *out, struct error *err);

static int read_item(
	const struct member *m, const json_t *v, struct arena *a, char *items, size_t i, struct error *err)
{
	if (m->form == FORM_TEXTS) {
		if (!json_is_string(v) || json_string_length(v) >= TEXT_MAX)
			return wrong(m, err);
		((const char **)(void *)items)[i] = arena_strdup(a, json_string_value(v));
		return 0;
	}
	if (m->table)
		return read_object(m->table, v, a, items + i * m->item_size, err);
	return store_number(m, v, m->item == FORM_UNSIGNED, items + i * m->item_size, m->item_size, err);
}

static int read_array(
	const struct member *m, const json_t *v, struct arena *a, char *object, struct error *err)
{
	size_t n = json_array_size(v), size = m->form == FORM_TEXTS ? sizeof(char *) : m->item_size;
	char *items = object + m->offset;

	if (!json_is_array(v) || n > m->max)
		return wrong(m, err);
	if (m->form != FORM_LIST) {
		items = arena_alloc(a, (n + 1) * size);
		memset(items, 0, (n + 1) * size);
		memcpy(object + m->offset, &items, sizeof items);
	}
	*(size_t *)(void *)(object + m->count) = n;
	for (size_t i = 0; i < n; i++)
		if (read_item(m, json_array_get(v, i), a, items, i, err) < 0)
			return -1;
	return 0;
}

static int read_member(
	const struct member *m, const json_t *v, struct arena *a, char *object, struct error *err)
{
	char *at = object + m->offset;
	void *pointer;

	switch (m->form) {
	case FORM_NUMBER:
	case FORM_UNSIGNED:
		return store_number(m, v, m->form == FORM_UNSIGNED, at, m->size, err);
	case FORM_BOOL:
		*(bool *)at = json_is_true(v);
		return json_is_boolean(v) ? 0 : wrong(m, err);
	case FORM_TEXT:
		return json_is_string(v) && str_copy(at, m->size, json_string_value(v)) ? 0 : wrong(m, err);
	case FORM_OBJECT:
		pointer = arena_alloc(a, m->table->size);
		memcpy(at, &pointer, sizeof pointer);
		return read_object(m->table, v, a, pointer, err);
	case FORM_LIST:
	case FORM_POINTER:
	case FORM_TEXTS:
		break;
	}
	return read_array(m, v, a, object, err);
}

static int read_object(const struct table *t, const json_t *j, struct arena *a, void *out, struct error *err)
{
	memset(out, 0, t->size);
	if (!json_is_object(j))
		return error_set(err, ERR_BAD_REQUEST, "an object was expected");
	for (size_t i = 0; i < t->n; i++) {
		const json_t *v = json_object_get(j, t->members[i].name);

		if (v && read_member(&t->members[i], v, a, out, err) < 0)
			return -1;
	}
	return 0;
}

int placement_host_read(const json_t *j, struct arena *a, struct placement_host *out, struct error *err)
{
	return read_object(&host_table, j, a, out, err);
}

int placement_request_read(const json_t *j, struct arena *a, struct placement_request *out, struct error *err)
{
	return read_object(&request_table, j, a, out, err);
}

int placement_choice_read(const json_t *j, struct arena *a, struct placement_choice *out, struct error *err)
{
	return read_object(&choice_table, j, a, out, err);
}

int placement_mix_read(const json_t *j, struct arena *a, struct placement_mix *out, struct error *err)
{
	const json_t *requests = json_object_get(j, "requests"), *weights = json_object_get(j, "weights");
	size_t n = json_array_size(requests);
	struct placement_request *r;
	uint32_t *w;

	if (n > PLACEMENT_MIX_MAX || json_array_size(weights) != n)
		return error_set(err, ERR_BAD_REQUEST, "a mix has up to %d requests, and as many weights",
			PLACEMENT_MIX_MAX);
	r = ARENA_ARRAY(a, struct placement_request, n + 1);
	w = ARENA_ARRAY(a, uint32_t, n + 1);
	for (size_t i = 0; i < n; i++) {
		json_int_t weight = json_integer_value(json_array_get(weights, i));

		if (weight < 0 || weight > UINT32_MAX)
			return error_set(err, ERR_BAD_REQUEST, "'weights' are from 0 to 4294967295");
		w[i] = (uint32_t)weight;
		if (placement_request_read(json_array_get(requests, i), a, &r[i], err) < 0)
			return -1;
	}
	*out = (struct placement_mix) { r, w, n, json_is_true(json_object_get(j, "churning")) };
	return 0;
}
