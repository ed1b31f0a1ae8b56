/* SPDX-License-Identifier: Apache-2.0 */
/* Flavors: what sizes of servers there are. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/compute/flavor_view.h"
#include "base/crypto.h"
#include "base/util.h"
#include "domain/flavor.h"

/* --- views */

static int specs_view(struct api_call *c, int64_t flavor_id, struct error *err)
{
	struct server_pair *specs;
	size_t n;

	if (store_flavor_extras(c->db, c->arena, flavor_id, &specs, &n, err) < 0)
		return -1;
	jw_key(&c->out, "extra_specs");
	jw_object(&c->out);
	for (size_t i = 0; i < n; i++)
		jw_kv_str(&c->out, specs[i].key, specs[i].value);
	jw_end_object(&c->out);
	return 0;
}

static void brief_view(struct api_call *c, const struct flavor *f)
{
	jw_object(&c->out);
	jw_kv_str(&c->out, "id", f->uid);
	jw_kv_str(&c->out, "name", f->name);
	compute_links(c, "flavors", f->uid);
	if (since(c, 55))
		jw_kv_str(&c->out, "description", f->description);
	jw_end_object(&c->out);
}

static int view(struct api_call *c, const struct flavor *f, struct error *err)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "id", f->uid);
	jw_kv_str(b, "name", f->name);
	jw_kv_int(b, "ram", f->ram_mib);
	jw_kv_int(b, "vcpus", f->vcpus);
	jw_kv_int(b, "disk", f->disk_gib);
	if (f->swap_mib == 0 && !since(c, 75))
		jw_kv_str(b, "swap", "");
	else
		jw_kv_int(b, "swap", f->swap_mib);
	jw_kv_int(b, "OS-FLV-EXT-DATA:ephemeral", f->ephemeral_gib);
	jw_kv_bool(b, "OS-FLV-DISABLED:disabled", f->disabled);
	jw_kv_bool(b, "os-flavor-access:is_public", f->is_public);
	jw_key(b, "rxtx_factor");
	jw_double(b, f->rxtx_factor);
	compute_links(c, "flavors", f->uid);
	if (since(c, 55))
		jw_kv_str(b, "description", f->description);
	if (since(c, 61) && specs_view(c, f->id, err) < 0)
		return -1;
	jw_end_object(b);
	return 0;
}

static int reply(struct api_call *c, const struct flavor *f, struct error *err)
{
	c->status = 200;
	c->target = f->uid;
	jw_object(&c->out);
	jw_key(&c->out, "flavor");
	if (view(c, f, err) < 0)
		return -1;
	jw_end_object(&c->out);
	return 0;
}

/* --- lists */

static const char *const sort_keys[] = { "flavorid", "id", "name", "memory_mb", "vcpus", "root_gb",
	"ephemeral_gb", "swap", "rxtx_factor", "disabled", "is_public", "created_at", "updated_at", NULL };

