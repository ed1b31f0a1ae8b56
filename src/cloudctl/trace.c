/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudctl/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum { LINE = 4096, FIELDS = 64, AMOUNT_MAX = 1 << 30 };

void trace_finish(struct trace *t)
{
	free(t->hosts);
	free(t->tasks);
	arena_finish(&t->arena);
	memset(t, 0, sizeof *t);
}

/* ---- lines and fields ---- */

struct csv {
	FILE *f;
	const char *path;
	size_t line;
	char header[LINE], text[LINE];
	char *names[FIELDS], *fields[FIELDS];
	size_t names_n, fields_n;
};

static int wrong(const struct csv *c, struct error *err, const char *what, const char *name)
{
	return error_set(err, ERR_BAD_REQUEST, "%s:%zu: %s%s", c->path, c->line, what, name);
}

/* In place. Quotes around a field are taken off; there are no commas within. */
static size_t split(char *text, char **fields)
{
	size_t n = 0, len;

	text[strcspn(text, "\r\n")] = '\0';
	while (text && n < FIELDS) {
		char *next = strchr(text, ',');

		if (next)
			*next++ = '\0';
		len = strlen(text);
		if (len > 1 && *text == '"' && text[len - 1] == '"') {
			text[len - 1] = '\0';
			text++;
		}
		fields[n++] = text;
		text = next;
	}
	return text ? FIELDS + 1 : n;
}

/* 1; 0 at the end. Empty lines are passed over. */
static int csv_next(struct csv *c, struct error *err)
{
	do {
		if (!fgets(c->text, sizeof c->text, c->f))
			return ferror(c->f) ? wrong(c, err, "cannot be read", "") : 0;
		c->line++;
		if (!strchr(c->text, '\n') && !feof(c->f))
			return wrong(c, err, "the line is too long", "");
	} while (!c->text[strspn(c->text, " \t\r\n")]);
	c->fields_n = split(c->text, c->fields);
	if (c->names_n && c->fields_n != c->names_n)
		return wrong(c, err, "the line has not as many fields as the first", "");
	return 1;
}

