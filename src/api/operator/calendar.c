/* SPDX-License-Identifier: Apache-2.0 */
/* The calendar: reservations (capacity blocks of projects), maintenance windows of hosts, and both in one. */
#include "flow/calendar.h"

#include "api/operator/operator.h"
#include "base/util.h"
#include "store/evictions.h"
#include "store/guardrails.h"
#include "store/hosts.h"
#include "store/quotas.h"

enum { HOSTS_MAX = 1000 };

/* --- views: the same members for both kinds, as far as they have them --- */

static int write_hosts(struct api_call *c, const struct block *b, struct error *err)
{
	struct block_host *hosts;
	size_t n;

	if (store_block_hosts(c->db, c->arena, b->id, &hosts, &n, err) < 0)
		return -1;
	jw_key(&c->out, "hosts");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		jw_object(&c->out);
		jw_kv_str(&c->out, "name", hosts[i].name);
		if (b->project_id)
			jw_kv_int(&c->out, "gpus", hosts[i].gpus);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	return 0;
}

static int write_reservation(struct api_call *c, const struct block *b, struct error *err)
{
	int64_t servers = 0;

	if (store_block_servers(c->db, b->id, &servers, err) < 0)
		return -1;
	jw_kv_str(&c->out, "project_id", b->project_uid);
	jw_kv_str(&c->out, "project", b->project_name);
	jw_kv_str(&c->out, "model", b->model);
	jw_kv_int(&c->out, "gpus", b->gpus);
	jw_kv_str(&c->out, "within", *b->scope ? b->scope : NULL);
	jw_kv_int(&c->out, "servers", servers);
	return 0;
}

static int write_block(struct api_call *c, const struct block *b, bool with_kind, struct error *err)
{
	jw_object(&c->out);
	if (with_kind)
		jw_kv_str(&c->out, "kind", b->project_id ? "reservation" : "maintenance");
	jw_kv_str(&c->out, "id", b->uid);
	jw_kv_str(&c->out, "name", b->name);
	jw_kv_str(&c->out, "state", b->state);
	operator_kv_time(c, "start", b->start_us);
	operator_kv_time(c, "end", b->end_us);
	if (b->project_id ? write_reservation(c, b, err) < 0 : 0)
		return -1;
	jw_kv_str(&c->out, "reason", b->reason);
	if (!b->project_id)
		jw_kv_bool(&c->out, "drain", b->empties);
	/* where its GPUs are is not the tenant's business */
	if (api_is_admin(c) && write_hosts(c, b, err) < 0)
		return -1;
	operator_kv_time(c, "created_at", b->created_us);
	operator_kv_time(c, "updated_at", b->updated_us);
	jw_end_object(&c->out);
	return 0;
}

static int write_list(struct api_call *c, const char *key, const struct block_filter *f, struct error *err)
{
	bool with_kind = !f->maintenance && !f->capacity;
	struct block *all;
	size_t n;

	if (store_block_list(c->db, c->arena, f, &all, &n, err) < 0)
		return -1;
	jw_key(&c->out, key);
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		if (write_block(c, &all[i], with_kind, err) < 0)
			return -1;
	jw_end_array(&c->out);
	return 0;
}

static int reply_list(struct api_call *c, const char *key, const struct block_filter *f, struct error *err)
{
	jw_object(&c->out);
	if (write_list(c, key, f, err) < 0)
		return -1;
	jw_end_object(&c->out);
	return 0;
}

static const char *key_of(bool maintenance)
{
	return maintenance ? "maintenance" : "reservation";
}

static int reply(struct api_call *c, const struct block *b, struct error *err)
{
	c->target = b->uid;
	jw_object(&c->out);
	jw_key(&c->out, key_of(!b->project_id));
	if (write_block(c, b, false, err) < 0)
		return -1;
	jw_end_object(&c->out);
	return 0;
}

/* --- reading --- */

/* A tenant sees its project's own. */
static int64_t own_project(const struct api_call *c)
{
	return api_is_admin(c) ? 0 : c->who->project.id;
}

static int find(struct api_call *c, bool maintenance, struct block *out, struct error *err)
{
	c->target = api_param(c, key_of(maintenance));
	return store_block_get(c->db, c->arena, maintenance, own_project(c), c->target, out, err);
}

int reservation_list(struct api_call *c, struct error *err)
{
	const struct block_filter f = { .capacity = true,
		.project_id = own_project(c),
		.open = !api_query_bool(c, "all", false),
		.limit = c->api->config.list_max };

	return reply_list(c, "reservations", &f, err);
}

int maintenance_list(struct api_call *c, struct error *err)
{
	const struct block_filter f = { .maintenance = true,
		.open = !api_query_bool(c, "all", false),
		.limit = c->api->config.list_max };

	return reply_list(c, "maintenance", &f, err);
}

