/* SPDX-License-Identifier: Apache-2.0 */
/* What simulated guests have of their host: cells, pins, devices; how a world's file keeps them; mediated
 * devices; and hosts that break their word. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/sim_world.h"

/* --- of a domain ---------------------------------------------------------------------------------------- */

static void *copy_of(const void *p, size_t n, size_t size)
{
	void *copy = xcalloc(n, size);

	if (n)
		memcpy(copy, p, n * size);
	return copy;
}

void sim_has_set(struct sim_has *h, const struct hv_domain *d)
{
	sim_has_free(h);
	*h = (struct sim_has) {
		.cells_n = d->cells_n,
		.pins_n = d->pins_n,
		.hostdevs_n = d->hostdevs_n,
		.mdevs_n = d->mdevs_n,
		.emulator = d->emulator,
		.cells = copy_of(d->cells, d->cells_n, sizeof *d->cells),
		.pins = copy_of(d->pins, d->pins_n, sizeof *d->pins),
		.hostdevs = copy_of(d->hostdevs, d->hostdevs_n, sizeof *d->hostdevs),
		.mdevs = copy_of(d->mdevs, d->mdevs_n, sizeof *d->mdevs),
	};
}

struct hv_domain sim_has_get(const struct sim_has *h)
{
	return (struct hv_domain) {
		.cells = h->cells,
		.cells_n = h->cells_n,
		.pins = h->pins,
		.pins_n = h->pins_n,
		.emulator = h->emulator,
		.hostdevs = h->hostdevs,
		.hostdevs_n = h->hostdevs_n,
		.mdevs = h->mdevs,
		.mdevs_n = h->mdevs_n,
	};
}

void sim_has_free(struct sim_has *h)
{
	free(h->cells);
	free(h->pins);
	free(h->hostdevs);
	free(h->mdevs);
	*h = (struct sim_has) { 0 };
}

/* --- in the file of changes ----------------------------------------------------------------------------- */

/* Equal neighbours are written once: "0-3*8;9" */
static void write_pins(struct buf *b, const struct sim_has *h)
{
	for (size_t i = 0, n; i < h->pins_n; i += n) {
		for (n = 1; i + n < h->pins_n && cpuset_same(&h->pins[i], &h->pins[i + n]);)
			n++;
		buf_puts(b, i ? ";" : "");
		cpuset_write(&h->pins[i], b);
		buf_printf(b, "*%zu", n);
	}
}

void sim_has_line(struct buf *b, const char *uuid, const struct sim_has *h)
{
	if (!h->cells_n && !h->pins_n && !h->hostdevs_n && !h->mdevs_n && cpuset_empty(&h->emulator))
		return;
	buf_printf(b, "P\t%s\tc", uuid);
	for (size_t i = 0; i < h->cells_n; i++)
		buf_printf(b, "%s%d/%d/%lld/%d", i ? ";" : "", h->cells[i].cell, h->cells[i].vcpus,
			(long long)h->cells[i].ram_mib, h->cells[i].page_kib);
	buf_puts(b, "\tp");
	write_pins(b, h);
	buf_puts(b, "\te");
	cpuset_write(&h->emulator, b);
	buf_puts(b, "\th");
	for (size_t i = 0; i < h->hostdevs_n; i++)
		buf_printf(b, "%s%s/%d", i ? ";" : "", h->hostdevs[i].address, h->hostdevs[i].guest_cell);
	buf_puts(b, "\tm");
	for (size_t i = 0; i < h->mdevs_n; i++)
		buf_printf(b, "%s%s/%d", i ? ";" : "", h->mdevs[i].uuid, h->mdevs[i].guest_cell);
	buf_puts(b, "\n");
}

static bool load_cell(struct sim_has *h, const char *text)
{
	struct hv_guest_cell c = { 0 };
	long long ram;

	if (sscanf(text, "%d/%d/%lld/%d", &c.cell, &c.vcpus, &ram, &c.page_kib) != 4)
		return false;
	c.ram_mib = ram;
	h->cells = xrealloc(h->cells, (h->cells_n + 1) * sizeof *h->cells);
	h->cells[h->cells_n++] = c;
	return true;
}

static bool load_pin(struct sim_has *h, const char *text)
{
	char set[4096]; /* every other of CPUSET_MAX */
	struct cpuset s;
	int n;

	if (sscanf(text, "%4095[0-9,-]*%d", set, &n) != 2 || n < 1 || n > CPUSET_MAX ||
		cpuset_parse(set, &s) < 0)
		return false;
	h->pins = xrealloc(h->pins, (h->pins_n + (size_t)n) * sizeof *h->pins);
	while (n--)
		h->pins[h->pins_n++] = s;
	return true;
}

