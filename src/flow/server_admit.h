/* SPDX-License-Identifier: Apache-2.0 */
/* May servers be made so? By the limits of their project and of those above it, and by their guardrails. */
#ifndef FLOW_SERVER_ADMIT_H
#define FLOW_SERVER_ADMIT_H

#include "domain/flavor.h"
#include "flow/server.h"

/* ERR_OVER_QUOTA */
int server_quota_check(
	struct flow_engine *e, struct db *db, const struct server_create *want, struct error *err);
/* ERR_FORBIDDEN. wants: of its flavor. */
int server_guardrail_check(struct db *db, struct arena *a, const struct server_create *want,
	const struct flavor_wants *wants, struct error *err);

#endif
