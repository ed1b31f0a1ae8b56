/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts: what the row says, what the connection says, and what placement has given away. */
#include <math.h>
#include <string.h>

#include "api/operator/operator.h"
#include "base/util.h"
#include "flow/flow.h"
#include "store/devices.h"
#include "store/hosts.h"

enum { RATIO_MAX = 1000 };

static void write_link(struct api_call *c, int64_t host_id)
{
	struct host_link link = { .state = "unknown" };

	flow_host_link(c->api->flows, host_id, &link);
	jw_kv_str(&c->out, "connection", link.state);
	jw_kv_str(&c->out, "connection_error", link.error);
	operator_kv_time(c, "connection_since", link.since_us);
	operator_kv_time(c, "last_seen", link.seen_us);
	jw_kv_int(&c->out, "calls_queued", link.queued);
	jw_kv_int(&c->out, "calls_running", link.running);
}

static void write_use(struct api_call *c, int64_t host_id)
{
	struct placement_usage u = { 0 };

	placement_host_usage(flow_placement(c->api->flows), host_id, &u);
	jw_kv_int(&c->out, "vcpus", u.vcpus_total);
	jw_kv_int(&c->out, "vcpus_used", u.vcpus_used);
	jw_kv_int(&c->out, "ram_mib", u.ram_total_mib);
	jw_kv_int(&c->out, "ram_used_mib", u.ram_used_mib);
	jw_kv_int(&c->out, "disk_gib", u.disk_total_gib);
	jw_kv_int(&c->out, "disk_used_gib", u.disk_used_gib);
	jw_kv_int(&c->out, "gpus_total", u.gpus_total);
	jw_kv_int(&c->out, "gpus_used", u.gpus_used);
	jw_kv_int(&c->out, "servers", u.servers);
}

static void kv_ratio(struct api_call *c, const char *key, int32_t milli)
{
	jw_key(&c->out, key);
	jw_double(&c->out, milli / 1000.0);
}

/* The object is left open for what a single host adds. */
static void write_host(struct api_call *c, const struct host_row *h)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "id", h->uid);
	jw_kv_str(b, "name", h->name);
	jw_kv_str(b, "uri", h->uri);
	jw_kv_str(b, "zone", h->zone);
	jw_kv_str(b, "pool", h->pool);
	jw_kv_str(b, "accel", h->accel);
	jw_kv_str(b, "state", h->state);
	jw_kv_str(b, "state_reason", h->state_reason);
	write_link(c, h->id);
	write_use(c, h->id);
	kv_ratio(c, "vcpu_ratio", h->vcpu_ratio_milli);
	kv_ratio(c, "ram_ratio", h->ram_ratio_milli);
	kv_ratio(c, "disk_ratio", h->disk_ratio_milli);
	jw_kv_int(b, "ram_reserved_mib", h->ram_reserved_mib);
	jw_kv_str(b, "type", h->hv_type);
	jw_kv_str(b, "arch", h->arch);
	jw_kv_str(b, "cpu_model", h->cpu_model);
	jw_kv_str(b, "hostname", h->hv_hostname);
	jw_kv_bool(b, "kvm", h->kvm);
	jw_kv_int(b, "physical_cpus", h->vcpus);
	jw_kv_int(b, "physical_ram_mib", h->ram_mib);
	jw_kv_int(b, "pool_free_gib", h->disk_free_gib);
	operator_kv_time(c, "inventory_at", h->inventory_us);
}

