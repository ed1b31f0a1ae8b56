/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated host as a driver: connecting, what it has. */
#include "hv/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/sim_world.h"

/* --- connecting ----------------------------------------------------------------------------------------- */

static int sim_connect(const struct hv_target *target, hv_event_fn *events, void *ctx, struct hv_conn **out,
	struct error *err)
{
	struct sim_world *w = sim_world_open(target->uri, err);
	struct sim_call k = { .w = w };
	struct hv_conn *c;

	if (!w)
		return -1;
	pthread_mutex_lock(&w->lock);
	if (sim_meet(&k, SIM_CONNECT, err) < 0)
		return -1;
	if (k.fault == SIM_NO_FAULT || k.fault == SIM_HANG || k.fault == SIM_DELAY) {
		c = xcalloc(1, sizeof *c);
		*c = (struct hv_conn) { .world = w, .next = w->conns, .events = events, .ctx = ctx };
		w->conns = c;
		*out = c;
	}
	return sim_end(&k, 0, err);
}

static void sim_close(struct hv_conn *c)
{
	struct sim_world *w;

	if (!c)
		return;
	w = c->world;
	pthread_mutex_lock(&w->lock);
	c->closed = c->dead = true;
	pthread_cond_broadcast(&w->changed);
	sim_conn_release(c);
	pthread_mutex_unlock(&w->lock);
}

/* --- inventory ------------------------------------------------------------------------------------------ */

static const struct {
	uint16_t vendor, product;
	const char *vendor_name, *product_name;
} known_gpus[] = {
	{ 0x10de, 0x20b0, "NVIDIA Corporation", "GA100 [A100 SXM4 40GB]" },
	{ 0x10de, 0x20b2, "NVIDIA Corporation", "GA100 [A100 SXM4 80GB]" },
	{ 0x10de, 0x2330, "NVIDIA Corporation", "GH100 [H100 SXM5 80GB]" },
	{ 0x10de, 0x26b9, "NVIDIA Corporation", "AD102GL [L40S]" },
	{ 0x1002, 0x74a1, "Advanced Micro Devices, Inc. [AMD/ATI]", "Aqua Vanjaram [Instinct MI300X]" },
	{ 0, 0, "Simulated", "GPU" },
};

static void fill_gpu(struct hv_device *d, const struct sim_world *w, int i)
{
	const struct sim_params *p = &w->params;
	size_t k = 0;

	while (known_gpus[k].vendor &&
		(known_gpus[k].vendor != p->gpu_vendor || known_gpus[k].product != p->gpu_product))
		k++;
	str_copy(d->address, sizeof d->address, w->gpus[i].address);
	d->vendor_id = p->gpu_vendor;
	d->product_id = p->gpu_product;
	str_copy(d->vendor, sizeof d->vendor, known_gpus[k].vendor_name);
	str_copy(d->product, sizeof d->product, known_gpus[k].product_name);
	d->numa_cell = i * p->cells / p->gpus;
	d->iommu_group = 10 + i;
	str_copy(d->driver, sizeof d->driver, "vfio-pci");
}

static void fill_inventory(const struct sim_world *w, struct arena *a, struct hv_inventory *inv)
{
	const struct sim_params *p = &w->params;
	struct hv_cell *cells = ARENA_ARRAY(a, struct hv_cell, (size_t)p->cells);
	struct hv_device *devices = ARENA_ARRAY(a, struct hv_device, (size_t)p->gpus);
	unsigned char h[SHA256_SIZE];
	int64_t used_gib = (w->used_bytes + (1LL << 30) - 1) >> 30;

	for (int i = 0; i < p->cells; i++) {
		cells[i].id = i;
		cells[i].ram_mib = p->ram_gib * 1024 / p->cells;
		cells[i].cpus = p->vcpus / p->cells + (i < p->vcpus % p->cells);
	}
	for (int i = 0; i < p->gpus; i++)
		fill_gpu(&devices[i], w, i);
	sha256(w->node.key, strlen(w->node.key), h);
	snprintf(inv->uuid, sizeof inv->uuid,
		"%02x%02x%02x%02x-%02x%02x-4%01x%02x-a%01x%02x-%02x%02x%02x%02x%02x%02x", h[0], h[1], h[2],
		h[3], h[4], h[5], h[6] & 15, h[7], h[8] & 15, h[9], h[10], h[11], h[12], h[13], h[14], h[15]);
	inv->hostname = arena_strdup(a, w->node.key);
	inv->type = "SIM";
	inv->version = 1000000;
	inv->arch = "x86_64";
	inv->cpu_model = "Simulated";
	inv->cpus = p->vcpus;
	inv->sockets = p->cells;
	inv->cores = p->vcpus / p->cells ? p->vcpus / p->cells : 1;
	inv->threads = 1;
	inv->ram_mib = p->ram_gib * 1024;
	inv->cells = cells;
	inv->cells_n = (size_t)p->cells;
	inv->devices = devices;
	inv->devices_n = (size_t)p->gpus;
	inv->kvm = true;
	inv->pool_capacity_gib = p->disk_gib;
	inv->pool_free_gib = used_gib > p->disk_gib ? 0 : p->disk_gib - used_gib;
	str_copy(inv->pool, sizeof inv->pool, "sim");
}

static int sim_inventory(struct hv_conn *c, struct arena *a, struct hv_inventory *out, struct error *err)
{
	struct hv_inventory inv = { 0 };
	struct sim_call k;

	if (sim_begin(c, SIM_INVENTORY, &k, err) < 0)
		return -1;
	fill_inventory(k.w, a, &inv);
	if (sim_end(&k, 0, err) < 0)
		return -1;
	*out = inv;
	return 0;
}

/* --- the table ---------------------------------------------------------------------------------------- */

const struct hv_driver hv_sim_driver = {
	.scheme = "sim",
	.connect = sim_connect,
	.close = sim_close,
	.inventory = sim_inventory,
	.image_ensure = sim_image_ensure,
	.volume_ensure = sim_volume_ensure,
	.volume_write = sim_volume_write,
	.volume_remove = sim_volume_remove,
	.domain_define = sim_domain_define,
	.domain_start = sim_domain_start,
	.domain_shutdown = sim_domain_shutdown,
	.domain_stop = sim_domain_stop,
	.domain_reboot = sim_domain_reboot,
	.domain_reset = sim_domain_reset,
	.domain_pause = sim_domain_pause,
	.domain_unpause = sim_domain_unpause,
	.domain_remove = sim_domain_remove,
	.domain_look = sim_domain_look,
	.domain_list = sim_domain_list,
	.console_read = sim_console_read,
	.console_follow = sim_console_follow,
	.console_open = sim_console_open,
	.console_send = sim_console_send,
	.console_close = sim_console_close,
	.domain_save = sim_domain_save,
	.domain_forget = sim_domain_forget,
	.domain_set_password = sim_domain_set_password,
	.domain_nmi = sim_domain_nmi,
	.domain_stats = sim_domain_stats,
	.volume_grow = sim_volume_grow,
	.volume_flatten = sim_volume_flatten,
	.volume_download = sim_volume_download,
	.volume_upload = sim_volume_upload,
	.volume_list = sim_volume_list,
	.domain_migrate = sim_domain_migrate,
	.migrate_look = sim_migrate_look,
	.migrate_cancel = sim_migrate_cancel,
	.migrate_force = sim_migrate_force,
};