static int csv_open(struct csv *c, const char *path, struct error *err)
{
	int rc;

	memset(c, 0, sizeof *c);
	c->path = path;
	c->f = fopen(path, "r");
	if (!c->f)
		return error_set(err, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
	rc = csv_next(c, err);
	if (rc <= 0 || c->fields_n > FIELDS)
		return rc < 0 ? rc : wrong(c, err, "there is no line with the names of the columns", "");
	memcpy(c->header, c->text, sizeof c->header);
	for (size_t i = 0; i < c->fields_n; i++)
		c->names[i] = c->header + (c->fields[i] - c->text);
	c->names_n = c->fields_n;
	return 0;
}

static void csv_close(struct csv *c)
{
	if (c->f)
		fclose(c->f);
}

static const char *field(const struct csv *c, const char *name)
{
	for (size_t i = 0; i < c->names_n; i++)
		if (strcmp(c->names[i], name) == 0)
			return c->fields[i];
	return NULL;
}

/* An empty field is `empty`; below 0: it must not be. Decimals that are 0 are let through. */
static int number(
	const struct csv *c, const char *name, int64_t max, int64_t empty, int64_t *out, struct error *err)
{
	const char *text = field(c, name);
	char digits[32];
	size_t len = text ? strcspn(text, ".") : 0;

	if (!text)
		return wrong(c, err, "there is no column ", name);
	if (!*text && empty >= 0) {
		*out = empty;
		return 0;
	}
	if (len >= sizeof digits || (text[len] && strspn(text + len + 1, "0") != strlen(text + len + 1)))
		return wrong(c, err, "not a whole number: ", name);
	memcpy(digits, text, len);
	digits[len] = '\0';
	return str_int64(digits, 0, max, out) ? 0 : wrong(c, err, "not a number, or out of range: ", name);
}

/* ---- hosts ---- */

static int read_host(const struct csv *c, struct arena *a, struct trace_host *h, struct error *err)
{
	const char *name = field(c, "sn"), *model = field(c, "model");
	int64_t gpus;

	if (number(c, "cpu_milli", AMOUNT_MAX, -1, &h->cpu, err) < 0 ||
		number(c, "memory_mib", AMOUNT_MAX, -1, &h->ram_mib, err) < 0 ||
		number(c, "gpu", PLACEMENT_GPUS_MAX, 0, &gpus, err) < 0)
		return -1;
	h->gpus = (int)gpus;
	if (!model && gpus)
		return wrong(c, err, "there is no column ", "model");
	h->name = arena_strdup(a, name ? name : "");
	h->model = arena_strdup(a, model ? model : "");
	if (strlen(h->name) >= PLACEMENT_NAME || strlen(h->model) >= PLACEMENT_NAME)
		return wrong(c, err, "a name is too long", "");
	return 0;
}

int trace_read_hosts(struct trace *t, const char *path, struct error *err)
{
	CLEANUP(csv_close) struct csv c;
	size_t cap = 0;
	int rc = csv_open(&c, path, err);

	if (rc < 0)
		return -1;
	while ((rc = csv_next(&c, err)) > 0) {
		if (t->hosts_n == TRACE_HOSTS_MAX)
			return wrong(&c, err, "too many hosts", "");
		if (t->hosts_n == cap) {
			cap = cap ? 2 * cap : 1024;
			t->hosts = xrealloc(t->hosts, cap * sizeof *t->hosts);
		}
		if (read_host(&c, &t->arena, &t->hosts[t->hosts_n], err) < 0)
			return -1;
		t->hosts_n++;
	}
	return rc < 0 || t->hosts_n ? rc : wrong(&c, err, "there is no host", "");
}

/* ---- tasks ---- */

static int read_time(const struct csv *c, const char *name, int64_t *out, struct error *err)
{
	*out = -1;
	if (!field(c, name) || !*field(c, name))
		return 0;
	return number(c, name, INT64_MAX / 4, -1, out, err);
}

static int read_task(const struct csv *c, struct arena *a, struct trace_task *k, struct error *err)
{
	const char *models = field(c, "gpu_spec");
	int64_t gpus, share = 0;

	if (number(c, "cpu_milli", AMOUNT_MAX, -1, &k->cpu, err) < 0 ||
		number(c, "memory_mib", AMOUNT_MAX, -1, &k->ram_mib, err) < 0 ||
		number(c, "num_gpu", PLACEMENT_GPUS_MAX, 0, &gpus, err) < 0 ||
		number(c, "gpu_milli", PLACEMENT_SHARE, 0, &share, err) < 0 ||
		read_time(c, "creation_time", &k->comes, err) < 0 ||
		read_time(c, "deletion_time", &k->goes, err) < 0)
		return -1;
	if (gpus && !share)
		return wrong(c, err, "gpu_milli must be from 1 to 1000 where num_gpu is not 0", "");
	k->gpus = (int)gpus;
	k->share = gpus ? (int)share : 0;
	k->models = gpus && models && *models ? arena_strdup(a, models) : "";
	return strlen(k->models) < PLACEMENT_MODELS ? 0 : wrong(c, err, "too long: ", "gpu_spec");
}

int trace_read_tasks(struct trace *t, const char *path, struct error *err)
{
	CLEANUP(csv_close) struct csv c;
	size_t cap = 0;
	int rc = csv_open(&c, path, err);

	if (rc < 0)
		return -1;
	t->timed = true;
	while ((rc = csv_next(&c, err)) > 0) {
		if (t->tasks_n == TRACE_TASKS_MAX)
			return wrong(&c, err, "too many tasks", "");
		if (t->tasks_n == cap) {
			cap = cap ? 2 * cap : 1024;
			t->tasks = xrealloc(t->tasks, cap * sizeof *t->tasks);
		}
		if (read_task(&c, &t->arena, &t->tasks[t->tasks_n], err) < 0)
			return -1;
		t->timed = t->timed && t->tasks[t->tasks_n].comes >= 0;
		t->tasks_n++;
	}
	return rc < 0 || t->tasks_n ? rc : wrong(&c, err, "there is no task", "");
}

/* ---- for the engine ---- */

int64_t trace_demand(const struct trace_task *task)
{
	return (int64_t)task->gpus * task->share;
}

int64_t trace_capacity(const struct trace *t)
{
	int64_t sum = 0;

	for (size_t i = 0; i < t->hosts_n; i++)
		sum += (int64_t)t->hosts[i].gpus * PLACEMENT_SHARE;
	return sum;
}

void trace_host_set(const struct trace *t, struct placement *p, size_t host, int64_t id)
{
	const struct trace_host *from = &t->hosts[host];
	struct placement_gpu gpus[PLACEMENT_GPUS_MAX];
	struct placement_host h = { .id = id,
		.vcpus = from->cpu,
		.ram_mib = from->ram_mib,
		.vcpu_ratio_milli = 1000,
		.ram_ratio_milli = 1000,
		.disk_ratio_milli = 1000,
		.gpus = gpus,
		.gpus_n = (size_t)from->gpus };

	str_copy(h.name, sizeof h.name, from->name);
	for (int i = 0; i < from->gpus; i++) {
		gpus[i] = (struct placement_gpu) { .id = id * PLACEMENT_GPUS_MAX + i,
			.numa_cell = -1,
			.iommu_group = -1,
			.healthy = true,
			.shared = true };
		str_copy(gpus[i].model, sizeof gpus[i].model, from->model);
	}
	placement_host_set(p, &h);
}

struct placement_request trace_request(const struct trace_task *task)
{
	struct placement_request r = { .vcpus = task->cpu, .ram_mib = task->ram_mib };

	if (task->gpus) {
		r.gpus_n = 1;
		r.gpus[0].count = task->gpus;
		r.gpus[0].share = task->share;
		str_copy(r.gpus[0].model, sizeof r.gpus[0].model, task->models);
	}
	return r;
}

static int by_shape(const void *a, const void *b)
{
	const struct trace_task *x = a, *y = b;
	const int64_t l[] = { x->cpu, x->ram_mib, x->gpus, x->share },
		      r[] = { y->cpu, y->ram_mib, y->gpus, y->share };

	for (size_t i = 0; i < ARRAY_LEN(l); i++)
		if (l[i] != r[i])
			return l[i] < r[i] ? -1 : 1;
	return strcmp(x->models, y->models);
}

void trace_expect(const struct trace *t, struct placement *p, bool churning)
{
	CLEANUP(free_ptr) struct trace_task *sorted = xmalloc((t->tasks_n + 1) * sizeof *sorted);
	CLEANUP(free_ptr) struct placement_request *requests = NULL;
	CLEANUP(free_ptr) uint32_t *weights = xcalloc(PLACEMENT_MIX_MAX, sizeof *weights);
	size_t n = 0;

	requests = xcalloc(PLACEMENT_MIX_MAX, sizeof *requests);
	memcpy(sorted, t->tasks, t->tasks_n * sizeof *sorted);
	qsort(sorted, t->tasks_n, sizeof *sorted, by_shape);
	for (size_t i = 0; i < t->tasks_n; i++) {
		if (n && by_shape(&sorted[i], &sorted[i - 1]) == 0) {
			weights[n - 1]++;
			continue;
		}
		if (n == PLACEMENT_MIX_MAX)
			break;
		requests[n] = trace_request(&sorted[i]);
		weights[n++] = 1;
	}
	placement_mix_set(p, requests, weights, n, churning);
}
