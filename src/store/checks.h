/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold between rows, whatever happened: each rule is a query for what breaks it. */
#ifndef STORE_CHECKS_H
#define STORE_CHECKS_H

#include "store/db.h"

typedef void store_finding_fn(void *ctx, const char *rule, const char *object, const char *message);
/* Calls found for each breach. *out_rules: how many rules were looked at. */
int store_check(struct db *db, store_finding_fn *found, void *ctx, int *out_rules, struct error *err);

#endif
