/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's service, /cloud/v1: what OpenStack lacks. `cloudctl` is its client. */
#ifndef API_OPERATOR_OPERATOR_H
#define API_OPERATOR_OPERATOR_H

#include "api/api.h"

int operator_status(struct api_call *c, struct error *err);
int operator_config(struct api_call *c, struct error *err);
int operator_check(struct api_call *c, struct error *err);

int backup_list_show(struct api_call *c, struct error *err);
int backup_begin(struct api_call *c, struct error *err);
int backup_data(struct api_call *c, struct error *err);
int backup_manifest(struct api_call *c, struct error *err);
int recovery_show(struct api_call *c, struct error *err);
int recovery_finish(struct api_call *c, struct error *err);
int recovery_adopt(struct api_call *c, struct error *err);
int recovery_discard(struct api_call *c, struct error *err);
extern const struct bind_table recovery_domain_body;
/* Writes the member "backup": what became of the last one, or how far the one under way is. */
void backup_state_write(struct api_call *c);

int operator_audit_list(struct api_call *c, struct error *err);
int operator_audit_show(struct api_call *c, struct error *err);
int operator_audit_proof(struct api_call *c, struct error *err);
int operator_audit_head(struct api_call *c, struct error *err);
int operator_audit_keys(struct api_call *c, struct error *err);
int operator_audit_rotate(struct api_call *c, struct error *err);
int operator_audit_export(struct api_call *c, struct error *err);

int host_list(struct api_call *c, struct error *err);
int host_show(struct api_call *c, struct error *err);
int host_create(struct api_call *c, struct error *err);
int host_action(struct api_call *c, struct error *err);
int host_update(struct api_call *c, struct error *err);
int host_delete(struct api_call *c, struct error *err);
int host_drain_show(struct api_call *c, struct error *err);
extern const struct bind_table host_update_body;

int fence_agent_show(struct api_call *c, struct error *err);
int fence_agent_set(struct api_call *c, struct error *err);
int fence_agent_clear(struct api_call *c, struct error *err);
int host_power_show(struct api_call *c, struct error *err);
int host_power(struct api_call *c, struct error *err);
int host_evacuation_show(struct api_call *c, struct error *err);
int host_evacuate(struct api_call *c, struct error *err);
int host_evacuation_stop(struct api_call *c, struct error *err);
extern const struct bind_table fence_agent_body, host_power_body;

int gpu_list(struct api_call *c, struct error *err);
int gpu_show(struct api_call *c, struct error *err);
int gpu_history(struct api_call *c, struct error *err);
int gpu_action(struct api_call *c, struct error *err);
extern const struct bind_table gpu_action_body;
/* Writes the member "devices". */
struct host_row;
int gpus_of_host(struct api_call *c, const struct host_row *h, struct error *err);

int operator_why(struct api_call *c, struct error *err);
int operator_drift(struct api_call *c, struct error *err);
int operator_drift_clear(struct api_call *c, struct error *err);

int flow_list(struct api_call *c, struct error *err);
int flow_show(struct api_call *c, struct error *err);
int flow_action(struct api_call *c, struct error *err);

int operator_quota_show(struct api_call *c, struct error *err);
int operator_quota_set(struct api_call *c, struct error *err);
int operator_quota_defaults(struct api_call *c, struct error *err);
int operator_quota_defaults_set(struct api_call *c, struct error *err);
int operator_quota_reset(struct api_call *c, struct error *err);
int operator_quota_tree(struct api_call *c, struct error *err);

int guardrail_show(struct api_call *c, struct error *err);
int guardrail_set(struct api_call *c, struct error *err);
int guardrail_clear(struct api_call *c, struct error *err);
extern const struct bind_table guardrail_body;

extern const struct bind_table host_create_body, host_action_body, flow_action_body, operator_quota_body;

int usage_report(struct api_call *c, struct error *err);
int ledger_list(struct api_call *c, struct error *err);
int ledger_verify(struct api_call *c, struct error *err);

int operator_explain(struct api_call *c, struct error *err);
extern const struct bind_table explain_body;
int operator_capacity(struct api_call *c, struct error *err);
int operator_rebalance(struct api_call *c, struct error *err);
extern const struct bind_table rebalance_body;
int operator_journal_list(struct api_call *c, struct error *err);
int operator_held_list(struct api_call *c, struct error *err);
int operator_decision_list(struct api_call *c, struct error *err);
int operator_decision_show(struct api_call *c, struct error *err);
int operator_decision_again(struct api_call *c, struct error *err);

int operator_server_list(struct api_call *c, struct error *err);
int operator_server_show(struct api_call *c, struct error *err);
int operator_server_console(struct api_call *c, struct error *err);
int operator_server_samples(struct api_call *c, struct error *err);
int operator_sample_list(struct api_call *c, struct error *err);
int operator_sample_top(struct api_call *c, struct error *err);

int reservation_list(struct api_call *c, struct error *err);
int reservation_show(struct api_call *c, struct error *err);
int reservation_create(struct api_call *c, struct error *err);
int reservation_change(struct api_call *c, struct error *err);
int reservation_cancel(struct api_call *c, struct error *err);
int maintenance_list(struct api_call *c, struct error *err);
int maintenance_show(struct api_call *c, struct error *err);
int maintenance_create(struct api_call *c, struct error *err);
int maintenance_change(struct api_call *c, struct error *err);
int maintenance_cancel(struct api_call *c, struct error *err);
int calendar_show(struct api_call *c, struct error *err);
int eviction_list(struct api_call *c, struct error *err);

int event_list(struct api_call *c, struct error *err);
int event_type_list(struct api_call *c, struct error *err);

int webhook_list(struct api_call *c, struct error *err);
int webhook_show(struct api_call *c, struct error *err);
int webhook_create(struct api_call *c, struct error *err);
int webhook_delete(struct api_call *c, struct error *err);
int webhook_action(struct api_call *c, struct error *err);
extern const struct bind_table webhook_create_body, webhook_action_body;

extern const struct bind_table reservation_create_body, reservation_change_body, maintenance_create_body,
	maintenance_change_body;

int price_book_list(struct api_call *c, struct error *err);
int price_book_show(struct api_call *c, struct error *err);
int price_book_add(struct api_call *c, struct error *err);
int price_book_check(struct api_call *c, struct error *err);
int price_rate(struct api_call *c, struct error *err);
int invoice_list(struct api_call *c, struct error *err);
int invoice_show(struct api_call *c, struct error *err);
int invoice_correct(struct api_call *c, struct error *err);
int month_list(struct api_call *c, struct error *err);
int month_show(struct api_call *c, struct error *err);
int month_close(struct api_call *c, struct error *err);
int month_verify(struct api_call *c, struct error *err);
int budget_list(struct api_call *c, struct error *err);
int budget_show(struct api_call *c, struct error *err);
int budget_create(struct api_call *c, struct error *err);
int budget_change(struct api_call *c, struct error *err);
int budget_delete(struct api_call *c, struct error *err);
extern const struct bind_table rate_body, correction_body, budget_create_body, budget_change_body;

/* The key "calendar" of a host: what was, is and will be. */
int calendar_of_host(struct api_call *c, int64_t host_id, struct error *err);

/* Key and a time as ISO text, or null for 0. */
void operator_kv_time(struct api_call *c, const char *key, int64_t us);

#endif
