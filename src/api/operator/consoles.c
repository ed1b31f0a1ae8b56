/* SPDX-License-Identifier: Apache-2.0 */
/* GET /servers/{id}/console: what a server's console printed, by time. The one route here that is the
 * tenants', too: whoever may read the server may read it, also after its end, as long as the text is kept. */
#include <string.h>

#include "api/operator/operator.h"
#include "base/util.h"
#include "flow/console.h"
#include "store/server_list.h"

enum { CHUNKS_MAX = 1000 };

struct wish {
	int64_t since_us;
	bool is_text;
};

/* JSON unless the client asks for text, and not for JSON before it. */
static bool wants_text(const struct api_call *c)
{
	const char *accept = http_header(c->http, "Accept");
	const char *text = accept ? strstr(accept, "text/plain") : NULL;
	const char *json = accept ? strstr(accept, "application/json") : NULL;

	return text && (!json || text < json);
}

static void reply_text(
	struct api_call *c, const struct history_chunk *list, size_t n, bool more, const char *next)
{
	for (size_t i = 0; i < n; i++)
		buf_append(&c->out, list[i].p, list[i].n);
	c->content_type = "text/plain";
	api_header(c, "X-Console-Next", next);
	api_header(c, "X-Console-More", more ? "true" : "false");
	api_reply(c);
}

static void reply_json(
	struct api_call *c, const struct history_chunk *list, size_t n, bool more, const char *next)
{
	struct buf *b = &c->out;
	char at[TIME_TEXT];

	jw_object(b);
	jw_key(b, "console");
	jw_object(b);
	jw_kv_str(b, "server_id", c->target);
	jw_key(b, "chunks");
	jw_array(b);
	for (size_t i = 0; i < n; i++) {
		jw_object(b);
		jw_kv_str(b, "at", time_iso_usz(list[i].at_us, at));
		jw_kv_bool(b, "lost_before", list[i].lost);
		jw_key(b, "text");
		jw_strn(b, list[i].p, list[i].n);
		jw_end_object(b);
	}
	jw_end_array(b);
	jw_kv_bool(b, "more", more);
	jw_kv_str(b, "next", next);
	jw_end_object(b);
	jw_end_object(b);
	api_reply(c);
}

static void done(void *ctx, const struct history_chunk *list, size_t n, bool more, const struct error *err)
{
	struct api_call *c = ctx;
	const struct wish *wish = c->stream.data_ctx;
	char text[TIME_TEXT], *next;

	if (err) {
		api_fail(c, err);
		return;
	}
	next = arena_strdup(c->arena, time_iso_usz(n ? list[n - 1].at_us + 1 : wish->since_us, text));
	c->status = 200;
	(wish->is_text ? reply_text : reply_json)(c, list, n, more, next);
}

static int read_time(struct api_call *c, const char *name, int64_t fallback, int64_t *out, struct error *err)
{
	const char *text = api_query(c, name);

	*out = fallback;
	if (text && time_parse(text, out) < 0)
		return error_set(err, ERR_BAD_REQUEST, "%s must be a time as 2026-01-31T12:00:00Z", name);
	return 0;
}

int operator_server_console(struct api_call *c, struct error *err)
{
	const char *limit_text = api_query(c, "limit");
	struct wish *wish = ARENA_NEW(c->arena, struct wish);
	int64_t until_us, limit = CHUNKS_MAX, id, created_us;
	int rc;

	c->target = api_param(c, "server");
	if (read_time(c, "since", 0, &wish->since_us, err) < 0 ||
		read_time(c, "until", INT64_MAX, &until_us, err) < 0)
		return -1;
	if (limit_text && !str_int64(limit_text, 1, CHUNKS_MAX, &limit))
		return error_set(err, ERR_BAD_REQUEST, "limit must be an integer from 1 to %d", CHUNKS_MAX);
	rc = store_server_find(
		c->db, api_is_admin(c) ? 0 : c->who->project.id, c->target, &id, &created_us, err);
	if (rc <= 0)
		return rc < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "there is no server %.64s", c->target);
	wish->is_text = wants_text(c);
	c->stream.data_ctx = wish;
	flow_console_history(c->api->flows, c->target, wish->since_us, until_us, (size_t)limit, done, c);
	return 0;
}
