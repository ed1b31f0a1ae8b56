/* SPDX-License-Identifier: Apache-2.0 */
/* How every list of the network service is filtered, sorted, paged and cut to fields: by the attributes
 * themselves. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/network/network.h"
#include "base/util.h"

static bool is_control(const char *name)
{
	static const char *const names[] = { "limit", "marker", "page_reverse", "sort_key", "sort_dir",
		"fields", "fixed_ips" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool value_matches(const json_t *v, const char *text)
{
	bool want;
	char number[32];

	if (json_is_string(v))
		return strcmp(json_string_value(v), text) == 0;
	if (json_is_boolean(v))
		return str_bool(text, &want) && want == json_is_true(v);
	if (json_is_integer(v)) {
		snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
		return strcmp(number, text) == 0;
	}
	return json_is_null(v) && !*text;
}

/* fixed_ips=ip_address=10.0.0.5 or subnet_id=… */
static bool fixed_ip_matches(const json_t *item, const char *text)
{
	const char *eq = strchr(text, '=');
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(item, "fixed_ips"), i,
		entry) if (eq && str_eq(json_string_value(json_object_getn(entry, text, (size_t)(eq - text))),
					 eq + 1)) return true;
	return false;
}

bool network_filter(const struct api_call *c, const json_t *item)
{
	const struct http_pair *q = c->http->query;

	for (size_t i = 0; i < c->http->query_n; i++) {
		const json_t *v = json_object_get(item, q[i].name);
		bool any = false;

		if (strcmp(q[i].name, "fixed_ips") == 0 && !fixed_ip_matches(item, q[i].value))
			return false;
		if (is_control(q[i].name) || !v)
			continue;
		for (size_t j = 0; j < c->http->query_n && !any; j++)
			any = strcmp(q[j].name, q[i].name) == 0 && value_matches(v, q[j].value);
		if (!any)
			return false;
	}
	return true;
}

void network_fields(const struct api_call *c, json_t *item)
{
	const char *key;
	json_t *v;
	void *tmp;

	if (!api_query(c, "fields"))
		return;
	json_object_foreach_safe(item, tmp, key, v)
	{
		bool wanted = false;

		for (size_t i = 0; i < c->http->query_n && !wanted; i++)
			wanted = strcmp(c->http->query[i].name, "fields") == 0 &&
				 strcmp(c->http->query[i].value, key) == 0;
		if (!wanted)
			json_object_del(item, key);
	}
}

static void write_value(struct api_call *c, const json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);

	jw_raw(&c->out, text, strlen(text));
	free(text);
}

/* Index of the marker's item, or -1. */
static long find_marker(const json_t *items, const char *marker)
{
	json_t *item;
	size_t i;

	json_array_foreach(items, i,
		item) if (str_eq(json_string_value(json_object_get(item, "id")), marker)) return (long)i;
	return -1;
}

static int compare_values(const json_t *a, const json_t *b)
{
	if (json_is_string(a) && json_is_string(b))
		return strcmp(json_string_value(a), json_string_value(b));
	if (json_is_integer(a) && json_is_integer(b))
		return json_integer_value(a) < json_integer_value(b)
			       ? -1
			       : json_integer_value(a) > json_integer_value(b);
	return json_is_true(a) - json_is_true(b);
}

struct order {
	const char *key;
	bool descending;
};

static int compare_items(const void *pa, const void *pb, void *arg)
{
	const json_t *a = *(json_t *const *)pa, *b = *(json_t *const *)pb;
	const struct order *o = arg;
	int d = compare_values(json_object_get(a, o->key), json_object_get(b, o->key));

	if (!d)
		d = compare_values(json_object_get(a, "id"), json_object_get(b, "id"));
	return o->descending ? -d : d;
}

/* The items that pass the filter, in order: a new array. */
static json_t *selected(struct api_call *c, json_t *items)
{
	struct order order = { api_query(c, "sort_key"), str_eq(api_query(c, "sort_dir"), "desc") };
	size_t n = 0, all = json_array_size(items);
	json_t **v = ARENA_ARRAY(c->arena, json_t *, all + 1);
	json_t *out = json_array(), *item;
	size_t i;

	json_array_foreach(items, i, item) if (network_filter(c, item)) v[n++] = item;
	if (order.key)
		qsort_r(v, n, sizeof *v, compare_items, &order);
	for (i = 0; i < n; i++)
		json_array_append(out, v[i]);
	return out;
}

int network_reply_list(struct api_call *c, const char *collection, json_t *items, struct error *err)
{
	const char *marker = api_query(c, "marker"), *last = NULL;
	json_t *chosen, *item;
	int64_t limit;
	long at = -1;
	size_t i, n = 0;

	chosen = selected(c, items);
	json_decref(items);
	if (api_limit(c, &limit, NULL, err) < 0) {
		json_decref(chosen);
		return -1;
	}
	if (marker && (at = find_marker(chosen, marker)) < 0) {
		json_decref(chosen);
		return api_marker_missing(marker, err);
	}
	jw_object(&c->out);
	jw_key(&c->out, collection);
	jw_array(&c->out);
	for (i = (size_t)(at + 1); i < json_array_size(chosen) && (int64_t)n < limit; i++, n++) {
		item = json_array_get(chosen, i);
		last = arena_strdup(c->arena, json_string_value(json_object_get(item, "id")));
		network_fields(c, item);
		write_value(c, item);
	}
	jw_end_array(&c->out);
	if (last && i < json_array_size(chosen)) {
		api_next_link(c, arena_printf(c->arena, "%s_links", collection), last);
	}
	jw_end_object(&c->out);
	json_decref(chosen);
	return 0;
}

int network_reply_one(struct api_call *c, const char *name, json_t *item)
{
	if (json_is_object(item))
		network_fields(c, item);
	jw_object(&c->out);
	jw_key(&c->out, name);
	write_value(c, item);
	jw_end_object(&c->out);
	json_decref(item);
	return 0;
}
