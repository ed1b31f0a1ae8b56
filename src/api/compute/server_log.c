/* SPDX-License-Identifier: Apache-2.0 */
/* os-instance-actions: what was done with a server, by the ids of the requests that asked for it. */
#include <string.h>

#include "api/compute/server_view.h"
#include "base/util.h"
#include "domain/names.h"

/* From 2.21 also of deleted servers. */
static int find_server(struct api_call *c, struct server_row *out, struct error *err)
{
	int64_t id, created_us;
	int rc;

	if (!since(c, 21))
		return compute_server_row(c, out, err);
	c->target = api_param(c, "server_id");
	rc = store_server_find(c->db, compute_scope(c), c->target, &id, &created_us, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Instance %.64s could not be found.", c->target);
	return rc < 0 ? -1 : store_server_row_by_id(c->db, c->arena, id, false, out, err);
}

static void view(struct api_call *c, const struct server_row *r, const struct server_action_row *a)
{
	struct buf *b = &c->out;

	jw_kv_str(b, "action", a->action);
	jw_kv_str(b, "instance_uuid", r->s.uid);
	jw_kv_str(b, "request_id", a->request_id);
	jw_kv_str(b, "user_id", a->user_uid);
	jw_kv_str(b, "project_id", a->project_uid);
	compute_time(b, "start_time", a->start_us, true);
	jw_kv_str(b, "message", a->message ? "Error" : NULL);
	if (since(c, 58))
		compute_time(b, "updated_at", a->finish_us ? a->finish_us : a->start_us, true);
}

/* Below 2.51 events are the administrator's; hosts always are. */
static void events_view(struct api_call *c, const struct server_row *r, const struct server_action_row *a)
{
	struct buf *b = &c->out;
	char host_id[HOST_ID_TEXT];

	jw_key(b, "events");
	jw_array(b);
	jw_object(b);
	jw_key(b, "event");
	jw_strf(b, "compute_%s", a->action);
	compute_time(b, "start_time", a->start_us, true);
	compute_time(b, "finish_time", a->finish_us, true);
	jw_kv_str(b, "result", !a->finish_us ? NULL : a->message ? "Error" : "Success");
	if (api_is_admin(c) || !since(c, 51))
		jw_kv_str(b, "traceback", a->message);
	if (since(c, 62)) {
		host_id_make(r->project_uid, a->host_name, host_id);
		jw_kv_str(b, "hostId", host_id);
		if (api_is_admin(c))
			jw_kv_str(b, "host", a->host_name);
	}
	if (since(c, 84))
		jw_kv_str(b, "details", a->message);
	jw_end_object(b);
	jw_end_array(b);
}

struct period {
	int64_t since_us, before_us;
};

static int read_period(struct api_call *c, struct period *out, struct error *err)
{
	const char *from = since(c, 58) ? api_query(c, "changes-since") : NULL;
	const char *to = since(c, 66) ? api_query(c, "changes-before") : NULL;

	*out = (struct period) { .since_us = INT64_MIN, .before_us = INT64_MAX };
	if (from && time_parse(from, &out->since_us) < 0)
		return error_set(
			err, ERR_BAD_REQUEST, "changes-since must be a time as 2026-01-31T12:00:00Z");
	if (to && time_parse(to, &out->before_us) < 0)
		return error_set(
			err, ERR_BAD_REQUEST, "changes-before must be a time as 2026-01-31T12:00:00Z");
	if (out->since_us > out->before_us)
		return error_set(err, ERR_BAD_REQUEST, "changes-since must not be later than changes-before");
	return 0;
}

int compute_action_list(struct api_call *c, struct error *err)
{
	static const char *const keys[] = { "start_time", NULL };
	struct server_action_row *list;
	struct api_page page = { .limit = c->api->config.list_max };
	struct period period;
	struct server_row r;
	const char *last = NULL;
	int64_t shown = 0;
	size_t n, i;

	if ((since(c, 58) && api_page(c, keys, true, &page, err) < 0) || read_period(c, &period, err) < 0 ||
		find_server(c, &r, err) < 0 ||
		store_server_actions(c->db, c->arena, r.s.id, NULL, &list, &n, err) < 0 ||
		api_page_start(&page, list, n, sizeof *list, offsetof(struct server_action_row, request_id),
			&i, err) < 0)
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "instanceActions");
	jw_array(&c->out);
	for (; i < n && shown < page.limit; i++) {
		int64_t updated_us = list[i].finish_us ? list[i].finish_us : list[i].start_us;

		if (updated_us < period.since_us || updated_us > period.before_us)
			continue;
		jw_object(&c->out);
		view(c, &r, &list[i]);
		jw_end_object(&c->out);
		last = list[i].request_id;
		shown++;
	}
	jw_end_array(&c->out);
	if (last && since(c, 58) && shown == page.limit)
		api_next_link(c, "links", last);
	jw_end_object(&c->out);
	return 0;
}

int compute_action_show(struct api_call *c, struct error *err)
{
	const char *request_id = api_param(c, "request_id");
	struct server_action_row *list;
	struct server_row r;
	size_t n;

	if (find_server(c, &r, err) < 0 ||
		store_server_actions(c->db, c->arena, r.s.id, request_id, &list, &n, err) < 0)
		return -1;
	if (!n)
		return error_set(err, ERR_NOT_FOUND, "Action for request_id %.64s on instance %s not found",
			request_id, r.s.uid);
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "instanceAction");
	jw_object(&c->out);
	view(c, &r, &list[0]);
	if (api_is_admin(c) || since(c, 51))
		events_view(c, &r, &list[0]);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}
