/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts: what the row says, what the connection says, and what placement has given away. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/operator/operator.h"
#include "base/util.h"
#include "domain/cpu_traits.h"
#include "flow/drain.h"
#include "flow/flow.h"
#include "flow/topology.h"
#include "store/host_use.h"

enum { RATIO_MAX = 1000 };

/* What is known of it as a whole, by what, and since when. */
static void write_evidence(struct api_call *c, const struct host_row *h, const struct host_link *link)
{
	struct buf *b = &c->out;

	jw_key(b, "evidence");
	jw_object(b);
	jw_kv_str(b, "state", evidence_text(link->known));
	jw_kv_str(b, "source", link->source);
	jw_kv_str(b, "says", evidence_source_says(link->source));
	operator_kv_time(c, "since", link->known_us);
	jw_kv_int(b, "epoch", link->epoch);
	jw_kv_str(b, "proof", h->forced_down ? h->down_proof : NULL);
	operator_kv_time(c, "down_at", h->down_us);
	jw_kv_str(b, "down_by", h->down_by);
	jw_kv_str(b, "down_reason", h->down_reason);
	jw_kv_bool(b, "comes_back", h->comes_back);
	jw_kv_bool(b, "fencing", link->fencing);
	jw_end_object(b);
}

static void write_link(struct api_call *c, const struct host_row *h)
{
	struct host_link link = { .state = "unknown", .known = EVIDENCE_DOUBTFUL, .source = "start" };

	flow_host_link(c->api->flows, h->id, &link);
	write_evidence(c, h, &link);
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
	jw_kv_int(&c->out, "dedicated_cpus_total", u.dedicated_total);
	jw_kv_int(&c->out, "dedicated_cpus_used", u.dedicated_used);
	jw_kv_int(&c->out, "huge_pages_mib", u.huge_total_mib);
	jw_kv_int(&c->out, "huge_pages_used_mib", u.huge_used_mib);
	jw_kv_int(&c->out, "gpus_total", u.gpus_total);
	jw_kv_int(&c->out, "gpus_used", u.gpus_used);
	jw_kv_int(&c->out, "servers", u.servers);
}

static void kv_ratio(struct api_call *c, const char *key, int32_t milli)
{
	jw_key(&c->out, key);
	jw_double(&c->out, milli / 1000.0);
}

static void write_words(struct api_call *c, const char *key, const char *words, bool features)
{
	char *rest = NULL;

	jw_key(&c->out, key);
	jw_array(&c->out);
	for (char *w = strtok_r(arena_strdup(c->arena, words), " ", &rest); w; w = strtok_r(NULL, " ", &rest))
		if (!features || cpu_trait(w))
			jw_str(&c->out, features ? cpu_trait(w) : w);
	jw_end_array(&c->out);
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
	write_link(c, h);
	write_use(c, h->id);
	kv_ratio(c, "vcpu_ratio", h->vcpu_ratio_milli);
	kv_ratio(c, "ram_ratio", h->ram_ratio_milli);
	kv_ratio(c, "disk_ratio", h->disk_ratio_milli);
	jw_kv_int(b, "ram_reserved_mib", h->ram_reserved_mib);
	jw_kv_int(b, "disk_reserved_gib", h->disk_reserved_gib);
	jw_kv_str(b, "rack", h->rack);
	jw_kv_str(b, "fabric", h->fabric);
	jw_kv_str(b, "dedicated_cpus", h->dedicated_cpus);
	jw_kv_str(b, "gpu_links", h->gpu_links);
	write_words(c, "traits", h->traits, false);
	jw_kv_str(b, "type", h->hv_type);
	jw_kv_str(b, "arch", h->arch);
	jw_kv_str(b, "cpu_model", h->cpu_model);
	jw_kv_str(b, "hostname", h->hv_hostname);
	jw_kv_str(b, "machine", h->hv_uuid);
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

/* What servers with cells hold there. */
static void write_cell_use(struct api_call *c, int64_t cell, const struct host_use_cell *use, size_t n)
{
	static const struct {
		const char *key;
		int64_t page_kib;
	} sizes[] = { { "ram_used_mib", 4 }, { "pages_2m_used", 2048 }, { "pages_1g_used", 1048576 } };

	for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
		int64_t mib = 0;

		for (size_t i = 0; i < n; i++)
			if (use[i].cell == cell && use[i].page_kib == sizes[k].page_kib)
				mib += use[i].ram_mib;
		jw_kv_int(&c->out, sizes[k].key, k ? mib * 1024 / sizes[k].page_kib : mib);
	}
}

