/* SPDX-License-Identifier: Apache-2.0 */
/* What the cloud can still take: GPUs by model and shape, servers by flavor, and which servers would have to
 * move so that more of a flavor fit. */
#include <stdlib.h>
#include <string.h>

#include "api/compute/compute.h"
#include "api/compute/server_body.h"
#include "api/operator/operator.h"
#include "base/util.h"
#include "flow/rebalance.h"
#include "store/devices.h"
#include "store/flavors.h"
#include "store/hosts.h"
#include "store/servers.h"

enum { MODELS_MAX = 64, ROOM_MAX = 100000, MOVES_MAX = 500, GAIN_MAX = 1000 };

/* ---- by model ---- */

struct model {
	const char *name;
	int64_t gpus, in_use, reserved, unfit, hosts, last_host;
};

static bool fit(const struct device_row *d)
{
	return d->present && str_eq(d->health, "ok") && str_eq(d->custody, "clean");
}

static void count_device(struct model *models, size_t *n, const struct device_row *d)
{
	size_t i = 0;

	if (!*d->model)
		return;
	while (i < *n && !str_eq(models[i].name, d->model))
		i++;
	if (i == MODELS_MAX)
		return;
	if (i == *n)
		models[(*n)++] = (struct model) { .name = d->model };
	models[i].gpus++;
	models[i].hosts += models[i].last_host != d->host_id;
	models[i].last_host = d->host_id; /* the list is by host */
	if (d->server_id || d->parts)
		models[i].in_use++;
	else if (!fit(d))
		models[i].unfit++;
	else if (d->block_id)
		models[i].reserved++;
}

static int64_t free_of(const struct model *m)
{
	return m->gpus - m->in_use - m->unfit - m->reserved;
}

/* Servers with k whole GPUs and next to nothing else. */
static int64_t room_of(const struct placement *p, const char *model, int k)
{
	struct placement_request req = { .vcpus = 1, .ram_mib = 1, .gpus_n = 1 };

	str_copy(req.gpus[0].model, sizeof req.gpus[0].model, model);
	req.gpus[0].count = k;
	return (int64_t)placement_room(p, &req, ROOM_MAX);
}

static void write_model(struct api_call *c, const struct placement *p, const struct model *m)
{
	static const struct {
		int gpus;
		const char *by, *stranded;
	} shapes[] = { { 8, "by_8", "stranded_8" }, { 4, "by_4", "stranded_4" }, { 2, "by_2", "stranded_2" },
		{ 1, "by_1", "stranded_1" } };
	int64_t free = free_of(m), largest = 0;
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "model", m->name);
	jw_kv_int(b, "hosts", m->hosts);
	jw_kv_int(b, "gpus", m->gpus);
	jw_kv_int(b, "in_use", m->in_use);
	jw_kv_int(b, "free", free);
	jw_kv_int(b, "reserved", m->reserved);
	jw_kv_int(b, "unfit", m->unfit);
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		int64_t room = room_of(p, m->name, shapes[i].gpus), stranded = free - room * shapes[i].gpus;

		largest = largest == 0 && room ? shapes[i].gpus : largest;
		jw_kv_int(b, shapes[i].by, room);
		jw_kv_int(b, shapes[i].stranded, stranded > 0 ? stranded : 0);
	}
	jw_kv_int(b, "largest", largest);
	jw_end_object(b);
}

static void write_total(struct api_call *c, const struct model *models, size_t n)
{
	struct model all = { .name = NULL };
	int64_t free = 0;

	for (size_t i = 0; i < n; i++) {
		all.gpus += models[i].gpus;
		all.in_use += models[i].in_use;
		free += free_of(&models[i]);
	}
	jw_kv_int(&c->out, "gpus", all.gpus);
	jw_kv_int(&c->out, "gpus_in_use", all.in_use);
	jw_kv_int(&c->out, "gpus_free", free);
}

static int write_models(struct api_call *c, const struct placement *p, struct error *err)
{
	struct model models[MODELS_MAX];
	struct device_row *devices;
	size_t devices_n, n = 0;

	if (store_device_list(c->db, c->arena, 0, &devices, &devices_n, err) < 0)
		return -1;
	for (size_t i = 0; i < devices_n; i++)
		count_device(models, &n, &devices[i]);
	write_total(c, models, n);
	jw_key(&c->out, "models");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		write_model(c, p, &models[i]);
	jw_end_array(&c->out);
	return 0;
}

/* ---- by flavor ---- */

static int flavor_request(struct api_call *c, const struct flavor *f, struct flavor_wants *wants,
	struct placement_request *out, struct error *err)
{
	const char *specs;