static int query_time(struct api_call *c, const char *name, int64_t *out, struct error *err)
{
	const char *text = api_query(c, name);

	if (text && time_parse(text, out))
		return error_set(err, ERR_BAD_REQUEST, "%s must be a time as 2026-01-31T12:00:00Z", name);
	return 0;
}

int calendar_show(struct api_call *c, struct error *err)
{
	const char *host = api_query(c, "host");
	struct block_filter f = { .open = !api_query_bool(c, "all", false),
		.limit = c->api->config.list_max };
	struct host_row h;

	if (query_time(c, "from", &f.from_us, err) < 0 || query_time(c, "to", &f.to_us, err) < 0 ||
		(host && store_host_get(c->db, c->arena, host, &h, err) < 0))
		return -1;
	f.host_id = host ? h.id : 0;
	return reply_list(c, "calendar", &f, err);
}

int calendar_of_host(struct api_call *c, int64_t host_id, struct error *err)
{
	const struct block_filter f = { .host_id = host_id, .limit = c->api->config.list_max };

	return write_list(c, "calendar", &f, err);
}

int reservation_show(struct api_call *c, struct error *err)
{
	struct block b;

	return find(c, false, &b, err) < 0 ? -1 : reply(c, &b, err);
}

int maintenance_show(struct api_call *c, struct error *err)
{
	struct block b;

	return find(c, true, &b, err) < 0 ? -1 : reply(c, &b, err);
}

/* --- bodies --- */

struct block_body {
	const char *name, *reason, *start, *end, *project, *model, *within;
	int64_t gpus;
	struct bind_list hosts;
	bool drain;
};

static const char *const scopes[] = { "host", "rack", "fabric", NULL };

#define NAME BIND(block_body, name, "name", BIND_STR, 0, 1, 255)
#define REASON BIND(block_body, reason, "reason", BIND_STR, 0, 0, 255)
#define START BIND(block_body, start, "start", BIND_STR, 0, 1, 40)
#define END(flags) BIND(block_body, end, "end", BIND_STR, flags, 1, 40)

static const struct bind_field reservation_fields[] = {
	NAME,
	REASON,
	START,
	END(BIND_REQUIRED),
	BIND(block_body, project, "project_id", BIND_STR, BIND_REQUIRED, 1, 64),
	BIND(block_body, model, "model", BIND_STR, BIND_REQUIRED, 1, 63),
	BIND(block_body, gpus, "gpus", BIND_INT, BIND_REQUIRED, 1, CALENDAR_GPUS_MAX),
	{ .name = "within",
		.type = BIND_STR,
		.offset = offsetof(struct block_body, within),
		.flags = BIND_NULL,
		.words = scopes },
};
static const struct bind_field maintenance_fields[] = {
	NAME,
	REASON,
	START,
	END(BIND_REQUIRED),
	{ .name = "hosts",
		.type = BIND_ARR,
		.offset = offsetof(struct block_body, hosts),
		.flags = BIND_REQUIRED,
		.min = 1,
		.max = HOSTS_MAX,
		.items = &bind_item_text },
	BIND(block_body, drain, "drain", BIND_BOOL, 0, 0, 0),
};
static const struct bind_field change_fields[] = { NAME, END(0) };

#undef NAME
#undef REASON
#undef START
#undef END

const struct bind_table reservation_create_body = { .top = "reservation",
	BIND_TABLE(block_body, reservation_fields) },
			maintenance_create_body = { .top = "maintenance",
				BIND_TABLE(block_body, maintenance_fields) },
			reservation_change_body = { .top = "reservation",
				BIND_TABLE(block_body, change_fields) },
			maintenance_change_body = { .top = "maintenance",
				BIND_TABLE(block_body, change_fields) };

static int body_time(const char *name, const char *text, int64_t *out, struct error *err)
{
	*out = 0;
	if (!text)
		return 0;
	if (time_parse(text, out) || *out <= 0)
		return error_set(err, ERR_BAD_REQUEST, "%s must be a time as 2026-01-31T12:00:00Z", name);
	return 0;
}

/* --- changes --- */

static int make(struct api_call *c, struct block_want *want, struct error *err)
{
	const struct block_body *in = c->in;
	struct block b;
	int64_t id;

	want->name = in->name ? in->name : "";
	want->reason = in->reason ? in->reason : "";
	if (body_time("start", in->start, &want->start_us, err) < 0 ||
		body_time("end", in->end, &want->end_us, err) < 0 ||
		flow_block_make(c->api->flows, c->db, c->arena, want, c->now_us, &id, err) < 0 ||
		store_block_load(c->db, c->arena, id, &b, err) < 0)
		return -1;
	c->status = 201;
	return reply(c, &b, err);
}

