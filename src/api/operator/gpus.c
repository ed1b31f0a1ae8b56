/* SPDX-License-Identifier: Apache-2.0 */
/* GPUs of all hosts: what they are, how they are tied together and cut, who has them, and whether they may be
 * given. */
#include <string.h>

#include "api/operator/operator.h"
#include "base/util.h"
#include "domain/gpu_products.h"
#include "flow/flow.h"
#include "flow/topology.h"
#include "store/custody.h"
#include "store/flows.h"

/* ---- views ---- */

static const char *gpu_state(const struct device_row *d)
{
	if (strcmp(d->custody, "quarantined") == 0)
		return "quarantined";
	if (!d->present)
		return "absent";
	if (strcmp(d->health, "ok") != 0)
		return "faulty";
	if (d->server_id)
		return "assigned";
	if (d->parts)
		return "partly";
	if (strcmp(d->custody, "clean") != 0)
		return d->by_operator ? "to be reset" : d->reset_us ? "being verified" : "being reset";
	return d->model[0] ? "free" : "unknown";
}

/* How far it is on its way from one server to the next. */
static const char *gpu_stage(const struct device_row *d)
{
	if (strcmp(d->custody, "reset") == 0)
		return d->reset_us ? "reset" : "released";
	return d->server_id || d->parts ? "held" : d->custody;
}

static void write_ids(struct api_call *c, const struct device_row *d)
{
	struct buf *b = &c->out;

	jw_key(b, "vendor_id");
	jw_strf(b, "%04x", (unsigned)d->vendor_id);
	jw_key(b, "product_id");
	jw_strf(b, "%04x", (unsigned)d->product_id);
}

static void write_companions(struct api_call *c, const struct device_row *d)
{
	char *rest = NULL;

	jw_key(&c->out, "companions");
	jw_array(&c->out);
	for (char *p = strtok_r(arena_strdup(c->arena, d->companions), ",", &rest); p;
		p = strtok_r(NULL, ",", &rest))
		jw_str(&c->out, p);
	jw_end_array(&c->out);
}

/* What it can be cut into as it is cut now; of one that is given whole, what it could be. */
static void write_cuts(struct api_call *c, const struct device_row *d)
{
	const struct gpu_product *product = gpu_product_find(d->vendor_id, d->product_id);
	const struct placement_geometry *g = topology_geometry(d);
	struct buf *b = &c->out;

	jw_kv_str(b, "cut", d->cut);
	jw_key(b, "cuts");
	jw_array(b);
	jw_str(b, GPU_CUT_WHOLE);
	if (*d->mdev_types)
		jw_str(b, GPU_CUT_MDEV);
	if (product && product->geometry &&
		gpu_geometry_offered(gpu_geometry_find(product->geometry), d->mdev_types))
		jw_str(b, product->geometry);
	jw_end_array(b);
	jw_key(b, "profiles");
	jw_array(b);
	for (size_t i = 0; g && i < g->profiles_n; i++)
		if (g->profiles[i].starts) /* the host can make one */
			jw_str(b, g->profiles[i].name);
	jw_end_array(b);
}

static void write_mdev_types(struct api_call *c, const struct device_row *d)
{
	struct gpu_mdev_type types[GPU_MDEV_TYPES_MAX];
	size_t n = gpu_mdev_types(d->mdev_types, types);
	struct buf *b = &c->out;

	jw_key(b, "mdev_types");
	jw_array(b);
	for (size_t i = 0; i < n; i++) {
		jw_object(b);
		jw_kv_str(b, "id", types[i].id);
		jw_kv_str(b, "name", types[i].name);
		jw_kv_int(b, "instances", gpu_mdev_most(&types[i], d->memory_mib));
		jw_end_object(b);
	}
	jw_end_array(b);
}

/* Sets of indexes that it is in, each as "0-3". */
static void write_links(struct api_call *c, size_t index, const uint64_t *links, size_t n)
{
	struct buf *b = &c->out;

	jw_key(b, "links");
	jw_array(b);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(buf_finish) struct buf text = { 0 };

		if (index >= 64 || !(links[i] >> index & 1))
			continue;
		cpuset_write(&(struct cpuset) { .bits = { links[i] } }, &text);
		jw_str(b, buf_text(&text));
	}
	jw_end_array(b);
}

static void write_gpu(struct api_call *c, const struct host_row *h, const struct device_row *d, size_t index,
	size_t links_n, const uint64_t *links)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "id", d->uid);
	jw_kv_str(b, "host", h->name);
	jw_kv_int(b, "index", (int64_t)index);
	jw_kv_str(b, "address", d->address);
	jw_kv_str(b, "model", d->model);
	jw_kv_str(b, "vendor", d->vendor);
	jw_kv_str(b, "product", d->product);
	write_ids(c, d);
	jw_kv_int(b, "memory_mib", d->memory_mib);
	jw_kv_int(b, "numa_cell", d->numa_cell);
	jw_kv_int(b, "iommu_group", d->iommu_group);
	write_companions(c, d);
	write_links(c, index, links, links_n);
	jw_kv_str(b, "driver", d->driver);
	jw_kv_bool(b, "present", d->present);
	jw_kv_str(b, "state", gpu_state(d));
	jw_kv_str(b, "health", d->health);
	jw_kv_str(b, "custody", d->custody);
	jw_kv_str(b, "reason", d->custody_reason);
	jw_kv_str(b, "stage", gpu_stage(d));
	if (d->released_us)
		operator_kv_time(c, "stage_since", d->reset_us ? d->reset_us : d->released_us);
	write_cuts(c, d);
	jw_kv_int(b, "parts_used", d->parts);
	jw_kv_str(b, "server_id", d->server_id ? d->server_uid : NULL);
}

