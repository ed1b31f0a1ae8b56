/* SPDX-License-Identifier: Apache-2.0 */
/* /recovery: a cloud whose rows are older than the world, and the domains that the rows do not account for.
 */
#include <stdlib.h>

#include "api/operator/operator.h"
#include "base/util.h"
#include "flow/recover.h"
#include "flow/restored.h"
#include "store/hosts.h"

static const char *host_name(struct api_call *c, int64_t id)
{
	struct host_row h;
	struct error ignored;

	return store_host_load(c->db, c->arena, id, &h, &ignored) ? "" : h.name;
}

static const char *power_text(enum hv_power p)
{
	static const char *const texts[] = { [HV_POWER_ABSENT] = "gone",
		[HV_POWER_RUNNING] = "running",
		[HV_POWER_PAUSED] = "paused",
		[HV_POWER_SHUTOFF] = "off",
		[HV_POWER_CRASHED] = "crashed",
		[HV_POWER_SUSPENDED] = "suspended" };

	return (size_t)p < ARRAY_LEN(texts) ? texts[p] : "unknown";
}

static void write_domains(struct api_call *c)
{
	size_t n;
	const struct restored_domain *d = flow_restored_domains(c->api->flows, &n);

	jw_key(&c->out, "domains");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		jw_object(&c->out);
		jw_kv_str(&c->out, "host", host_name(c, d[i].host_id));
		jw_kv_str(&c->out, "server", d[i].uuid);
		jw_kv_str(&c->out, "power", power_text(d[i].power));
		jw_kv_int(&c->out, "epoch", d[i].epoch);
		jw_kv_str(&c->out, "why", d[i].why);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
}

static int write_recovery(struct api_call *c, struct error *err)
{
	struct restored r = { 0 };
	int rc = store_restored_get(c->db, &r, err);

	if (rc < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "recovery");
	jw_object(&c->out);
	jw_kv_str(&c->out, "state", rc ? "restored" : "none");
	operator_kv_time(c, "restored_at", r.at_us);
	jw_kv_str(&c->out, "backup", r.backup);
	operator_kv_time(c, "backup_at", r.backup_us);
	write_domains(c);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int recovery_show(struct api_call *c, struct error *err)
{
	return write_recovery(c, err);
}

/* --- finish --------------------------------------------------------------------------------------------- */

static void over(struct api_call *c)
{
	flow_restored_over(c->api->flows);
}

int recovery_finish(struct api_call *c, struct error *err)
{
	struct restored r;
	size_t flows;
	int rc = store_restored_get(c->db, &r, err);

	if (rc < 0)
		return -1;
	if (!rc)
		return error_set(err, ERR_CONFLICT, "the cloud was not restored, or that is over");
	if (flow_restored_end(c->api->flows, c->db, c->arena, &flows, err))
		return -1;
	c->committed = over;
	return write_recovery(c, err);
}

/* --- a domain ------------------------------------------------------------------------------------------- */

struct domain_body {
	const char *host, *server;
};

static const struct bind_field domain_fields[] = {
	BIND(domain_body, host, "host", BIND_STR, BIND_REQUIRED, 1, 63),
	BIND(domain_body, server, "server", BIND_STR, BIND_REQUIRED, 36, 36),
};
const struct bind_table recovery_domain_body = { .top = "domain", BIND_TABLE(domain_body, domain_fields) };

static int find_host(struct api_call *c, int64_t *out, struct error *err)
{
	const struct domain_body *body = c->in;
	struct host_row h;

	c->target = body->server;
	if (store_host_get(c->db, c->arena, body->host, &h, err) < 0)
		return -1;
	*out = h.id;
	return 0;
}

/* Sent once it is on record. */
static void discard(struct api_call *c)
{
	const struct domain_body *body = c->in;
	struct error ignored;
	int64_t host_id;

	c->db = store_ro(c->api->store);
	if (find_host(c, &host_id, &ignored) == 0)
		flow_restored_discard(c->api->flows, host_id, body->server, true, &ignored);
}

int recovery_discard(struct api_call *c, struct error *err)
{
	const struct domain_body *body = c->in;
	int64_t host_id;

	if (find_host(c, &host_id, err) ||
		flow_restored_discard(c->api->flows, host_id, body->server, false, err))
		return -1;
	c->committed = discard;
	c->status = 202;
	return write_recovery(c, err);
}

struct adopting { /* in the request's arena */
	struct arena arena;
	struct recover_domain x;
	int64_t host_id;
};

static int adopt_run(struct api_call *c, struct error *err)
{
	struct adopting *k = c->stream.data_ctx;
	int rc = flow_restored_adopt(c->api->flows, c->db, k->host_id, &k->x, err);

	arena_finish(&k->arena);
	return rc ? -1 : write_recovery(c, err);
}

static void on_read(void *ctx, const struct recover_domain *x, struct arena *a, const struct error *err)
{
	struct api_call *c = ctx;
	struct adopting *k = c->stream.data_ctx;

	if (err) {
		struct error copy = *err;

		api_fail(c, &copy);
		return;
	}
	k->x = *x;
	k->arena = *a;
	*a = (struct arena) { 0 };
	api_submit(c, adopt_run);
}

int recovery_adopt(struct api_call *c, struct error *err)
{
	const struct domain_body *body = c->in;
	struct adopting *k = ARENA_NEW(c->arena, struct adopting);

	if (find_host(c, &k->host_id, err))
		return -1;
	c->stream.data_ctx = k;
	return flow_restored_read(c->api->flows, k->host_id, body->server, on_read, c, err);
}
