/* SPDX-License-Identifier: Apache-2.0 */
/* What servers used: of one server by step of time, of a project's servers for a period, and who uses most
 * now. Read from their own file on a thread; tenants see their own project. */
#include <stdlib.h>
#include <string.h>

#include "api/operator/operator.h"
#include "base/util.h"
#include "flow/samples.h"
#include "store/operator_reads.h"
#include "store/server_list.h"

enum {
	ROWS_MAX = 5000,      /* of an answer */
	LOOKUPS_MAX = 744000, /* hours of servers in one answer: a month of a thousand */
	TOP_MAX = 1000,
	TOP = 20,
	UID_MAX = 64,
	PERCENT_NS = 10000000, /* of a second of one processor */
	TOP_PERIODS = 2        /* so that each host was asked in them */
};

static const int64_t minute_ms = 60000, hour_ms = 3600000;

static const struct step {
	const char *name;
	enum samples_step step;
	int64_t each, unit_ms, back_ms; /* back: where a period begins of which only the end is known */
} steps[] = {
	{ "raw", SAMPLES_MINUTE, 1, 60000, 3600000 },
	{ "hour", SAMPLES_HOUR, 1, 3600000, 86400000 },
	{ "day", SAMPLES_HOUR, 24, 3600000, 30 * 86400000LL },
	{ "total", SAMPLES_HOUR, 0, 3600000, 86400000 },
};

struct wish { /* freed by who answers it; strings are its own */
	char server[UUID_TEXT], project[UID_MAX], marker[UUID_TEXT];
	const struct step *step;
	int64_t from_ms, to_ms, limit;
	enum samples_order order;
	/* out, in the arena of the thread's work */
	struct samples_sum *sums;
	struct samples_top *top;
	struct listed *listed;
	size_t n;
	bool more;
};

struct listed {
	struct samples_server server;
	struct samples_sum *sums;
	size_t n;
};

/* --- what is asked for ---------------------------------------------------------------------------------- */

static int read_time(
	struct api_call *c, const char *name, int64_t fallback_ms, int64_t *out, struct error *err)
{
	const char *text = api_query(c, name);
	int64_t us;

	*out = fallback_ms;
	if (!text)
		return 0;
	if (time_parse(text, &us) < 0)
		return error_set(err, ERR_BAD_REQUEST, "%s must be a time as 2026-01-31T12:00:00Z", name);
	*out = us / 1000;
	return 0;
}

static int read_period(struct api_call *c, const char *fallback, struct wish *w, struct error *err)
{
	const char *name = api_query(c, "step");

	if (!name)
		name = fallback;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (strcmp(name, steps[i].name) == 0)
			w->step = &steps[i];
	if (!w->step)
		return error_set(err, ERR_BAD_REQUEST, "step must be raw, hour, day or total");
	if (read_time(c, "to", c->now_us / 1000 + 1, &w->to_ms, err) < 0 ||
		read_time(c, "from", w->to_ms - w->step->back_ms, &w->from_ms, err) < 0)
		return -1;
	return w->from_ms < w->to_ms ? 0 : error_set(err, ERR_BAD_REQUEST, "from must be before to");
}

static int read_limit(struct api_call *c, int64_t fallback, int64_t max, int64_t *out, struct error *err)
{
	const char *text = api_query(c, "limit");

	*out = fallback;
	if (text && !str_int64(text, 1, max, out))
		return error_set(
			err, ERR_BAD_REQUEST, "limit must be an integer from 1 to %lld", (long long)max);
	return 0;
}

/* Administrators see all projects or the one they name; tenants their own. */
static int read_project(struct api_call *c, struct wish *w, struct error *err)
{
	const char *uid = api_query(c, "project");

	if (!api_is_admin(c)) {
		if (uid && !str_eq(uid, c->who->project.uid))
			return error_set(
				err, ERR_FORBIDDEN, "You see what your own project uses, no other's.");
		uid = c->who->project.uid;
	}
	if (uid && !str_copy(w->project, sizeof w->project, uid))
		return error_set(err, ERR_BAD_REQUEST, "project must be the id of a project");
	return 0;
}

/* --- how it is shown ------------------------------------------------------------------------------------ */

static void kv_ms(struct buf *b, const char *key, int64_t ms)
{
	char text[TIME_TEXT];

	jw_kv_str(b, key, time_iso(ms * 1000, text));
}

static void kv_ram(struct buf *b, const struct samples_sum *s)
{
	jw_key(b, "ram_mib");
	if (s->ram_known_ms)
		jw_int(b, s->ram_mib_ms / s->ram_known_ms);
	else if (s->ram_max_mib >= 0)
		jw_int(b, s->ram_max_mib);
	else
		jw_null(b);
	jw_key(b, "ram_max_mib");
	if (s->ram_max_mib >= 0)
		jw_int(b, s->ram_max_mib);
	else
		jw_null(b);
}

static int64_t per_second(int64_t n, const struct samples_sum *s)
{
	return s->covered_ms ? n * 1000 / s->covered_ms : 0;
}

