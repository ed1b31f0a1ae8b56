/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated host as a driver. Each call is one critical section of its world: it begins by meeting the
 * faults that a test ordered, takes effect, and may lose its answer at the end. */
#include "hv/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/sim_world.h"

struct hv_conn {
	struct sim_world *world;
	struct hv_conn *next;
	hv_event_fn *events;
	void *ctx;
	unsigned users; /* calls that run, events on their way; under the world's lock */
	bool dead, closed;
};

/* --- events --------------------------------------------------------------------------------------------- */

struct delivery {
	struct hv_conn *conn;
	struct hv_event event;
};

/* Under the world's lock. */
static void release_locked(struct hv_conn *c)
{
	struct hv_conn **p;

	if (!c->closed || c->users)
		return;
	for (p = &c->world->conns; *p && *p != c; p = &(*p)->next)
		;
	if (*p)
		*p = c->next;
	free(c);
}

static void deliver(void *arg)
{
	struct delivery *d = arg;
	struct sim_world *w = d->conn->world;

	if (!d->conn->closed) /* set on this thread only */
		d->conn->events(d->conn->ctx, &d->event);
	pthread_mutex_lock(&w->lock);
	d->conn->users--;
	release_locked(d->conn);
	pthread_mutex_unlock(&w->lock);
	free(d);
}

/* Under the world's lock. */
static void tell_conn(struct hv_conn *c, const struct hv_event *event)
{
	struct delivery *d;

	if (!c->events || c->closed)
		return;
	d = xmalloc(sizeof *d);
	*d = (struct delivery) { .conn = c, .event = *event };
	c->users++;
	if (!hv_post(deliver, d)) {
		c->users--;
		free(d);
	}
}

void sim_world_tell(struct sim_world *w, const struct sim_dom *dom)
{
	struct hv_event event = { .kind = HV_EVENT_POWER };

	event.seen.power = dom->power;
	str_copy(event.seen.uuid, sizeof event.seen.uuid, dom->node.key);
	if (w->lose_events)
		return;
	for (struct hv_conn *c = w->conns; c; c = c->next)
		for (int i = 0; !c->dead && i < (w->repeat_events ? 2 : 1); i++)
			tell_conn(c, &event);
}

static void drop_conn(struct hv_conn *c, const char *why)
{
	struct hv_event event = { .kind = HV_EVENT_CLOSED };

	if (c->dead)
		return;
	c->dead = true;
	str_copy(event.text, sizeof event.text, why);
	tell_conn(c, &event);
}

void sim_world_drop(struct sim_world *w, const char *why)
{
	for (struct hv_conn *c = w->conns; c; c = c->next)
		drop_conn(c, why);
	pthread_cond_broadcast(&w->changed); /* calls that hang see that they are cut off */
}

/* --- a call's begin and end ----------------------------------------------------------------------------- */

enum { NO_FAULT = -1 };

struct call {
	struct sim_world *w;
	struct hv_conn *c; /* NULL while connecting */
	int fault;         /* to come at the end, or NO_FAULT */
};

static int take_fault(struct sim_world *w, enum sim_op op)
{
	struct sim_fault_row **p = &w->faults, *f;

	while ((f = *p)) {
		if (f->op != op && f->op != SIM_ANY) {
			p = &f->next;
		} else if (f->after) {
			f->after--;
			p = &f->next;
		} else {
			int kind = (int)f->kind;

			if (f->times > 0 && --f->times == 0) {
				*p = f->next;
				free(f);
			}
			return kind;
		}
	}
	return NO_FAULT;
}

static void wait_locked(struct sim_world *w, unsigned delay_ms)
{
	struct timespec t = { .tv_sec = delay_ms / 1000, .tv_nsec = (long)(delay_ms % 1000) * 1000000 };

	pthread_mutex_unlock(&w->lock);
	nanosleep(&t, NULL);
	pthread_mutex_lock(&w->lock);
}

static void hang_locked(struct sim_world *w, const struct hv_conn *c)
{
	unsigned releases = w->releases;

	w->hanging++;
	pthread_cond_broadcast(&w->changed);
	while (w->releases == releases && !(c && c->dead))
		pthread_cond_wait(&w->changed, &w->lock);
	w->hanging--;
}

