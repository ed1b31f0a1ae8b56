/* SPDX-License-Identifier: Apache-2.0 */
/* GET /events: what happened, as a list, or as it happens. A tenant hears of its own project. */
#include "api/event_streams.h"

#include <string.h>

#include "api/event_view.h"
#include "api/operator/operator.h"
#include "base/util.h"
#include "domain/event_types.h"

enum { LIST_DEFAULT = 100 };

static bool asks_for_stream(const struct api_call *c)
{
	const char *accept = http_header(c->http, "Accept");

	return c->http->method == HTTP_GET && accept && strcasestr(accept, "text/event-stream");
}

/* *out stays when there is none. */
static int last_seen(const struct api_call *c, int64_t *out, struct error *err)
{
	const char *header = http_header(c->http, "Last-Event-ID"), *query = api_query(c, "after");

	if (header && *header && !str_int64(header, 0, INT64_MAX, out))
		return error_set(err, ERR_BAD_REQUEST, "Last-Event-ID must be the id of an event");
	if (!(header && *header) && query && !str_int64(query, 0, INT64_MAX, out))
		return error_set(err, ERR_BAD_REQUEST, "after must be the id of an event");
	return 0;
}

static int read_filter(struct api_call *c, struct event_filter *f, struct error *err)
{
	const char *project = api_query(c, "project");

	*f = (struct event_filter) {
		.after = -1, .types = api_query(c, "type"), .subject = api_query(c, "subject")
	};
	if (f->types && !event_wanted_valid(f->types))
		return error_set(err, ERR_BAD_REQUEST,
			"type: there are no such events; /cloud/v1/event-types (cloudctl event types) lists "
			"all");
	f->project_uid = api_is_admin(c) ? project : c->who->project.uid;
	if (project && strcmp(project, f->project_uid) != 0)
		return error_set(err, ERR_FORBIDDEN, "only an administrator sees another project's events");
	return last_seen(c, &f->after, err);
}

static int list(struct api_call *c, struct event_filter *f, struct error *err)
{
	struct event_page page;
	bool limited;

	if (api_limit(c, &f->limit, &limited, err) < 0)
		return -1;
	if (!limited && f->limit > LIST_DEFAULT)
		f->limit = LIST_DEFAULT;
	f->newest = f->after < 0;
	f->after = f->newest ? 0 : f->after;
	if (store_event_list(c->db, c->arena, f, &page, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "events");
	jw_array(&c->out);
	for (size_t i = 0; i < page.n; i++)
		event_view(&c->out, &page.rows[i], api_is_admin(c));
	jw_end_array(&c->out);
	jw_kv_int(&c->out, "after", page.upto);
	jw_kv_bool(&c->out, "more", page.more && !f->newest);
	jw_kv_bool(&c->out, "lost", page.lost);
	jw_end_object(&c->out);
	api_reply(c);
	return 0;
}

int event_list(struct api_call *c, struct error *err)
{
	struct event_filter f;

	if (read_filter(c, &f, err) < 0)
		return -1;
	return asks_for_stream(c) ? event_stream_begin(c, &f, err) : list(c, &f, err);
}

int event_type_list(struct api_call *c, struct error *err)
{
	(void)err;
	jw_object(&c->out);
	jw_key(&c->out, "event_types");
	jw_array(&c->out);
	for (size_t i = 0; i < event_types_n; i++) {
		jw_object(&c->out);
		jw_kv_str(&c->out, "name", event_types[i].name);
		jw_kv_bool(&c->out, "tenant", event_types[i].tenant);
		jw_kv_str(&c->out, "meaning", event_types[i].meaning);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}