/* Members of an object that is open. */
static void write_sum(struct buf *b, const struct samples_sum *s)
{
	jw_kv_int(b, "covered_s", s->covered_ms / 1000);
	jw_kv_int(b, "cpu_s", s->used[SAMPLE_CPU_NS] / 1000000000);
	jw_kv_int(b, "cpu_percent", per_second(s->used[SAMPLE_CPU_NS], s) / PERCENT_NS);
	for (int i = 0; i < SAMPLE_COUNTERS; i++)
		jw_kv_int(b, sample_counter_names[i], s->used[i]);
	kv_ram(b, s);
	jw_kv_int(b, "readings", s->readings);
}

static void write_sums(struct buf *b, const struct samples_sum *list, size_t n, const struct wish *w)
{
	jw_key(b, "samples");
	jw_array(b);
	for (size_t i = 0; i < n; i++) {
		jw_object(b);
		kv_ms(b, "at", w->step->each ? list[i].at_ms : w->from_ms);
		write_sum(b, &list[i]);
		jw_end_object(b);
	}
	jw_end_array(b);
}

static void write_period(struct buf *b, const struct wish *w)
{
	jw_kv_str(b, "step", w->step->name);
	kv_ms(b, "from", w->from_ms);
	kv_ms(b, "to", w->to_ms);
}

/* --- of one server -------------------------------------------------------------------------------------- */

static int run_server(struct samples *s, struct arena *a, void *in, struct error *err)
{
	struct wish *w = in;
	const struct samples_query q = { w->server, w->step->step, w->from_ms, w->to_ms, w->step->each,
		(size_t)w->limit };

	return samples_read(s, a, &q, &w->sums, &w->n, &w->more, err);
}

static void done_server(void *ctx, void *in, const struct error *err)
{
	struct api_call *c = ctx;
	const struct wish *w = in;
	struct buf *b = &c->out;

	if (err) {
		api_fail(c, err);
		return;
	}
	jw_object(b);
	jw_kv_str(b, "server_id", w->server);
	write_period(b, w);
	write_sums(b, w->sums, w->n, w);
	jw_kv_bool(b, "more", w->more);
	jw_end_object(b);
	api_reply(c);
}

int operator_server_samples(struct api_call *c, struct error *err)
{
	CLEANUP(free_ptr) struct wish *w = xcalloc(1, sizeof *w);
	int64_t id, created_us;
	int rc;

	c->target = api_param(c, "server");
	if (read_period(c, "hour", w, err) < 0 || read_limit(c, ROWS_MAX, ROWS_MAX, &w->limit, err) < 0)
		return -1;
	rc = store_server_find(
		c->db, api_is_admin(c) ? 0 : c->who->project.id, c->target, &id, &created_us, err);
	if (rc <= 0)
		return rc < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "there is no server %.64s", c->target);
	str_copy(w->server, sizeof w->server, c->target);
	flow_samples_ask(c->api->flows, run_server, w, done_server, c);
	w = NULL;
	return 0;
}

/* --- of many -------------------------------------------------------------------------------------------- */

static int run_list(struct samples *s, struct arena *a, void *in, struct error *err)
{
	struct wish *w = in;
	const char *project = w->project[0] ? w->project : NULL;
	int64_t hours = (w->to_ms - w->from_ms) / hour_ms + 1, most = LOOKUPS_MAX / hours + 1;
	struct samples_server *servers;
	size_t n, rows = 0;

	if (w->limit > most)
		w->limit = most;
	if (samples_servers(s, a, project, w->marker, (size_t)w->limit, &servers, &n, err) < 0)
		return -1;
	w->listed = ARENA_ARRAY(a, struct listed, n);
	w->more = (int64_t)n == w->limit;
	for (size_t i = 0; i < n && !(rows && rows >= ROWS_MAX); i++) {
		struct listed *l = &w->listed[w->n];
		const struct samples_query q = { servers[i].uid, w->step->step, w->from_ms, w->to_ms,
			w->step->each, ROWS_MAX };
		bool cut;

		l->server = servers[i];
		if (samples_read(s, a, &q, &l->sums, &l->n, &cut, err) < 0)
			return -1;
		str_copy(w->marker, sizeof w->marker, servers[i].uid);
		w->more |= i + 1 < n && rows + l->n >= ROWS_MAX;
		rows += l->n;
		w->n += l->n > 0;
	}
	return 0;
}

static void done_list(void *ctx, void *in, const struct error *err)
{
	struct api_call *c = ctx;
	const struct wish *w = in;
	struct buf *b = &c->out;

	if (err) {
		api_fail(c, err);
		return;
	}
	jw_object(b);
	write_period(b, w);
	jw_key(b, "servers");
	jw_array(b);
	for (size_t i = 0; i < w->n; i++) {
		jw_object(b);
		jw_kv_str(b, "server_id", w->listed[i].server.uid);
		jw_kv_str(b, "project_id", w->listed[i].server.project);
		if (!w->step->each && w->listed[i].n)
			write_sum(b, w->listed[i].sums);
		else
			write_sums(b, w->listed[i].sums, w->listed[i].n, w);
		jw_end_object(b);
	}
	jw_end_array(b);
	jw_kv_bool(b, "more", w->more);
	jw_kv_str(b, "marker", w->more ? w->marker : NULL);
	jw_end_object(b);
	api_reply(c);
}

