/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks: a project's own, and an operator's, which are told of everything. */
#include "api/webhooks.h"

#include <string.h>

#include "api/operator/operator.h"
#include "api/webhook_secret.h"
#include "base/crypto.h"
#include "base/util.h"
#include "domain/event_types.h"
#include "store/events.h"
#include "store/quotas.h"

enum { SECRET_BYTES = 32, LAG_MAX = 1000 };

/* --- views --- */

static void write_webhook(struct api_call *c, const struct webhook *w)
{
	struct buf *b = &c->out;

	jw_kv_str(b, "id", w->uid);
	jw_kv_str(b, "name", w->name);
	jw_kv_str(b, "project_id", w->project_uid[0] ? w->project_uid : NULL);
	jw_kv_bool(b, "everything", w->everything);
	jw_kv_str(b, "url", w->url);
	jw_kv_str(b, "types", w->types);
	jw_kv_str(b, "state", w->paused ? "paused" : w->tries ? "failing" : "active");
	jw_kv_int(b, "delivered_upto", w->done_id);
	operator_kv_time(c, "delivered_at", w->delivered_us);
	jw_kv_int(b, "failures", w->tries);
	jw_kv_str(b, "last_error", w->last_error[0] ? w->last_error : NULL);
	operator_kv_time(c, "next_try_at", w->paused ? 0 : w->due_us);
	jw_kv_int(b, "given_up", w->given_up);
	operator_kv_time(c, "created_at", w->created_us);
}

/* What waits for it: counted up to a bound. */
static int write_lag(struct api_call *c, const struct webhook *w, struct error *err)
{
	const struct event_filter f = { .after = w->done_id,
		.project_uid = w->everything ? NULL : w->project_uid,
		.types = w->types,
		.webhook_uid = w->uid,
		.limit = LAG_MAX };
	struct event_page page;

	if (store_event_list(c->db, c->arena, &f, &page, err) < 0)
		return -1;
	jw_kv_int(&c->out, "waiting", (int64_t)page.n);
	operator_kv_time(c, "waiting_since", page.n ? page.rows[0].at_us : 0);
	return 0;
}

