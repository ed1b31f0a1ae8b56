/* SPDX-License-Identifier: Apache-2.0 */
/* The request as handlers see it: path, query and header lookups. */
#include <string.h>
#include <strings.h>

#include "base/util.h"
#include "http/conn.h"
#include "http/uri.h"

const char *http_header(const struct http_request *r, const char *name)
{
	for (size_t i = 0; i < r->headers_n; i++)
		if (!strcasecmp(r->headers[i].name, name))
			return r->headers[i].value;
	return NULL;
}

const char *http_query(const struct http_request *r, const char *name)
{
	for (size_t i = 0; i < r->query_n; i++)
		if (!strcmp(r->query[i].name, name))
			return r->query[i].value;
	return NULL;
}

/* Slashes collapsed, none at the end. */
static void path_tidy(char *path)
{
	char *out = path;

	for (const char *p = path; *p; p++)
		if (*p != '/' || out == path || out[-1] != '/')
			*out++ = *p;
	if (out > path + 1 && out[-1] == '/')
		out--;
	*out = '\0';
}

static int query_decode(struct conn *c)
{
	struct http_request *r = &c->req;
	const char *p = r->raw_query;
	struct http_pair *pairs;
	size_t n = 1;

	if (!*p)
		return 0;
	for (const char *q = p; *q; q++)
		n += *q == '&';
	pairs = ARENA_ARRAY(&r->arena, struct http_pair, n);
	for (n = 0; *p; p += *p == '&') {
		size_t len = strcspn(p, "&"), name_n = strcspn(p, "=&");

		if (len) {
			size_t at = name_n < len ? name_n + 1 : len;

			pairs[n].name = uri_decode(&r->arena, p, name_n, true);
			pairs[n].value = uri_decode(&r->arena, p + at, len - at, true);
			if (!pairs[n].name || !pairs[n].value)
				return -1;
			n++;
		}
		p += len;
	}
	r->query = pairs;
	r->query_n = n;
	return 0;
}

/* "/path?query", "http://host/path?query" (RFC 9112 section 3.2.2) or "*". */
static char *target_path(char *target, enum http_method method)
{
	char *host;
	size_t n;

	if (target[0] == '/')
		return target;
	if (!strcmp(target, "*"))
		return method == HTTP_OPTIONS ? target : NULL;
	if (strncasecmp(target, "http://", 7) && strncasecmp(target, "https://", 8))
		return NULL;
	host = strchr(target, ':') + 3;
	n = strcspn(host, "/?");
	if (!n)
		return NULL;
	if (host[n] == '/')
		return host + n;
	/* "http://host?query": the path is "/", which finds room where the host was. */
	memmove(host + 1, host + n, strlen(host + n) + 1);
	host[0] = '/';
	return host;
}

int request_fill(struct conn *c)
{
	struct http_request *r = &c->req;
	char *path = target_path(c->msg.target, c->msg.method), *query;

	if (!path) {
		c->msg.status = 400;
		c->msg.why = "malformed request target";
		return -1;
	}
	query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	path_tidy(path);
	r->method = c->msg.method;
	r->method_name = c->msg.method_name;
	r->path = path;
	r->raw_query = query ? query : "";
	r->headers = c->msg.headers;
	r->headers_n = c->msg.headers_n;
	r->content_length = c->msg.content_length;
	if (query_decode(c)) {
		c->msg.status = 400;
		c->msg.why = "the query string is not percent-encoded UTF-8";
		return -1;
	}
	return 0;
}

void request_clear(struct conn *c)
{
	struct http_request *r = &c->req;

	if (r->arena.head)
		arena_finish(&r->arena);
	r->headers = r->query = NULL;
	r->headers_n = r->query_n = r->body_n = 0;
	r->path = r->raw_query = r->method_name = r->body = NULL;
	r->data = NULL;
}
