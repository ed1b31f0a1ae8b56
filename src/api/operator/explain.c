/* SPDX-License-Identifier: Apache-2.0 */
/* POST /placement/explain: what a create would do now, and why, by the same code; nothing is changed. A
 * tenant learns counts by rule; which hosts there are, and what they lack, is for administrators. */
#include <stdlib.h>
#include <string.h>

#include "api/compute/compute.h"
#include "api/compute/server_body.h"
#include "api/compute/server_hints.h"
#include "api/operator/operator.h"
#include "base/crypto.h"
#include "base/util.h"
#include "flow/server.h"
#include "store/calendar.h"
#include "store/devices.h"
#include "store/flavors.h"
#include "store/hosts.h"
#include "store/projects.h"
#include "store/servers.h"

enum { EXPLAIN_SERVERS_MAX = 500, CALENDAR_MAX = 200 };

struct explain_body {
	const char *flavor, *image, *zone, *host, *project;
	int64_t count;
	const struct server_hints_body *hints;
};

static const struct bind_field explain_fields[] = {
	BIND(explain_body, flavor, "flavor", BIND_STR, BIND_REQUIRED, 1, 255),
	BIND(explain_body, image, "image", BIND_STR, 0, 36, 36),
	BIND(explain_body, zone, "zone", BIND_STR, 0, 1, 63),
	BIND(explain_body, host, "host", BIND_STR, 0, 1, 63),
	BIND(explain_body, project, "project_id", BIND_STR, 0, 1, 64),
	BIND(explain_body, count, "count", BIND_INT, 0, 1, EXPLAIN_SERVERS_MAX),
	{ .name = "hints",
		.type = BIND_OBJ,
		.offset = offsetof(struct explain_body, hints),
		.table = &server_hints_table },
};

const struct bind_table explain_body = { .top = "explain", BIND_TABLE(explain_body, explain_fields) };

struct explaining {
	struct api_call *c;
	bool admin;
	struct server_create want;
	struct server_explanation why;
	struct host_row *hosts; /* by id */
	size_t hosts_n;
};

/* ---- the request ---- */

static int read_project(struct explaining *x, const char *uid, struct error *err)
{
	struct project p;

	x->want.base.project_id = x->c->who->project.id;
	if (!uid || str_eq(uid, x->c->who->project.uid))
		return 0;
	if (!x->admin)
		return error_set(
			err, ERR_FORBIDDEN, "explain.project_id may be named by administrators only");
	if (store_project_get(x->c->db, x->c->arena, uid, &p, err) < 0)
		return err->code == ERR_NOT_FOUND
			       ? error_set(err, ERR_BAD_REQUEST, "there is no project %.64s", uid)
			       : -1;
	x->want.base.project_id = p.id;
	return 0;
}

static int read_flavor(struct explaining *x, const char *ref, struct error *err)
{
	struct api_call *c = x->c;
	struct server *s = &x->want.base;
	struct flavor_wants wants = { .gpus_n = 0 };
	struct flavor f;

	if (store_flavor_get(c->db, c->arena, compute_scope(c), ref, &f, err) < 0)
		return err->code == ERR_NOT_FOUND
			       ? error_set(err, ERR_BAD_REQUEST, "Flavor %.128s could not be found.", ref)
			       : -1;
	s->flavor_uid = f.uid;
	s->vcpus = f.vcpus;
	s->ram_mib = f.ram_mib;
	s->disk_gib = f.disk_gib;
	s->ephemeral_gib = f.ephemeral_gib;
	s->swap_mib = f.swap_mib;
	return server_flavor_specs(c, &f, &wants, &s->extra_specs, err);
}

/* Without an image the disk is the flavor's, or one GiB. */
static int read_image(struct explaining *x, const char *uid, struct error *err)
{
	struct server *s = &x->want.base;
	struct server_image_ref image;

	if (!uid) {
		s->disk_gib = s->disk_gib ? s->disk_gib : 1;
		return 0;
	}
	if (!uuid_valid(uid))
		return error_set(
			err, ERR_BAD_REQUEST, "explain.image must be an image's id, not '%.64s'", uid);
	if (server_find_image(x->c, s->project_id, uid, s->ram_mib, s->disk_gib, &image, err) < 0)
		return -1;
	s->image_id = image.id;
	return 0;
}

static int read_request(struct explaining *x, struct error *err)
{
	static const struct server_hints_body none = { 0 };
	const struct explain_body *in = x->c->in;

	x->want.zone = in->zone;
	x->want.host = in->host;
	x->want.count = in->count ? (int)in->count : 1;
	if (in->host && !x->admin)
		return error_set(err, ERR_FORBIDDEN, "explain.host may be named by administrators only");
	if (read_project(x, in->project, err) < 0 || read_flavor(x, in->flavor, err) < 0 ||
		read_image(x, in->image, err) < 0)
		return -1;
	return server_find_hints(x->c, x->want.base.project_id, in->hints ? in->hints : &none, &x->want, err);
}

