/* SPDX-License-Identifier: Apache-2.0 */
/* os-migrations, and the live migrations of one server that are under way. */
#include <string.h>

#include "api/compute/compute.h"
#include "base/crypto.h"
#include "base/util.h"
#include "flow/server_move.h"

/* --- views */

/* With what both lists tell of a move. */
static void common_view(struct api_call *c, const struct move *m)
{
	struct buf *b = &c->out;

	jw_kv_int(b, "id", m->id);
	jw_kv_str(b, "status", m->status);
	jw_kv_str(b, "source_compute", m->source_host);
	jw_kv_str(b, "source_node", m->source_node);
	jw_kv_str(b, "dest_compute", m->dest_host);
	jw_kv_str(b, "dest_node", m->dest_node);
	jw_kv_str(b, "dest_host", m->dest_host);
	compute_time(b, "created_at", m->created_us, true);
	compute_time(b, "updated_at", m->updated_us, true);
	if (since(c, 59))
		jw_kv_str(b, "uuid", m->uid);
	if (since(c, 80)) {
		jw_kv_str(b, "user_id", m->user_uid);
		jw_kv_str(b, "project_id", m->project_uid);
	}
}

static bool is_live(const struct move *m)
{
	return m->kind == MOVE_LIVE && !m->ended_us;
}

static void move_view(struct api_call *c, const struct move *m)
{
	struct buf *b = &c->out;

	jw_object(b);
	common_view(c, m);
	jw_kv_str(b, "instance_uuid", m->server_uid);
	jw_kv_int(b, "old_instance_type_id", m->old_flavor_id);
	jw_kv_int(b, "new_instance_type_id", m->new_flavor_id);
	if (since(c, 23)) {
		jw_kv_str(b, "migration_type", move_kind_text(m->kind));
		if (is_live(m))
			compute_links(c, arena_printf(c->arena, "servers/%s/migrations", m->server_uid),
				arena_printf(c->arena, "%lld", (long long)m->id));
	}
	jw_end_object(b);
}

/* progress NULL: not known. */
static void live_view(struct api_call *c, const struct move *m, const struct hv_progress *progress)
{
	static const struct hv_progress none = { 0 };
	const struct hv_progress *p = progress ? progress : &none;
	struct buf *b = &c->out;

	jw_object(b);
	common_view(c, m);
	jw_kv_str(b, "server_uuid", m->server_uid);
	jw_kv_int(b, "memory_total_bytes", p->ram_total);
	jw_kv_int(b, "memory_processed_bytes", p->ram_done);
	jw_kv_int(b, "memory_remaining_bytes", p->ram_left);
	jw_kv_int(b, "disk_total_bytes", p->disk_total);
	jw_kv_int(b, "disk_processed_bytes", p->disk_done);
	jw_kv_int(b, "disk_remaining_bytes", p->disk_left);
	jw_end_object(b);
}

/* --- os-migrations */

static const struct {
	const char *name;
	int since;
	size_t offset; /* of a text of the filter; */
	bool text;     /* or it is read elsewhere */
} params[] = {
	{ "instance_uuid", 0, offsetof(struct move_filter, server_uid), true },
	{ "host", 0, offsetof(struct move_filter, host), true },
	{ "source_compute", 0, offsetof(struct move_filter, source_host), true },
	{ "status", 0, offsetof(struct move_filter, status), true },
	{ "user_id", 80, offsetof(struct move_filter, user_uid), true },
	{ "project_id", 80, offsetof(struct move_filter, project_uid), true },
	{ "migration_type", 0, 0, false },
	{ "hidden", 0, 0, false },
	{ "limit", 59, 0, false },
	{ "marker", 59, 0, false },
	{ "changes-since", 59, 0, false },
	{ "changes-before", 66, 0, false },
};

/* From 2.59 what is not known is refused; below it is passed over. */
static int check_params(struct api_call *c, struct error *err)
{
	for (size_t i = 0; since(c, 59) && i < c->http->query_n; i++) {
		const char *name = c->http->query[i].name;
		bool known = false;

		for (size_t k = 0; k < ARRAY_LEN(params); k++)
			known |= strcmp(params[k].name, name) == 0 && since(c, params[k].since);
		if (!known)
			return error_set(err, ERR_BAD_REQUEST,
				"Additional properties are not allowed ('%.64s' was unexpected)", name);
	}
	return 0;
}