static int unreachable(struct error *err)
{
	return error_set(err, ERR_UNREACHABLE, "the connection to the host is lost");
}

/* Unlocks, and lets a closed connection go. */
static void leave(struct call *k)
{
	if (k->c) {
		k->c->users--;
		release_locked(k->c);
	}
	pthread_mutex_unlock(&k->w->lock);
}

static int refused(struct error *err)
{
	error_set(err, ERR_HYPERVISOR, "the host refused");
	return error_detail(err, "ordered by sim_fault");
}

/* Meets what comes before the effect. -1: the call is over, the lock is not held. */
static int meet(struct call *k, enum sim_op op, struct error *err)
{
	int rc = 0;

	k->w->calls[op]++;
	k->fault = take_fault(k->w, op);
	if (k->w->params.delay_ms || k->fault == SIM_DELAY)
		wait_locked(k->w, k->w->params.delay_ms ? k->w->params.delay_ms : 10);
	if (k->fault == SIM_HANG)
		hang_locked(k->w, k->c);
	if (k->fault == SIM_DROP && k->c)
		drop_conn(k->c, "dropped");
	if (k->fault == SIM_FAIL)
		rc = refused(err);
	else if (k->w->down || (k->c && k->c->dead) || k->fault == SIM_DROP)
		rc = unreachable(err);
	if (rc < 0)
		leave(k);
	return rc;
}

/* On success the world is locked until end(). */
static int begin(struct hv_conn *c, enum sim_op op, struct call *k, struct error *err)
{
	*k = (struct call) { .w = c->world, .c = c };
	pthread_mutex_lock(&k->w->lock);
	c->users++;
	return meet(k, op, err);
}

static int end(struct call *k, int rc, struct error *err)
{
	if (rc == 0 && k->fault == SIM_FAIL_AFTER)
		rc = refused(err);
	if (k->fault == SIM_LOSE_REPLY) {
		if (k->c)
			drop_conn(k->c, "the answer was lost");
		rc = unreachable(err);
	}
	leave(k);
	return rc;
}

static int no(struct error *err, const char *why)
{
	error_set(err, ERR_HYPERVISOR, "the host refused");
	return error_detail(err, "sim: %s", why);
}

/* --- connecting ----------------------------------------------------------------------------------------- */

static int sim_connect(const struct hv_target *target, hv_event_fn *events, void *ctx, struct hv_conn **out,
	struct error *err)
{
	struct sim_world *w = sim_world_open(target->uri, err);
	struct call k = { .w = w };
	struct hv_conn *c;

	if (!w)
		return -1;
	pthread_mutex_lock(&w->lock);
	if (meet(&k, SIM_CONNECT, err) < 0)
		return -1;
	if (k.fault == NO_FAULT || k.fault == SIM_HANG || k.fault == SIM_DELAY) {
		c = xcalloc(1, sizeof *c);
		*c = (struct hv_conn) { .world = w, .next = w->conns, .events = events, .ctx = ctx };
		w->conns = c;
		*out = c;
	}
	return end(&k, 0, err);
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
	release_locked(c);
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
	struct call k;

	if (begin(c, SIM_INVENTORY, &k, err) < 0)
		return -1;
	fill_inventory(k.w, a, &inv);
	if (end(&k, 0, err) < 0)
		return -1;
	*out = inv;
	return 0;
}

/* --- volumes -------------------------------------------------------------------------------------------- */

static int volume_add(
	struct sim_world *w, const char *name, int64_t capacity, struct sim_vol **out, struct error *err)
{
	if (!name || !*name || strlen(name) >= HV_VOLUME_NAME || strpbrk(name, "/\t\n"))
		return no(err, "not a name of a volume");
	if (w->used_bytes + capacity > w->params.disk_gib << 30)
		return no(err, "the pool is full");
	*out = sim_world_vol_add(w, name, capacity);
	return 0;
}