/* The devices begin with those of the host. */
static size_t write_host_gpus(
	struct api_call *c, const struct host_row *h, const struct device_row *devices, size_t n)
{
	uint64_t links[PLACEMENT_LINKS_MAX];
	size_t links_n = topology_links(h, devices, n, links), i = 0;

	for (; i < n && devices[i].host_id == h->id; i++) {
		write_gpu(c, h, &devices[i], i, links_n, links);
		jw_end_object(&c->out);
	}
	return i;
}

int gpus_of_host(struct api_call *c, const struct host_row *h, struct error *err)
{
	struct device_row *devices;
	size_t n;

	if (store_device_list(c->db, c->arena, h->id, &devices, &n, err) < 0)
		return -1;
	jw_key(&c->out, "devices");
	jw_array(&c->out);
	write_host_gpus(c, h, devices, n);
	jw_end_array(&c->out);
	return 0;
}

/* ---- requests ---- */

static int list_of(struct api_call *c, const struct host_row *hosts, size_t hosts_n, struct error *err)
{
	for (size_t i = 0; i < hosts_n; i++) {
		struct device_row *devices;
		size_t n;

		if (store_device_list(c->db, c->arena, hosts[i].id, &devices, &n, err) < 0)
			return -1;
		write_host_gpus(c, &hosts[i], devices, n);
	}
	return 0;
}

