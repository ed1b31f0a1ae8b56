/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the check; private to it. */
#ifndef STORE_CHECK_RULES_H
#define STORE_CHECK_RULES_H

#include "store/checks.h"

/* A query that gives rows of: the object, what is wrong with it. */
struct check_rule {
	const char *rule, *sql;
};

/* check_claims.c: what servers hold within hosts. */
extern const struct check_rule check_claim_rules[];
extern const size_t check_claim_rules_n;
/* check_events.c: what was told, and to whom. */
extern const struct check_rule check_event_rules[];
extern const size_t check_event_rules_n;
/* check_quota.c: limits and guardrails. And one rule more, of limits inside limits. */
extern const struct check_rule check_quota_rules[];
extern const size_t check_quota_rules_n;
int check_quota_tree(struct db *db, store_finding_fn *found, void *ctx, struct error *err);
/* Tells what the queries find. */
int check_run(struct db *db, const struct check_rule *rules, size_t n, store_finding_fn *found, void *ctx,
	struct error *err);

/* check_books.c: metering. */
extern const struct check_rule check_book_rules[];
extern const size_t check_book_rules_n;
/* And what needs the hosts' lists read: two rules. */
int check_rooms(struct db *db, store_finding_fn *found, void *ctx, struct error *err);
/* check_prices.c: invoices. And one rule more, of the last month's seals. */
extern const struct check_rule check_price_rules[];
extern const size_t check_price_rules_n;
int check_seals(struct db *db, store_finding_fn *found, void *ctx, struct error *err);
/* check_audit.c: two rules. */
int check_audit(struct db *db, store_finding_fn *found, void *ctx, struct error *err);

#endif
