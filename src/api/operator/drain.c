/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts that are being emptied: how far it is, and what became of each server. */
#include "flow/drain.h"

#include "api/operator/operator.h"
#include "base/util.h"
#include "store/hosts.h"

static void write_counts(struct api_call *c, const struct drain_counts *n)
{
	struct buf *b = &c->out;

	jw_kv_int(b, "servers_total", n->waiting + n->moving + n->moved + n->stays);
	jw_kv_int(b, "waiting", n->waiting);
	jw_kv_int(b, "moving", n->moving);
	jw_kv_int(b, "moved", n->moved);
	jw_kv_int(b, "stays", n->stays);
}

static void write_server(struct api_call *c, const struct drain_server *s)
{
	struct buf *b = &c->out;

	jw_object(b);
	jw_kv_str(b, "server_id", s->server_uid);
	jw_kv_str(b, "server", s->server_name);
	jw_kv_str(b, "project_id", s->project_uid);
	jw_kv_str(b, "state", s->state);
	jw_kv_str(b, "way", s->way);
	jw_kv_str(b, "to", s->to_host);
	jw_kv_str(b, "reason", s->reason);
	jw_kv_int(b, "tries", s->tries);
	operator_kv_time(c, "due_at", s->due_us);
	jw_end_object(b);
}

int host_drain_show(struct api_call *c, struct error *err)
{
	struct drain_server *all;
	struct drain_counts n;
	struct host_row h;
	struct drain d;
	size_t all_n;
	int rc;

	if (store_host_get(c->db, c->arena, api_param(c, "host"), &h, err) < 0)
		return -1;
	c->target = h.uid;
	rc = store_drain_get(c->db, c->arena, h.id, &d, err);
	if (rc <= 0)
		return rc < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "host %s is not being emptied", h.name);
	if (store_drain_counts(c->db, h.id, &n, err) < 0 ||
		store_drain_servers(c->db, c->arena, h.id, true, &all, &all_n, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "drain");
	jw_object(&c->out);
	jw_kv_str(&c->out, "host", h.name);
	jw_kv_str(&c->out, "state", d.state);
	jw_kv_str(&c->out, "reason", d.reason);
	jw_kv_int(&c->out, "parallel", d.parallel);
	jw_kv_bool(&c->out, "cold", d.cold);
	operator_kv_time(c, "begun_at", d.begun_us);
	operator_kv_time(c, "ended_at", d.ended_us);
	write_counts(c, &n);
	jw_key(&c->out, "servers");
	jw_array(&c->out);
	for (size_t i = 0; i < all_n; i++)
		write_server(c, &all[i]);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}