static int read_time(struct api_call *c, const char *name, int version, int64_t *out, struct error *err)
{
	const char *text = since(c, version) ? api_query(c, name) : NULL;

	if (text && time_parse(text, out) < 0)
		return error_set(err, ERR_BAD_REQUEST,
			"%s must be a time as 2026-01-31T12:00:00Z, not '%.32s'", name, text);
	return 0;
}

/* False: of a kind that there is none of. */
static bool read_kind(struct api_call *c, struct move_filter *f)
{
	const char *text = api_query(c, "migration_type");

	if (!text)
		return true;
	f->by_kind = true;
	for (f->kind = MOVE_RESIZE; f->kind <= MOVE_EVACUATION; f->kind++)
		if (strcmp(move_kind_text(f->kind), text) == 0)
			return true;
	return false;
}

static int read_filter(struct api_call *c, struct move_filter *f, struct error *err)
{
	static const char *const keys[] = { "created_at", NULL };
	struct api_page page = { .limit = c->api->config.list_max };

	for (size_t i = 0; i < ARRAY_LEN(params); i++)
		if (params[i].text && since(c, params[i].since))
			*(const char **)(void *)((char *)f + params[i].offset) = api_query(c, params[i].name);
	if (check_params(c, err) < 0 || (since(c, 59) && api_page(c, keys, true, &page, err) < 0) ||
		read_time(c, "changes-since", 59, &f->since_us, err) < 0 ||
		read_time(c, "changes-before", 66, &f->before_us, err) < 0)
		return -1;
	if (f->since_us && f->before_us && f->since_us > f->before_us)
		return error_set(err, ERR_BAD_REQUEST,
			"The value of changes-since must be less than or equal to changes-before.");
	f->limit = page.limit;
	if (!page.marker)
		return 0;
	switch (store_move_find(c->db, page.marker, &f->below_id, err)) {
	case 1:
		return 0;
	case 0:
		return api_marker_missing(page.marker, err);
	default:
		return -1;
	}
}

int compute_migrations(struct api_call *c, struct error *err)
{
	struct move_filter filter = { .limit = 0 };
	struct move *list;
	size_t n = 0;

	if (read_filter(c, &filter, err) < 0 ||
		(read_kind(c, &filter) && store_move_list(c->db, c->arena, &filter, &list, &n, err) < 0))
		return -1;
	c->status = 200;
	jw_object(&c->out);
	jw_key(&c->out, "migrations");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		move_view(c, &list[i]);
	jw_end_array(&c->out);
	if (since(c, 59) && n && (int64_t)n == filter.limit)
		api_next_link(c, "migrations_links", list[n - 1].uid);
	jw_end_object(&c->out);
	return 0;
}

/* --- of one server */

static const char *const under_way[] = { "queued", "preparing", "running", "post-migrating" };

static bool in_progress(const struct move *m)
{
	for (size_t i = 0; i < ARRAY_LEN(under_way); i++)
		if (strcmp(under_way[i], m->status) == 0)
			return is_live(m);
	return false;
}

/* By the path's {migration_id}, of the path's server. */
static int find_move(struct api_call *c, const struct server *s, struct move *out, struct error *err)
{
	const char *text = api_param(c, "migration_id");
	int64_t id;
	int rc = 0;

	if (str_int64(text, 1, INT64_MAX, &id))
		rc = store_move_load(c->db, c->arena, id, out, err);
	if (rc < 0)
		return -1;
	if (rc == 0 || out->server_id != s->id)
		return error_set(
			err, ERR_NOT_FOUND, "Migration %.20s not found for instance %s", text, s->uid);
	return 0;
}

struct shown { /* what waits for the host to tell how far it is */
	struct api_call *c;
	struct move m;
	bool list;
};

static void reply(struct shown *k, const struct hv_progress *progress)
{
	struct buf *b = &k->c->out;

	k->c->status = 200;
	jw_object(b);
	jw_key(b, k->list ? "migrations" : "migration");
	if (k->list)
		jw_array(b);
	if (k->m.id)
		live_view(k->c, &k->m, progress);
	if (k->list)
		jw_end_array(b);
	jw_end_object(b);
	api_reply(k->c);
}

