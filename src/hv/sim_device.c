/* SPDX-License-Identifier: Apache-2.0 */
/* The GPUs of a simulated host: what they are now, how they are reset, and how they fall off the bus. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/sim_world.h"

/* --- what they are -------------------------------------------------------------------------------------- */

static const struct {
	uint16_t vendor, product;
	const char *vendor_name, *product_name;
} known_gpus[] = {
	{ 0x10de, 0x20b0, "NVIDIA Corporation", "GA100 [A100 SXM4 40GB]" },
	{ 0x10de, 0x20b2, "NVIDIA Corporation", "GA100 [A100 SXM4 80GB]" },
	{ 0x10de, 0x2330, "NVIDIA Corporation", "GH100 [H100 SXM5 80GB]" },
	{ 0x10de, 0x2321, "NVIDIA Corporation", "GH100 [H100L 94GB]" },
	{ 0x10de, 0x2335, "NVIDIA Corporation", "GH100 [H200 SXM 141GB]" },
	{ 0x10de, 0x26b9, "NVIDIA Corporation", "AD102GL [L40S]" },
	{ 0x1002, 0x74a1, "Advanced Micro Devices, Inc. [AMD/ATI]", "Aqua Vanjaram [Instinct MI300X]" },
	{ 0, 0, "Simulated", "GPU" },
};

void sim_gpu_describe(const struct sim_world *w, const struct sim_gpu *g, struct hv_device *out)
{
	const struct sim_params *p = &w->params;
	long i = g - w->gpus;
	size_t k = 0;

	while (known_gpus[k].vendor &&
		(known_gpus[k].vendor != p->gpu_vendor || known_gpus[k].product != g->product_id))
		k++;
	*out = (struct hv_device) {
		.vendor_id = p->gpu_vendor,
		.product_id = g->product_id,
		.numa_cell = (int)(i * p->cells / p->gpus),
		.iommu_group = (int)(10 + i / p->iommu),
		.companions = "",
		.mdev_types = "",
	};
	str_copy(out->address, sizeof out->address, g->address);
	str_copy(out->vendor, sizeof out->vendor, known_gpus[k].vendor_name);
	str_copy(out->product, sizeof out->product, known_gpus[k].product_name);
	str_copy(out->driver, sizeof out->driver, "vfio-pci");
}

/* --- the bus -------------------------------------------------------------------------------------------- */

static bool listed(const char *path, const char *address)
{
	FILE *in = fopen(path, "re");
	char line[64];
	bool is = false;

	while (in && !is && fgets(line, sizeof line, in)) {
		line[strcspn(line, "\n")] = '\0';
		is = strcmp(line, address) == 0;
	}
	if (in)
		fclose(in);
	return is;
}

bool sim_gpu_lost(const struct sim_world *w, const struct sim_gpu *g)
{
	return g->lost || (w->params.lost[0] && listed(w->params.lost, g->address));
}

/* The project is the first field of what the domain's mark tells. */
void sim_gpu_taken(struct sim_world *w, struct sim_gpu *g, const struct sim_dom *d)
{
	char project[sizeof g->had];
	size_t n = d->told ? strcspn(d->told, "\t") : 0;

	if (!n || n >= sizeof project)
		return;
	memcpy(project, d->told, n);
	project[n] = '\0';
	w->unclean += g->had[0] && strcmp(g->had, project) != 0;
	str_copy(g->had, sizeof g->had, project);
}

/* --- calls ---------------------------------------------------------------------------------------------- */

static int find(struct sim_world *w, const char *address, struct sim_gpu **out, struct error *err)
{
	struct sim_gpu *g = sim_world_gpu(w, address);

	if (!g || sim_gpu_lost(w, g))
		return error_set(err, ERR_NOT_FOUND, "the device is not on its host");
	*out = g;
	return 0;
}

static int reset(struct sim_world *w, const char *address, struct error *err)
{
	struct sim_gpu *g = NULL;

	if (find(w, address, &g, err))
		return -1;
	if (g->holder)
		return error_set(err, ERR_BUSY, "the device is in use by domain %s", g->holder->node.key);
	if (w->no_resets)
		return error_set(err, ERR_NOT_IMPLEMENTED, "the host resets no devices");
	if (sim_world_cut(w, g->address))
		return sim_no(err, "the PCI device has mediated devices");
	g->resets++;
	g->had[0] = '\0';
	if (g->turns_into)
		g->product_id = g->turns_into;
	return 0;
}

int sim_device_reset(struct hv_conn *c, const char *address, struct error *err)
{
	struct sim_call k;

	if (sim_begin(c, SIM_DEVICE_RESET, &k, err) < 0)
		return -1;
	return sim_end(&k, reset(k.w, address, err), err);
}

int sim_device_look(struct hv_conn *c, const char *address, struct hv_device_seen *out, struct error *err)
{
	struct hv_device_seen seen = { .user = "" };
	struct sim_gpu *g = NULL;
	struct sim_call k;
	int rc;

	if (sim_begin(c, SIM_DEVICE_LOOK, &k, err) < 0)
		return -1;
	if ((rc = find(k.w, address, &g, err)) == 0) {
		sim_gpu_describe(k.w, g, &seen.device);
		if (g->holder)
			str_copy(seen.user, sizeof seen.user, g->holder->node.key);
	}
	if (sim_end(&k, rc, err) < 0)
		return -1;
	*out = seen;
	return 0;
}

/* --- knobs ---------------------------------------------------------------------------------------------- */

/* NULL: there is none. */
static struct sim_gpu *nth_of(struct sim_world *w, unsigned nth)
{
	return nth < (unsigned)w->params.gpus && w->gpus ? &w->gpus[nth] : NULL;
}

static struct sim_world *locked(const char *world)
{
	struct sim_world *w = sim_world_get(world);

	pthread_mutex_lock(&w->lock);
	return w;
}

void sim_gpu_lose(const char *world, unsigned nth, bool lost)
{
	struct sim_world *w = locked(world);
	struct sim_gpu *g = nth_of(w, nth);

	if (g)
		g->lost = lost;
	pthread_mutex_unlock(&w->lock);
}

void sim_gpu_turns_into(const char *world, unsigned nth, uint16_t product_id)
{
	struct sim_world *w = locked(world);
	struct sim_gpu *g = nth_of(w, nth);

	if (g)
		g->turns_into = product_id;
	pthread_mutex_unlock(&w->lock);
}

unsigned sim_gpu_resets(const char *world, unsigned nth)
{
	struct sim_world *w = locked(world);
	const struct sim_gpu *g = nth_of(w, nth);
	unsigned n = g ? g->resets : 0;

	pthread_mutex_unlock(&w->lock);
	return n;
}

unsigned sim_gpus_unclean(const char *world)
{
	struct sim_world *w = locked(world);
	unsigned n = w->unclean;

	pthread_mutex_unlock(&w->lock);
	return n;
}

void sim_no_resets(const char *world, bool none)
{
	struct sim_world *w = locked(world);

	w->no_resets = none;
	pthread_mutex_unlock(&w->lock);
}
