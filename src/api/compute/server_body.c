/* SPDX-License-Identifier: Apache-2.0 */
#include "api/compute/server_body.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/util.h"
#include "domain/names.h"
#include "store/quotas.h"

int server_check_address(const char *field, const char *text, bool is_v6, struct error *err)
{
	unsigned char raw[16];

	if (!*text || inet_pton(is_v6 ? AF_INET6 : AF_INET, text, raw) == 1)
		return 0;
	return error_set(err, ERR_BAD_REQUEST, "server.%s must be an IPv%d address or empty, not '%.64s'",
		field, is_v6 ? 6 : 4, text);
}

const char *server_address_text(struct arena *a, const char *text)
{
	unsigned char raw[16];
	char *out = arena_alloc(a, INET6_ADDRSTRLEN);

	return inet_pton(AF_INET6, text, raw) == 1 ? inet_ntop(AF_INET6, raw, out, INET6_ADDRSTRLEN) : text;
}

const char *const server_disk_configs[] = { "AUTO", "MANUAL", NULL };
const struct bind_table server_metadata_table = { .more = &bind_item_text };
const struct bind_field server_tag_item = { .type = BIND_STR, .min = 1, .max = 60 };

int server_check_user_data(const char *text, struct error *err)
{
	size_t n;
	unsigned char *raw = base64_decode(text, strlen(text), &n);

	free(raw);
	return raw || !*text ? 0 : error_set(err, ERR_BAD_REQUEST, "User data needs to be valid base 64.");
}

int server_find_image(struct api_call *c, int64_t project_id, const char *uid, int64_t ram_mib,
	int64_t disk_gib, struct server_image_ref *out, struct error *err)
{
	int rc;

	if (!uuid_valid(uid))
		return error_set(err, ERR_BAD_REQUEST, "imageRef must be an image's id, not '%.64s'", uid);
	rc = store_ref_image(c->db, project_id, api_is_admin(c), uid, out, err);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return error_set(err, ERR_BAD_REQUEST, "Image %s could not be found.", uid);
	if (!out->active)
		return error_set(err, ERR_BAD_REQUEST, "Image %s is not active.", uid);
	if (out->min_ram_mib > ram_mib)
		return error_set(err, ERR_BAD_REQUEST, "Flavor's memory is too small for requested image.");
	if (disk_gib && (out->min_disk_gib > disk_gib || out->virtual_size > disk_gib << 30))
		return error_set(err, ERR_BAD_REQUEST,
			"Flavor's disk is too small for requested image: it has %lld GiB.",
			(long long)disk_gib);
	return 0;
}

int server_flavor_specs(struct api_call *c, const struct flavor *f, struct flavor_wants *wants,
	const char **out, struct error *err)
{
	struct server_pair *specs;
	json_t *map;
	char *text;
	size_t n;

	if (store_flavor_extras(c->db, c->arena, f->id, &specs, &n, err) < 0)
		return -1;
	map = json_object();
	for (size_t i = 0; i < n; i++) {
		json_object_set_new(map, specs[i].key, json_string(specs[i].value));
		if (flavor_extra_spec(specs[i].key, specs[i].value, wants, err) < 0) {
			json_decref(map);
			return error_wrap(err, "flavor %.64s", f->name);
		}
	}
	if (flavor_wants_check(wants, f->vcpus, f->ram_mib, err) < 0) {
		json_decref(map);
		return error_wrap(err, "flavor %.64s", f->name);
	}
	text = json_dumps(map, JSON_COMPACT | JSON_SORT_KEYS);
	*out = arena_strdup(c->arena, text);
	free(text);
	json_decref(map);
	return 0;
}

char *server_random_text(struct api_call *c, const char *prefix, const char *from, size_t n)
{
	size_t at = strlen(prefix), kinds = strlen(from);
	char *text = arena_alloc(c->arena, at + n + 1);
	const struct rng *rng = c->api->loop->rng;

	memcpy(text, prefix, at);
	while (n) {
		unsigned char byte;

		rng->fill(rng->ctx, &byte, 1);
		if (byte >= 256 - 256 % kinds)
			continue;
		text[at++] = from[byte % kinds];
		n--;
	}
	return text;
}

const char *server_random_password(struct api_call *c)
{
	enum { LENGTH = 12 };
	static const char from[] = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

	return server_random_text(c, "", from, LENGTH);
}

int server_read_metadata(
	struct api_call *c, const json_t *map, struct server_pair **out, size_t *out_n, struct error *err)
{
	struct server_pair *pairs;
	const char *key, *text;
	json_t *value;
	size_t n = 0;

	if (!json_is_object(map))
		return error_set(err, ERR_BAD_REQUEST, "metadata must be an object of strings");
	pairs = ARENA_ARRAY(c->arena, struct server_pair, json_object_size(map) + 1);
	json_object_foreach((json_t *)map, key, value)
	{
		text = json_string_value(value);
		if (!text || strlen(text) != json_string_length(value))
			return error_set(err, ERR_BAD_REQUEST, "metadata.%.64s must be a string", key);
		if (name_check(NAME_METADATA_KEY, key, err) < 0 ||
			name_check(NAME_METADATA_VALUE, text, err) < 0)
			return -1;
		pairs[n++] =
			(struct server_pair) { arena_strdup(c->arena, key), arena_strdup(c->arena, text) };
	}
	*out = pairs;
	*out_n = n;
	return 0;
}

int server_check_metadata_count(struct api_call *c, int64_t project_id, size_t n, struct error *err)
{
	int64_t limit = 0;

	if (store_quota_limit(c->db, project_id, "metadata_items", &limit, err) < 0)
		return -1;
	return quota_check(QUOTA_METADATA_ITEMS, limit, 0, (int64_t)n, err);
}

int server_read_tags(
	struct api_call *c, const json_t *list, const char ***out, size_t *out_n, struct error *err)
{
	const char **tags;
	json_t *value;
	size_t i, n = 0;

	if (!json_is_array(list) || json_array_size(list) > SERVER_TAGS_MAX)
		return error_set(
			err, ERR_BAD_REQUEST, "tags must be a list of at most %d strings", SERVER_TAGS_MAX);
	tags = ARENA_ARRAY(c->arena, const char *, json_array_size(list) + 1);
	json_array_foreach((json_t *)list, i, value)
	{
		const char *text = json_string_value(value);
		size_t k = 0;

		if (!text || strlen(text) != json_string_length(value))
			return error_set(err, ERR_BAD_REQUEST, "tags must be a list of strings");
		if (name_check(NAME_TAG, text, err) < 0)
			return -1;
		while (k < n && strcmp(tags[k], text) != 0)
			k++;
		if (k == n)
			tags[n++] = arena_strdup(c->arena, text);
	}
	*out = tags;
	*out_n = n;
	return 0;
}
