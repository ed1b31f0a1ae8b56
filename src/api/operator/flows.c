/* SPDX-License-Identifier: Apache-2.0 */
/* Flows: what is being done, what waits, and why. */
#include "store/flows.h"
#include "api/operator/operator.h"
#include "base/util.h"
#include "flow/flow.h"
#include "store/operator_reads.h"

static void write_flow(struct api_call *c, const struct flow_row *f)
{
	struct buf *b = &c->out;
	struct error ignored;
	const char *subject = NULL, *host = NULL;

	store_flow_subject(c->db, c->arena, f->subject_kind, f->subject_id, &subject, &host, &ignored);
	jw_object(b);
	jw_kv_int(b, "id", f->id);
	jw_kv_str(b, "kind", f->kind);
	jw_kv_str(b, "subject_kind", f->subject_kind);
	jw_kv_str(b, "subject_id", subject);
	jw_kv_str(b, "host", host);
	jw_kv_str(b, "step", f->step);
	jw_kv_str(b, "state", f->state);
	jw_kv_int(b, "tries", f->tries);
	operator_kv_time(c, "run_at", f->run_at_us);
	operator_kv_time(c, "deadline_at", f->deadline_us);
	jw_kv_str(b, "last_error", f->last_error);
	jw_kv_str(b, "request_id", f->request_id);
	operator_kv_time(c, "created_at", f->created_us);
	jw_end_object(b);
}

int flow_list(struct api_call *c, struct error *err)
{
	struct flow_row *all;
	size_t n;

	if (store_flow_list(c->db, c->arena, &all, &n, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "flows");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		write_flow(c, &all[i]);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

static int load(struct api_call *c, struct flow_row *f, struct error *err)
{
	int64_t id;

	c->target = api_param(c, "flow");
	if (!str_int64(c->target, 1, INT64_MAX, &id))
		return error_set(
			err, ERR_NOT_FOUND, "there is no flow '%.32s'; it may have ended", c->target);
	return store_flow_load(c->db, c->arena, id, f, err);
}

static int reply_flow(struct api_call *c, const struct flow_row *f)
{
	jw_object(&c->out);
	jw_key(&c->out, "flow");
	write_flow(c, f);
	jw_end_object(&c->out);
	return 0;
}

int flow_show(struct api_call *c, struct error *err)
{
	struct flow_row f;

	return load(c, &f, err) < 0 ? -1 : reply_flow(c, &f);
}

static const struct bind_table no_arguments = { 0 };
static const struct bind_field actions[] = {
	{ .name = "retry", .type = BIND_OBJ, .flags = BIND_NULL, .table = &no_arguments },
};

const struct bind_table flow_action_body = { .fields = actions, .n = ARRAY_LEN(actions), .flags = BIND_ONE };

int flow_action(struct api_call *c, struct error *err)
{
	struct flow_row f;

	if (load(c, &f, err) < 0 || flow_retry(c->api->flows, c->db, f.id, err) < 0 || load(c, &f, err) < 0)
		return -1;
	c->action = "flow.retry";
	return reply_flow(c, &f);
}
