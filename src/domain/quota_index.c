/* SPDX-License-Identifier: Apache-2.0 */
/* The index of what projects use: a tree of them, with what each uses itself and with all below it. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "domain/quota.h"

struct node {
	int64_t project;
	uint32_t parent; /* a node's number; 0: none */
	int cap;         /* of both: resources that there is room for */
	int64_t *own, *tree;
};

struct change {
	uint32_t node;
	int resource; /* less than 0: the node hung below another */
	int64_t was;  /* the amount that was added, or that other's number */
};

/* Nodes are never removed: a project that is gone uses nothing. They are numbered from 1. slots is a hash by
 * project of their numbers, 0 free. names are of the resources beyond the table's. */
struct quota_index {
	struct node *nodes;
	size_t nodes_n, nodes_cap;
	uint32_t *slots;
	size_t slots_n; /* a power of two, more than nodes_cap */
	char **names;
	int names_n, names_cap;
	struct change *log;
	size_t log_n, log_cap;
};

struct quota_index *quota_index_create(void)
{
	return xcalloc(1, sizeof(struct quota_index));
}

void quota_index_destroy(struct quota_index *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->nodes_n; i++) {
		free(q->nodes[i].own);
		free(q->nodes[i].tree);
	}
	for (int i = 0; i < q->names_n; i++)
		free(q->names[i]);
	free(q->nodes);
	free(q->slots);
	free(q->names);
	free(q->log);
	free(q);
}

/* ---- names ---- */

int quota_index_resource(struct quota_index *q, const char *name)
{
	enum quota_resource r;

	if (quota_resource_find(name, &r))
		return (int)r;
	for (int i = 0; i < q->names_n; i++)
		if (strcmp(q->names[i], name) == 0)
			return QUOTA_MAX + i;
	if (!quota_gpu_name(name))
		return -1;
	if (q->names_n == q->names_cap) {
		q->names_cap = q->names_cap ? 2 * q->names_cap : 16;
		q->names = xrealloc(q->names, (size_t)q->names_cap * sizeof *q->names);
	}
	q->names[q->names_n] = xstrdup(name);
	return QUOTA_MAX + q->names_n++;
}

const char *quota_index_name(const struct quota_index *q, int resource)
{
	return resource < QUOTA_MAX ? quota_resource_info((enum quota_resource)resource)->name
				    : q->names[resource - QUOTA_MAX];
}

int quota_index_resources(const struct quota_index *q)
{
	return QUOTA_MAX + q->names_n;
}

/* "gpu:h100" of each model in "h100|h200". */
static void count_models(struct quota_index *q, const struct flavor_gpu_want *w, struct quota_amounts *out)
{
	const char *model = w->model[0] ? w->model : "*";
	char name[QUOTA_NAME];
	size_t len;

	for (const char *p = model; *p; p += len + (p[len] == '|')) {
		len = strcspn(p, "|");
		if (!len)
			continue;
		snprintf(
			name, sizeof name, "gpu:%.*s%s%s", (int)len, p, w->profile[0] ? "/" : "", w->profile);
		quota_amounts_add(out, quota_index_resource(q, name), w->count);
	}
}

void quota_count_gpus(struct quota_index *q, const struct flavor_wants *w, struct quota_amounts *out)
{
	int64_t all = flavor_wants_gpus(w);

	if (!all)
		return;
	quota_amounts_add(out, QUOTA_GPUS, all);
	for (size_t i = 0; i < w->gpus_n; i++)
		count_models(q, &w->gpus[i], out);
	if (w->part.count)
		count_models(q, &w->part, out);
}

/* ---- nodes ---- */

/* The slot of the project, or the free one where it belongs. */
static size_t slot_of(const struct quota_index *q, int64_t project)
{
	uint64_t h = (uint64_t)project * UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (size_t)(h >> 32) & (q->slots_n - 1);

	while (q->slots[i] && q->nodes[q->slots[i] - 1].project != project)
		i = (i + 1) & (q->slots_n - 1);
	return i;
}

static void grow(struct quota_index *q)
{
	q->nodes_cap = q->nodes_cap ? 2 * q->nodes_cap : 16;
	q->nodes = xrealloc(q->nodes, q->nodes_cap * sizeof *q->nodes);
	q->slots_n = 2 * q->nodes_cap;
	free(q->slots);
	q->slots = xcalloc(q->slots_n, sizeof *q->slots);
	for (size_t i = 0; i < q->nodes_n; i++)
		q->slots[slot_of(q, q->nodes[i].project)] = (uint32_t)i + 1;
}

/* 0: not known. */
static uint32_t find(const struct quota_index *q, int64_t project)
{
	return q->slots_n ? q->slots[slot_of(q, project)] : 0;
}

static uint32_t have(struct quota_index *q, int64_t project)
{
	uint32_t n = find(q, project);

	if (n)
		return n;
	if (q->nodes_n == q->nodes_cap)
		grow(q);
	n = (uint32_t)++q->nodes_n;
	q->slots[slot_of(q, project)] = n;
	q->nodes[n - 1] = (struct node) { .project = project };
	return n;
}

