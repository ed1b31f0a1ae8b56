/* SPDX-License-Identifier: Apache-2.0 */
/* The state of simulated hosts: domains and volumes in hash tables, one lock a world, and for those that want
 * it a file of changes that brings the state back after a restart. */
#include "hv/sim_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

/* --- tables --------------------------------------------------------------------------------------------- */

static uint32_t hash_of(const char *s)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

struct sim_node *sim_table_find(const struct sim_table *t, const char *key)
{
	uint32_t h = hash_of(key);
	struct sim_node *n = t->cap ? t->slots[h & (t->cap - 1)] : NULL;

	while (n && (n->hash != h || strcmp(n->key, key) != 0))
		n = n->next;
	return n;
}

static void grow(struct sim_table *t)
{
	size_t cap = t->cap ? t->cap * 2 : 16;
	struct sim_node **slots = xcalloc(cap, sizeof *slots);

	for (size_t i = 0; i < t->cap; i++)
		for (struct sim_node *n = t->slots[i], *next; n; n = next) {
			next = n->next;
			n->next = slots[n->hash & (cap - 1)];
			slots[n->hash & (cap - 1)] = n;
		}
	free(t->slots);
	t->slots = slots;
	t->cap = cap;
}

void sim_table_add(struct sim_table *t, struct sim_node *node, const char *key)
{
	if (t->n >= t->cap)
		grow(t);
	str_copy(node->key, sizeof node->key, key);
	node->hash = hash_of(key);
	node->next = t->slots[node->hash & (t->cap - 1)];
	t->slots[node->hash & (t->cap - 1)] = node;
	t->n++;
}

void sim_table_remove(struct sim_table *t, struct sim_node *node)
{
	struct sim_node **p = &t->slots[node->hash & (t->cap - 1)];

	while (*p != node)
		p = &(*p)->next;
	*p = node->next;
	t->n--;
}

struct sim_node *sim_table_next(const struct sim_table *t, const struct sim_node *node)
{
	size_t i = node ? (node->hash & (t->cap - 1)) + 1 : 0;

	if (node && node->next)
		return node->next;
	for (; i < t->cap; i++)
		if (t->slots[i])
			return t->slots[i];
	return NULL;
}

/* --- volumes -------------------------------------------------------------------------------------------- */

void sim_world_note(struct sim_world *w, const struct buf *line)
{
	ssize_t ignored;

	/* one write a line: after kill -9 the file ends with a whole one, or with a torn one that the next
	 * start skips */
	if (w->journal >= 0) {
		ignored = write(w->journal, line->data, line->len);
		(void)ignored;
	}
}

static void vol_line(struct buf *b, const struct sim_vol *v)
{
	buf_printf(b, "V\t%s\t%lld\n", v->node.key, (long long)v->capacity);
}

struct sim_vol *sim_world_vol(struct sim_world *w, const char *name)
{
	return (struct sim_vol *)(void *)sim_table_find(&w->vols, name);
}

struct sim_vol *sim_world_vol_add(struct sim_world *w, const char *name, int64_t capacity)
{
	struct sim_vol *v = xcalloc(1, sizeof *v);

	v->capacity = capacity;
	w->used_bytes += capacity;
	sim_table_add(&w->vols, &v->node, name);
	if (w->journal >= 0) {
		CLEANUP(buf_finish) struct buf line = { 0 };

		vol_line(&line, v);
		sim_world_note(w, &line);
	}
	return v;
}

int sim_world_vol_make(
	struct sim_world *w, const char *name, int64_t capacity, struct sim_vol **out, struct error *err)
{
	if (!name || !*name || strlen(name) >= HV_VOLUME_NAME || strpbrk(name, "/\t\n"))
		return sim_no(err, "not a name of a volume");
	if (w->used_bytes + capacity > w->params.disk_gib << 30)
		return sim_no(err, "the pool is full");
	*out = sim_world_vol_add(w, name, capacity);
	return 0;
}

void sim_world_vol_grow(struct sim_world *w, struct sim_vol *v, int64_t capacity)
{
	w->used_bytes += capacity - v->capacity;
	v->capacity = capacity;
	if (w->journal >= 0) {
		CLEANUP(buf_finish) struct buf line = { 0 };

		vol_line(&line, v);
		sim_world_note(w, &line);
	}
}

static atomic_size_t kept_bytes; /* by all worlds */

static void vol_forget(struct sim_vol *v)
{
	if (v->kept)
		atomic_fetch_sub(&kept_bytes, v->data.len);
	buf_finish(&v->data);
	v->kept = false;
}

void sim_world_vol_write(struct sim_vol *v, const void *data, size_t n)
{
	vol_forget(v);
	if (atomic_fetch_add(&kept_bytes, n) + n > SIM_KEEP_BYTES) {
		atomic_fetch_sub(&kept_bytes, n);
		return;
	}
	buf_append(&v->data, data, n);
	v->kept = true;
}