int gpu_list(struct api_call *c, struct error *err)
{
	const char *name = api_query(c, "host");
	struct host_row one, *hosts = &one;
	size_t n = 1;

	if (name ? store_host_get(c->db, c->arena, name, &one, err) < 0
		 : store_host_list(c->db, c->arena, &hosts, &n, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "gpus");
	jw_array(&c->out);
	if (list_of(c, hosts, n, err) < 0)
		return -1;
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

static int write_parts(struct api_call *c, const struct device_row *d, struct error *err)
{
	struct device_part *parts;
	struct buf *b = &c->out;
	size_t n;

	if (store_device_parts(c->db, c->arena, d->id, &parts, &n, err) < 0)
		return -1;
	jw_key(b, "parts");
	jw_array(b);
	for (size_t i = 0; i < n; i++) {
		jw_object(b);
		jw_kv_str(b, "profile", parts[i].profile);
		jw_kv_int(b, "start", parts[i].start);
		jw_kv_int(b, "slots", parts[i].slots);
		jw_kv_int(b, "share", parts[i].share);
		jw_kv_str(b, "server_id", parts[i].server_uid);
		jw_end_object(b);
	}
	jw_end_array(b);
	return 0;
}

/* Of one that is on no way the last record says since when; the flow of one that is says what it waits for.
 */
static int write_way(struct api_call *c, const struct device_row *d, struct error *err)
{
	const struct custody_filter f = { .device_uid = d->uid, .limit = 1 };
	struct custody_record *last;
	struct flow_row flow;
	size_t n;
	int rc = store_flow_find(c->db, c->arena, "device", d->id, &flow, err);

	if (rc < 0 || store_custody_records(c->db, c->arena, &f, &last, &n, err) < 0)
		return -1;
	if (n && !d->released_us && !d->server_id && !d->parts)
		operator_kv_time(c, "stage_since", last->ended_us);
	if (rc > 0) {
		jw_kv_int(&c->out, "flow", flow.id);
		jw_kv_str(&c->out, "waits_for", flow.last_error);
	}
	return 0;
}

static int reply_gpu(struct api_call *c, const struct device_row *d, struct error *err)
{
	uint64_t links[PLACEMENT_LINKS_MAX];
	struct device_row *devices;
	size_t n, index = 0;
	struct host_row h;

	if (store_host_load(c->db, c->arena, d->host_id, &h, err) < 0 ||
		store_device_list(c->db, c->arena, h.id, &devices, &n, err) < 0)
		return -1;
	while (index < n && devices[index].id != d->id)
		index++;
	if (index == n)
		return error_internal(err, "device %lld is not on its host", (long long)d->id);
	c->target = d->uid;
	jw_object(&c->out);
	jw_key(&c->out, "gpu");
	write_gpu(c, &h, &devices[index], index, topology_links(&h, devices, n, links), links);
	write_mdev_types(c, &devices[index]);
	if (write_parts(c, d, err) < 0 || write_way(c, &devices[index], err) < 0)
		return -1;
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int gpu_show(struct api_call *c, struct error *err)
{
	struct device_row d;

	return store_device_get(c->db, c->arena, api_param(c, "gpu"), &d, err) < 0 ? -1
										   : reply_gpu(c, &d, err);
}

/* ---- who had it ---- */

enum { HISTORY_PAGE = 100, HISTORY_MAX = 1000 };

static void write_record(struct api_call *c, const struct custody_record *r)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_int(b, "id", r->id);
	jw_kv_str(b, "gpu", r->device_uid);
	jw_kv_str(b, "host", r->host);
	jw_kv_str(b, "address", r->address);
	jw_kv_str(b, "model", r->model);
	jw_kv_str(b, "part", *r->part ? r->part : NULL);
	jw_kv_str(b, "server_id", *r->server_uid ? r->server_uid : NULL);
	jw_kv_str(b, "project_id", *r->project_uid ? r->project_uid : NULL);
	operator_kv_time(c, "released_at", r->released_us);
	operator_kv_time(c, "reset_at", r->reset_us);
	operator_kv_time(c, "verified_at", r->verified_us);
	operator_kv_time(c, "ended_at", r->ended_us);
	jw_kv_str(b, "result", r->result);
	jw_kv_str(b, "words", r->words);
	jw_end_object(b);
}

static int read_filter(struct api_call *c, struct custody_filter *f, struct error *err)
{
	const char *limit_text = api_query(c, "limit"), *before_text = api_query(c, "before");
	int64_t limit = HISTORY_PAGE;

	if (limit_text && !str_int64(limit_text, 1, HISTORY_MAX, &limit))
		return error_set(err, ERR_BAD_REQUEST, "limit must be an integer from 1 to %d", HISTORY_MAX);
	if (before_text && !str_int64(before_text, 1, INT64_MAX, &f->before))
		return error_set(err, ERR_BAD_REQUEST, "before must be the id of a record");
	f->limit = (size_t)limit;
	f->server_uid = api_query(c, "server_id");
	return 0;
}

/* Records outlive their devices: one that is gone is known by its id. */
int gpu_history(struct api_call *c, struct error *err)
{
	struct custody_filter f = { .device_uid = api_param(c, "gpu") };
	struct custody_record *all;
	struct device_row d;
	size_t n;
	bool known = store_device_get(c->db, c->arena, f.device_uid, &d, err) == 0;

	if (!known && err->code != ERR_NOT_FOUND)
		return -1;
	f.device_uid = known ? d.uid : f.device_uid;
	if (read_filter(c, &f, err) < 0 || store_custody_records(c->db, c->arena, &f, &all, &n, err) < 0)
		return -1;
	if (!known && !n)
		return error_set(err, ERR_NOT_FOUND, "GPU %.120s could not be found.", f.device_uid);
	jw_object(&c->out);
	jw_key(&c->out, "history");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		write_record(c, &all[i]);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* ---- actions ---- */

struct gpu_args {
	const char *text;
};

static const struct bind_field reason_fields[] = {
	BIND(gpu_args, text, "reason", BIND_STR, 0, 0, 255),
};
static const struct bind_table reason_table = { BIND_TABLE(gpu_args, reason_fields) };

static const struct bind_field cut_fields[] = {
	BIND(gpu_args, text, "as", BIND_STR, BIND_REQUIRED, 1, 63),
};
static const struct bind_table cut_table = { BIND_TABLE(gpu_args, cut_fields) };

struct gpu_action_body {
	const struct gpu_args *args;
};

static const struct {
	struct bind_field field;
	enum gpu_change change;
} gpu_actions[] = {
#define ACTION(key, flags_, table_, change_)                                                          \
	{                                                                                             \
		{ .name = (key), .type = BIND_OBJ, .flags = (flags_), .table = &(table_) }, (change_) \
	}
	ACTION("quarantine", BIND_NULL, reason_table, GPU_QUARANTINE),
	ACTION("fault", BIND_NULL, reason_table, GPU_FAULT),
	ACTION("clear", BIND_NULL, reason_table, GPU_CLEAR),
	ACTION("reset", BIND_NULL, reason_table, GPU_RESET),
	ACTION("cut", 0, cut_table, GPU_CUT),
#undef ACTION
};

const struct bind_table gpu_action_body = { BIND_ROWS(gpu_action_body, gpu_actions), .flags = BIND_ONE };

int gpu_action(struct api_call *c, struct error *err)
{
	const struct gpu_action_body *in = c->in;
	struct device_row d;
	size_t i = 0;

	while (!(c->seen.present >> i & 1))
		i++;
	if (store_device_get(c->db, c->arena, api_param(c, "gpu"), &d, err) < 0)
		return -1;
	c->action = arena_printf(c->arena, "gpu.%s", gpu_actions[i].field.name);
	c->target = d.uid;
	if (flow_gpu_change(c->api->flows, c->db, &d, gpu_actions[i].change, in->args ? in->args->text : NULL,
		    err) < 0)
		return -1;
	return reply_gpu(c, &d, err);
}
