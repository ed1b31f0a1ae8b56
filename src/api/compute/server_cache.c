/* SPDX-License-Identifier: Apache-2.0 */
#include "api/compute/server_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum { SLOTS = 4096, BODY_MAX = 4096, BYTES_MAX = 8 << 20, UID_MAX = 36, URL_MAX = 200 };

struct entry {
	const struct store *store;
	uint64_t seq;
	int64_t project_id; /* 0: an administrator's */
	int version;
	char uid[UID_MAX + 1], url[URL_MAX + 1];
	struct buf body;
};

static struct entry *slots[SLOTS];
static size_t bytes; /* of all bodies */

static bool keeps(const struct api_call *c, const char *uid)
{
	return strlen(uid) == UID_MAX && !(api_is_admin(c) && since(c, 16));
}

/* By id and version: callers of different projects take turns. */
static struct entry **slot_of(const struct api_call *c, const char *uid)
{
	uint32_t h = 2166136261u ^ (uint32_t)c->version; /* FNV-1a */

	for (const char *p = uid; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	return &slots[h % SLOTS];
}

bool server_cache_get(struct api_call *c, const char *uid)
{
	const struct entry *e = keeps(c, uid) ? *slot_of(c, uid) : NULL;

	if (!e || e->store != c->api->store || e->seq != store_seq(c->api->store) ||
		e->version != c->version || e->project_id != compute_scope(c) || strcmp(e->uid, uid) != 0 ||
		strcmp(e->url, api_url(c, "/")) != 0)
		return false;
	buf_append(&c->out, e->body.data, e->body.len);
	return true;
}

void server_cache_put(struct api_call *c, const char *uid)
{
	const char *url = api_url(c, "/");
	struct entry **slot, *e;

	if (!keeps(c, uid) || c->out.len > BODY_MAX || strlen(url) > URL_MAX)
		return;
	slot = slot_of(c, uid);
	if (!*slot && bytes > BYTES_MAX)
		return;
	if (!*slot)
		*slot = xcalloc(1, sizeof **slot);
	e = *slot;
	e->store = c->api->store;
	e->seq = store_seq(c->api->store);
	e->project_id = compute_scope(c);
	e->version = c->version;
	str_copy(e->uid, sizeof e->uid, uid);
	str_copy(e->url, sizeof e->url, url);
	bytes -= e->body.cap;
	e->body.len = 0;
	buf_append(&e->body, c->out.data, c->out.len);
	bytes += e->body.cap;
}
