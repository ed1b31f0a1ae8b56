/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of path segments. Below each node the literal children are tried first, then the one named child. */
#include "http/router.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "http/uri.h"

enum { SEGMENTS_MAX = 32, METHODS = HTTP_OTHER + 1 };

struct row {
	struct row *next; /* same method and pattern, in the order added */
	const char *pattern;
	const void *entry;
};

struct node {
	char *literal; /* NULL: a {name} */
	size_t literal_n;
	struct node *sibling, *children, *named;
	struct row *rows[METHODS];
};

struct router {
	struct node root;
};

struct segment {
	const char *p;
	size_t n;
};

struct search {
	const struct segment *segments;
	size_t n;
	enum http_method method;
	bool path_known;
	struct row *row;
};

struct router *router_create(void)
{
	return xcalloc(1, sizeof(struct router));
}

static void node_free(struct node *n)
{
	struct node *next;
	struct row *row_next;

	for (size_t i = 0; i < METHODS; i++)
		for (struct row *r = n->rows[i]; r; r = row_next) {
			row_next = r->next;
			free(r);
		}
	for (struct node *c = n->children; c; c = next) {
		next = c->sibling;
		node_free(c);
		free(c);
	}
	if (n->named)
		node_free(n->named);
	free(n->named);
	free(n->literal);
}

void router_destroy(struct router *r)
{
	if (r)
		node_free(&r->root);
	free(r);
}

/* The next segment of a path or pattern; false at its end. */
static bool segment_next(const char **p, struct segment *out)
{
	while (**p == '/')
		(*p)++;
	out->p = *p;
	out->n = strcspn(*p, "/");
	*p += out->n;
	return out->n > 0;
}

static struct node *child_find(const struct node *n, const struct segment *s)
{
	for (struct node *c = n->children; c; c = c->sibling)
		if (c->literal_n == s->n && !memcmp(c->literal, s->p, s->n))
			return c;
	return NULL;
}

static struct node *child_get(struct node *n, const struct segment *s)
{
	struct node *c;

	if (s->p[0] == '{') {
		if (!n->named)
			n->named = xcalloc(1, sizeof *n->named);
		return n->named;
	}
	c = child_find(n, s);
	if (c)
		return c;
	c = xcalloc(1, sizeof *c);
	c->literal = xmalloc(s->n + 1);
	memcpy(c->literal, s->p, s->n);
	c->literal[s->n] = '\0';
	c->literal_n = s->n;
	c->sibling = n->children;
	n->children = c;
	return c;
}

void router_add(struct router *r, enum http_method method, const char *pattern, const void *entry)
{
	struct node *n = &r->root;
	struct row *row = xcalloc(1, sizeof *row), **end;
	const char *p = pattern;
	struct segment s;

	while (segment_next(&p, &s))
		n = child_get(n, &s);
	row->pattern = pattern;
	row->entry = entry;
	for (end = &n->rows[method]; *end; end = &(*end)->next)
		;
	*end = row;
}

static bool node_accepts(struct search *s, const struct node *n)
{
	s->row = n->rows[s->method];
	if (!s->row && s->method == HTTP_HEAD)
		s->row = n->rows[HTTP_GET];
	for (size_t i = 0; i < METHODS && !s->path_known; i++)
		s->path_known = n->rows[i] != NULL;
	return s->row != NULL;
}

/* Depth is bounded by the patterns. */
static bool walk(struct search *s, const struct node *n, size_t at)
{
	const struct node *c;

	if (at == s->n)
		return node_accepts(s, n);
	c = child_find(n, &s->segments[at]);
	if (c && walk(s, c, at + 1))
		return true;
	return n->named && walk(s, n->named, at + 1);
}

/* Segments of the path, decoded. -1: too many for any pattern, or not text. */
static int path_split(const char *path, struct arena *arena, struct segment out[SEGMENTS_MAX], size_t *out_n)
{
	struct segment s;
	size_t n = 0;

	for (; segment_next(&path, &s); n++) {
		if (n == SEGMENTS_MAX)
			return -1;
		if (memchr(s.p, '%', s.n)) {
			s.p = uri_decode(arena, s.p, s.n, false);
			if (!s.p)
				return -1;
			s.n = strlen(s.p);
		} else if (!utf8_valid(s.p, s.n)) {
			return -1;
		}
		out[n] = s;
	}
	*out_n = n;
	return 0;
}

/* The names come from the row's own pattern: two rows may call one segment differently. */
static void params_fill(const struct search *s, struct arena *arena, struct route_match *out)
{
	const char *p = s->row->pattern;
	struct segment name;

	for (size_t i = 0; i < s->n && segment_next(&p, &name); i++) {
		struct route_param *param = &out->params[out->params_n];

		if (name.p[0] != '{' || name.n < 2 || out->params_n == ROUTE_PARAMS_MAX)
			continue;
		param->name = arena_strndup(arena, name.p + 1, name.n - 2);
		param->value = arena_strndup(arena, s->segments[i].p, s->segments[i].n);
		out->params_n++;
	}
}

void router_find(const struct router *r, enum http_method method, const char *path, struct arena *arena,
	struct route_match *out)
{
	struct segment segments[SEGMENTS_MAX];
	struct search s = { .segments = segments, .method = method };

	*out = (struct route_match) { 0 };
	if (path_split(path, arena, segments, &s.n))
		return;
	walk(&s, &r->root, 0);
	out->path_known = s.path_known;
	if (!s.row)
		return;
	out->entry = s.row->entry;
	out->row = s.row;
	params_fill(&s, arena, out);
}

const void *router_next(
	const struct router *r, enum http_method method, const struct route_match *m, const void *entry)
{
	(void)r;
	(void)method;
	for (const struct row *row = m->row; row; row = row->next)
		if (row->entry == entry)
			return row->next ? row->next->entry : NULL;
	return NULL;
}