static void vol_free(struct sim_vol *v)
{
	vol_forget(v);
	free(v);
}

void sim_world_vol_remove(struct sim_world *w, struct sim_vol *v)
{
	if (w->journal >= 0) {
		CLEANUP(buf_finish) struct buf line = { 0 };

		buf_printf(&line, "W\t%s\n", v->node.key);
		sim_world_note(w, &line);
	}
	w->used_bytes -= v->capacity;
	sim_table_remove(&w->vols, &v->node);
	vol_free(v);
}

/* --- domains -------------------------------------------------------------------------------------------- */

struct sim_dom *sim_world_dom(struct sim_world *w, const char *uuid)
{
	return (struct sim_dom *)(void *)sim_table_find(&w->doms, uuid);
}

struct sim_dom *sim_world_dom_add(struct sim_world *w, const char *uuid)
{
	struct sim_dom *d = xcalloc(1, sizeof *d);

	d->power = HV_POWER_SHUTOFF;
	sim_table_add(&w->doms, &d->node, uuid);
	return d;
}

static void dom_line(struct buf *b, const struct sim_dom *d)
{
	buf_printf(b, "D\t%s\t%s\t%s\t%d\t%lld\t%d\t%lld\t%u\t%zu\t%zu", d->node.key, d->name,
		d->cloud[0] ? d->cloud : "-", (int)d->power, (long long)d->epoch, d->vcpus,
		(long long)d->ram_mib, d->starts, d->nics_n, d->disks_n);
	for (size_t i = 0; i < d->disks_n; i++)
		buf_printf(b, "\t%s", d->disks[i]);
	for (size_t i = 0; i < d->nics_n; i++)
		buf_printf(b, "\t%s", d->macs[i][0] ? d->macs[i] : "-");
	buf_puts(b, "\n");
	if (d->told)
		buf_printf(b, "R\t%s\t%s\n", d->node.key, d->told);
	sim_has_line(b, d->node.key, &d->has);
}

void sim_world_dom_save(struct sim_world *w, const struct sim_dom *d)
{
	CLEANUP(buf_finish) struct buf line = { 0 };

	if (w->journal < 0 || d->incoming)
		return;
	dom_line(&line, d);
	sim_world_note(w, &line);
}

static void dom_free(struct sim_dom *d)
{
	free(d->told);
	free(d->disks);
	sim_has_free(&d->has);
	free(d->macs);
	buf_finish(&d->log);
	buf_finish(&d->old_log);
	free(d);
}

/* Its GPU, by the address of any function of it. */
struct sim_gpu *sim_world_gpu(struct sim_world *w, const char *address)
{
	size_t n = strcspn(address, ".");

	for (int i = 0; i < w->params.gpus; i++)
		if (strncmp(w->gpus[i].address, address, n + 1) == 0)
			return &w->gpus[i];
	return NULL;
}

static void gpus_hold(struct sim_world *w, struct sim_dom *d, bool hold)
{
	for (size_t i = 0; i < d->has.hostdevs_n; i++) {
		struct sim_gpu *g = sim_world_gpu(w, d->has.hostdevs[i].address);

		if (g && (!g->holder || g->holder == d)) {
			g->holder = hold ? d : NULL;
			if (hold)
				sim_gpu_taken(w, g, d);
		}
	}
}

void sim_world_dom_remove(struct sim_world *w, struct sim_dom *d)
{
	if (w->journal >= 0) {
		CLEANUP(buf_finish) struct buf line = { 0 };

		buf_printf(&line, "X\t%s\n", d->node.key);
		sim_world_note(w, &line);
	}
	gpus_hold(w, d, false);
	sim_consoles_end(w, d->node.key, "the server has left the host");
	sim_table_remove(&w->doms, &d->node);
	dom_free(d);
}

bool sim_power_on(enum hv_power p)
{
	return p == HV_POWER_RUNNING || p == HV_POWER_PAUSED;
}

void sim_world_power(struct sim_world *w, struct sim_dom *d, enum hv_power power, bool tell)
{
	if (sim_power_on(power) != sim_power_on(d->power))
		gpus_hold(w, d, sim_power_on(power));
	if (!sim_power_on(power))
		sim_consoles_end(w, d->node.key, "the server is off");
	if (sim_power_on(d->power))
		sim_use_advance(d);
	else if (sim_power_on(power))
		sim_use_start(d);
	d->power = power;
	sim_world_dom_save(w, d);
	if (tell)
		sim_world_tell(w, d);
}

/* --- the file of changes -------------------------------------------------------------------------------- */