/* ---- the answer ---- */

static int by_id(const void *a, const void *b)
{
	const struct host_row *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static const struct host_row *host_of(const struct explaining *x, int64_t id)
{
	const struct host_row key = { .id = id };

	return x->hosts_n ? bsearch(&key, x->hosts, x->hosts_n, sizeof key, by_id) : NULL;
}

static int64_t chosen_there(const struct explaining *x, int64_t host_id)
{
	int64_t n = 0;

	for (int i = 0; x->why.placed && i < x->want.count; i++)
		n += x->why.choices[i].host_id == host_id;
	return n;
}

static void write_host(const struct explaining *x, const struct placement_verdict *v)
{
	struct buf *b = &x->c->out;
	const struct host_row *h = host_of(x, v->host_id);

	jw_object(b);
	jw_kv_str(b, "host", h ? h->name : NULL);
	jw_kv_bool(b, "fits", v->rule == RULE_OK);
	jw_kv_str(b, "rule", v->rule == RULE_OK ? NULL : placement_rule_name(v->rule));
	jw_kv_str(b, "reason", placement_rule_text(v->rule));
	jw_kv_int(b, "want", v->want);
	jw_kv_int(b, "have", v->have);
	jw_kv_int(b, "score", v->score);
	jw_kv_int(b, "chosen", chosen_there(x, v->host_id));
	jw_end_object(b);
}

static void write_totals(const struct explaining *x)
{
	struct buf *b = &x->c->out;
	int64_t totals[RULE_MAX] = { 0 };

	for (size_t i = 0; i < x->why.verdicts_n; i++)
		totals[x->why.verdicts[i].rule]++;
	jw_key(b, "totals");
	jw_array(b);
	for (int r = RULE_OK; r < RULE_MAX; r++) {
		if (!totals[r])
			continue;
		jw_object(b);
		jw_kv_str(b, "rule", placement_rule_name((enum placement_rule)r));
		jw_kv_str(b, "reason", placement_rule_text((enum placement_rule)r));
		jw_kv_int(b, "hosts", totals[r]);
		jw_end_object(b);
	}
	jw_end_array(b);
}

static int write_gpus(const struct explaining *x, const struct placement_choice *ch, struct error *err)
{
	struct buf *b = &x->c->out;
	struct device_row *devices;
	size_t n;

	if (store_device_list(x->c->db, x->c->arena, ch->host_id, &devices, &n, err) < 0)
		return -1;
	jw_key(b, "gpus");
	jw_array(b);
	for (size_t i = 0; i < ch->gpus_n; i++) {
		const struct placement_gpu_choice *g = &ch->gpus[i];
		size_t k = 0;

		while (k < n && devices[k].id != g->id)
			k++;
		jw_object(b);
		jw_kv_str(b, "address", k < n ? devices[k].address : NULL);
		jw_kv_str(b, "model", k < n ? devices[k].model : NULL);
		jw_kv_str(b, "profile", *g->profile ? g->profile : NULL);
		jw_kv_int(b, "start", g->start);
		jw_kv_int(b, "cell", g->guest_cell);
		jw_end_object(b);
	}
	jw_end_array(b);
	return 0;
}

static void write_cells(const struct explaining *x, const struct placement_choice *ch)
{
	struct buf *b = &x->c->out;
	size_t pin = 0;

	jw_key(b, "cells");
	jw_array(b);
	for (size_t i = 0; i < ch->cells_n; i++) {
		const struct placement_cell_choice *cell = &ch->cells[i];

		jw_object(b);
		jw_kv_int(b, "cell", cell->cell);
		jw_kv_int(b, "vcpus", cell->vcpus);
		jw_kv_int(b, "ram_mib", cell->ram_mib);
		jw_kv_int(b, "page_kib", cell->page_kib);
		jw_key(b, "cpus");
		jw_array(b);
		for (int k = 0; k < cell->vcpus && pin < ch->cpus_n; k++)
			jw_int(b, ch->cpus[pin++]);
		jw_end_array(b);
		jw_end_object(b);
	}
	jw_end_array(b);
}

static int write_choices(const struct explaining *x, struct error *err)
{
	struct buf *b = &x->c->out;

	jw_key(b, "chosen");
	jw_array(b);
	for (int i = 0; x->why.placed && i < x->want.count; i++) {
		const struct placement_choice *ch = &x->why.choices[i];
		const struct host_row *h = host_of(x, ch->host_id);

		jw_object(b);
		jw_kv_str(b, "host", h ? h->name : NULL);
		write_cells(x, ch);
		if (write_gpus(x, ch, err) < 0)
			return -1;
		jw_end_object(b);
	}
	jw_end_array(b);
	return 0;
}

static int verdict_by_id(const void *a, const void *b)
{
	const struct placement_verdict *x = a, *y = b;

	return (x->host_id > y->host_id) - (x->host_id < y->host_id);
}

/* Is it this block, or window, that keeps one of its hosts from fitting? */
static bool in_the_way(const struct explaining *x, const struct block *block)
{
	const enum placement_rule rule = block->project_id ? RULE_RESERVED : RULE_HOST_STATE;
	struct block_host *hosts;
	struct error ignored;
	size_t n;

	if (store_block_hosts(x->c->db, x->c->arena, block->id, &hosts, &n, &ignored) < 0)
		return false;
	for (size_t i = 0; i < n && x->why.verdicts_n; i++) {
		const struct placement_verdict key = { .host_id = hosts[i].host_id },
					       *v = bsearch(&key, x->why.verdicts, x->why.verdicts_n,
						       sizeof key, verdict_by_id);

		if (v && v->rule == rule)
			return true;
	}
	return false;
}

/* Or the calendar: the first of what is in the way to end. */
static void write_wait(const struct explaining *x)
{
	const struct block_filter filter = { .open = true, .limit = CALENDAR_MAX };
	const struct block *first = NULL;
	struct block *all;
	struct error ignored;
	char at[TIME_TEXT];
	size_t n;

	if (store_block_list(x->c->db, x->c->arena, &filter, &all, &n, &ignored) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if ((!first || all[i].end_us < first->end_us) && in_the_way(x, &all[i]))
			first = &all[i];
	if (!first)
		return;
	jw_object(&x->c->out);
	jw_kv_null(&x->c->out, "host");
	jw_key(&x->c->out, "servers");
	jw_array(&x->c->out);
	jw_end_array(&x->c->out);
	operator_kv_time(x->c, "at", first->end_us);
	jw_key(&x->c->out, "text");
	jw_strf(&x->c->out, "not before %s, when the %s '%.64s' is over", time_iso_usz(first->end_us, at),
		first->project_id ? "reservation" : "maintenance", *first->name ? first->name : first->uid);
	jw_end_object(&x->c->out);
}

/* The smallest change that would make room for one server. */
static void write_change(const struct explaining *x)
{
	struct buf *b = &x->c->out;
	const struct host_row *h = host_of(x, x->why.change_host_id);
	CLEANUP(buf_finish) struct buf text = { 0 };
	struct error ignored;

	for (size_t i = 0; i < x->why.verdicts_n; i++)
		if (x->why.verdicts[i].rule == RULE_OK)
			return;
	jw_key(b, "change");
	jw_array(b);
	jw_object(b);
	jw_kv_str(b, "host", h ? h->name : NULL);
	jw_key(b, "servers");
	jw_array(b);
	buf_printf(&text, "host %s would do without ", h ? h->name : "");
	for (size_t i = 0; i < x->why.leavers_n; i++) {
		struct server s;

		if (store_server_load(x->c->db, x->c->arena, x->why.leavers[i], &s, &ignored) < 0)
			s = (struct server) { .uid = NULL, .name = "what a move holds" };
		jw_str(b, s.uid);
		buf_printf(&text, "%s%s", i ? ", " : "", s.name);
	}
	jw_end_array(b);
	jw_kv_str(b, "text", h ? buf_text(&text) : "no host would do, even if it were empty");
	jw_end_object(b);
	write_wait(x);
	jw_end_array(b);
}

static int write_hosts(struct explaining *x, struct error *err)
{
	struct buf *b = &x->c->out;
	size_t most = (size_t)x->c->api->config.list_max;

	if (store_host_list(x->c->db, x->c->arena, &x->hosts, &x->hosts_n, err) < 0)
		return -1;
	if (x->hosts_n)
		qsort(x->hosts, x->hosts_n, sizeof *x->hosts, by_id);
	if (write_choices(x, err) < 0)
		return -1;
	write_change(x);
	jw_key(b, "hosts");
	jw_array(b);
	for (size_t i = 0; i < x->why.verdicts_n && i < most; i++)
		write_host(x, &x->why.verdicts[i]);
	jw_end_array(b);
	return 0;
}

int operator_explain(struct api_call *c, struct error *err)
{
	struct explaining x = { .c = c, .admin = api_is_admin(c) };
	struct buf *b = &c->out;

	if (read_request(&x, err) < 0 ||
		flow_server_explain(c->api->flows, c->db, c->arena, &x.want, x.admin, &x.why, err) < 0)
		return -1;
	jw_object(b);
	jw_key(b, "explanation");
	jw_object(b);
	jw_kv_bool(b, "fits", x.why.placed && !x.why.quota.code && !x.why.guardrail.code);
	jw_kv_int(b, "count", x.want.count);
	jw_kv_int(b, "preempts", (int64_t)x.why.preempted);
	jw_kv_str(b, "message", x.why.placed ? NULL : x.why.no_host.msg);
	jw_kv_str(b, "quota", x.why.quota.code ? x.why.quota.msg : NULL);
	jw_kv_str(b, "guardrail", x.why.guardrail.code ? x.why.guardrail.msg : NULL);
	write_totals(&x);
	if (x.admin && write_hosts(&x, err) < 0)
		return -1;
	jw_end_object(b);
	jw_end_object(b);
	c->status = 200;
	return 0;
}