static void kv_cpus(struct api_call *c, const char *key, const struct cpuset *set)
{
	CLEANUP(buf_finish) struct buf text = { 0 };

	cpuset_write(set, &text);
	jw_kv_str(&c->out, key, buf_text(&text));
}

/* "0,32;1,33": a core between each two ';'. */
static void write_cell_cpus(struct api_call *c, const struct host_cell_row *cell,
	const struct cpuset *dedicated, const struct cpuset *used)
{
	struct cpuset all = { { 0 } }, mine = *dedicated, taken = *used;
	int64_t cores = *cell->cpu_list != '\0';
	char *end;

	for (const char *p = cell->cpu_list; *p; p = *end ? end + 1 : end) {
		cpuset_add(&all, (int)strtol(p, &end, 10));
		cores += *end == ';';
		if (end == p)
			break;
	}
	cpuset_common(&mine, &all);
	cpuset_common(&taken, &all);
	jw_kv_int(&c->out, "cores", cores);
	kv_cpus(c, "cpu_list", &all);
	kv_cpus(c, "dedicated_cpus", &mine);
	kv_cpus(c, "dedicated_used", &taken);
}

static int write_cells(struct api_call *c, const struct host_row *h, struct error *err)
{
	struct cpuset dedicated, used = { { 0 } };
	struct host_cell_row *cells;
	struct host_use_cell *use;
	struct host_use_cpu *cpus;
	size_t n, use_n, cpus_n;

	if (store_host_cells(c->db, c->arena, h->id, &cells, &n, err) < 0 ||
		store_host_use_cells(c->db, c->arena, h->id, &use, &use_n, err) < 0 ||
		store_host_use_cpus(c->db, c->arena, h->id, &cpus, &cpus_n, err) < 0 ||
		topology_dedicated(c->db, h, &dedicated, err) < 0)
		return -1;
	for (size_t i = 0; i < cpus_n; i++)
		cpuset_add(&used, (int)cpus[i].cpu);
	jw_key(&c->out, "cells");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		jw_object(&c->out);
		jw_kv_int(&c->out, "id", cells[i].cell);
		jw_kv_int(&c->out, "ram_mib", cells[i].ram_mib);
		jw_kv_int(&c->out, "cpus", cells[i].cpus);
		write_cell_cpus(c, &cells[i], &dedicated, &used);
		jw_kv_int(&c->out, "pages_2m", cells[i].pages_2m);
		jw_kv_int(&c->out, "pages_1g", cells[i].pages_1g);
		write_cell_use(c, cells[i].cell, use, use_n);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	return 0;
}