enum { FIELDS_MAX = 256, LINE_MAX_BYTES = 32768 };

static int64_t num(const char *s)
{
	int64_t v;

	return str_int64(s, INT64_MIN, INT64_MAX, &v) ? v : 0;
}

static void load_dom(struct sim_world *w, char **f, size_t n)
{
	size_t disks = n >= 11 ? (size_t)num(f[10]) : 0, nics = n >= 11 ? (size_t)num(f[9]) : 0;
	struct sim_dom *d;

	if (n < 11 || disks > n || nics > n || n != 11 + disks + nics || strlen(f[1]) >= SIM_KEY)
		return;
	if ((d = sim_world_dom(w, f[1])))
		sim_world_dom_remove(w, d);
	d = sim_world_dom_add(w, f[1]);
	str_copy(d->name, sizeof d->name, f[2]);
	str_copy(d->cloud, sizeof d->cloud, strcmp(f[3], "-") == 0 ? "" : f[3]);
	d->epoch = num(f[5]);
	d->vcpus = (int)num(f[6]);
	d->ram_mib = num(f[7]);
	d->starts = (unsigned)num(f[8]);
	d->nics_n = nics;
	d->disks_n = disks;
	d->disks = xcalloc(disks, sizeof *d->disks);
	for (size_t i = 0; i < disks; i++)
		str_copy(d->disks[i], sizeof d->disks[i], f[11 + i]);
	d->macs = xcalloc(nics, sizeof *d->macs);
	for (size_t i = 0; i < nics; i++)
		str_copy(d->macs[i], sizeof d->macs[i], f[11 + disks + i]);
	sim_world_power(w, d, (enum hv_power)num(f[4]), false);
}

static void load_has(struct sim_world *w, char **f, size_t n)
{
	struct sim_dom *d = sim_world_dom(w, f[1]);

	if (!d)
		return;
	sim_has_load(&d->has, f + 2, n - 2);
	if (sim_power_on(d->power))
		gpus_hold(w, d, true);
}

static void load_told(struct sim_world *w, const char *line)
{
	const char *tab = strchr(line + 2, '\t');
	char uuid[SIM_KEY];
	struct sim_dom *d;

	if (!tab || (size_t)(tab - line - 2) >= sizeof uuid)
		return;
	memcpy(uuid, line + 2, (size_t)(tab - line - 2));
	uuid[tab - line - 2] = '\0';
	if (!(d = sim_world_dom(w, uuid)))
		return;
	free(d->told);
	d->told = xstrdup(tab + 1);
}

static void load_line(struct sim_world *w, char *line)
{
	char *f[FIELDS_MAX] = { 0 }, *save = NULL;
	struct sim_node *old;
	size_t n = 0;

	if (str_starts(line, "R\t")) {
		load_told(w, line);
		return;
	}
	for (char *p = strtok_r(line, "\t", &save); p && n < FIELDS_MAX; p = strtok_r(NULL, "\t", &save))
		f[n++] = p;
	if (n < 2 || strlen(f[1]) >= SIM_KEY)
		return;
	switch (*f[0]) {
	case 'D':
		load_dom(w, f, n);
		break;
	case 'X':
		if ((old = sim_table_find(&w->doms, f[1])))
			sim_world_dom_remove(w, (struct sim_dom *)(void *)old);
		break;
	case 'P':
		load_has(w, f, n);
		break;
	case 'M':
		if (n == 4 && !sim_world_mdev(w, f[1]))
			sim_world_mdev_add(w, f[1], f[2], f[3]);
		break;
	case 'N':
		sim_world_mdev_remove(w, f[1]);
		break;
	case 'V':
		if (n != 3)
			break;
		if ((old = sim_table_find(&w->vols, f[1])))
			sim_world_vol_grow(w, (struct sim_vol *)(void *)old, num(f[2]));
		else
			sim_world_vol_add(w, f[1], num(f[2]));
		break;
	case 'W':
		if ((old = sim_table_find(&w->vols, f[1])))
			sim_world_vol_remove(w, (struct sim_vol *)(void *)old);
		break;
	}
}

static void load(struct sim_world *w, const char *path)
{
	FILE *in = fopen(path, "re");
	char *line = xmalloc(LINE_MAX_BYTES);

	while (in && fgets(line, LINE_MAX_BYTES, in)) {
		size_t n = strlen(line);

		if (n && line[n - 1] == '\n') { /* else torn */
			line[n - 1] = '\0';
			load_line(w, line);
		}
	}
	free(line);
	if (in)
		fclose(in);
}

