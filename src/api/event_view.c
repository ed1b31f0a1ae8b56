/* SPDX-License-Identifier: Apache-2.0 */
#include "api/event_view.h"

#include <string.h>

#include "base/clock.h"

/* On one line: what is written as JSON by hand may have others. */
static void raw(struct buf *b, const char *json)
{
	size_t at = b->len;

	jw_raw(b, json, strlen(json));
	for (; at < b->len; at++)
		if (b->data[at] == '\n' || b->data[at] == '\r')
			b->data[at] = ' ';
}

void event_view(struct buf *b, const struct event_row *r, bool is_operator)
{
	char at[TIME_TEXT];

	jw_object(b);
	jw_kv_int(b, "id", r->id);
	jw_kv_str(b, "at", time_iso_usz(r->at_us, at));
	jw_kv_str(b, "type", r->type);
	jw_kv_str(b, "project_id", r->project_uid[0] ? r->project_uid : NULL);
	jw_kv_str(b, "subject", r->subject);
	jw_key(b, "data");
	raw(b, r->data);
	if (is_operator && strcmp(r->inside, "{}") != 0) {
		jw_key(b, "operator");
		raw(b, r->inside);
	}
	jw_end_object(b);
}

void event_view_sent(struct buf *b, const struct event_row *r, bool is_operator)
{
	struct buf json = { 0 };

	event_view(&json, r, is_operator);
	buf_printf(b, "id: %lld\nevent: %s\ndata: ", (long long)r->id, r->type);
	buf_append(b, json.data, json.len);
	buf_puts(b, "\n\n");
	buf_finish(&json);
}

void event_view_lost(struct buf *b, int64_t after, int64_t upto)
{
	jw_object(b);
	jw_kv_int(b, "id", upto);
	jw_kv_str(b, "type", "events.lost");
	jw_key(b, "data");
	jw_object(b);
	jw_kv_int(b, "after", after);
	jw_kv_int(b, "upto", upto);
	jw_end_object(b);
	jw_end_object(b);
}
