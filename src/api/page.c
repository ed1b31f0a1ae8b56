/* SPDX-License-Identifier: Apache-2.0 */
/* Paging and sorting of lists, and the URLs in replies: the same for all services. */
#include "api/internal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

/* What the first proxy on the way says; NULL when it says nothing that could be part of a URL. */
static const char *forwarded(struct api_call *c, const char *header)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:[]/";
	const char *value = http_header(c->http, header);
	size_t n = value ? strcspn(value, ", ") : 0;

	return n && strspn(value, allowed) >= n ? arena_strndup(c->arena, value, n) : NULL;
}

/* Where the caller found us: scheme, host and port, and what a proxy has put before our paths. */
static const char *base_url(struct api_call *c)
{
	const char *proto, *host, *prefix;
	size_t n;

	if (c->api->config.public_url)
		return c->api->config.public_url;
	proto = forwarded(c, "X-Forwarded-Proto");
	host = forwarded(c, "X-Forwarded-Host");
	prefix = forwarded(c, "X-Forwarded-Prefix");
	if (!proto)
		proto = c->http->is_unix ? "http" : "https";
	if (!host)
		host = forwarded(c, "Host");
	n = prefix && prefix[0] == '/' ? strlen(prefix) : 0;
	while (n && prefix[n - 1] == '/')
		n--;
	return arena_printf(c->arena, "%s://%s%.*s", str_eq(proto, "http") ? "http" : "https",
		host ? host : "localhost", (int)n, n ? prefix : "");
}

const char *api_url(struct api_call *c, const char *fmt, ...)
{
	const char *base = base_url(c);
	char path[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof path, fmt, ap);
	va_end(ap);
	return arena_printf(c->arena, "%s%s", base, path);
}

int api_limit(struct api_call *c, int64_t *out, bool *out_given, struct error *err)
{
	const char *text = api_query(c, "limit");
	int64_t limit = c->api->config.list_max;

	if (text && !str_int64(text, 0, INT64_MAX, &limit))
		return error_set(
			err, ERR_BAD_REQUEST, "limit must be an integer of at least 0, not '%.32s'", text);
	*out = limit > c->api->config.list_max ? c->api->config.list_max : limit;
	if (out_given)
		*out_given = text != NULL;
	return 0;
}

int api_marker_missing(const char *marker, struct error *err)
{
	return error_set(err, ERR_BAD_REQUEST, "marker [%.128s] not found", marker);
}

int api_page_start(const struct api_page *page, const void *list, size_t n, size_t size, size_t offset,
	size_t *out, struct error *err)
{
	size_t i = 0;

	*out = 0;
	if (!page->marker)
		return 0;
	while (i < n && strcmp(*(const char *const *)(const void *)((const char *)list + i * size + offset),
				page->marker) != 0)
		i++;
	*out = i + 1;
	return i < n ? 0 : api_marker_missing(page->marker, err);
}

int api_page(struct api_call *c, const char *const *keys, bool default_descending, struct api_page *out,
	struct error *err)
{
	const char *key = api_query(c, "sort_key"), *dir = api_query(c, "sort_dir");
	struct api_page page = {
		.marker = api_query(c, "marker"), .sort_key = keys[0], .descending = default_descending
	};

	if (api_limit(c, &page.limit, &page.limit_given, err) < 0)
		return -1;
	if (key) {
		size_t i = 0;

		while (keys[i] && strcmp(keys[i], key) != 0)
			i++;
		if (!keys[i])
			return error_set(err, ERR_BAD_REQUEST,
				"sort_key '%.64s' is not one that this list can be sorted by", key);
		page.sort_key = keys[i];
	}
	if (dir) {
		if (!str_eq(dir, "asc") && !str_eq(dir, "desc"))
			return error_set(
				err, ERR_BAD_REQUEST, "sort_dir must be 'asc' or 'desc', not '%.32s'", dir);
		page.descending = str_eq(dir, "desc");
	}
	*out = page;
	return 0;
}

static void append_encoded(struct buf *b, const char *s)
{
	for (; *s; s++) {
		if (isalnum((unsigned char)*s) || strchr("-_.~", *s))
			buf_append(b, s, 1);
		else
			buf_printf(b, "%%%02X", (unsigned char)*s);
	}
}

const char *api_next_url(struct api_call *c, const char *marker)
{
	struct buf b = { 0 };
	const char *url;

	buf_puts(&b, base_url(c));
	buf_puts(&b, c->http->path);
	buf_puts(&b, "?");
	for (size_t i = 0; i < c->http->query_n; i++) {
		if (strcmp(c->http->query[i].name, "marker") == 0)
			continue;
		append_encoded(&b, c->http->query[i].name);
		buf_puts(&b, "=");
		append_encoded(&b, c->http->query[i].value);
		buf_puts(&b, "&");
	}
	buf_puts(&b, "marker=");
	append_encoded(&b, marker);
	url = arena_strdup(c->arena, buf_text(&b));
	buf_finish(&b);
	return url;
}

void api_link(struct api_call *c, const char *rel, const char *href)
{
	jw_object(&c->out);
	jw_kv_str(&c->out, "rel", rel);
	jw_kv_str(&c->out, "href", href);
	jw_end_object(&c->out);
}

void api_next_link(struct api_call *c, const char *name, const char *marker)
{
	jw_key(&c->out, name);
	jw_array(&c->out);
	api_link(c, "next", api_next_url(c, marker));
	jw_end_array(&c->out);
}
