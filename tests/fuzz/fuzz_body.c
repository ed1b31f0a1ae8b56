/* SPDX-License-Identifier: Apache-2.0 */
/* Every table of a body under arbitrary text. The first line of an input is a route and a minor version
 * ("POST /compute/v2.1/servers 93"), or anything, which picks one by chance; the rest is the body. What is
 * refused says why; what is taken is taken again, and gives the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/util.h"
#include "fuzz_replay.h"

enum { ROUTES_MAX = 1000, VERSIONS = 100 };

static struct {
	const struct bind_table *table;
	char *name;
} bodies[ROUTES_MAX];
static size_t bodies_n;

static void learn(void)
{
	const struct api_service *const *s;
	size_t n;

	s = api_services(&n);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < s[i]->routes_n && bodies_n < ROUTES_MAX; j++) {
			const struct api_route *r = &s[i]->routes[j];

			if (!r->body)
				continue;
			bodies[bodies_n].table = r->body;
			bodies[bodies_n++].name = xasprintf("%s %s%s", r->method, s[i]->prefix, r->path);
		}
	if (!bodies_n)
		abort();
}

static const struct bind_table *pick(const char *line, size_t n, int *version)
{
	size_t sum = 0;

	for (size_t i = 0; i < bodies_n; i++) {
		size_t len = strlen(bodies[i].name);

		if (n > len && memcmp(line, bodies[i].name, len) == 0 && line[len] == ' ') {
			*version = atoi(line + len + 1) % VERSIONS;
			return bodies[i].table;
		}
	}
	for (size_t i = 0; i < n; i++)
		sum = sum * 31 + (unsigned char)line[i];
	*version = (int)(sum / bodies_n % VERSIONS);
	return bodies[sum % bodies_n].table;
}

static void check(const json_t *body, const struct bind_table *t, int version)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct error err = { 0 }, err2 = { 0 };
	struct bind_seen seen = { 0 }, seen2 = { 0 };
	int rc = bind_body(body, t, version, &a, arena_alloc(&a, t->size), &seen, &err);

	if (rc < 0 && (err.code != ERR_BAD_REQUEST || !err.msg[0]))
		abort();
	if (bind_body(body, t, version, &a, arena_alloc(&a, t->size), &seen2, &err2) != rc ||
		strcmp(err.msg, err2.msg) != 0 || seen.present != seen2.present)
		abort();
	if (rc == 0 && t->n < BIND_FIELDS_MAX && seen.present >> t->n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* ends with NUL, for atoi */
	CLEANUP(free_ptr) char *text = xcalloc(n + 1, 1);
	const struct bind_table *t;
	struct error err;
	char *line_end;
	json_t *body;
	int version = 0;

	if (!bodies_n)
		learn();
	memcpy(text, n ? (const void *)data : "", n);
	line_end = memchr(text, '\n', n);
	if (!line_end)
		return 0;
	*line_end = '\0';
	t = pick(text, (size_t)(line_end - text), &version);
	body = bind_parse(line_end + 1, n - (size_t)(line_end + 1 - text), &err);
	check(body, t, version);
	json_decref(body);
	return 0;
}