int host_list(struct api_call *c, struct error *err)
{
	struct host_row *all;
	size_t n;

	if (store_host_list(c->db, c->arena, &all, &n, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "hosts");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		write_host(c, &all[i]);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

static void write_cells(struct api_call *c, const struct host_cell_row *cells, size_t n)
{
	jw_key(&c->out, "cells");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		jw_object(&c->out);
		jw_kv_int(&c->out, "id", cells[i].cell);
		jw_kv_int(&c->out, "ram_mib", cells[i].ram_mib);
		jw_kv_int(&c->out, "cpus", cells[i].cpus);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
}

static void write_devices(struct api_call *c, const struct device_row *devices, size_t n)
{
	struct buf *b = &c->out;

	jw_key(b, "devices");
	jw_array(b);
	for (size_t i = 0; i < n; i++) {
		const struct device_row *d = &devices[i];

		jw_object(b);
		jw_kv_str(b, "id", d->uid);
		jw_kv_str(b, "address", d->address);
		jw_kv_str(b, "model", d->model);
		jw_kv_str(b, "vendor", d->vendor);
		jw_kv_str(b, "product", d->product);
		jw_key(b, "vendor_id");
		jw_strf(b, "%04x", (unsigned)d->vendor_id);
		jw_key(b, "product_id");
		jw_strf(b, "%04x", (unsigned)d->product_id);
		jw_kv_int(b, "numa_cell", d->numa_cell);
		jw_kv_int(b, "iommu_group", d->iommu_group);
		jw_kv_str(b, "driver", d->driver);
		jw_kv_bool(b, "present", d->present);
		jw_kv_str(b, "server_id", d->server_id ? d->server_uid : NULL);
		jw_end_object(b);
	}
	jw_end_array(b);
}

static int reply_host(struct api_call *c, const struct host_row *h, struct error *err)
{
	struct host_cell_row *cells;
	struct device_row *devices;
	size_t cells_n, devices_n;

	if (store_host_cells(c->db, c->arena, h->id, &cells, &cells_n, err) < 0 ||
		store_device_list(c->db, c->arena, h->id, &devices, &devices_n, err) < 0)
		return -1;
	c->target = h->uid;
	jw_object(&c->out);
	jw_key(&c->out, "host");
	write_host(c, h);
	write_cells(c, cells, cells_n);
	write_devices(c, devices, devices_n);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int host_show(struct api_call *c, struct error *err)
{
	struct host_row h;

	if (store_host_get(c->db, c->arena, api_param(c, "host"), &h, err) < 0)
		return -1;
	return reply_host(c, &h, err);
}

struct host_body {
	const char *name, *uri, *zone, *pool, *accel;
	json_t *vcpu_ratio, *ram_ratio, *disk_ratio;
	int64_t ram_reserved_mib;
};

static const struct bind_field host_fields[] = {
	BIND(host_body, name, "name", BIND_STR, BIND_REQUIRED, 1, 63),
	BIND(host_body, uri, "uri", BIND_STR, BIND_REQUIRED, 1, 1024),
	BIND(host_body, zone, "zone", BIND_STR, 0, 1, 63),
	BIND(host_body, pool, "pool", BIND_STR, 0, 1, 63),
	BIND(host_body, accel, "accel", BIND_STR, 0, 1, 8),
	BIND(host_body, vcpu_ratio, "vcpu_ratio", BIND_ANY, 0, 0, 0),
	BIND(host_body, ram_ratio, "ram_ratio", BIND_ANY, 0, 0, 0),
	BIND(host_body, disk_ratio, "disk_ratio", BIND_ANY, 0, 0, 0),
	BIND(host_body, ram_reserved_mib, "ram_reserved_mib", BIND_INT, 0, 0, 1 << 30),
};

/* A number of 0.001 to RATIO_MAX, in thousandths; absent: fallback. */
static int ratio(const json_t *v, const char *name, int32_t fallback, int32_t *out, struct error *err)
{
	double value = v ? json_number_value(v) : fallback / 1000.0;

	if (v && !json_is_number(v))
		return error_set(err, ERR_BAD_REQUEST, "host.%s must be a number", name);
	if (!(value >= 0.001 && value <= RATIO_MAX))
		return error_set(err, ERR_BAD_REQUEST, "host.%s must be from 0.001 to %d", name, RATIO_MAX);
	*out = (int32_t)lround(value * 1000);
	return 0;
}

int host_create(struct api_call *c, struct error *err)
{
	struct host_body body = { 0 }; /* what is absent gets its default where hosts are made */
	struct host_add want;
	struct host_row h;
	int64_t id;

	if (api_bind(c, "host", host_fields, ARRAY_LEN(host_fields), &body, NULL, err) < 0)
		return -1;
	want = (struct host_add) { .name = body.name,
		.uri = body.uri,
		.zone = body.zone,
		.pool = body.pool,
		.accel = body.accel,
		.ram_reserved_mib = body.ram_reserved_mib };
	if (ratio(body.vcpu_ratio, "vcpu_ratio", 1000, &want.vcpu_ratio_milli, err) < 0 ||
		ratio(body.ram_ratio, "ram_ratio", 1000, &want.ram_ratio_milli, err) < 0 ||
		ratio(body.disk_ratio, "disk_ratio", 1000, &want.disk_ratio_milli, err) < 0)
		return -1;
	if (flow_host_add(c->api->flows, c->db, &want, c->now_us, &id, err) < 0 ||
		store_host_load(c->db, c->arena, id, &h, err) < 0)
		return -1;
	c->status = 201;
	return reply_host(c, &h, err);
}

static const struct {
	const char *action, *state;
} host_states[] = {
	{ "enable", "up" },
	{ "drain", "draining" },
	{ "disable", "disabled" },
};

static void refresh_committed(struct api_call *c)
{
	struct host_row h;
	struct error ignored;

	if (store_host_get(c->db, c->arena, c->target, &h, &ignored) == 0)
		flow_host_refresh(c->api->flows, h.id);
}

int host_action(struct api_call *c, struct error *err)
{
	const char *reason = "", *name = json_object_iter_key(json_object_iter(c->body));
	json_t *args = json_object_get(c->body, name ? name : "");
	struct host_row h;

	if (!name || json_object_size(c->body) != 1)
		return error_set(err, ERR_BAD_REQUEST,
			"the body must have one key: enable, drain, disable or refresh");
	if (json_is_string(json_object_get(args, "reason")))
		reason = json_string_value(json_object_get(args, "reason"));
	if (store_host_get(c->db, c->arena, api_param(c, "host"), &h, err) < 0)
		return -1;
	c->action = arena_printf(c->arena, "host.%s", name);
	if (str_eq(name, "refresh")) {
		c->committed = refresh_committed;
		return reply_host(c, &h, err);
	}
	for (size_t i = 0; i < ARRAY_LEN(host_states); i++) {
		if (!str_eq(name, host_states[i].action))
			continue;
		if (flow_host_set_state(c->api->flows, c->db, h.id, host_states[i].state, reason, err) < 0 ||
			store_host_load(c->db, c->arena, h.id, &h, err) < 0)
			return -1;
		return reply_host(c, &h, err);
	}
	return error_set(err, ERR_BAD_REQUEST,
		"there is no action '%.32s' on a host; there are enable, drain, disable, refresh", name);
}

int host_delete(struct api_call *c, struct error *err)
{
	struct host_row h;

	if (store_host_get(c->db, c->arena, api_param(c, "host"), &h, err) < 0)
		return -1;
	c->target = h.uid;
	c->status = 204;
	return flow_host_remove(c->api->flows, c->db, h.id, err);
}
