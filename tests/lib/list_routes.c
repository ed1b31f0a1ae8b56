/* SPDX-License-Identifier: Apache-2.0 */
/* Prints "METHOD path" for each row of each service's table: for the check of the docs and for
 * scripts/api-docs. With -v also role, versions and name, tabs between. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"

int main(int argc, char **argv)
{
	static const char *const roles[] = { "none", "any", "reader", "member", "admin" };
	bool all = argc > 1 && strcmp(argv[1], "-v") == 0;
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
	return 0;
}
