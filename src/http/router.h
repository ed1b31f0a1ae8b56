/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the row of a route table for a method and a path. Tables are handed in; patterns have literal
 * segments and {names}: "/compute/v2.1/servers/{server_id}". A literal wins over a name. */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include <stddef.h>

#include "base/arena.h"
#include "http/http.h"

enum { ROUTE_PARAMS_MAX = 6 };

struct router;

struct route_param {
	const char *name, *value; /* the value decoded (RFC 3986), in the request's arena */
};

struct route_match {
	const void *entry; /* what router_add was given; NULL: no such path, or not with this method */
	bool path_known;   /* the path exists; with entry NULL, for other methods (405) */
	struct route_param params[ROUTE_PARAMS_MAX];
	size_t params_n;
	const void *row; /* for router_next */
};

struct router *router_create(void);
void router_destroy(struct router *r);
/* Several entries for one method and pattern are kept in the order added (see router_next). Pattern, method
 * text and entry are borrowed and must outlive the router. A pattern that clashes in its {names} only is
 * fine. */
void router_add(struct router *r, enum http_method method, const char *pattern, const void *entry);
/* HEAD finds GET's row when there is none of its own. Segments that do not decode to valid UTF-8 match
 * nothing. */
void router_find(const struct router *r, enum http_method method, const char *path, struct arena *arena,
	struct route_match *out);
/* The next entry for the same method and pattern, or NULL (routes that differ by API version). */
const void *router_next(
	const struct router *r, enum http_method method, const struct route_match *m, const void *entry);

#endif