int reservation_create(struct api_call *c, struct error *err)
{
	const struct block_body *in = c->in;
	struct block_want want = { .model = in->model, .gpus = in->gpus };
	int found = store_quota_project(c->db, in->project, false, &want.project_id, err);

	if (found <= 0)
		return found < 0 ? -1
				 : error_set(err, ERR_BAD_REQUEST, "there is no project %.64s", in->project);
	if (store_guardrail_check(c->db, want.project_id, &(struct guardrail_ask) { .reserved = true }, err) <
		0)
		return -1;
	if (in->within && !calendar_scope_parse(in->within, &want.scope))
		return error_internal(err, "unknown scope %s", in->within);
	return make(c, &want, err);
}

int maintenance_create(struct api_call *c, struct error *err)
{
	const struct block_body *in = c->in;
	const char *const *names = in->hosts.items;
	int64_t *ids = ARENA_ARRAY(c->arena, int64_t, in->hosts.n);
	struct block_want want = { .hosts = ids, .empties = in->drain };
	struct host_row h;

	for (size_t i = 0; i < in->hosts.n; i++) {
		if (store_host_get(c->db, c->arena, names[i], &h, err) < 0)
			return -1;
		for (size_t k = 0; k < want.hosts_n; k++)
			if (ids[k] == h.id)
				return error_set(err, ERR_BAD_REQUEST, "host %.64s is named twice", names[i]);
		ids[want.hosts_n++] = h.id;
	}
	return make(c, &want, err);
}

static int change(struct api_call *c, bool maintenance, struct error *err)
{
	const struct block_body *in = c->in;
	struct block b;
	int64_t end_us;

	if (body_time("end", in->end, &end_us, err) < 0 || find(c, maintenance, &b, err) < 0 ||
		flow_block_change(c->api->flows, c->db, c->arena, &b, in->name, end_us, c->now_us, err) < 0)
		return -1;
	return reply(c, &b, err);
}

int reservation_change(struct api_call *c, struct error *err)
{
	return change(c, false, err);
}

int maintenance_change(struct api_call *c, struct error *err)
{
	return change(c, true, err);
}

static int cancel(struct api_call *c, bool maintenance, struct error *err)
{
	struct block b;

	if (find(c, maintenance, &b, err) < 0)
		return -1;
	c->status = 204;
	return flow_block_cancel(c->api->flows, c->db, c->arena, &b, c->now_us, err);
}

int reservation_cancel(struct api_call *c, struct error *err)
{
	return cancel(c, false, err);
}

int maintenance_cancel(struct api_call *c, struct error *err)
{
	return cancel(c, true, err);
}

/* --- who has to leave, and who waits for it --- */

static void write_eviction(struct api_call *c, const struct eviction *e)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "server_id", e->server_uid);
	jw_kv_str(b, "server", e->server_name);
	jw_kv_str(b, "project_id", e->project_uid);
	operator_kv_time(c, "notice_at", e->notice_us);
	operator_kv_time(c, "leave_at", e->leave_us);
	jw_kv_bool(b, "leaving", e->begun);
	jw_kv_str(b, "for", eviction_for(e));
	if (api_is_admin(c)) {
		jw_kv_str(b, "for_id", e->for_uid);
		jw_kv_str(b, "host", e->host_name);
		jw_kv_int(b, "tries", e->tries);
	}
	jw_end_object(b);
}

static void write_waiter(struct api_call *c, const struct waiter *w)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "server_id", w->server_uid);
	jw_kv_str(b, "server", w->server_name);
	jw_kv_str(b, "project_id", w->project_uid);
	jw_kv_int(b, "leavers", w->leavers);
	operator_kv_time(c, "until", w->deadline_us);
	if (api_is_admin(c))
		jw_kv_str(b, "host", w->host_name);
	jw_key(b, "message");
	jw_strf(b, "%lld preemptible server%s %s for it", (long long)w->leavers,
		w->leavers == 1 ? " leaves" : "s leave", api_is_admin(c) ? w->host_name : "a host");
	jw_end_object(b);
}

int eviction_list(struct api_call *c, struct error *err)
{
	const struct eviction_filter f = { .project_id = own_project(c), .limit = c->api->config.list_max };
	struct waiter *waiters;
	struct eviction *all;
	size_t n, waiters_n;

	if (store_eviction_list(c->db, c->arena, &f, &all, &n, err) < 0 ||
		store_waiter_list(c->db, c->arena, 0, f.project_id, f.limit, &waiters, &waiters_n, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "evictions");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		write_eviction(c, &all[i]);
	jw_end_array(&c->out);
	jw_key(&c->out, "waiting");
	jw_array(&c->out);
	for (size_t i = 0; i < waiters_n; i++)
		write_waiter(c, &waiters[i]);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}
