/* SPDX-License-Identifier: Apache-2.0 */
/* What is in memory is written down on the loop; what has to be counted in tables, on a thread with a
 * connection of its own. */
#include "api/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "api/admission.h"
#include "api/resources.h"
#include "api/webhooks.h"
#include "base/crypto.h"
#include "base/util.h"
#include "cloudd/version.h"
#include "flow/flow.h"
#include "flow/samples.h"
#include "loop/lane.h"
#include "store/hosts.h"
#include "store/metrics.h"

enum { SERVICES_MAX = 16, CLASSES = 5, SCRAPES_MAX = 4, SCRAPE_MS = 30000 };

struct metrics {
	struct lane *lane;
	bool has_token;
	unsigned char token[SHA256_SIZE];
	uint64_t replies[SERVICES_MAX][CLASSES]; /* by api_services' order */
};

struct metrics *metrics_create(struct api *api, const char *token)
{
	struct metrics *m = xcalloc(1, sizeof *m);

	m->lane = lane_create(api->lanes, "metrics", 1, SCRAPES_MAX);
	m->has_token = token && *token;
	if (m->has_token)
		sha256(token, strlen(token), m->token);
	return m;
}

void metrics_destroy(struct metrics *m)
{
	if (!m)
		return;
	lane_destroy(m->lane);
	free(m);
}

void metrics_count(struct metrics *m, const struct api_service *service, int status)
{
	const struct api_service *const *all;
	size_t n;

	all = api_services(&n);
	if (!m || status < 100 || status >= 100 * (CLASSES + 1))
		return;
	for (size_t i = 0; i < n && i < SERVICES_MAX; i++)
		if (all[i] == service)
			m->replies[i][status / 100 - 1]++;
}

/* By their hashes, so that the time it takes tells nothing. */
bool metrics_bearer(const struct metrics *m, const char *authorization)
{
	static const char scheme[] = "Bearer ";
	unsigned char said[SHA256_SIZE];

	if (!m->has_token || !authorization || !str_starts(authorization, scheme))
		return false;
	authorization += strlen(scheme);
	sha256(authorization, strlen(authorization), said);
	return constant_time_equal(said, m->token, sizeof said);
}

/* --- the text format ------------------------------------------------------------------------------------ */

static void head(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_printf(b, "# HELP cloudd_%s %s\n# TYPE cloudd_%s %s\n", name, help, name, type);
}

static void label(struct buf *b, char before, const char *key, const char *value)
{
	buf_printf(b, "%c%s=\"", before, key);
	for (const char *p = value; *p; p++) {
		if (*p == '\n')
			buf_puts(b, "\\n");
		else if (*p == '"' || *p == '\\')
			buf_printf(b, "\\%c", *p);
		else
			buf_append(b, p, 1);
	}
	buf_puts(b, "\"");
}

/* keys NULL: no labels. In units of a `per`th: 1, 1000 or 1000000. */
static void value(struct buf *b, const char *name, const char *key_a, const char *a, const char *key_b,
	const char *v, int64_t n, int64_t per)
{
	int digits = 0;

	buf_printf(b, "cloudd_%s", name);
	if (key_a)
		label(b, '{', key_a, a);
	if (key_b)
		label(b, ',', key_b, v);
	for (int64_t p = per; p > 1; p /= 10)
		digits++;
	buf_printf(b, "%s %lld", key_a ? "}" : "", (long long)(n / per));
	if (digits)
		buf_printf(b, ".%0*lld", digits, (long long)(n % per));
	buf_puts(b, "\n");
}

static void plain(struct buf *b, const char *name, const char *type, const char *help, int64_t n, int64_t per)
{
	head(b, name, type, help);
	value(b, name, NULL, NULL, NULL, NULL, n, per);
}

/* --- what is in memory ---------------------------------------------------------------------------------- */