/* secret: shown once, when cloudd made it; else NULL. */
static int reply(struct api_call *c, const struct webhook *w, const char *secret, struct error *err)
{
	c->target = w->uid;
	jw_object(&c->out);
	jw_key(&c->out, "webhook");
	jw_object(&c->out);
	write_webhook(c, w);
	if (write_lag(c, w, err) < 0)
		return -1;
	if (secret)
		jw_kv_str(&c->out, "secret", secret);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* --- reading --- */

static const char *own_project(const struct api_call *c)
{
	return api_is_admin(c) ? NULL : c->who->project.uid;
}

static int find(struct api_call *c, struct webhook *out, struct error *err)
{
	c->target = api_param(c, "webhook");
	return store_webhook_get(c->db, c->arena, own_project(c), c->target, out, err);
}

int webhook_list(struct api_call *c, struct error *err)
{
	const char *project = api_is_admin(c) ? api_query(c, "project") : own_project(c);
	struct webhook *all;
	size_t n;

	if (store_webhook_list(c->db, c->arena, project, &all, &n, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "webhooks");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		jw_object(&c->out);
		write_webhook(c, &all[i]);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int webhook_show(struct api_call *c, struct error *err)
{
	struct webhook w;

	return find(c, &w, err) < 0 ? -1 : reply(c, &w, NULL, err);
}

/* --- making one --- */

struct webhook_body {
	const char *name, *url, *types, *secret, *project;
	bool everything;
};

static const struct bind_field create_fields[] = {
	BIND(webhook_body, name, "name", BIND_STR, 0, 0, 255),
	BIND(webhook_body, url, "url", BIND_STR, BIND_REQUIRED, 1, 2048),
	BIND(webhook_body, types, "types", BIND_STR, 0, 0, EVENT_WANTED_MAX),
	BIND(webhook_body, secret, "secret", BIND_STR, 0, WEBHOOK_SECRET_MIN, WEBHOOK_SECRET_MAX),
	BIND(webhook_body, project, "project_id", BIND_STR, 0, 1, 64),
	BIND(webhook_body, everything, "everything", BIND_BOOL, 0, 0, 0),
};
const struct bind_table webhook_create_body = { .top = "webhook", BIND_TABLE(webhook_body, create_fields) };

/* Whose it will be: another project's is for administrators to make. */
static int project_of(struct api_call *c, const struct webhook_body *in, const char **out, struct error *err)
{
	int64_t id;
	int rc;

	*out = c->who->project.uid ? c->who->project.uid : "";
	if (in->project && !str_eq(in->project, *out)) {
		if (!api_is_admin(c))
			return error_set(err, ERR_FORBIDDEN, "project_id must be the token's project");
		rc = store_quota_project(c->db, in->project, false, &id, err);
		if (rc <= 0)
			return rc < 0 ? -1
				      : error_set(err, ERR_BAD_REQUEST, "there is no project %.64s",
						in->project);
		*out = in->project;
	}
	return **out || in->everything
		       ? 0
		       : error_set(err, ERR_BAD_REQUEST,
				 "whose events? Give project_id (--project), or everything (--everything)");
}

static int check(struct api_call *c, const struct webhook_body *in, const char *project, struct error *err)
{
	const struct outbound to = webhooks_outbound(c->api);
	struct webhook *all;
	size_t n;

	if (in->everything && !api_is_admin(c))
		return error_set(err, ERR_FORBIDDEN, "only an administrator is told of everything");
	if (in->types && !event_wanted_valid(in->types))
		return error_set(err, ERR_BAD_REQUEST,
			"types: there are no such events; /cloud/v1/event-types (cloudctl event types) lists "
			"all");
	if (in->secret && strlen(in->secret) > WEBHOOK_SECRET_MAX) /* bytes, not characters */
		return error_set(
			err, ERR_BAD_REQUEST, "secret must have at most %d bytes", WEBHOOK_SECRET_MAX);
	if (outbound_check(&to, in->url, err) < 0 ||
		store_webhook_list(c->db, c->arena, project, &all, &n, err) < 0)
		return -1;
	return n < c->api->config.webhooks_max
		       ? 0
		       : error_set(err, ERR_OVER_QUOTA,
				 "the project has %zu webhooks, which is all it may have", n);
}

static void changed(struct api_call *c)
{
	webhooks_changed(c->api->webhooks, *(const int64_t *)c->stream.data_ctx);
}

/* The deliveries are told when it is on disk. */
static void tell(struct api_call *c, int64_t id)
{
	c->stream.data_ctx = arena_copy(c->arena, &id, sizeof id);
	c->committed = changed;
}

/* The one that was sent, or a new one. */
static const char *secret_for(struct api_call *c, const struct webhook_body *in)
{
	CLEANUP(free_ptr) char *made = in->secret ? NULL : random_base64url(c->api->loop->rng, SECRET_BYTES);

	return made ? arena_strdup(c->arena, made) : in->secret;
}

int webhook_create(struct api_call *c, struct error *err)
{
	const struct webhook_body *in = c->in;
	const char *secret = secret_for(c, in);
	struct webhook w = { .id = store_next_id(c->api->store),
		.name = in->name ? in->name : "",
		.everything = in->everything,
		.url = in->url,
		.types = in->types ? in->types : "",
		.last_error = "",
		.created_us = c->now_us };
	char uid[UUID_TEXT];

	if (!webhooks_offered(c->api))
		return error_set(err, ERR_FORBIDDEN, "webhooks are not offered here");
	if (project_of(c, in, &w.project_uid, err) < 0 || check(c, in, w.project_uid, err) < 0 ||
		store_event_last(c->db, &w.done_id, err) < 0)
		return -1;
	uuid_make(c->api->loop->rng, uid);
	w.uid = arena_strdup(c->arena, uid);
	webhooks_seal(c->api->webhooks, c->arena, secret, &w);
	if (store_webhook_insert(c->db, &w, err) < 0)
		return -1;
	tell(c, w.id);
	c->status = 201;
	return reply(c, &w, in->secret ? NULL : secret, err);
}

int webhook_delete(struct api_call *c, struct error *err)
{
	struct webhook w;

	if (find(c, &w, err) < 0)
		return -1;
	tell(c, w.id);
	c->status = 204;
	return store_webhook_remove(c->db, w.id, err);
}

/* --- what can be asked of one --- */

struct redeliver {
	int64_t after;
};
static const struct bind_field redeliver_fields[] = {
	BIND(redeliver, after, "after", BIND_INT, BIND_REQUIRED, 0, INT64_MAX),
};
static const struct bind_table redeliver_table = { BIND_TABLE(redeliver, redeliver_fields) };
static const struct bind_table no_arguments = { 0 };

struct action_body {
	const struct redeliver *redeliver;
};
static const struct bind_field action_fields[] = {
	{ .name = "pause", .type = BIND_OBJ, .flags = BIND_NULL, .table = &no_arguments },
	{ .name = "resume", .type = BIND_OBJ, .flags = BIND_NULL, .table = &no_arguments },
	{ .name = "test", .type = BIND_OBJ, .flags = BIND_NULL, .table = &no_arguments },
	{ .name = "redeliver",
		.type = BIND_OBJ,
		.offset = offsetof(struct action_body, redeliver),
		.table = &redeliver_table },
};
const struct bind_table webhook_action_body = { BIND_TABLE(action_body, action_fields), .flags = BIND_ONE };

static int pause_it(struct api_call *c, const struct webhook *w, struct error *err)
{
	return store_webhook_pause(c->db, w->id, true, err);
}

static int resume(struct api_call *c, const struct webhook *w, struct error *err)
{
	return store_webhook_pause(c->db, w->id, false, err);
}

static int test(struct api_call *c, const struct webhook *w, struct error *err)
{
	return store_event_add(c->db,
		&(struct event_row) { .type = "webhook.test",
			.project_uid = w->everything ? "" : w->project_uid,
			.subject = w->uid },
		err);
}

static int redeliver(struct api_call *c, const struct webhook *w, struct error *err)
{
	const struct action_body *in = c->in;

	return store_webhook_rewind(c->db, w->id, in->redeliver->after, err);
}

/* In the order of action_fields. */
static const struct {
	const char *action;
	int (*run)(struct api_call *c, const struct webhook *w, struct error *err);
} actions[] = {
	{ "webhook.pause", pause_it },
	{ "webhook.resume", resume },
	{ "webhook.test", test },
	{ "webhook.redeliver", redeliver },
};

int webhook_action(struct api_call *c, struct error *err)
{
	struct webhook w;
	size_t i = 0;

	while (!(c->seen.present >> i & 1))
		i++;
	c->action = actions[i].action;
	if (find(c, &w, err) < 0 || actions[i].run(c, &w, err) < 0 || find(c, &w, err) < 0)
		return -1;
	tell(c, w.id);
	return reply(c, &w, NULL, err);
}
