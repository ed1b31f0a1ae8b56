/* SPDX-License-Identifier: Apache-2.0 */
/* Prints "METHOD path" for each row of each service's table: for the check of the docs and for
 * scripts/api-docs. With -v also role, versions and name, tabs between. With -j all of the tables as one JSON
 * document, those of the bodies too: the tests of every route are made of it. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/util.h"

static const char *const roles[] = { "none", "any", "reader", "member", "admin" };

static void print_lines(bool all)
{
	const struct api_service *const *s;
	size_t n;

	s = api_services(&n);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < s[i]->routes_n; j++) {
			const struct api_route *r = &s[i]->routes[j];

			printf(all ? "%s\t%s%s\t%s\t%d\t%d\t%s\t%u\n" : "%s %s%s\n", r->method, s[i]->prefix,
				r->path, roles[r->role], r->since, r->until, r->name ? r->name : "",
				r->flags);
		}
	}
}

static void write_table(struct buf *b, const struct bind_table *t);

static void write_kind(struct buf *b, const struct bind_field *f)
{
	static const char *const types[] = { "str", "int", "bool", "num", "obj", "arr", "any" };
	static const struct {
		int flag;
		const char *name;
	} flags[] = {
		{ BIND_NULL, "null" },
		{ BIND_LOOSE, "loose" },
		{ BIND_ANY_CASE, "any_case" },
	};

	jw_kv_str(b, "type", types[f->type]);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		jw_kv_bool(b, flags[i].name, f->flags & flags[i].flag);
	jw_kv_int(b, "min", f->min);
	jw_kv_int(b, "max", f->max);
	jw_key(b, "words");
	jw_array(b);
	for (const char *const *w = f->words; w && *w; w++)
		jw_str(b, *w);
	jw_end_array(b);
	jw_key(b, "items");
	if (f->items) {
		jw_object(b);
		write_kind(b, f->items);
		jw_end_object(b);
	} else {
		jw_null(b);
	}
	jw_key(b, "table");
	write_table(b, f->table);
}

static void write_field(struct buf *b, const struct bind_table *t, size_t i)
{
	const struct bind_field *f = bind_field_at(t, i);

	jw_object(b);
	jw_kv_str(b, "name", f->name);
	jw_kv_bool(b, "required", (f->flags & BIND_REQUIRED) || (t->required >> i & 1));
	jw_kv_int(b, "since", f->since);
	jw_kv_int(b, "until", f->until);
	write_kind(b, f);
	jw_end_object(b);
}

static void write_table(struct buf *b, const struct bind_table *t)
{
	if (!t) {
		jw_null(b);
		return;
	}
	jw_object(b);
	jw_kv_str(b, "top", t->top);
	jw_kv_bool(b, "one", t->flags & BIND_ONE);
	jw_kv_bool(b, "optional", t->flags & BIND_OPTIONAL);
	jw_kv_bool(b, "links", t->flags & BIND_LINKS);
	jw_key(b, "more");
	if (t->more) {
		jw_object(b);
		write_kind(b, t->more);
		jw_end_object(b);
	} else {
		jw_null(b);
	}
	jw_key(b, "fields");
	jw_array(b);
	for (size_t i = 0; i < t->n; i++)
		write_field(b, t, i);
	jw_end_array(b);
	jw_end_object(b);
}

static void write_route(struct buf *b, const struct api_service *s, const struct api_route *r)
{
	static const struct {
		unsigned flag;
		const char *name;
	} flags[] = {
		{ ROUTE_OWN, "own" },
		{ ROUTE_STREAM, "stream" },
		{ ROUTE_RAW_BODY, "raw_body" },
		{ ROUTE_NO_BODY, "no_body" },
		{ ROUTE_ANY_JSON, "any_json" },
	};

	jw_object(b);
	jw_kv_str(b, "method", r->method);
	jw_key(b, "path");
	jw_strf(b, "%s%s", s->prefix, r->path);
	jw_kv_str(b, "role", roles[r->role]);
	jw_kv_int(b, "since", r->since);
	jw_kv_int(b, "until", r->until);
	jw_kv_str(b, "name", r->name);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		jw_kv_bool(b, flags[i].name, r->flags & flags[i].flag);
	jw_key(b, "body");
	write_table(b, r->body);
	jw_end_object(b);
}

static void print_json(void)
{
	const struct api_service *const *s;
	struct buf b = { 0 };
	size_t n;

	s = api_services(&n);
	jw_array(&b);
	for (size_t i = 0; i < n; i++) {
		jw_object(&b);
		jw_kv_str(&b, "name", s[i]->name);
		jw_kv_str(&b, "prefix", s[i]->prefix);
		jw_kv_int(&b, "version_min", s[i]->version_min);
		jw_kv_int(&b, "version_max", s[i]->version_max);
		jw_key(&b, "routes");
		jw_array(&b);
		for (size_t j = 0; j < s[i]->routes_n; j++)
			write_route(&b, s[i], &s[i]->routes[j]);
		jw_end_array(&b);
		jw_end_object(&b);
	}
	jw_end_array(&b);
	puts(buf_text(&b));
	buf_finish(&b);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "-j") == 0)
		print_json();
	else
		print_lines(argc > 1 && strcmp(argv[1], "-v") == 0);
	return 0;
}
