/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's table, and what concerns the cloud as a whole: status, configuration, check. */
#include "api/operator/operator.h"

#include "api/admission.h"

#include <stdlib.h>

#include "api/identity/identity.h"
#include "api/resources.h"
#include "base/util.h"
#include "cloudd/version.h"
#include "domain/price_book.h"
#include "flow/flow.h"
#include "store/hosts.h"
#include "store/operator_reads.h"

void operator_kv_time(struct api_call *c, const char *key, int64_t us)
{
	char text[TIME_TEXT];

	jw_kv_str(&c->out, key, us ? time_iso_usz(us, text) : NULL);
}

static int connected_hosts(struct api_call *c, int64_t *out, struct error *err)
{
	struct host_row *all;
	struct host_link link;
	size_t n;

	if (store_host_list(c->db, c->arena, &all, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		*out += flow_host_link(c->api->flows, all[i].id, &link) && str_eq(link.state, "connected");
	return 0;
}

/* Those that run short; and in one line, for people. */
static void write_resources(struct api_call *c)
{
	CLEANUP(buf_finish) struct buf line = { 0 };
	size_t n;
	const struct resource *all = resources_all(c->api->resources, &n);

	jw_key(&c->out, "resources");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++) {
		if (!all[i].trouble)
			continue;
		buf_printf(
			&line, "%s%s: %s; %s", line.len ? "; " : "", all[i].name, all[i].why, all[i].means);
		jw_object(&c->out);
		jw_kv_str(&c->out, "name", all[i].name);
		operator_kv_time(c, "since", all[i].since_us);
		jw_kv_str(&c->out, "why", all[i].why);
		jw_kv_str(&c->out, "meanwhile", all[i].means);
		jw_kv_str(&c->out, "remedy", all[i].remedy);
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	jw_kv_str(&c->out, "short_of", line.len ? buf_text(&line) : NULL);
}

static void write_counters(struct api_call *c)
{
	struct buf *b = &c->out;
	struct tick_stats t;
	struct flow_stats f;

	tick_stats(c->api->tick, &t);
	flow_engine_stats(c->api->flows, &f);
	jw_key(b, "commits");
	jw_object(b);
	jw_kv_int(b, "ticks", (int64_t)t.ticks);
	jw_kv_int(b, "units", (int64_t)t.units);
	jw_kv_int(b, "failed", (int64_t)t.failed);
	jw_kv_int(b, "refused", (int64_t)t.refused);
	jw_kv_int(b, "commit_us", (int64_t)t.commit_us);
	jw_end_object(b);
	jw_key(b, "acts");
	jw_object(b);
	jw_kv_int(b, "started", (int64_t)f.acts);
	jw_kv_int(b, "retried", (int64_t)f.retries);
	jw_kv_int(b, "running", f.running);
	jw_end_object(b);
	jw_key(b, "requests");
	jw_object(b);
	jw_kv_int(b, "served", (int64_t)c->api->requests);
	jw_kv_int(b, "denied", (int64_t)c->api->denied);
	admission_write(c);
	jw_end_object(b);
}

int operator_status(struct api_call *c, struct error *err)
{
	struct buf *b = &c->out;
	struct cloud_counts n;
	int64_t connected = 0;

	if (store_cloud_counts(c->db, &n, err) < 0 || connected_hosts(c, &connected, err) < 0)
		return -1;
	jw_object(b);
	jw_kv_str(b, "version", CLOUDD_VERSION);
	jw_kv_int(b, "uptime_s", (c->now_us - c->api->started_us) / 1000000);
	jw_key(b, "hosts");
	jw_object(b);
	jw_kv_int(b, "total", n.hosts);
	jw_kv_int(b, "connected", connected);
	jw_end_object(b);
	jw_key(b, "servers");
	jw_object(b);
	jw_kv_int(b, "total", n.servers);
	jw_kv_int(b, "active", n.servers_active);
	jw_kv_int(b, "error", n.servers_error);
	jw_end_object(b);
	jw_key(b, "flows");
	jw_object(b);
	jw_kv_int(b, "running", n.flows - n.flows_stuck);
	jw_kv_int(b, "stuck", n.flows_stuck);
	jw_end_object(b);
	jw_key(b, "database");
	jw_object(b);
	jw_kv_str(b, "path", store_path(c->api->store));
	jw_kv_int(b, "bytes", store_bytes(c->api->store));
	jw_kv_int(b, "schema", store_schema_version(c->api->store));
	jw_end_object(b);
	backup_state_write(c);
	write_resources(c);
	write_counters(c);
	jw_end_object(b);
	return 0;
}

int operator_config(struct api_call *c, struct error *err)
{
	(void)err;
	c->api->config.show_config(c->api->config.show_config_ctx, &c->out);
	return 0;
}

struct findings {
	struct buf *out;
	int n;
};

static void on_finding(void *ctx, const char *rule, const char *object, const char *message)
{
	struct findings *f = ctx;

	f->n++;
	jw_object(f->out);
	jw_kv_str(f->out, "rule", rule);
	jw_kv_str(f->out, "object", object);
	jw_kv_str(f->out, "message", message);
	jw_end_object(f->out);
}

static int run_check(struct api_call *c, struct error *err)
{
	struct findings f = { .out = &c->out };
	int rules;

	jw_object(&c->out);
	jw_key(&c->out, "check");
	jw_object(&c->out);
	jw_key(&c->out, "findings");
	jw_array(&c->out);
	if (flow_check(c->api->flows, c->db, on_finding, &f, &rules, err) < 0)
		return -1;
	jw_end_array(&c->out);
	jw_kv_bool(&c->out, "ok", f.n == 0);
	jw_kv_int(&c->out, "rules", rules);
	jw_end_object(&c->out);
	jw_end_object(&c->out);
	return 0;
}

/* Inside the tick, where rows and memory stand at the same point. */
int operator_check(struct api_call *c, struct error *err)
{
	(void)err;
	api_submit(c, run_check);
	return 0;
}

static const struct api_route routes[] = {
	{ "GET", "/status", operator_status, ROLE_ADMIN, 0, 0, 0, "cloud.status" },
	{ "GET", "/config", operator_config, ROLE_ADMIN, 0, 0, 0, "cloud.config" },
	{ "GET", "/check", operator_check, ROLE_ADMIN, 0, 0, ROUTE_OWN, "cloud.check" },
	{ "GET", "/audit", operator_audit_list, ROLE_READER, 0, 0, 0, "audit.list" },
	{ "GET", "/audit/head", operator_audit_head, ROLE_READER, 0, 0, 0, "audit.head" },
	{ "GET", "/audit/keys", operator_audit_keys, ROLE_READER, 0, 0, 0, "audit.keys" },
	{ "POST", "/audit/keys", operator_audit_rotate, ROLE_ADMIN, 0, 0, ROUTE_NO_BODY, "audit.rotate" },
	{ "GET", "/audit/export", operator_audit_export, ROLE_ADMIN, 0, 0, ROUTE_OWN, "audit.export" },
	{ "GET", "/audit/{seq}", operator_audit_show, ROLE_READER, 0, 0, 0, "audit.show" },
	{ "GET", "/audit/{seq}/proof", operator_audit_proof, ROLE_READER, 0, 0, 0, "audit.proof" },
	{ "GET", "/backups", backup_list_show, ROLE_ADMIN, 0, 0, 0, "backup.list" },
	{ "POST", "/backups", backup_begin, ROLE_ADMIN, 0, 0, ROUTE_NO_BODY, "backup.begin" },
	{ "GET", "/backups/{backup}/data", backup_data, ROLE_ADMIN, 0, 0, ROUTE_OWN, "backup.data" },
	{ "GET", "/backups/{backup}/manifest", backup_manifest, ROLE_ADMIN, 0, 0, ROUTE_OWN,
		"backup.manifest" },
	{ "GET", "/recovery", recovery_show, ROLE_ADMIN, 0, 0, 0, "recovery.show" },
	{ "POST", "/recovery/finish", recovery_finish, ROLE_ADMIN, 0, 0, ROUTE_NO_BODY, "recovery.finish" },
	{ "POST", "/recovery/adopt", recovery_adopt, ROLE_ADMIN, 0, 0, ROUTE_OWN, "recovery.adopt",
		&recovery_domain_body },
	{ "POST", "/recovery/discard", recovery_discard, ROLE_ADMIN, 0, 0, 0, "recovery.discard",
		&recovery_domain_body },
	{ "POST", "/bootstrap", identity_bootstrap, ROLE_ADMIN, 0, 0, ROUTE_OWN, "cloud.bootstrap",
		&identity_bootstrap_body },
	{ "GET", "/hosts", host_list, ROLE_ADMIN, 0, 0, 0, "host.list" },
	{ "POST", "/hosts", host_create, ROLE_ADMIN, 0, 0, 0, "host.create", &host_create_body },
	{ "GET", "/hosts/{host}", host_show, ROLE_ADMIN, 0, 0, 0, "host.show" },
	{ "PATCH", "/hosts/{host}", host_update, ROLE_ADMIN, 0, 0, 0, "host.update", &host_update_body },
	{ "DELETE", "/hosts/{host}", host_delete, ROLE_ADMIN, 0, 0, 0, "host.delete" },
	{ "GET", "/hosts/{host}/drain", host_drain_show, ROLE_ADMIN, 0, 0, 0, "host.drain_show" },
	{ "POST", "/hosts/{host}/action", host_action, ROLE_ADMIN, 0, 0, 0, "host.action",
		&host_action_body },
	{ "GET", "/hosts/{host}/fence-agent", fence_agent_show, ROLE_ADMIN, 0, 0, 0, "fence_agent.show" },
	{ "PUT", "/hosts/{host}/fence-agent", fence_agent_set, ROLE_ADMIN, 0, 0, 0, "fence_agent.set",
		&fence_agent_body },
	{ "DELETE", "/hosts/{host}/fence-agent", fence_agent_clear, ROLE_ADMIN, 0, 0, 0,
		"fence_agent.clear" },
	{ "GET", "/hosts/{host}/power", host_power_show, ROLE_ADMIN, 0, 0, 0, "host.power_show" },
	{ "POST", "/hosts/{host}/power", host_power, ROLE_ADMIN, 0, 0, 0, "host.power", &host_power_body },
	{ "GET", "/hosts/{host}/evacuation", host_evacuation_show, ROLE_ADMIN, 0, 0, 0,
		"host.evacuation_show" },
	{ "POST", "/hosts/{host}/evacuation", host_evacuate, ROLE_ADMIN, 0, 0, ROUTE_NO_BODY,
		"host.evacuate" },
	{ "DELETE", "/hosts/{host}/evacuation", host_evacuation_stop, ROLE_ADMIN, 0, 0, 0,
		"host.evacuation_stop" },
	{ "GET", "/gpus", gpu_list, ROLE_ADMIN, 0, 0, 0, "gpu.list" },
	{ "GET", "/gpus/{gpu}", gpu_show, ROLE_ADMIN, 0, 0, 0, "gpu.show" },
	{ "GET", "/gpus/{gpu}/history", gpu_history, ROLE_ADMIN, 0, 0, 0, "gpu.history" },
	{ "POST", "/gpus/{gpu}/action", gpu_action, ROLE_ADMIN, 0, 0, 0, "gpu.action", &gpu_action_body },
	{ "GET", "/flows", flow_list, ROLE_ADMIN, 0, 0, 0, "flow.list" },
	{ "GET", "/flows/{flow}", flow_show, ROLE_ADMIN, 0, 0, 0, "flow.show" },
	{ "POST", "/flows/{flow}/action", flow_action, ROLE_ADMIN, 0, 0, 0, "flow.action",
		&flow_action_body },
	{ "GET", "/quota-defaults", operator_quota_defaults, ROLE_ADMIN, 0, 0, 0, "quota.defaults" },
	{ "PUT", "/quota-defaults", operator_quota_defaults_set, ROLE_ADMIN, 0, 0, 0, "quota.defaults_set",
		&operator_quota_body },
	{ "GET", "/quotas/{project}", operator_quota_show, ROLE_READER, 0, 0, 0, "quota.show" },
	{ "DELETE", "/quotas/{project}", operator_quota_reset, ROLE_ADMIN, 0, 0, 0, "quota.reset" },
	{ "GET", "/quota-tree", operator_quota_tree, ROLE_ADMIN, 0, 0, 0, "quota.tree" },
	{ "GET", "/guardrails/{project}", guardrail_show, ROLE_READER, 0, 0, 0, "guardrail.show" },
	{ "PUT", "/guardrails/{project}", guardrail_set, ROLE_ADMIN, 0, 0, 0, "guardrail.set",
		&guardrail_body },
	{ "DELETE", "/guardrails/{project}", guardrail_clear, ROLE_ADMIN, 0, 0, 0, "guardrail.clear" },
	{ "PUT", "/quotas/{project}", operator_quota_set, ROLE_ADMIN, 0, 0, 0, "quota.set",
		&operator_quota_body },
	{ "POST", "/placement/explain", operator_explain, ROLE_MEMBER, 0, 0, 0, "placement.explain",
		&explain_body },
	{ "GET", "/reservations", reservation_list, ROLE_READER, 0, 0, 0, "reservation.list" },
	{ "POST", "/reservations", reservation_create, ROLE_ADMIN, 0, 0, 0, "reservation.create",
		&reservation_create_body },
	{ "GET", "/reservations/{reservation}", reservation_show, ROLE_READER, 0, 0, 0, "reservation.show" },
	{ "PATCH", "/reservations/{reservation}", reservation_change, ROLE_ADMIN, 0, 0, 0,
		"reservation.change", &reservation_change_body },
	{ "DELETE", "/reservations/{reservation}", reservation_cancel, ROLE_ADMIN, 0, 0, 0,
		"reservation.cancel" },
	{ "GET", "/maintenance", maintenance_list, ROLE_ADMIN, 0, 0, 0, "maintenance.list" },
	{ "POST", "/maintenance", maintenance_create, ROLE_ADMIN, 0, 0, 0, "maintenance.create",
		&maintenance_create_body },
	{ "GET", "/maintenance/{maintenance}", maintenance_show, ROLE_ADMIN, 0, 0, 0, "maintenance.show" },
	{ "PATCH", "/maintenance/{maintenance}", maintenance_change, ROLE_ADMIN, 0, 0, 0,
		"maintenance.change", &maintenance_change_body },
	{ "DELETE", "/maintenance/{maintenance}", maintenance_cancel, ROLE_ADMIN, 0, 0, 0,
		"maintenance.cancel" },
	{ "GET", "/calendar", calendar_show, ROLE_ADMIN, 0, 0, 0, "calendar.show" },
	{ "GET", "/evictions", eviction_list, ROLE_READER, 0, 0, 0, "eviction.list" },
	{ "GET", "/events", event_list, ROLE_READER, 0, 0, ROUTE_OWN, "event.list" },
	{ "GET", "/event-types", event_type_list, ROLE_ANY, 0, 0, 0, "event.types" },
	{ "GET", "/prices", price_book_list, ROLE_READER, 0, 0, 0, "price.list" },
	{ "POST", "/prices", price_book_add, ROLE_ADMIN, 0, 0, 0, "price.add", &price_book_request },
	{ "POST", "/prices/check", price_book_check, ROLE_ADMIN, 0, 0, ROUTE_OWN, "price.check",
		&price_book_request },
	{ "GET", "/prices/{version}", price_book_show, ROLE_READER, 0, 0, 0, "price.show" },
	{ "POST", "/rate", price_rate, ROLE_ADMIN, 0, 0, ROUTE_OWN, "price.rate", &rate_body },
	{ "GET", "/invoices", invoice_list, ROLE_READER, 0, 0, ROUTE_OWN, "invoice.list" },
	{ "GET", "/invoices/{invoice}", invoice_show, ROLE_READER, 0, 0, 0, "invoice.show" },
	{ "POST", "/invoices/{invoice}/corrections", invoice_correct, ROLE_ADMIN, 0, 0, 0, "invoice.correct",
		&correction_body },
	{ "GET", "/months", month_list, ROLE_ADMIN, 0, 0, 0, "month.list" },
	{ "GET", "/months/{month}", month_show, ROLE_ADMIN, 0, 0, 0, "month.show" },
	{ "POST", "/months/{month}/close", month_close, ROLE_ADMIN, 0, 0, ROUTE_NO_BODY, "month.close" },
	{ "GET", "/months/{month}/verify", month_verify, ROLE_ADMIN, 0, 0, ROUTE_OWN, "month.verify" },
	{ "GET", "/budgets", budget_list, ROLE_READER, 0, 0, 0, "budget.list" },
	{ "POST", "/budgets", budget_create, ROLE_MEMBER, 0, 0, ROUTE_GROWS, "budget.create",
		&budget_create_body },
	{ "GET", "/budgets/{budget}", budget_show, ROLE_READER, 0, 0, 0, "budget.show" },
	{ "PATCH", "/budgets/{budget}", budget_change, ROLE_MEMBER, 0, 0, 0, "budget.change",
		&budget_change_body },
	{ "DELETE", "/budgets/{budget}", budget_delete, ROLE_MEMBER, 0, 0, 0, "budget.delete" },
	{ "GET", "/webhooks", webhook_list, ROLE_READER, 0, 0, 0, "webhook.list" },
	{ "POST", "/webhooks", webhook_create, ROLE_MEMBER, 0, 0, ROUTE_ANEW | ROUTE_GROWS, "webhook.create",
		&webhook_create_body },
	{ "GET", "/webhooks/{webhook}", webhook_show, ROLE_READER, 0, 0, 0, "webhook.show" },
	{ "DELETE", "/webhooks/{webhook}", webhook_delete, ROLE_MEMBER, 0, 0, 0, "webhook.delete" },
	{ "POST", "/webhooks/{webhook}/action", webhook_action, ROLE_MEMBER, 0, 0, 0, "webhook.action",
		&webhook_action_body },
	{ "GET", "/usage", usage_report, ROLE_READER, 0, 0, ROUTE_OWN, "usage.report" },
	{ "GET", "/ledger", ledger_list, ROLE_ADMIN, 0, 0, ROUTE_OWN, "ledger.list" },
	{ "GET", "/ledger/verify", ledger_verify, ROLE_ADMIN, 0, 0, ROUTE_OWN, "ledger.verify" },
	{ "GET", "/capacity", operator_capacity, ROLE_ADMIN, 0, 0, ROUTE_OWN, "placement.capacity" },
	{ "POST", "/placement/rebalance", operator_rebalance, ROLE_ADMIN, 0, 0, 0, "placement.rebalance",
		&rebalance_body },
	{ "GET", "/placement/journal", operator_journal_list, ROLE_ADMIN, 0, 0, 0, "placement.journal" },
	{ "GET", "/placement/held", operator_held_list, ROLE_ADMIN, 0, 0, 0, "placement.held" },
	{ "GET", "/placement/decisions", operator_decision_list, ROLE_ADMIN, 0, 0, 0, "placement.decisions" },
	{ "GET", "/placement/decisions/{decision}", operator_decision_show, ROLE_ADMIN, 0, 0, 0,
		"placement.decision" },
	{ "GET", "/placement/decisions/{decision}/again", operator_decision_again, ROLE_ADMIN, 0, 0,
		ROUTE_OWN, "placement.decision_again" },
	{ "GET", "/drift", operator_drift, ROLE_ADMIN, 0, 0, ROUTE_OWN, "drift.list" },
	{ "DELETE", "/drift/{difference}", operator_drift_clear, ROLE_ADMIN, 0, 0, 0, "drift.clear" },
	{ "GET", "/why/{server}", operator_why, ROLE_READER, 0, 0, 0, "cloud.why" },
	{ "GET", "/servers", operator_server_list, ROLE_ADMIN, 0, 0, 0, "cloud.servers" },
	{ "GET", "/servers/{server}", operator_server_show, ROLE_ADMIN, 0, 0, 0, "cloud.server" },
	{ "GET", "/servers/{server}/console", operator_server_console, ROLE_READER, 0, 0, ROUTE_OWN,
		"cloud.server_console" },
	{ "GET", "/servers/{server}/samples", operator_server_samples, ROLE_READER, 0, 0, ROUTE_OWN,
		"sample.server" },
	{ "GET", "/samples", operator_sample_list, ROLE_READER, 0, 0, ROUTE_OWN, "sample.list" },
	{ "GET", "/samples/top", operator_sample_top, ROLE_READER, 0, 0, ROUTE_OWN, "sample.top" },
};

const struct api_service service_operator = {
	.name = "operator",
	.prefix = "/cloud/v1",
	.routes = routes,
	.routes_n = ARRAY_LEN(routes),
	.error_body = api_error_body_identity,
};