static int compare_int(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int compare(const void *pa, const void *pb, void *page_)
{
	const struct flavor *a = pa, *b = pb;
	const struct api_page *page = page_;
	const char *key = page->sort_key;
	int d = 0;

	if (strcmp(key, "name") == 0)
		d = strcmp(a->name, b->name);
	else if (strcmp(key, "memory_mb") == 0)
		d = compare_int(a->ram_mib, b->ram_mib);
	else if (strcmp(key, "vcpus") == 0)
		d = compare_int(a->vcpus, b->vcpus);
	else if (strcmp(key, "root_gb") == 0)
		d = compare_int(a->disk_gib, b->disk_gib);
	else if (strcmp(key, "ephemeral_gb") == 0)
		d = compare_int(a->ephemeral_gib, b->ephemeral_gib);
	else if (strcmp(key, "swap") == 0)
		d = compare_int(a->swap_mib, b->swap_mib);
	else if (strcmp(key, "rxtx_factor") == 0)
		d = (a->rxtx_factor > b->rxtx_factor) - (a->rxtx_factor < b->rxtx_factor);
	else if (strcmp(key, "disabled") == 0)
		d = compare_int(a->disabled, b->disabled);
	else if (strcmp(key, "is_public") == 0)
		d = compare_int(a->is_public, b->is_public);
	else if (strcmp(key, "id") == 0)
		d = compare_int(a->id, b->id);
	else if (strcmp(key, "created_at") == 0 || strcmp(key, "updated_at") == 0)
		d = compare_int(a->created_us, b->created_us);
	if (d == 0)
		d = strcmp(a->uid, b->uid);
	return page->descending ? -d : d;
}

static int min_query(struct api_call *c, const char *name, int64_t *out, struct error *err)
{
	const char *text = api_query(c, name);

	if (text && !str_int64(text, INT64_MIN, INT64_MAX, out))
		return error_set(err, ERR_BAD_REQUEST, "%s must be an integer, not '%.32s'", name, text);
	return 0;
}

/* is_public: True (also the default) is the public ones and those the project has access to; False and None
 * are the administrator's. */
static int read_filter(struct api_call *c, struct flavor_filter *out, struct error *err)
{
	const char *text = api_query(c, "is_public");
	bool is_public = true;

	*out = (struct flavor_filter) { .project_id = c->who->project.id, .is_public = -1 };
	if (text && strcasecmp(text, "none") != 0 && !str_bool(text, &is_public))
		return error_set(
			err, ERR_BAD_REQUEST, "is_public must be True, False or None, not '%.32s'", text);
	if (api_is_admin(c) && text && strcasecmp(text, "none") == 0)
		out->project_id = 0;
	else if (api_is_admin(c) && !is_public)
		*out = (struct flavor_filter) { .project_id = 0, .is_public = 0 };
	else if (c->who->project.id == 0)
		out->is_public = 1;
	if (min_query(c, "minRam", &out->min_ram_mib, err) < 0 ||
		min_query(c, "minDisk", &out->min_disk_gib, err) < 0)
		return -1;
	return 0;
}

static int list(struct api_call *c, bool detail, struct error *err)
{
	static const char *const known[] = { "limit", "marker", "is_public", "minRam", "minDisk", "sort_key",
		"sort_dir", NULL };
	struct flavor_filter filter;
	struct flavor *flavors;
	struct api_page page;
	size_t n, i = 0, end;

	if (compute_only_query(c, 75, known, err) < 0 || api_page(c, sort_keys, false, &page, err) < 0 ||
		read_filter(c, &filter, err) < 0 ||
		store_flavor_list(c->db, c->arena, &filter, &flavors, &n, err) < 0)
		return -1;
	qsort_r(flavors, n, sizeof *flavors, compare, &page);
	if (api_page_start(&page, flavors, n, sizeof *flavors, offsetof(struct flavor, uid), &i, err) < 0)
		return -1;
	end = n - i > (size_t)page.limit ? i + (size_t)page.limit : n;
	jw_object(&c->out);
	jw_key(&c->out, "flavors");
	jw_array(&c->out);
	for (size_t k = i; k < end; k++) {
		if (!detail)
			brief_view(c, &flavors[k]);
		else if (view(c, &flavors[k], err) < 0)
			return -1;
	}
	jw_end_array(&c->out);
	if (page.limit && (int64_t)(end - i) == page.limit)
		api_next_link(c, "flavors_links", flavors[end - 1].uid);
	jw_end_object(&c->out);
	c->status = 200;
	return 0;
}

int compute_flavor_list(struct api_call *c, struct error *err)
{
	return list(c, false, err);
}

int compute_flavor_detail(struct api_call *c, struct error *err)
{
	return list(c, true, err);
}

/* --- one */

int compute_flavor_get(struct api_call *c, struct flavor *out, struct error *err)
{
	const char *uid = api_param(c, "flavor_id");

	c->target = uid;
	return store_flavor_get(c->db, c->arena, compute_scope(c), uid, out, err);
}

int compute_flavor_show(struct api_call *c, struct error *err)
{
	struct flavor f;

	return compute_flavor_get(c, &f, err) < 0 ? -1 : reply(c, &f, err);
}

struct body {
	const char *name, *id, *description;
	int64_t ram_mib, vcpus, disk_gib, swap_mib, ephemeral_gib;
	double rxtx_factor;
	const char *rxtx_text;
	bool is_public;
};

static const struct bind_field body_fields[] = {
	BIND(body, name, "name", BIND_STR, BIND_REQUIRED, 1, 255),
	BIND(body, id, "id", BIND_STR, BIND_LOOSE, 0, 255),
	BIND(body, ram_mib, "ram", BIND_INT, BIND_REQUIRED, 1, FLAVOR_RAM_MIB_MAX),
	BIND(body, vcpus, "vcpus", BIND_INT, BIND_REQUIRED, 1, FLAVOR_VCPUS_MAX),
	BIND(body, disk_gib, "disk", BIND_INT, BIND_REQUIRED, 0, FLAVOR_DISK_GIB_MAX),
	BIND(body, swap_mib, "swap", BIND_INT, 0, 0, FLAVOR_RAM_MIB_MAX),
	BIND(body, ephemeral_gib, "OS-FLV-EXT-DATA:ephemeral", BIND_INT, 0, 0, FLAVOR_DISK_GIB_MAX),
	{ .name = "rxtx_factor",
		.type = BIND_NUM,
		.offset = offsetof(struct body, rxtx_factor),
		.absent = 1 },
	BIND(body, rxtx_text, "rxtx_factor", BIND_STR, 0, 1, 32),
	{ .name = "os-flavor-access:is_public",
		.type = BIND_BOOL,
		.offset = offsetof(struct body, is_public),
		.flags = BIND_LOOSE,
		.absent = true },
	{ .name = "description",
		.type = BIND_STR,
		.offset = offsetof(struct body, description),
		.max = 65535,
		.since = 55 },
};

const struct bind_table compute_flavor_create_body = { .top = "flavor", BIND_TABLE(body, body_fields) };

static const struct bind_field update_fields[] = {
	BIND(body, description, "description", BIND_STR, BIND_REQUIRED | BIND_NULL, 0, 65535),
};

const struct bind_table compute_flavor_update_body = { .top = "flavor", BIND_TABLE(body, update_fields) };

/* A number, or a number in a string. */
static int read_factor(struct body *in, struct error *err)
{
	char *end = NULL;

	if (!in->rxtx_text)
		return 0;
	in->rxtx_factor = strtod(in->rxtx_text, &end);
	return *end ? error_set(err, ERR_BAD_REQUEST, "flavor.rxtx_factor: '%s' is no number", in->rxtx_text)
		    : 0;
}

int compute_flavor_create(struct api_call *c, struct error *err)
{
	struct body *in = c->in;
	struct flavor_values values;
	struct flavor f;
	char uid[UUID_TEXT];

	if (!in->id || strcmp(in->id, "auto") == 0) {
		uuid_make(c->api->loop->rng, uid);
		in->id = arena_strdup(c->arena, uid);
	}
	if (read_factor(in, err) < 0)
		return -1;
	values = (struct flavor_values) { .id = in->id,
		.name = in->name,
		.description = in->description,
		.vcpus = in->vcpus,
		.ram_mib = in->ram_mib,
		.disk_gib = in->disk_gib,
		.ephemeral_gib = in->ephemeral_gib,
		.swap_mib = in->swap_mib,
		.rxtx_factor = in->rxtx_factor };
	if (flavor_check(&values, err) < 0)
		return -1;
	f = (struct flavor) { .id = store_next_id(c->api->store),
		.uid = in->id,
		.name = in->name,
		.description = in->description,
		.vcpus = in->vcpus,
		.ram_mib = in->ram_mib,
		.disk_gib = in->disk_gib,
		.ephemeral_gib = in->ephemeral_gib,
		.swap_mib = in->swap_mib,
		.rxtx_factor = in->rxtx_factor,
		.is_public = in->is_public,
		.created_us = c->now_us };
	return store_flavor_insert(c->db, &f, err) < 0 ? -1 : reply(c, &f, err);
}

int compute_flavor_update(struct api_call *c, struct error *err)
{
	const struct body *in = c->in;
	struct flavor f;

	if (compute_flavor_get(c, &f, err) < 0 ||
		store_flavor_describe(c->db, f.id, in->description, err) < 0)
		return -1;
	f.description = in->description;
	return reply(c, &f, err);
}

int compute_flavor_delete(struct api_call *c, struct error *err)
{
	struct flavor f;

	if (compute_flavor_get(c, &f, err) < 0)
		return -1;
	c->status = 202;
	return store_flavor_delete(c->db, f.id, err);
}
