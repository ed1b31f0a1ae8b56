/* SPDX-License-Identifier: Apache-2.0 */
/* Microversions: from the request's headers to c->version, and the headers that say which one was used. */
#include "api/internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"

/* The part for `name` in "compute 2.79, placement 1.30": a pointer to its version text, or NULL. */
static const char *own_part(const char *header, const char *name, size_t *len)
{
	size_t name_n = strlen(name);

	for (const char *p = header; *p;) {
		const char *end = strchr(p, ',');
		size_t n = end ? (size_t)(end - p) : strlen(p);

		while (n && isspace((unsigned char)*p)) {
			p++;
			n--;
		}
		if (n > name_n && strncasecmp(p, name, name_n) == 0 && p[name_n] == ' ') {
			const char *v = p + name_n;

			for (n -= name_n; n && isspace((unsigned char)*v); v++)
				n--;
			while (n && isspace((unsigned char)v[n - 1]))
				n--;
			*len = n;
			return v;
		}
		p = end ? end + 1 : p + n;
	}
	return NULL;
}

static int parse_version(struct api_call *c, const char *text, struct error *err)
{
	const struct api_service *s = c->service;
	const char *dot = strchr(text, '.');
	int64_t major, minor;

	if (str_eq(text, "latest")) {
		c->version = s->version_max;
		return 0;
	}
	if (!dot || !str_int64(arena_strndup(c->arena, text, (size_t)(dot - text)), 1, 99, &major) ||
		!str_int64(dot + 1, 0, 9999, &minor) || strlen(text) > 8)
		return error_set(err, ERR_BAD_REQUEST,
			"API Version String %.32s is of invalid format. Must be of format MajorNum.MinorNum.",
			text);
	if (major != s->version_major || minor < s->version_min || minor > s->version_max)
		return error_set(err, ERR_NOT_ACCEPTABLE,
			"Version %s is not supported by the API. Minimum is %d.%d and maximum is %d.%d.",
			text, s->version_major, s->version_min, s->version_major, s->version_max);
	c->version = (int)minor;
	return 0;
}

int version_negotiate(struct api_call *c, struct error *err)
{
	const struct api_service *s = c->service;
	const char *header, *v;
	size_t n;

	c->version = s->version_min;
	if (!s->version_name)
		return 0;
	header = http_header(c->http, "OpenStack-API-Version");
	if (header && (v = own_part(header, s->version_name, &n)))
		return parse_version(c, arena_strndup(c->arena, v, n), err);
	header = s->version_legacy ? http_header(c->http, s->version_legacy) : NULL;
	return header ? parse_version(c, header, err) : 0;
}

void version_headers(struct api_call *c)
{
	const struct api_service *s = c->service;

	if (!s || !s->version_name)
		return;
	api_header(c, "OpenStack-API-Version",
		arena_printf(c->arena, "%s %d.%d", s->version_name, s->version_major, c->version));
	api_header(c, "Vary", "OpenStack-API-Version");
	if (s->version_legacy) {
		api_header(
			c, s->version_legacy, arena_printf(c->arena, "%d.%d", s->version_major, c->version));
		api_header(c, "Vary", s->version_legacy);
	}
}
