/* SPDX-License-Identifier: Apache-2.0 */
#include "api/compute/server_body.h"

#include <arpa/inet.h>
#include <string.h>

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

const char *const server_disk_configs[] = { "AUTO", "MANUAL", NULL };
const struct bind_table server_metadata_table = { .more = &bind_item_text };
const struct bind_field server_tag_item = { .type = BIND_STR, .min = 1, .max = 60 };

int server_check_disk_config(const char *text, struct error *err)
{
	if (strcmp(text, "AUTO") == 0 || strcmp(text, "MANUAL") == 0)
		return 0;
	return error_set(err, ERR_BAD_REQUEST, "OS-DCF:diskConfig must be AUTO or MANUAL");
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

	if (store_quota_limit(c->db, project_id, QUOTA_METADATA_ITEMS, &limit, err) < 0)
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
