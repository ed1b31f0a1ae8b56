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
	jw_kv_bool(b, "forced_down", h->forced_down);
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
	double vcpu_ratio, ram_ratio, disk_ratio;
	int64_t ram_reserved_mib;
};

#define RATIO(member)                                                                            \
	{                                                                                        \
		.name = #member, .type = BIND_NUM, .offset = offsetof(struct host_body, member), \
		.max = RATIO_MAX, .absent = 1                                                    \
	}

static const struct bind_field host_fields[] = {
	BIND(host_body, name, "name", BIND_STR, BIND_REQUIRED, 1, 63),
	BIND(host_body, uri, "uri", BIND_STR, BIND_REQUIRED, 1, 1024),
	BIND(host_body, zone, "zone", BIND_STR, 0, 1, 63),
	BIND(host_body, pool, "pool", BIND_STR, 0, 1, 63),
	BIND(host_body, accel, "accel", BIND_STR, 0, 1, 8),
	RATIO(vcpu_ratio),
	RATIO(ram_ratio),
	RATIO(disk_ratio),
	BIND(host_body, ram_reserved_mib, "ram_reserved_mib", BIND_INT, 0, 0, 1 << 30),
};

const struct bind_table host_create_body = { .top = "host", BIND_TABLE(host_body, host_fields) };

static int ratio(double value, const char *name, int32_t *out_milli, struct error *err)
{
	if (value < 0.001)
		return error_set(err, ERR_BAD_REQUEST, "host.%s must be at least 0.001", name);
	*out_milli = (int32_t)lround(value * 1000);
	return 0;
}

int host_create(struct api_call *c, struct error *err)
{
	const struct host_body *body = c->in; /* what is absent gets its default where hosts are made */
	struct host_add want;
	struct host_row h;
	int64_t id;

	want = (struct host_add) { .name = body->name,
		.uri = body->uri,
		.zone = body->zone,
		.pool = body->pool,
		.accel = body->accel,
		.ram_reserved_mib = body->ram_reserved_mib };
	if (ratio(body->vcpu_ratio, "vcpu_ratio", &want.vcpu_ratio_milli, err) < 0 ||
		ratio(body->ram_ratio, "ram_ratio", &want.ram_ratio_milli, err) < 0 ||
		ratio(body->disk_ratio, "disk_ratio", &want.disk_ratio_milli, err) < 0)
		return -1;
	if (flow_host_add(c->api->flows, c->db, &want, c->now_us, &id, err) < 0 ||
		store_host_load(c->db, c->arena, id, &h, err) < 0)
		return -1;
	c->status = 201;
	return reply_host(c, &h, err);
}

struct reason_body {
	const char *reason;
	bool confirm_dead;
};

static const struct bind_field reason_fields[] = {
	BIND(reason_body, reason, "reason", BIND_STR, 0, 0, 255),
};

static const struct bind_table reason_table = { BIND_TABLE(reason_body, reason_fields) };

static const struct bind_field down_fields[] = {
	BIND(reason_body, confirm_dead, "confirm_dead", BIND_BOOL, BIND_REQUIRED, 0, 0),
};

static const struct bind_table down_table = { BIND_TABLE(reason_body, down_fields) };

struct host_action_body {
	const struct reason_body *args;
};

/* What an operator can do with a host, and the state it is in then. */
static const struct {
	struct bind_field field;
	const char *state;
} host_actions[] = {
#define ACTION(key, state_)                                                                             \
	{                                                                                               \
		{ .name = (key), .type = BIND_OBJ, .flags = BIND_NULL, .table = &reason_table }, state_ \
	}
	ACTION("enable", "up"),
	ACTION("drain", "draining"),
	ACTION("disable", "disabled"),
	ACTION("refresh", NULL),
	ACTION("revive", NULL),
#undef ACTION
	{ { .name = "down", .type = BIND_OBJ, .table = &down_table }, NULL },
};

const struct bind_table host_action_body = { BIND_ROWS(host_action_body, host_actions), .flags = BIND_ONE };

static void refresh_committed(struct api_call *c)
{
	struct host_row h;
	struct error ignored;

	if (store_host_get(c->db, c->arena, c->target, &h, &ignored) == 0)
		flow_host_refresh(c->api->flows, h.id);
}

/* Those that leave the state as it is. */
static int other_action(struct api_call *c, const char *name, const struct host_row *h, struct error *err)
{
	const struct host_action_body *in = c->in;
	bool down = str_eq(name, "down");

	if (str_eq(name, "refresh")) {
		c->committed = refresh_committed;
		return 0;
	}
	if (down && !in->args->confirm_dead)
		return error_set(err, ERR_BAD_REQUEST,
			"down.confirm_dead must be true: servers of a host that is declared dead may be made "
			"anew "
			"elsewhere, so make sure that the machine is off");
	return flow_host_force_down(c->api->flows, c->db, h->id, down, err);
}

int host_action(struct api_call *c, struct error *err)
{
	const struct host_action_body *in = c->in;
	const char *reason = in->args && in->args->reason ? in->args->reason : "";
	struct host_row h;
	size_t i = 0;

	while (!(c->seen.present >> i & 1))
		i++;
	if (store_host_get(c->db, c->arena, api_param(c, "host"), &h, err) < 0)
		return -1;
	c->action = arena_printf(c->arena, "host.%s", host_actions[i].field.name);
	if (host_actions[i].state ? flow_host_set_state(c->api->flows, c->db, h.id, host_actions[i].state,
					    reason, err) < 0
				  : other_action(c, host_actions[i].field.name, &h, err) < 0)
		return -1;
	return store_host_load(c->db, c->arena, h.id, &h, err) < 0 ? -1 : reply_host(c, &h, err);
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