static void write_admission(const struct api *api, struct buf *b)
{
	uint64_t n[ADMISSION_KINDS];
	struct http_stats s = { 0 };

	admission_count(api, n);
	if (api->http)
		http_server_stats(api->http, &s);
	head(b, "requests_shed_total", "counter", "Requests that were turned away at once, by reason.");
	value(b, "requests_shed_total", "reason", "project", NULL, NULL, (int64_t)n[ADMISSION_EXCESS], 1);
	value(b, "requests_shed_total", "reason", "overload", NULL, NULL, (int64_t)n[ADMISSION_OVERLOAD], 1);
	plain(b, "requests_waiting", "gauge", "Connections that wait for their turn.", s.waiting, 1);
	plain(b, "requests_waiting_owners", "gauge", "Projects and peers for which some wait.", s.owners, 1);
	plain(b, "request_body_bytes", "gauge", "Bodies of requests under way.", (int64_t)s.bodies, 1);
}

static void write_requests(const struct api *api, struct buf *b)
{
	static const char *const classes[CLASSES] = { "1xx", "2xx", "3xx", "4xx", "5xx" };
	const struct api_service *const *all;
	size_t n;

	all = api_services(&n);
	head(b, "requests_total", "counter", "Requests that were answered, by service and class of status.");
	for (size_t i = 0; i < n && i < SERVICES_MAX; i++)
		for (int k = 0; k < CLASSES; k++)
			if (api->metrics->replies[i][k])
				value(b, "requests_total", "service", all[i]->name, "class", classes[k],
					(int64_t)api->metrics->replies[i][k], 1);
	plain(b, "requests_denied_total", "counter",
		"Requests without a valid token or without the right to it.", (int64_t)api->denied, 1);
	write_admission(api, b);
	plain(b, "requests_in_flight", "gauge", "Requests that are not answered yet.", api->calls, 1);
}

static void write_ticks(const struct api *api, struct buf *b)
{
	struct tick_stats t;

	tick_stats(api->tick, &t);
	plain(b, "ticks_total", "counter", "Transactions.", (int64_t)t.ticks, 1);
	plain(b, "units_total", "counter", "Changes that were tried in them.", (int64_t)t.units, 1);
	plain(b, "units_failed_total", "counter", "Changes that failed and were undone.", (int64_t)t.failed,
		1);
	plain(b, "units_refused_total", "counter", "Changes that the disk did not take.", (int64_t)t.refused,
		1);
	plain(b, "commit_seconds_total", "counter", "Time that commits took.", (int64_t)t.commit_us, 1000000);
}

static void write_flows(const struct api *api, struct buf *b)
{
	struct flow_stats f;

	flow_engine_stats(api->flows, &f);
	plain(b, "flows_started_total", "counter", "Flows that were started.", (int64_t)f.started, 1);
	plain(b, "flows_finished_total", "counter", "Flows that came to their end.", (int64_t)f.finished, 1);
	plain(b, "flows_failed_total", "counter", "Flows that failed.", (int64_t)f.failed, 1);
	plain(b, "host_calls_total", "counter", "Steps of flows that were taken to hosts.", (int64_t)f.acts,
		1);
	plain(b, "host_calls_retried_total", "counter", "Those of them that went wrong and were tried again.",
		(int64_t)f.retries, 1);
	plain(b, "host_calls_running", "gauge", "Steps under way now.", f.running, 1);
}

static void write_samples(const struct api *api, struct buf *b)
{
	struct flow_samples_stats s;

	flow_samples_stats(api->flows, &s);
	plain(b, "samples_total", "counter", "Readings of what servers use.", (int64_t)s.written, 1);
	plain(b, "samples_asked_total", "counter", "Calls to hosts for them.", (int64_t)s.asked, 1);
	plain(b, "samples_failed_total", "counter", "Calls of those that failed.", (int64_t)s.failed, 1);
	plain(b, "samples_unwritten_total", "counter", "Answers that the disk did not take.",
		(int64_t)s.lost_writes, 1);
	plain(b, "samples_bytes", "gauge", "Size of their file.", s.file_bytes, 1);
}