static void room_for(struct node *n, int resource)
{
	int cap = resource < QUOTA_MAX ? QUOTA_MAX : resource + 8;
	size_t more;

	if (n->own && resource < n->cap)
		return;
	more = (size_t)(cap - n->cap) * sizeof *n->own;
	n->own = xrealloc(n->own, (size_t)cap * sizeof *n->own);
	n->tree = xrealloc(n->tree, (size_t)cap * sizeof *n->tree);
	memset(n->own + n->cap, 0, more);
	memset(n->tree + n->cap, 0, more);
	n->cap = cap;
}

/* To the use of this node and all above it. */
static void add_up(struct quota_index *q, uint32_t node, int resource, int64_t delta)
{
	for (; node; node = q->nodes[node - 1].parent) {
		room_for(&q->nodes[node - 1], resource);
		q->nodes[node - 1].tree[resource] += delta;
	}
}

static void hang(struct quota_index *q, uint32_t node, uint32_t parent)
{
	struct node *n = &q->nodes[node - 1];

	for (int r = 0; r < n->cap; r++)
		if (n->tree[r]) {
			add_up(q, n->parent, r, -n->tree[r]);
			add_up(q, parent, r, n->tree[r]);
		}
	n->parent = parent;
}

static void note(struct quota_index *q, struct change c)
{
	if (q->log_n == q->log_cap) {
		q->log_cap = q->log_cap ? 2 * q->log_cap : 64;
		q->log = xrealloc(q->log, q->log_cap * sizeof *q->log);
	}
	q->log[q->log_n++] = c;
}

/* ---- use ---- */

static bool is_above(const struct quota_index *q, uint32_t top, uint32_t node)
{
	while (node && node != top)
		node = q->nodes[node - 1].parent;
	return node == top;
}

void quota_index_parent(struct quota_index *q, int64_t project, int64_t parent)
{
	uint32_t node = have(q, project), to = parent ? have(q, parent) : 0;

	if (q->nodes[node - 1].parent == to)
		return;
	assert(!to || !is_above(q, node, to)); /* projects hang in a tree */
	note(q, (struct change) { node, -1, q->nodes[node - 1].parent });
	hang(q, node, to);
}

void quota_index_add(struct quota_index *q, int64_t project, int resource, int64_t delta)
{
	uint32_t node;

	if (!delta)
		return;
	node = have(q, project);
	room_for(&q->nodes[node - 1], resource);
	q->nodes[node - 1].own[resource] += delta;
	add_up(q, node, resource, delta);
	note(q, (struct change) { node, resource, delta });
}

void quota_index_add_all(struct quota_index *q, int64_t project, const struct quota_amounts *a, int64_t times)
{
	for (size_t i = 0; i < a->n; i++)
		quota_index_add(q, project, a->at[i].resource, times * a->at[i].n);
}

static const struct node *read_node(const struct quota_index *q, int64_t project, int resource)
{
	uint32_t n = find(q, project);

	return n && resource >= 0 && resource < q->nodes[n - 1].cap ? &q->nodes[n - 1] : NULL;
}

int64_t quota_index_get(const struct quota_index *q, int64_t project, int resource)
{
	const struct node *n = read_node(q, project, resource);

	return n ? n->own[resource] : 0;
}

int64_t quota_index_tree(const struct quota_index *q, int64_t project, int resource)
{
	const struct node *n = read_node(q, project, resource);

	return n ? n->tree[resource] : 0;
}

/* ---- the journal ---- */

size_t quota_index_mark(const struct quota_index *q)
{
	return q->log_n;
}

void quota_index_undo(struct quota_index *q, size_t mark)
{
	while (q->log_n > mark) {
		const struct change *c = &q->log[--q->log_n];

		if (c->resource < 0) {
			hang(q, c->node, (uint32_t)c->was);
			continue;
		}
		q->nodes[c->node - 1].own[c->resource] -= c->was;
		add_up(q, c->node, c->resource, -c->was);
	}
}

void quota_index_forget(struct quota_index *q)
{
	q->log_n = 0;
}

/* ---- as text ---- */

static int by_project(const void *a, const void *b)
{
	const struct node *const *x = a, *const *y = b;

	return ((*x)->project > (*y)->project) - ((*x)->project < (*y)->project);
}

struct name {
	const char *text;
	int resource;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

/* Numbers of names depend on who was asked for first. */
static struct name *names_sorted(const struct quota_index *q)
{
	size_t n = (size_t)quota_index_resources(q);
	struct name *names = xmalloc(n * sizeof *names);

	for (size_t i = 0; i < n; i++)
		names[i] = (struct name) { quota_index_name(q, (int)i), (int)i };
	qsort(names, n, sizeof *names, by_name);
	return names;
}

void quota_index_dump(const struct quota_index *q, struct buf *out)
{
	CLEANUP(free_ptr) const struct node **nodes = xmalloc((q->nodes_n + 1) * sizeof *nodes);
	CLEANUP(free_ptr) struct name *names = names_sorted(q);

	for (size_t i = 0; i < q->nodes_n; i++)
		nodes[i] = &q->nodes[i];
	qsort(nodes, q->nodes_n, sizeof *nodes, by_project);
	for (size_t i = 0; i < q->nodes_n; i++)
		for (int k = 0; k < quota_index_resources(q); k++) {
			int r = names[k].resource;

			if (r < nodes[i]->cap && (nodes[i]->own[r] || nodes[i]->tree[r]))
				buf_printf(out, "%" PRId64 " %s %" PRId64 " %" PRId64 "\n", nodes[i]->project,
					names[k].text, nodes[i]->own[r], nodes[i]->tree[r]);
		}
}
