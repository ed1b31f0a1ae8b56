/* SPDX-License-Identifier: Apache-2.0 */
/* The store as a tick's first member: the two rooms do not know each other. */
#ifndef CLOUDD_STORE_MEMBER_H
#define CLOUDD_STORE_MEMBER_H

#include "loop/tick.h"
#include "store/db.h"

static inline struct tick_member store_member(void)
{
	return (struct tick_member) {
		.begin = store_tick_begin,
		.savepoint = store_tick_savepoint,
		.seal = store_tick_seal,
		.release = store_tick_release,
		.rollback = store_tick_rollback,
		.dirty = store_tick_dirty,
		.full = store_tick_full,
		.tired = store_tick_tired,
		.rest = store_tick_rest,
		.commit = store_tick_commit,
		.settle = store_tick_settle,
	};
}

#endif