static int sim_image_ensure(struct hv_conn *c, const char *name, const char *format, int fd, int64_t size,
	int64_t virtual_size, struct error *err)
{
	struct sim_vol *v;
	struct stat st;
	struct call k;
	int rc = 0;

	(void)format;
	(void)virtual_size;
	if (begin(c, SIM_IMAGE_ENSURE, &k, err) < 0)
		return -1;
	if (!sim_world_vol(k.w, name)) {
		if (fstat(fd, &st) < 0 || (S_ISREG(st.st_mode) && st.st_size < size))
			rc = error_internal(err, "upload: shorter than it should be");
		else
			rc = volume_add(k.w, name, size, &v, err);
	}
	return end(&k, rc, err);
}

static int sim_volume_ensure(struct hv_conn *c, const char *name, int64_t capacity, const char *backing,
	const char *backing_format, struct error *err)
{
	struct sim_vol *v;
	struct call k;
	int rc = 0;

	(void)backing_format;
	if (begin(c, SIM_VOLUME_ENSURE, &k, err) < 0)
		return -1;
	if (backing && !sim_world_vol(k.w, backing))
		rc = error_set(err, ERR_NOT_FOUND, "the image is not on the host");
	else if (!sim_world_vol(k.w, name))
		rc = volume_add(k.w, name, capacity, &v, err);
	return end(&k, rc, err);
}

static int sim_volume_write(
	struct hv_conn *c, const char *name, const void *data, size_t n, struct error *err)
{
	struct sim_vol *v;
	struct call k;
	int rc = 0;

	if (begin(c, SIM_VOLUME_WRITE, &k, err) < 0)
		return -1;
	if ((v = sim_world_vol(k.w, name)) && v->capacity != (int64_t)n) {
		sim_world_vol_remove(k.w, v);
		v = NULL;
	}
	if (!v)
		rc = volume_add(k.w, name, (int64_t)n, &v, err);
	if (rc == 0) {
		v->data.len = 0;
		buf_append(&v->data, data, n);
		v->written = true;
	}
	return end(&k, rc, err);
}

static int sim_volume_remove(struct hv_conn *c, const char *name, struct error *err)
{
	struct sim_vol *v;
	struct call k;

	if (begin(c, SIM_VOLUME_REMOVE, &k, err) < 0)
		return -1;
	if ((v = sim_world_vol(k.w, name)))
		sim_world_vol_remove(k.w, v);
	return end(&k, 0, err);
}

/* --- domains -------------------------------------------------------------------------------------------- */

static bool ours(const struct sim_dom *d)
{
	return d->cloud[0] && strcmp(d->cloud, hv_cloud_id()) == 0;
}

/* The domain, which must be ours; *out is NULL when there is none. */
static int find_ours(struct sim_world *w, const char *uuid, struct sim_dom **out, struct error *err)
{
	*out = sim_world_dom(w, uuid);
	if (*out && !ours(*out))
		return error_set(err, ERR_CONFLICT, "a domain with this id on the host is not ours");
	return 0;
}

static int find_present(struct sim_world *w, const char *uuid, struct sim_dom **out, struct error *err)
{
	if (find_ours(w, uuid, out, err) < 0)
		return -1;
	return *out ? 0 : error_set(err, ERR_NOT_FOUND, "the server is not on the host");
}

/* What a definition says replaces what was; devices of a domain that is on stay as they are until it is off.
 */
static void dom_set(struct sim_dom *s, const struct hv_domain *d)
{
	str_copy(s->name, sizeof s->name, d->name);
	str_copy(s->cloud, sizeof s->cloud, d->cloud_id ? d->cloud_id : "");
	s->epoch = d->epoch;
	s->vcpus = d->vcpus;
	s->ram_mib = d->ram_mib;
	s->nics_n = d->nics_n;
	if (sim_power_on(s->power))
		return;
	free(s->disks);
	free(s->hostdevs);
	s->disks_n = d->disks_n;
	s->hostdevs_n = d->hostdevs_n;
	s->disks = xcalloc(d->disks_n, sizeof *s->disks);
	s->hostdevs = xcalloc(d->hostdevs_n, sizeof *s->hostdevs);
	for (size_t i = 0; i < d->disks_n; i++)
		str_copy(s->disks[i], sizeof s->disks[i], d->disks[i].volume);
	for (size_t i = 0; i < d->hostdevs_n; i++)
		str_copy(s->hostdevs[i], sizeof s->hostdevs[i], d->hostdevs[i]);
}