static void progress_came(void *ctx, const struct hv_progress *progress)
{
	reply(ctx, progress);
}

static void ask(struct shown *k)
{
	flow_move_progress(k->c->api->flows, k->m.source_host_id, k->m.server_uid, progress_came, k);
}

int compute_server_migrations(struct api_call *c, struct error *err)
{
	struct shown *k = ARENA_NEW(c->arena, struct shown);
	struct server s;
	int rc;

	*k = (struct shown) { .c = c, .list = true };
	if (compute_server_load(c, &s, err) < 0)
		return -1;
	rc = store_move_open(c->db, c->arena, s.id, &k->m, err);
	if (rc < 0)
		return -1;
	if (rc > 0 && in_progress(&k->m)) {
		ask(k);
		return 0;
	}
	k->m.id = 0;
	reply(k, NULL);
	return 0;
}

int compute_server_migration(struct api_call *c, struct error *err)
{
	struct shown *k = ARENA_NEW(c->arena, struct shown);
	struct server s;

	*k = (struct shown) { .c = c };
	if (compute_server_load(c, &s, err) < 0 || find_move(c, &s, &k->m, err) < 0)
		return -1;
	if (k->m.kind != MOVE_LIVE)
		return error_set(err, ERR_NOT_FOUND, "Migration %lld for server %s is not live-migration.",
			(long long)k->m.id, s.uid);
	if (!in_progress(&k->m))
		return error_set(err, ERR_NOT_FOUND, "Live migration %lld for server %s is not in progress.",
			(long long)k->m.id, s.uid);
	ask(k);
	return 0;
}

/* --- words to one */

static void tell(struct api_call *c, enum move_word word)
{
	struct error ignored;
	struct server s;

	if (compute_server_load(c, &s, &ignored) == 0)
		flow_move_tell(c->api->flows, s.host_id, s.uid, word);
}

static void tell_cancel(struct api_call *c)
{
	tell(c, MOVE_WORD_CANCEL);
}

static void tell_force(struct api_call *c)
{
	tell(c, MOVE_WORD_FORCE);
}

static void tell_end(struct api_call *c)
{
	struct error ignored;
	struct server s;

	/* gone already, or on its way */
	if (store_server_get(c->db, c->arena, 0, c->target, &s, &ignored) == 0)
		flow_move_tell(c->api->flows, s.host_id, s.uid, MOVE_WORD_CANCEL);
}

void compute_move_ends(struct api_call *c, const struct server *s)
{
	if (s->task_state == TASK_MIGRATING)
		c->committed = tell_end;
}

static int order(struct api_call *c, enum move_word word, const char *doing, struct error *err)
{
	struct server s;
	struct move m;

	if (compute_server_load(c, &s, err) < 0)
		return -1;
	if (s.task_state != TASK_MIGRATING)
		return error_set(err, ERR_CONFLICT, "Cannot '%s' instance %s while it is in task_state %s",
			doing, s.uid, s.task_state == TASK_NONE ? "None" : task_state_text(s.task_state));
	if (find_move(c, &s, &m, err) < 0) {
		if (word == MOVE_WORD_FORCE && err->code == ERR_NOT_FOUND)
			err->code = ERR_BAD_REQUEST;
		return -1;
	}
	if (flow_move_order(c->db, &m, word, c->now_us, err) < 0)
		return -1;
	c->committed = word == MOVE_WORD_CANCEL ? tell_cancel : tell_force;
	c->status = 202;
	return 0;
}

int compute_server_migration_abort(struct api_call *c, struct error *err)
{
	return order(c, MOVE_WORD_CANCEL, "abort live migration", err);
}

struct migration_action {
	json_t *force_complete;
};

static const struct bind_field action_fields[] = {
	{ .name = "force_complete",
		.type = BIND_ANY,
		.flags = BIND_NULL,
		.offset = offsetof(struct migration_action, force_complete) },
};

const struct bind_table compute_migration_action_body = { BIND_TABLE(migration_action, action_fields),
	.flags = BIND_ONE };

int compute_server_migration_action(struct api_call *c, struct error *err)
{
	return order(c, MOVE_WORD_FORCE, "force_complete", err);
}
