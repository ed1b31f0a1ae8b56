/* SPDX-License-Identifier: Apache-2.0 */
/* One run of cloudctl: what the line said, the connection (made when first used), and what commands share. */
#ifndef CLOUDCTL_CTL_H
#define CLOUDCTL_CTL_H

#include <jansson.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/error.h"
#include "cloudctl/client.h"
#include "cloudctl/command.h"
#include "cloudctl/view.h"

enum output { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_VALUE, OUTPUT_CSV };

struct ctl {
	struct args args;
	struct arena arena; /* lives as long as the run, */
	json_t *answers;    /* and so do the answers */
	enum output output;
	struct selection columns;
	struct client client;
	bool connected; /* the client is set up */
	struct error err;
};

/* One request. *out, when not NULL, is the answer, borrowed; NULL when it has no body. -1 with ctl->err set.
 */
int ctl_call(struct ctl *ctl, const char *method, const char *path, const char *body, json_t **out);
/* GET, with the answer written to a file as it comes. */
int ctl_download(struct ctl *ctl, const char *path, FILE *to);
/* Follows a stream of events behind the last one that was seen ("": from now on), until it ends or take says
 * that it is enough. */
int ctl_follow(struct ctl *ctl, const char *path, const char *last, client_piece_fn *take, void *ctx);
/* Prints ctl->err with what to do next, and gives the exit code that belongs to it: `return ctl_failed(ctl);`
 */
int ctl_failed(struct ctl *ctl);
/* Prints an answer in the form that -o asks for; view NULL: nothing but with -o json. Exit code. */
int ctl_show(struct ctl *ctl, const struct view *view, const json_t *answer);
/* The most common end of a command: what was done, on standard output, except with -o json or value. */
void ctl_say(struct ctl *ctl, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The url of the command's row: {0} and {--name} are arguments and options, {projects:0} and
 * {projects:--name} the id of the project so named; options whose field starts with '?' follow as the query.
 * In the arena. */
int ctl_url(struct ctl *ctl, const char *pattern, const char **out);
/* The body that the command's row describes, in the arena: constant, or of arguments and options; NULL when
 * it has none. */
const char *ctl_body(struct ctl *ctl);
/* The members that its options become, into an object that is open. */
struct buf;
void ctl_body_options(struct ctl *ctl, struct buf *b);
/* The id of what is so named, or has that id. Plural: projects, users, roles, flavors. */
int ctl_resolve(struct ctl *ctl, const char *plural, const char *name_or_id, const char **out_id);
/* A password: --password, or the first line of standard input with --password-stdin. */
int ctl_password(struct ctl *ctl, const char **out);

/* The command, when its projects have been found (OPT_PROJECT). Exit code. */
int ctl_run(struct ctl *ctl);
/* The command's request as its row says, and the answer shown. */
int ctl_run_simple(struct ctl *ctl);

/* Commands with more to do than one request. */
int cmd_host_add(struct ctl *ctl);
int cmd_host_set(struct ctl *ctl);
int cmd_host_power(struct ctl *ctl);
int cmd_host_evacuate(struct ctl *ctl);
int cmd_fence_agent(struct ctl *ctl);
int cmd_host_drain(struct ctl *ctl);
int cmd_user_create(struct ctl *ctl);
int cmd_user_password(struct ctl *ctl);
int cmd_flavor_create(struct ctl *ctl);
int cmd_quota_set(struct ctl *ctl);
int cmd_quota_tree(struct ctl *ctl);
int cmd_guardrail_set(struct ctl *ctl);
int cmd_ledger_verify(struct ctl *ctl);
int cmd_server_console(struct ctl *ctl);
int cmd_explain(struct ctl *ctl);
int cmd_simulate(struct ctl *ctl);
int cmd_rebalance(struct ctl *ctl);
int cmd_backup(struct ctl *ctl);
int cmd_bootstrap(struct ctl *ctl);
int cmd_check(struct ctl *ctl);
int cmd_drift(struct ctl *ctl);
int cmd_reservation_create(struct ctl *ctl);
int cmd_maintenance_plan(struct ctl *ctl);
int cmd_block_set(struct ctl *ctl);
int cmd_calendar(struct ctl *ctl);
int cmd_price_add(struct ctl *ctl);
int cmd_price_show(struct ctl *ctl);
int cmd_price_check(struct ctl *ctl);
int cmd_rate(struct ctl *ctl);
int cmd_invoice_show(struct ctl *ctl);
int cmd_invoice_list(struct ctl *ctl);
int cmd_invoice_close(struct ctl *ctl);
int cmd_invoice_correct(struct ctl *ctl);
int cmd_invoice_verify(struct ctl *ctl);
int cmd_budget_create(struct ctl *ctl);
int cmd_budget_set(struct ctl *ctl);
int cmd_event_watch(struct ctl *ctl);
int cmd_webhook_redeliver(struct ctl *ctl);
int cmd_pki_init(struct ctl *ctl);
int cmd_pki_issue(struct ctl *ctl);
int cmd_pki_list(struct ctl *ctl);
int cmd_pki_bundle(struct ctl *ctl);
int cmd_audit_list(struct ctl *ctl);
int cmd_audit_verify(struct ctl *ctl);
int cmd_audit_export(struct ctl *ctl);
int cmd_audit_proof(struct ctl *ctl);
int cmd_audit_key(struct ctl *ctl);
int cmd_help(struct ctl *ctl);

#endif