static int sim_domain_define(struct hv_conn *c, const struct hv_domain *d, struct error *err)
{
	struct sim_dom *s;
	struct call k;
	int rc;

	if (!uuid_valid(d->uuid) || !d->name || !*d->name || strpbrk(d->name, "\t\n"))
		return error_set(err, ERR_BAD_REQUEST, "the server's id or name is not valid");
	if (begin(c, SIM_DOMAIN_DEFINE, &k, err) < 0)
		return -1;
	if ((rc = find_ours(k.w, d->uuid, &s, err)) == 0) {
		if (!s)
			s = sim_world_dom_add(k.w, d->uuid);
		dom_set(s, d);
		sim_world_dom_save(k.w, s);
	}
	return end(&k, rc, err);
}

static struct sim_gpu *gpu_at(struct sim_world *w, const char *address)
{
	for (int i = 0; i < w->params.gpus; i++)
		if (strcmp(w->gpus[i].address, address) == 0)
			return &w->gpus[i];
	return NULL;
}

/* What a real host would find missing or taken. */
static int can_start(struct sim_world *w, const struct sim_dom *d, struct error *err)
{
	for (size_t i = 0; i < d->disks_n; i++)
		if (!sim_world_vol(w, d->disks[i]))
			return no(err, "a disk is not there");
	for (size_t i = 0; i < d->hostdevs_n; i++) {
		const struct sim_gpu *g = gpu_at(w, d->hostdevs[i]);

		if (!g)
			return no(err, "there is no such PCI device");
		if (g->holder && g->holder != d)
			return no(err, "the PCI device is in use by another domain");
	}
	return 0;
}

static int sim_domain_start(struct hv_conn *c, const char *uuid, struct error *err)
{
	struct sim_dom *d;
	struct call k;
	int rc;

	if (begin(c, SIM_DOMAIN_START, &k, err) < 0)
		return -1;
	if ((rc = find_present(k.w, uuid, &d, err)) == 0 && !sim_power_on(d->power) &&
		(rc = can_start(k.w, d, err)) == 0) {
		d->starts++;
		sim_world_power(k.w, d, HV_POWER_RUNNING, true);
	}
	return end(&k, rc, err);
}

static int turn_off(struct hv_conn *c, enum sim_op op, const char *uuid, struct error *err)
{
	struct sim_dom *d;
	struct call k;
	int rc;

	if (begin(c, op, &k, err) < 0)
		return -1;
	if ((rc = find_ours(k.w, uuid, &d, err)) == 0 && d && sim_power_on(d->power))
		sim_world_power(k.w, d, HV_POWER_SHUTOFF, true);
	return end(&k, rc, err);
}

static int sim_domain_shutdown(struct hv_conn *c, const char *uuid, struct error *err)
{
	return turn_off(c, SIM_DOMAIN_SHUTDOWN, uuid, err);
}

static int sim_domain_stop(struct hv_conn *c, const char *uuid, struct error *err)
{
	return turn_off(c, SIM_DOMAIN_STOP, uuid, err);
}

static int restart(struct hv_conn *c, enum sim_op op, const char *uuid, struct error *err)
{
	struct sim_dom *d;
	struct call k;
	int rc;

	if (begin(c, op, &k, err) < 0)
		return -1;
	if ((rc = find_present(k.w, uuid, &d, err)) == 0) {
		if (sim_power_on(d->power))
			d->starts++;
		else
			rc = no(err, "the domain is not running");
	}
	return end(&k, rc, err);
}

static int sim_domain_reboot(struct hv_conn *c, const char *uuid, struct error *err)
{
	return restart(c, SIM_DOMAIN_REBOOT, uuid, err);
}