static void write_webhooks(const struct api *api, struct buf *b)
{
	struct webhooks_stats w = { 0 };

	if (api->webhooks)
		webhooks_stats(api->webhooks, &w);
	plain(b, "webhooks", "gauge", "Webhooks.", w.n, 1);
	plain(b, "webhooks_failing", "gauge", "Webhooks whose last delivery failed.", w.failing, 1);
	plain(b, "webhook_deliveries_total", "counter", "Deliveries.", (int64_t)w.delivered, 1);
	plain(b, "webhook_failures_total", "counter", "Deliveries that failed.", (int64_t)w.failed, 1);
	plain(b, "webhook_given_up_total", "counter", "Events that were given up.", (int64_t)w.given_up, 1);
}

static void write_resources(const struct api *api, struct buf *b)
{
	size_t n;
	const struct resource *all = resources_all(api->resources, &n);

	head(b, "resource_short", "gauge", "Does the controller run short of it?");
	for (size_t i = 0; i < n; i++)
		value(b, "resource_short", "resource", all[i].name, NULL, NULL, all[i].trouble, 1);
	head(b, "resource_left", "gauge", "How much of it is left: bytes of disks, descriptors.");
	for (size_t i = 0; i < n; i++)
		if (all[i].left >= 0 && all[i].least >= 0)
			value(b, "resource_left", "resource", all[i].name, NULL, NULL, all[i].left, 1);
	head(b, "resource_least", "gauge", "How much should be.");
	for (size_t i = 0; i < n; i++)
		if (all[i].left >= 0 && all[i].least >= 0)
			value(b, "resource_least", "resource", all[i].name, NULL, NULL, all[i].least, 1);
}

static void write_connections(const struct api *api, struct buf *b)
{
	struct http_stats s = { 0 };

	if (api->http)
		http_server_stats(api->http, &s);
	plain(b, "connections", "gauge", "Connections of clients.", s.open, 1);
	plain(b, "connections_total", "counter", "Connections that were taken.", (int64_t)s.accepted, 1);
	plain(b, "connections_evicted_total", "counter", "Idle ones that made room for new ones.",
		(int64_t)s.evicted, 1);
	plain(b, "connections_starved_total", "counter", "Times that no descriptor was left for a new one.",
		(int64_t)s.starved, 1);
}

static void write_host_links(struct api_call *c, const struct host_row *all, size_t n)
{
	struct flow_engine *e = c->api->flows;
	struct buf *b = &c->out;
	struct host_link l;

	head(b, "host_connected", "gauge", "Is the host connected?");
	for (size_t i = 0; i < n; i++)
		value(b, "host_connected", "host", all[i].name, NULL, NULL,
			flow_host_link(e, all[i].id, &l) && str_eq(l.state, "connected"), 1);
	head(b, "host_calls_waiting", "gauge", "Calls that wait for the host, or are under way.");
	for (size_t i = 0; i < n; i++)
		if (flow_host_link(e, all[i].id, &l))
			value(b, "host_calls_waiting", "host", all[i].name, NULL, NULL,
				(int64_t)l.queued + l.running, 1);
	head(b, "host_sample_age_seconds", "gauge",
		"Since it was measured what the host's servers use; none: not since the start.");
	for (size_t i = 0; i < n; i++) {
		int64_t us = flow_samples_host_us(e, all[i].id);

		if (us)
			value(b, "host_sample_age_seconds", "host", all[i].name, NULL, NULL,
				us < c->now_us ? c->now_us - us : 0, 1000000);
	}
}

static int write_memory(struct api_call *c, struct error *err)
{
	const struct api *api = c->api;
	struct buf *b = &c->out;
	struct host_row *all;
	size_t n;

	if (store_host_list(c->db, c->arena, &all, &n, err) < 0)
		return -1;
	head(b, "info", "gauge", "The version that runs.");
	value(b, "info", "version", CLOUDD_VERSION, NULL, NULL, 1, 1);
	plain(b, "start_time_seconds", "gauge", "When it was started.", api->started_us, 1000000);
	write_requests(api, b);
	write_ticks(api, b);
	write_flows(api, b);
	write_samples(api, b);
	write_webhooks(api, b);
	write_resources(api, b);
	write_connections(api, b);
	write_host_links(c, all, n);
	plain(b, "database_bytes", "gauge", "Size of the database with its log.", store_bytes(api->store), 1);
	return 0;
}

