/* SPDX-License-Identifier: Apache-2.0 */
/* What requests placement is told to expect: those of late, and whether servers come and go. */
#ifndef FLOW_EXPECT_H
#define FLOW_EXPECT_H

#include "flow/flow.h"

/* From the rows, at most hourly; the first time at once. */
int flow_expect(struct flow_engine *e, struct db *db, struct error *err);

#endif