static int sim_domain_reset(struct hv_conn *c, const char *uuid, struct error *err)
{
	return restart(c, SIM_DOMAIN_RESET, uuid, err);
}

static int freeze(struct hv_conn *c, enum sim_op op, const char *uuid, enum hv_power power, struct error *err)
{
	struct sim_dom *d;
	struct call k;
	int rc;

	if (begin(c, op, &k, err) < 0)
		return -1;
	if ((rc = find_present(k.w, uuid, &d, err)) == 0 && d->power != power) {
		if (sim_power_on(d->power))
			sim_world_power(k.w, d, power, true);
		else
			rc = no(err, "the domain is not running");
	}
	return end(&k, rc, err);
}

static int sim_domain_pause(struct hv_conn *c, const char *uuid, struct error *err)
{
	return freeze(c, SIM_DOMAIN_PAUSE, uuid, HV_POWER_PAUSED, err);
}

static int sim_domain_unpause(struct hv_conn *c, const char *uuid, struct error *err)
{
	return freeze(c, SIM_DOMAIN_UNPAUSE, uuid, HV_POWER_RUNNING, err);
}

static int sim_domain_remove(struct hv_conn *c, const char *uuid, struct error *err)
{
	struct sim_dom *d;
	struct call k;
	int rc;

	if (begin(c, SIM_DOMAIN_REMOVE, &k, err) < 0)
		return -1;
	if ((rc = find_ours(k.w, uuid, &d, err)) == 0 && d) {
		if (sim_power_on(d->power))
			sim_world_power(k.w, d, HV_POWER_SHUTOFF, true);
		sim_world_dom_remove(k.w, d);
	}
	return end(&k, rc, err);
}

static void seen_of(const struct sim_dom *d, struct hv_seen *out)
{
	str_copy(out->uuid, sizeof out->uuid, d->node.key);
	out->power = d->power;
	out->ours = ours(d);
	out->epoch = out->ours ? d->epoch : 0;
}

static int sim_domain_look(struct hv_conn *c, const char *uuid, struct hv_seen *out, struct error *err)
{
	struct hv_seen seen = { .power = HV_POWER_ABSENT };
	const struct sim_dom *d;
	struct call k;

	if (begin(c, SIM_DOMAIN_LOOK, &k, err) < 0)
		return -1;
	str_copy(seen.uuid, sizeof seen.uuid, uuid);
	if ((d = sim_world_dom(k.w, uuid)))
		seen_of(d, &seen);
	if (end(&k, 0, err) < 0)
		return -1;
	*out = seen;
	return 0;
}

static int sim_domain_list(
	struct hv_conn *c, struct arena *a, struct hv_seen **out, size_t *out_n, struct error *err)
{
	struct hv_seen *list;
	struct call k;
	size_t n = 0;

	if (begin(c, SIM_DOMAIN_LIST, &k, err) < 0)
		return -1;
	list = ARENA_ARRAY(a, struct hv_seen, k.w->doms.n);
	for (struct sim_node *d = sim_table_next(&k.w->doms, NULL); d; d = sim_table_next(&k.w->doms, d))
		seen_of((struct sim_dom *)(void *)d, &list[n++]);
	if (end(&k, 0, err) < 0)
		return -1;
	*out = list;
	*out_n = n;
	return 0;
}

static int sim_console_read(
	struct hv_conn *c, const char *uuid, size_t max, struct buf *out, struct error *err)
{
	CLEANUP(buf_finish) struct buf text = { 0 };
	const struct sim_dom *d;
	struct call k;

	if (begin(c, SIM_CONSOLE_READ, &k, err) < 0)
		return -1;
	if ((d = sim_world_dom(k.w, uuid)))
		for (unsigned i = d->starts > 8 ? d->starts - 8 : 0; i < d->starts; i++)
			buf_printf(&text, "sim: %s (%s) boot %u\nsim: ready\n", d->name, d->node.key, i + 1);
	if (end(&k, 0, err) < 0)
		return -1;
	if (text.len > max)
		buf_consume(&text, text.len - max);
	buf_append(out, text.data, text.len);
	return 0;
}

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
