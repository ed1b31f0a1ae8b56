/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated host as a driver: connecting, what it has, its volumes. */
#include "hv/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* --- volumes -------------------------------------------------------------------------------------------- */

static int volume_add(
	struct sim_world *w, const char *name, int64_t capacity, struct sim_vol **out, struct error *err)
{
	if (!name || !*name || strlen(name) >= HV_VOLUME_NAME || strpbrk(name, "/\t\n"))
		return sim_no(err, "not a name of a volume");
	if (w->used_bytes + capacity > w->params.disk_gib << 30)
		return sim_no(err, "the pool is full");
	*out = sim_world_vol_add(w, name, capacity);
	return 0;
}

static int sim_image_ensure(struct hv_conn *c, const char *name, const char *format, int fd, int64_t size,
	int64_t virtual_size, struct error *err)
{
	struct sim_vol *v;
	struct stat st;
	struct sim_call k;
	int rc = 0;

	(void)format;
	(void)virtual_size;
	if (sim_begin(c, SIM_IMAGE_ENSURE, &k, err) < 0)
		return -1;
	if (!sim_world_vol(k.w, name)) {
		if (fstat(fd, &st) < 0 || (S_ISREG(st.st_mode) && st.st_size < size))
			rc = error_internal(err, "upload: shorter than it should be");
		else
			rc = volume_add(k.w, name, size, &v, err);
	}
	return sim_end(&k, rc, err);
}

static int sim_volume_ensure(struct hv_conn *c, const char *name, int64_t capacity, const char *backing,
	const char *backing_format, struct error *err)
{
	struct sim_vol *v;
	struct sim_call k;
	int rc = 0;

	(void)backing_format;
	if (sim_begin(c, SIM_VOLUME_ENSURE, &k, err) < 0)
		return -1;
	if (backing && !sim_world_vol(k.w, backing))
		rc = error_set(err, ERR_NOT_FOUND, "the image is not on the host");
	else if (!sim_world_vol(k.w, name))
		rc = volume_add(k.w, name, capacity, &v, err);
	return sim_end(&k, rc, err);
}

static int sim_volume_write(
	struct hv_conn *c, const char *name, const void *data, size_t n, struct error *err)
{
	struct sim_vol *v;
	struct sim_call k;
	int rc = 0;

	if (sim_begin(c, SIM_VOLUME_WRITE, &k, err) < 0)
		return -1;
	if ((v = sim_world_vol(k.w, name)) && v->capacity != (int64_t)n) {
		sim_world_vol_remove(k.w, v);
		v = NULL;
	}
	if (!v)
		rc = volume_add(k.w, name, (int64_t)n, &v, err);
	if (rc == 0)
		sim_world_vol_write(v, data, n);
	return sim_end(&k, rc, err);
}

static int sim_volume_remove(struct hv_conn *c, const char *name, struct error *err)
{
	struct sim_vol *v;
	struct sim_call k;

	if (sim_begin(c, SIM_VOLUME_REMOVE, &k, err) < 0)
		return -1;
	if ((v = sim_world_vol(k.w, name)))
		sim_world_vol_remove(k.w, v);
	return sim_end(&k, 0, err);
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
};