int operator_sample_list(struct api_call *c, struct error *err)
{
	CLEANUP(free_ptr) struct wish *w = xcalloc(1, sizeof *w);
	const char *marker = api_query(c, "marker");

	if (read_project(c, w, err) < 0 || read_period(c, "total", w, err) < 0 ||
		read_limit(c, c->api->config.list_max, c->api->config.list_max, &w->limit, err) < 0)
		return -1;
	if (w->step->step != SAMPLES_HOUR)
		return error_set(err, ERR_BAD_REQUEST, "step must be hour, day or total");
	if (marker && (!uuid_valid(marker) || !str_copy(w->marker, sizeof w->marker, marker)))
		return error_set(err, ERR_BAD_REQUEST, "marker must be the id of a server");
	flow_samples_ask(c->api->flows, run_list, w, done_list, c);
	w = NULL;
	return 0;
}

/* --- who uses most -------------------------------------------------------------------------------------- */

static int run_top(struct samples *s, struct arena *a, void *in, struct error *err)
{
	struct wish *w = in;
	int64_t back_ms = TOP_PERIODS * samples_period_ms(s);

	w->from_ms = w->to_ms - (back_ms > 2 * minute_ms ? back_ms : 2 * minute_ms);
	return samples_top(s, a, w->project[0] ? w->project : NULL, w->from_ms, w->order, (size_t)w->limit,
		&w->top, &w->n, err);
}

static void write_top(struct api_call *c, const struct samples_top *t)
{
	const struct samples_sum *s = &t->sum;
	const int64_t *u = s->used;
	struct operator_server *row = NULL;
	struct buf *b = &c->out;
	struct error ignored;
	size_t n = 0;

	if (store_operator_servers(c->db, c->arena, t->server.uid, 1, &row, &n, &ignored) < 0)
		n = 0;
	jw_object(b);
	jw_kv_str(b, "server_id", t->server.uid);
	jw_kv_str(b, "name", n ? row->name : NULL);
	jw_kv_str(b, "project_id", t->server.project);
	jw_kv_str(b, "project", n ? row->project_name : NULL);
	if (api_is_admin(c))
		jw_kv_str(b, "host", n ? row->host : NULL);
	jw_kv_int(b, "cpu_percent", per_second(u[SAMPLE_CPU_NS], s) / PERCENT_NS);
	jw_kv_int(b, "disk_read_bytes_s", per_second(u[SAMPLE_DISK_READ_BYTES], s));
	jw_kv_int(b, "disk_write_bytes_s", per_second(u[SAMPLE_DISK_WRITE_BYTES], s));
	jw_kv_int(b, "net_rx_bytes_s", per_second(u[SAMPLE_NET_RX_BYTES], s));
	jw_kv_int(b, "net_tx_bytes_s", per_second(u[SAMPLE_NET_TX_BYTES], s));
	kv_ram(b, s);
	jw_kv_int(b, "covered_s", s->covered_ms / 1000);
	jw_end_object(b);
}

static void done_top(void *ctx, void *in, const struct error *err)
{
	struct api_call *c = ctx;
	const struct wish *w = in;

	if (err) {
		api_fail(c, err);
		return;
	}
	c->db = store_ro(c->api->store);
	jw_object(&c->out);
	kv_ms(&c->out, "from", w->from_ms);
	jw_key(&c->out, "servers");
	jw_array(&c->out);
	for (size_t i = 0; i < w->n; i++)
		write_top(c, &w->top[i]);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	api_reply(c);
}

int operator_sample_top(struct api_call *c, struct error *err)
{
	static const char *const orders[] = { [SAMPLES_BY_CPU] = "cpu",
		[SAMPLES_BY_DISK] = "disk",
		[SAMPLES_BY_NET] = "net",
		[SAMPLES_BY_RAM] = "ram" };
	CLEANUP(free_ptr) struct wish *w = xcalloc(1, sizeof *w);
	const char *by = api_query(c, "by");
	size_t order = by ? ARRAY_LEN(orders) : SAMPLES_BY_CPU;

	for (size_t i = 0; by && i < ARRAY_LEN(orders); i++)
		if (strcmp(by, orders[i]) == 0)
			order = i;
	if (order == ARRAY_LEN(orders))
		return error_set(err, ERR_BAD_REQUEST, "by must be cpu, disk, net or ram");
	if (read_project(c, w, err) < 0 || read_limit(c, TOP, TOP_MAX, &w->limit, err) < 0)
		return -1;
	w->order = (enum samples_order)order;
	w->to_ms = c->now_us / 1000;
	flow_samples_ask(c->api->flows, run_top, w, done_top, c);
	w = NULL;
	return 0;
}
