/* SPDX-License-Identifier: Apache-2.0 */
/* The calendar at work: capacity blocks and maintenance windows are made and changed, begin and end. All but
 * calendar_look run inside a unit.
 *
 *	capacity     planned --preempt_notice_s + preempt_lead_s before--> clearing --start--> active --end-->
 *ended maintenance  planned --start--> active --end--> ended
 */
#ifndef FLOW_CALENDAR_H
#define FLOW_CALENDAR_H

#include "flow/flow.h"
#include "store/calendar.h"

struct block_want {
	const char *name, *reason;
	int64_t start_us, end_us; /* start 0: now */
	/* a capacity block */
	int64_t project_id;
	const char *model;
	int64_t gpus;
	enum calendar_scope scope;
	/* a maintenance window */
	const int64_t *hosts;
	size_t hosts_n;
	bool empties; /* they are emptied when it begins */
};
/* project_id 0: a maintenance window. ERR_CONFLICT says what is in its way, and when there is nothing. */
int flow_block_make(struct flow_engine *e, struct db *db, struct arena *a, const struct block_want *want,
	int64_t now_us, int64_t *out_id, struct error *err);
/* name NULL, end_us 0: as it is. */
int flow_block_change(struct flow_engine *e, struct db *db, struct arena *a, struct block *b,
	const char *name, int64_t end_us, int64_t now_us, struct error *err);
int flow_block_cancel(struct flow_engine *e, struct db *db, struct arena *a, struct block *b, int64_t now_us,
	struct error *err);

/* Rows that time works on were changed: looked at again when the unit is on disk. */
void calendar_changed(struct flow_engine *e);
/* How long before its beginning a capacity block's GPUs are cleared. */
int64_t calendar_ahead_us(const struct flow_engine *e);
/* All that is due of one block. */
int calendar_block_due(struct flow_engine *e, struct db *db, int64_t id, int64_t now_us, struct error *err);
/* On the loop: does what is due, and sets the timer for what is next. Also when the clock was set. */
void calendar_look(struct flow_engine *e);

#endif