/* Reads the file, writes it anew with only what holds, and keeps it open for what comes. */
static int journal_open(struct sim_world *w, const char *path, struct error *err)
{
	CLEANUP(buf_finish) struct buf all = { 0 };
	CLEANUP(free_ptr) char *fresh = xasprintf("%s.new", path);
	struct sim_node *n;
	int fd;

	load(w, path);
	for (n = sim_table_next(&w->vols, NULL); n; n = sim_table_next(&w->vols, n))
		vol_line(&all, (struct sim_vol *)(void *)n);
	for (n = sim_table_next(&w->doms, NULL); n; n = sim_table_next(&w->doms, n))
		dom_line(&all, (struct sim_dom *)(void *)n);
	for (n = sim_table_next(&w->mdevs, NULL); n; n = sim_table_next(&w->mdevs, n))
		sim_mdev_line(&all, (struct sim_mdev *)(void *)n);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, all.data, all.len) != (ssize_t)all.len || rename(fresh, path) < 0) {
		close_fd(&fd);
		error_set(err, ERR_BAD_REQUEST, "the state file of sim://%s cannot be written", w->node.key);
		return error_detail(err, "%s: %s", path, strerror(errno));
	}
	w->journal = fd;
	return 0;
}

/* --- worlds --------------------------------------------------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	struct sim_table table;
} worlds = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct sim_world *sim_world_get(const char *name)
{
	struct sim_world *w;

	pthread_mutex_lock(&worlds.lock);
	w = (struct sim_world *)(void *)sim_table_find(&worlds.table, name);
	if (!w) {
		w = xcalloc(1, sizeof *w);
		pthread_mutex_init(&w->lock, NULL);
		pthread_cond_init(&w->changed, NULL);
		w->journal = -1;
		sim_table_add(&worlds.table, &w->node, name);
	}
	pthread_mutex_unlock(&worlds.lock);
	return w;
}

static void world_free(struct sim_world *w)
{
	struct sim_node *n;

	while ((n = sim_table_next(&w->doms, NULL))) {
		sim_table_remove(&w->doms, n);
		dom_free((struct sim_dom *)(void *)n);
	}
	while ((n = sim_table_next(&w->vols, NULL))) {
		sim_table_remove(&w->vols, n);
		vol_free((struct sim_vol *)(void *)n);
	}
	while ((n = sim_table_next(&w->mdevs, NULL))) {
		sim_table_remove(&w->mdevs, n);
		free(n);
	}
	for (struct sim_fault_row *f = w->faults, *next; f; f = next) {
		next = f->next;
		free(f);
	}
	close_fd(&w->journal);
	free(w->doms.slots);
	free(w->vols.slots);
	free(w->mdevs.slots);
	free(w->gpus);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void sim_reset(void)
{
	struct sim_node *n, *next;

	pthread_mutex_lock(&worlds.lock);
	for (n = sim_table_next(&worlds.table, NULL); n; n = next) {
		struct sim_world *w = (struct sim_world *)(void *)n;
		bool used;

		next = sim_table_next(&worlds.table, n);
		pthread_mutex_lock(&w->lock);
		used = w->conns != NULL;
		pthread_mutex_unlock(&w->lock);
		if (!used) {
			sim_table_remove(&worlds.table, n);
			world_free(w);
		}
	}
	if (!worlds.table.n) {
		free(worlds.table.slots);
		worlds.table = (struct sim_table) { 0 };
	}
	pthread_mutex_unlock(&worlds.lock);
}

static int world_make(struct sim_world *w, const struct sim_params *p, struct error *err)
{
	w->params = *p;
	w->gpus = xcalloc((size_t)p->gpus, sizeof *w->gpus);
	for (int i = 0; i < p->gpus; i++) {
		snprintf(w->gpus[i].address, sizeof w->gpus[i].address, "0000:%02x:00.0", (0x10 + i) & 0xff);
		w->gpus[i].product_id = p->gpu_product;
	}
	if (*p->state && journal_open(w, p->state, err) < 0) {
		free(w->gpus);
		w->gpus = NULL;
		return -1;
	}
	w->made = true;
	return 0;
}

struct sim_world *sim_world_open(const char *uri, struct error *err)
{
	struct sim_params p;
	const char *start = uri + strlen("sim://");
	size_t n = strcspn(start, "/?");
	const char *query = strchr(start, '?');
	char name[64];
	struct sim_world *w;
	int rc = 0;

	if (!n || n >= sizeof name) {
		error_set(err, ERR_BAD_REQUEST, "sim:// needs a name of at most 63 characters");
		return NULL;
	}
	snprintf(name, sizeof name, "%.*s", (int)n, start);
	if (sim_params_read(query ? query + 1 : "", &p, err) < 0)
		return NULL;
	w = sim_world_get(name);
	pthread_mutex_lock(&w->lock);
	if (!w->made)
		rc = world_make(w, &p, err);
	pthread_mutex_unlock(&w->lock);
	return rc < 0 ? NULL : w;
}