static bool load_hostdev(struct sim_has *h, const char *text)
{
	struct hv_hostdev d = { 0 };

	if (sscanf(text, "%15[0-9a-f:.]/%d", d.address, &d.guest_cell) != 2)
		return false;
	h->hostdevs = xrealloc(h->hostdevs, (h->hostdevs_n + 1) * sizeof *h->hostdevs);
	h->hostdevs[h->hostdevs_n++] = d;
	return true;
}

static bool load_mdev(struct sim_has *h, const char *text)
{
	struct hv_mdev m = { 0 };

	if (sscanf(text, "%36[0-9a-f-]/%d", m.uuid, &m.guest_cell) != 2)
		return false;
	h->mdevs = xrealloc(h->mdevs, (h->mdevs_n + 1) * sizeof *h->mdevs);
	h->mdevs[h->mdevs_n++] = m;
	return true;
}

static bool load_emulator(struct sim_has *h, const char *text)
{
	return cpuset_parse(text, &h->emulator) == 0;
}

void sim_has_load(struct sim_has *h, char *const *fields, size_t n)
{
	static const struct {
		char kind;
		bool (*load)(struct sim_has *h, const char *text);
	} kinds[] = { { 'c', load_cell }, { 'p', load_pin }, { 'e', load_emulator }, { 'h', load_hostdev },
		{ 'm', load_mdev } };
	struct sim_has fresh = { 0 };

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
			char *save = NULL;

			if (*fields[i] != kinds[k].kind)
				continue;
			for (char *p = strtok_r(fields[i] + 1, ";", &save); p; p = strtok_r(NULL, ";", &save))
				kinds[k].load(&fresh, p);
		}
	sim_has_free(h);
	*h = fresh;
}

/* --- mediated devices ----------------------------------------------------------------------------------- */

static struct sim_mdev *mdev_at(struct sim_world *w, const char *uuid)
{
	return (struct sim_mdev *)(void *)sim_table_find(&w->mdevs, uuid);
}

bool sim_world_mdev(struct sim_world *w, const char *uuid)
{
	return mdev_at(w, uuid) != NULL;
}

bool sim_world_cut(const struct sim_world *w, const char *address)
{
	for (struct sim_node *n = sim_table_next(&w->mdevs, NULL); n; n = sim_table_next(&w->mdevs, n))
		if (strcmp(((struct sim_mdev *)(void *)n)->parent, address) == 0)
			return true;
	return false;
}

void sim_mdev_line(struct buf *b, const struct sim_mdev *m)
{
	buf_printf(b, "M\t%s\t%s\t%s\n", m->node.key, m->parent, m->type);
}

void sim_world_mdev_add(struct sim_world *w, const char *uuid, const char *parent, const char *type)
{
	CLEANUP(buf_finish) struct buf line = { 0 };
	struct sim_mdev *m = xcalloc(1, sizeof *m);

	str_copy(m->parent, sizeof m->parent, parent);
	str_copy(m->type, sizeof m->type, type);
	sim_table_add(&w->mdevs, &m->node, uuid);
	sim_mdev_line(&line, m);
	sim_world_note(w, &line);
}

void sim_world_mdev_remove(struct sim_world *w, const char *uuid)
{
	CLEANUP(buf_finish) struct buf line = { 0 };
	struct sim_mdev *m = mdev_at(w, uuid);

	if (!m)
		return;
	buf_printf(&line, "N\t%s\n", uuid);
	sim_world_note(w, &line);
	sim_table_remove(&w->mdevs, &m->node);
	free(m);
}

void sim_world_mdevs_clear(struct sim_world *w)
{
	struct sim_node *n;

	while ((n = sim_table_next(&w->mdevs, NULL)))
		sim_world_mdev_remove(w, n->key);
}

static int can_make(struct sim_world *w, const struct hv_mdev *m, struct error *err)
{
	const struct sim_gpu *g = sim_world_gpu(w, m->parent);

	if (!uuid_valid(m->uuid) || strpbrk(m->type, "\t\n") || !*m->type)
		return error_set(err, ERR_BAD_REQUEST, "not a mediated device");
	if (!g || sim_gpu_lost(w, g))
		return sim_no(err, "there is no such PCI device");
	return g->holder ? sim_no(err, "the PCI device is in use by a domain") : 0;
}