/* --- what is counted ------------------------------------------------------------------------------------ */

struct scrape { /* on the heap: the request may be over before the thread is */
	struct work work;
	struct api_call *c;
	struct store *store;
	struct buf out;
	int rc;
	struct error err;
};

static const struct table {
	int (*read)(struct db *db, metrics_row_fn *fn, void *ctx, struct error *err);
	const char *name, *type, *help, *key_a, *key_b;
	int64_t per;
} tables[] = {
	{ store_metrics_servers, "servers", "gauge", "Servers, by state.", "state", NULL, 1 },
	{ store_metrics_hosts, "hosts", "gauge", "Hosts, by what the operator says of them.", "state", NULL,
		1 },
	{ store_metrics_flows, "flows", "gauge", "Flows, by kind and state.", "kind", "state", 1 },
	{ store_metrics_gpus, "gpus", "gauge", "GPUs and parts of them, by who has them.", "owner", NULL,
		1000 },
	{ store_metrics_audit, "audit_records_total", "counter", "The number of the last audit record.", NULL,
		NULL, 1 },
	{ store_metrics_waiting, "webhook_waiting_since_seconds", "gauge",
		"When the oldest event was that could not be delivered so far; 0: none waits.", NULL, NULL,
		1000000 },
	{ store_metrics_events, "last_event_id", "gauge", "The last event.", NULL, NULL, 1 },
};

struct row_ctx {
	struct buf *out;
	const struct table *t;
};

static void on_row(void *ctx, const char *a, const char *b, int64_t n)
{
	const struct row_ctx *r = ctx;

	value(r->out, r->t->name, r->t->key_a, a, r->t->key_b, b, n, r->t->per);
}

static void scrape_run(struct work *work)
{
	struct scrape *k = CONTAINER_OF(work, struct scrape, work);
	struct db *db = NULL;

	k->rc = store_reader_open(k->store, &db, &k->err);
	for (size_t i = 0; k->rc == 0 && i < ARRAY_LEN(tables); i++) {
		struct row_ctx ctx = { &k->out, &tables[i] };

		head(&k->out, tables[i].name, tables[i].type, tables[i].help);
		k->rc = tables[i].read(db, on_row, &ctx, &k->err);
	}
	store_reader_close(db);
}

static void scrape_done(struct work *work, enum work_result res)
{
	struct scrape *k = CONTAINER_OF(work, struct scrape, work);
	struct api_call *c = k->c;
	struct error late;

	if (res == WORK_DONE && k->rc == 0) {
		buf_append(&c->out, k->out.data, k->out.len);
		c->content_type = "text/plain; version=0.0.4; charset=utf-8";
		api_reply(c);
		return;
	}
	error_set(&late, ERR_UNAVAILABLE, "the figures cannot be counted now");
	api_fail(c, res == WORK_DONE ? &k->err : &late);
}

static void scrape_destroy(struct work *work)
{
	struct scrape *k = CONTAINER_OF(work, struct scrape, work);

	buf_finish(&k->out);
	free(k);
}

int metrics_show(struct api_call *c, struct error *err)
{
	struct scrape *k;

	if (write_memory(c, err) < 0)
		return -1;
	k = xcalloc(1, sizeof *k);
	k->work = (struct work) {
		.run = scrape_run, .done = scrape_done, .destroy = scrape_destroy, .timeout_ms = SCRAPE_MS
	};
	k->c = c;
	k->store = c->api->store;
	if (lane_submit(c->api->metrics->lane, &k->work))
		return 0;
	free(k);
	return error_set(err, ERR_BUSY, "too many ask for the figures at once");
}
