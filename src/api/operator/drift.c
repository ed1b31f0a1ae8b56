/* SPDX-License-Identifier: Apache-2.0 */
/* /drift: where rows and hosts differ, as last looked at or looked at now; and the word that something left
 * over may be taken away. */
#include "flow/drift.h"

#include "api/operator/operator.h"
#include "base/util.h"
#include "domain/why.h"
#include "store/hosts.h"

/* ---- the answer ---- */

static void write_command(struct api_call *c, const struct host_row *h, const struct drift *x)
{
	const char *command = drift_kind(x->what)->command;
	const struct why_word words[] = { { "object", x->object }, { "host", h->name }, { "id", x->id } };
	CLEANUP(buf_finish) struct buf text = { 0 };

	if (command)
		why_fill(&text, command, words, ARRAY_LEN(words));
	jw_kv_str(&c->out, "command", command ? buf_text(&text) : NULL);
}

static void write_finding(struct api_call *c, const struct host_row *h, const struct drift *x)
{
	const struct drift_kind *k = drift_kind(x->what);
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "id", x->id);
	jw_kv_str(b, "host", h->name);
	jw_kv_str(b, "what", k->name);
	jw_kv_str(b, "object", x->object);
	jw_kv_str(b, "says", k->says);
	jw_kv_str(b, "detail", x->detail);
	operator_kv_time(c, "since", x->since_us);
	operator_kv_time(c, "seen_at", x->seen_us);
	jw_kv_int(b, "looks", x->looks);
	jw_kv_str(b, "policy", k->policy);
	jw_kv_str(b, "by", k->by);
	write_command(c, h, x);
	jw_end_object(b);
}

static size_t write_findings(struct api_call *c, const struct host_row *hosts, size_t n)
{
	size_t found = 0;

	jw_key(&c->out, "findings");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		struct drift_host d = { 0 };

		flow_drift_host(c->api->flows, hosts[i].id, &d);
		for (size_t k = 0; k < d.n; k++)
			write_finding(c, &hosts[i], &d.found[k]);
		found += d.n + d.more;
	}
	jw_end_array(&c->out);
	return found;
}

static void write_hosts(struct api_call *c, const struct host_row *hosts, size_t n)
{
	struct buf *b = &c->out;

	jw_key(b, "hosts");
	jw_array(b);
	for (size_t i = 0; i < n; i++) {
		struct drift_host d = { 0 };
		struct host_link link = { .state = "unknown" };

		flow_drift_host(c->api->flows, hosts[i].id, &d);
		flow_host_link(c->api->flows, hosts[i].id, &link);
		jw_object(b);
		jw_kv_str(b, "host", hosts[i].name);
		jw_kv_str(b, "connection", link.state);
		operator_kv_time(c, "looked_at", d.looked_us);
		operator_kv_time(c, "compared_at", d.deep_us);
		jw_kv_int(b, "findings", (int64_t)(d.n + d.more));
		jw_kv_int(b, "not_kept", (int64_t)d.more);
		jw_kv_int(b, "foreign_domains", (int64_t)d.foreign);
		jw_end_object(b);
	}
	jw_end_array(b);
}

static int wanted(struct api_call *c, struct host_row **out, size_t *out_n, struct error *err)
{
	const char *name = api_query(c, "host");

	if (!name)
		return store_host_list(c->db, c->arena, out, out_n, err);
	*out = ARENA_NEW(c->arena, struct host_row);
	*out_n = 1;
	return store_host_get(c->db, c->arena, name, *out, err);
}

static int write_all(struct api_call *c, struct error *err)
{
	struct host_row *hosts;
	size_t n, found;

	if (wanted(c, &hosts, &n, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "drift");
	jw_object(&c->out);
	found = write_findings(c, hosts, n);
	write_hosts(c, hosts, n);
	jw_kv_bool(&c->out, "clean", found == 0);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* ---- the requests ---- */

static void answer(void *ctx)
{
	struct api_call *c = ctx;
	struct error err;

	if (write_all(c, &err) < 0)
		api_fail(c, &err);
	else
		api_reply(c);
}

int operator_drift(struct api_call *c, struct error *err)
{
	bool now = api_query_bool(c, "now", false);
	struct host_row *hosts;
	int64_t *ids;
	size_t n;

	if (wanted(c, &hosts, &n, err) < 0)
		return -1;
	if (!now) {
		answer(c);
		return 0;
	}
	ids = ARENA_ARRAY(c->arena, int64_t, n + 1);
	for (size_t i = 0; i < n; i++)
		ids[i] = hosts[i].id;
	flow_drift_now(c->api->flows, ids, n, api_query(c, "host") != NULL, answer, c);
	return 0;
}

int operator_drift_clear(struct api_call *c, struct error *err)
{
	c->target = api_param(c, "difference");
	c->status = 202;
	return flow_drift_clear(c->api->flows, c->db, c->target, c->request_id, c->now_us, err);
}