int sim_mdev_ensure(struct hv_conn *c, const struct hv_mdev *m, struct error *err)
{
	struct sim_call k;
	int rc = 0;

	if (sim_begin(c, SIM_MDEV_ENSURE, &k, err) < 0)
		return -1;
	if (!mdev_at(k.w, m->uuid) && (rc = can_make(k.w, m, err)) == 0)
		sim_world_mdev_add(k.w, m->uuid, m->parent, m->type);
	return sim_end(&k, rc, err);
}

static bool in_use(const struct sim_world *w, const char *uuid)
{
	for (struct sim_node *n = sim_table_next(&w->doms, NULL); n; n = sim_table_next(&w->doms, n)) {
		const struct sim_dom *d = (struct sim_dom *)(void *)n;

		for (size_t i = 0; i < d->has.mdevs_n; i++)
			if (sim_power_on(d->power) && strcmp(d->has.mdevs[i].uuid, uuid) == 0)
				return true;
	}
	return false;
}

int sim_mdev_remove(struct hv_conn *c, const char *uuid, struct error *err)
{
	struct sim_call k;
	int rc = 0;

	if (sim_begin(c, SIM_MDEV_REMOVE, &k, err) < 0)
		return -1;
	if (in_use(k.w, uuid))
		rc = sim_no(err, "the mediated device is in use");
	else
		sim_world_mdev_remove(k.w, uuid);
	return sim_end(&k, rc, err);
}

/* --- the promise ---------------------------------------------------------------------------------------- */

static void *in_arena(struct arena *a, const void *p, size_t n, size_t size)
{
	void *copy = arena_alloc(a, n * size);

	if (n)
		memcpy(copy, p, n * size);
	return copy;
}

/* How a host breaks its word: what is asked for last is not what is there. */
static void breach(enum sim_breach how, struct hv_domain *d)
{
	switch (how) {
	case SIM_LESS_MEMORY:
		d->ram_mib /= 2;
		break;
	case SIM_OTHER_PIN:
		if (d->pins_n)
			((struct cpuset *)d->pins)[d->pins_n - 1] =
				(struct cpuset) { .bits = { UINT32_MAX } };
		break;
	case SIM_OTHER_CELL:
		if (d->cells_n)
			((struct hv_guest_cell *)d->cells)[d->cells_n - 1].cell++;
		break;
	case SIM_SMALL_PAGES:
		if (d->cells_n)
			((struct hv_guest_cell *)d->cells)[0].page_kib = 4;
		break;
	case SIM_LESS_DEVICES:
		if (d->mdevs_n)
			d->mdevs_n--;
		else if (d->hostdevs_n)
			d->hostdevs_n--;
		break;
	case SIM_KEEPS:
		break;
	}
}

struct hv_domain sim_dom_read(struct arena *a, const struct sim_dom *s)
{
	struct hv_domain d = sim_has_get(&s->has);

	d.vcpus = s->vcpus;
	d.ram_mib = s->ram_mib;
	d.cells = in_arena(a, d.cells, d.cells_n, sizeof *d.cells);
	d.pins = in_arena(a, d.pins, d.pins_n, sizeof *d.pins);
	d.hostdevs = in_arena(a, d.hostdevs, d.hostdevs_n, sizeof *d.hostdevs);
	d.mdevs = in_arena(a, d.mdevs, d.mdevs_n, sizeof *d.mdevs);
	return d;
}

bool sim_domain_has(const char *world, const char *uuid, struct arena *a, struct hv_domain *out)
{
	struct sim_world *w = sim_world_get(world);
	const struct sim_dom *d;

	pthread_mutex_lock(&w->lock);
	d = sim_world_dom(w, uuid);
	if (d)
		*out = sim_dom_read(a, d);
	pthread_mutex_unlock(&w->lock);
	return d != NULL;
}

int sim_domain_read(
	struct hv_conn *c, struct arena *a, const char *uuid, struct hv_domain *out, struct error *err)
{
	struct sim_dom *d;
	struct sim_call k;
	int rc;

	if (sim_begin(c, SIM_DOMAIN_READ, &k, err) < 0)
		return -1;
	if ((rc = sim_find_running(k.w, uuid, &d, err)) == 0) {
		*out = sim_dom_read(a, d);
		breach(k.w->breach, out);
	}
	return sim_end(&k, rc, err);
}