	memset(wants, 0, sizeof *wants);
	if (server_flavor_specs(c, f, wants, &specs, err) < 0)
		return -1;
	return flow_flavor_request(c->db, c->arena, wants, f->vcpus, f->ram_mib,
		(f->disk_gib ? f->disk_gib : 1) + f->ephemeral_gib + (f->swap_mib + 1023) / 1024, out, err);
}

static int write_flavor(
	struct api_call *c, const struct placement *p, const struct flavor *f, struct error *err)
{
	struct flavor_wants wants;
	struct placement_request req;
	struct buf *b = &c->out;

	if (flavor_request(c, f, &wants, &req, err) < 0)
		return -1;
	jw_object(b);
	jw_kv_str(b, "flavor", f->name);
	jw_kv_str(b, "id", f->uid);
	jw_kv_int(b, "vcpus", f->vcpus);
	jw_kv_int(b, "ram_mib", f->ram_mib);
	jw_kv_int(b, "gpus", flavor_wants_gpus(&wants));
	jw_kv_int(b, "servers", (int64_t)placement_room(p, &req, ROOM_MAX));
	jw_end_object(b);
	return 0;
}

static int write_flavors(struct api_call *c, const struct placement *p, struct error *err)
{
	const struct flavor_filter filter = { .is_public = -1 };
	struct flavor *all;
	size_t n, most = c->api->config.list_max;

	if (store_flavor_list(c->db, c->arena, &filter, &all, &n, err) < 0)
		return -1;
	jw_key(&c->out, "flavors");
	jw_array(&c->out);
	for (size_t i = 0; i < n && i < most; i++)
		if (write_flavor(c, p, &all[i], err) < 0)
			return -1;
	jw_end_array(&c->out);
	return 0;
}

/* Inside the tick, where rows and memory stand at the same point. */
static int run_capacity(struct api_call *c, struct error *err)
{
	const struct placement *p = flow_placement(c->api->flows);

	jw_object(&c->out);
	jw_key(&c->out, "capacity");
	jw_object(&c->out);
	if (write_models(c, p, err) < 0 || write_flavors(c, p, err) < 0)
		return -1;
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int operator_capacity(struct api_call *c, struct error *err)
{
	(void)err;
	api_submit(c, run_capacity);
	return 0;
}

/* ---- rebalancing ---- */

struct rebalance_body {
	const char *flavor;
	int64_t count, max_moves;
};

static const struct bind_field rebalance_fields[] = {
	BIND(rebalance_body, flavor, "flavor", BIND_STR, BIND_REQUIRED, 1, 255),
	BIND(rebalance_body, count, "count", BIND_INT, 0, 1, GAIN_MAX),
	BIND(rebalance_body, max_moves, "max_moves", BIND_INT, 0, 1, MOVES_MAX),
};

const struct bind_table rebalance_body = { .top = "rebalance", BIND_TABLE(rebalance_body, rebalance_fields) };

static void write_move(struct api_call *c, const struct placement_move *m)
{
	struct host_row from, to;
	struct error ignored;
	struct buf *b = &c->out;
	struct server s;

	if (store_server_load(c->db, c->arena, m->server_id, &s, &ignored) < 0 ||
		store_host_load(c->db, c->arena, m->from, &from, &ignored) < 0 ||
		store_host_load(c->db, c->arena, m->to, &to, &ignored) < 0)
		return;
	jw_object(b);
	jw_kv_str(b, "server_id", s.uid);
	jw_kv_str(b, "server", s.name);
	jw_kv_int(b, "vcpus", s.vcpus);
	jw_kv_int(b, "ram_mib", s.ram_mib);
	jw_kv_str(b, "from", from.name);
	jw_kv_str(b, "to", to.name);
	jw_end_object(b);
}

int operator_rebalance(struct api_call *c, struct error *err)
{
	const struct rebalance_body *in = c->in;
	struct rebalance_plan plan = { .count = in->count ? (size_t)in->count : 1,
		.moves_max = in->max_moves ? (size_t)in->max_moves : MOVES_MAX };
	struct flavor_wants wants;
	struct placement_request req;
	struct flavor f;

	if (store_flavor_get(c->db, c->arena, 0, in->flavor, &f, err) < 0)
		return err->code == ERR_NOT_FOUND ? error_set(err, ERR_BAD_REQUEST,
							    "Flavor %.128s could not be found.", in->flavor)
						  : -1;
	if (flavor_request(c, &f, &wants, &req, err) < 0 ||
		flow_rebalance(c->api->flows, c->db, c->arena, &req, &plan, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "plan");
	jw_object(&c->out);
	jw_kv_str(&c->out, "flavor", f.name);
	jw_kv_int(&c->out, "servers_won", (int64_t)plan.won);
	jw_key(&c->out, "moves");
	jw_array(&c->out);
	for (size_t i = 0; i < plan.moves_n; i++)
		write_move(c, &plan.moves[i]);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	c->status = 200;
	return 0;
}