static int reply_host(struct api_call *c, const struct host_row *h, struct error *err)
{
	c->target = h->uid;
	jw_object(&c->out);
	jw_key(&c->out, "host");
	write_host(c, h);
	write_words(c, "cpu_traits", topology_emulated(h) ? "" : h->cpu_features, true);
	if (write_cells(c, h, err) < 0 || gpus_of_host(c, h, err) < 0 || calendar_of_host(c, h->id, err) < 0)
		return -1;
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

enum host_field {
	HOST_RACK,
	HOST_FABRIC,
	HOST_DEDICATED,
	HOST_LINKS,
	HOST_TRAITS,
	HOST_RAM_RESERVED,
	HOST_DISK_RESERVED,
	HOST_VCPU_RATIO,
	HOST_RAM_RATIO,
	HOST_DISK_RATIO,
	HOST_MACHINE
};

struct host_update_body {
	const char *rack, *fabric, *dedicated_cpus, *gpu_links, *machine;
	struct bind_list traits;
	int64_t ram_reserved_mib, disk_reserved_gib;
	double vcpu_ratio, ram_ratio, disk_ratio;
};

static const struct bind_field trait_item = { .type = BIND_STR, .min = 1, .max = 63 };

static const struct bind_field host_update_fields[] = {
	[HOST_RACK] = BIND(host_update_body, rack, "rack", BIND_STR, 0, 0, 63),
	[HOST_FABRIC] = BIND(host_update_body, fabric, "fabric", BIND_STR, 0, 0, 63),
	[HOST_DEDICATED] = BIND(host_update_body, dedicated_cpus, "dedicated_cpus", BIND_STR, 0, 0, 4096),
	[HOST_LINKS] = BIND(host_update_body, gpu_links, "gpu_links", BIND_STR, 0, 1, 4096),
	[HOST_TRAITS] = { .name = "traits",
		.type = BIND_ARR,
		.offset = offsetof(struct host_update_body, traits),
		.max = 64,
		.items = &trait_item },
	[HOST_RAM_RESERVED] =
		BIND(host_update_body, ram_reserved_mib, "ram_reserved_mib", BIND_INT, 0, 0, 1 << 30),
	[HOST_DISK_RESERVED] =
		BIND(host_update_body, disk_reserved_gib, "disk_reserved_gib", BIND_INT, 0, 0, 1 << 30),
	[HOST_VCPU_RATIO] = BIND(host_update_body, vcpu_ratio, "vcpu_ratio", BIND_NUM, 0, 0, RATIO_MAX),
	[HOST_RAM_RATIO] = BIND(host_update_body, ram_ratio, "ram_ratio", BIND_NUM, 0, 0, RATIO_MAX),
	[HOST_MACHINE] = BIND(host_update_body, machine, "machine", BIND_STR, 0, 0, 36),
	[HOST_DISK_RATIO] = BIND(host_update_body, disk_ratio, "disk_ratio", BIND_NUM, 0, 0, RATIO_MAX),
};

const struct bind_table host_update_body = { .top = "host",
	BIND_TABLE(host_update_body, host_update_fields) };

static const char *words(struct api_call *c, const struct bind_list *list)
{
	const char *const *items = list->items;
	CLEANUP(buf_finish) struct buf b = { 0 };

	for (size_t i = 0; i < list->n; i++) {
		buf_puts(&b, i ? " " : "");
		for (const char *p = items[i]; *p; p++) /* a blank in one would make two of it */
			buf_printf(&b, "%c", *p == ' ' ? '?' : *p);
	}
	return arena_strdup(c->arena, buf_text(&b));
}

/* What came takes the place of what the row says. */
static int host_merge(struct api_call *c, struct host_row *h, struct error *err)
{
	const struct host_update_body *in = c->in;
	const struct {
		enum host_field field;
		const char *value, **row;
	} texts[] = {
		{ HOST_RACK, in->rack, &h->rack },
		{ HOST_FABRIC, in->fabric, &h->fabric },
		{ HOST_DEDICATED, in->dedicated_cpus, &h->dedicated_cpus },
		{ HOST_LINKS, in->gpu_links, &h->gpu_links },
		{ HOST_MACHINE, in->machine, &h->hv_uuid },
	};
	const struct {
		enum host_field field;
		const char *name;
		double value;
		int32_t *row;
	} ratios[] = {
		{ HOST_VCPU_RATIO, "vcpu_ratio", in->vcpu_ratio, &h->vcpu_ratio_milli },
		{ HOST_RAM_RATIO, "ram_ratio", in->ram_ratio, &h->ram_ratio_milli },
		{ HOST_DISK_RATIO, "disk_ratio", in->disk_ratio, &h->disk_ratio_milli },
	};
	uint64_t came = c->seen.present;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (came >> texts[i].field & 1)
			*texts[i].row = texts[i].value;
	for (size_t i = 0; i < ARRAY_LEN(ratios); i++)
		if (came >> ratios[i].field & 1 &&
			ratio(ratios[i].value, ratios[i].name, ratios[i].row, err) < 0)
			return -1;
	if (came >> HOST_TRAITS & 1)
		h->traits = words(c, &in->traits);
	if (came >> HOST_RAM_RESERVED & 1)
		h->ram_reserved_mib = in->ram_reserved_mib;
	if (came >> HOST_DISK_RESERVED & 1)
		h->disk_reserved_gib = in->disk_reserved_gib;
	return 0;
}

int host_update(struct api_call *c, struct error *err)
{
	struct host_row h;

	if (store_host_get(c->db, c->arena, api_param(c, "host"), &h, err) < 0)
		return -1;
	c->target = h.uid;
	if (host_merge(c, &h, err) < 0 || flow_host_change(c->api->flows, c->db, c->arena, &h, err) < 0 ||
		store_host_load(c->db, c->arena, h.id, &h, err) < 0)
		return -1;
	return reply_host(c, &h, err);
}

struct reason_body {
	const char *reason;
	bool confirm_dead, cold, stop;
	int64_t parallel;
};

static const struct bind_field reason_fields[] = {
	BIND(reason_body, reason, "reason", BIND_STR, 0, 0, 255),
};

static const struct bind_table reason_table = { BIND_TABLE(reason_body, reason_fields) };

static const struct bind_field drain_fields[] = {
	BIND(reason_body, reason, "reason", BIND_STR, 0, 0, 255),
	BIND(reason_body, parallel, "parallel", BIND_INT, 0, 1, DRAIN_PARALLEL_MAX),
	BIND(reason_body, cold, "cold", BIND_BOOL, 0, 0, 0),
	BIND(reason_body, stop, "stop", BIND_BOOL, 0, 0, 0),
};

static const struct bind_table drain_table = { BIND_TABLE(reason_body, drain_fields) };

static const struct bind_field down_fields[] = {
	BIND(reason_body, reason, "reason", BIND_STR, 0, 0, 255),
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
	{ { .name = "drain", .type = BIND_OBJ, .flags = BIND_NULL, .table = &drain_table }, NULL },
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

static int drain(struct api_call *c, const struct host_row *h, struct error *err)
{
	const struct host_action_body *in = c->in;
	struct drain_want want = { .reason = "", .request_id = c->request_id, .now_us = c->now_us };

	if (in->args && in->args->stop)
		return flow_host_drain_stop(c->api->flows, c->db, h->id, err);
	if (in->args) {
		want.reason = in->args->reason ? in->args->reason : "";
		want.parallel = in->args->parallel;
		want.cold = in->args->cold;
	}
	return flow_host_drain(c->api->flows, c->db, h->id, &want, err);
}

/* Those that are more than another state. */
static int other_action(struct api_call *c, const char *name, const struct host_row *h, struct error *err)
{
	const struct host_action_body *in = c->in;
	bool down = str_eq(name, "down");

	if (str_eq(name, "drain"))
		return drain(c, h, err);
	if (str_eq(name, "refresh")) {
		c->committed = refresh_committed;
		return 0;
	}
	if (down && !in->args->confirm_dead)
		return error_set(err, ERR_BAD_REQUEST,
			"down.confirm_dead must be true: servers of a host that is declared dead may be made "
			"anew "
			"elsewhere, so make sure that the machine is off");
	return flow_host_force_down(c->api->flows, c->db, h->id,
		down ? &(struct host_proof) { "operator", api_who(c), in->args->reason } : NULL, err);
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
