/* SPDX-License-Identifier: Apache-2.0 */
/* A tick is a transaction: each turn of the loop runs all units that are ready inside one transaction, each
 *in a savepoint of its own; the commit runs off the loop; `finish` tells each unit what became of it. Replies
 *and host calls hang on `finish` and on nothing else.
 *
 *	submit → [begin · (savepoint · run · release|rollback)* ] → commit on a thread → finish(DONE)
 *	                                                                  refused: finish(REFUSED)
 *	                                                                  who knows: finish(UNKNOWN), then the
 *process ends
 *
 * While a commit is under way new units wait; nothing on the loop touches the read-write connection then. */
#ifndef LOOP_TICK_H
#define LOOP_TICK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/fair.h"
#include "loop/loop.h"

enum tick_outcome {
	TICK_DONE,    /* run returned 0 and its effects are on disk */
	TICK_FAILED,  /* run returned -1: its savepoint was undone, the rest of the tick committed (or had
			 nothing) */
	TICK_REFUSED, /* the commit was refused: nothing of the tick is on disk */
	TICK_UNKNOWN  /* the commit may or may not be on disk; the process must end and start again */
};

/* What a member's commit answers. */
enum tick_commit { TICK_COMMIT_DONE, TICK_COMMIT_REFUSED, TICK_COMMIT_UNKNOWN };

struct tick_unit {
	/* On the loop, inside the savepoint. 0, or -1 with err set to undo. Must not start host calls nor
	 * reply. */
	int (*run)(struct tick_unit *u, struct error *err);
	/* On the loop, after the commit. err is run's for TICK_FAILED, the commit's for REFUSED and UNKNOWN.
	 * The unit is the submitter's again: it may be freed or submitted here. err is never NULL and lives
	 * until finish returns. */
	void (*finish)(struct tick_unit *u, enum tick_outcome outcome, const struct error *err);
	/* Nobody waits for it: it may be kept back for linger_ms, so that more go together. */
	bool patient;
	/* Whose it is: those of one owner run in order, owners take turns. 0: the house's own. */
	uint64_t owner;
	/* private to tick.c */
	struct fair_item turn;
	struct tick_unit *next;
	struct error err;
	bool failed;
};

/* Who takes part in the transaction: the store first, then memory that must follow it (placement index,
 * quota). All are called on the loop but `commit`. A member that has nothing to do leaves a function NULL. */
struct tick_member {
	/* -1 with ERR_BUSY: not now, but perhaps soon. The units wait up to busy_ms for it. */
	int (*begin)(void *ctx, struct error *err);
	void (*savepoint)(void *ctx);
	/* The unit ran well: last words inside its savepoint. -1 undoes it. */
	int (*seal)(void *ctx, struct error *err);
	void (*release)(void *ctx);
	void (*rollback)(void *ctx); /* to the savepoint */
	/* Was anything written in this tick? When not, commit will not block and is called on the loop. NULL:
	 * always. */
	bool (*dirty)(void *ctx);
	/* Has this tick written as much as one should? The other units then wait for the next. NULL: never.
	 */
	bool (*full)(void *ctx);
	/* On the commit thread; only the first member has one. A commit that is refused has undone the
	 * transaction. */
	int (*commit)(void *ctx, struct error *err); /* an enum tick_commit */
	/* On the commit thread after a commit, when tired says so: housekeeping that the next tick waits for,
	 * but not this one's replies (a checkpoint). Only the first member has them. */
	bool (*tired)(void *ctx);
	void (*rest)(void *ctx);
	/* After the commit, on the loop: done=false undoes the whole tick. Also called with false on those
	 * that had begun when a later member could not. Must not touch what `rest` works on. Not called when
	 * the outcome is unknown. */
	void (*settle)(void *ctx, bool done);
	void *ctx;
};

enum { TICK_MEMBERS_MAX = 4 };

struct tick;

struct tick_config {
	struct loop *loop;
	unsigned units_max; /* per tick; 512 */
	unsigned linger_ms; /* for patient units while there are no others; 0: none are kept back */
	unsigned busy_ms;   /* how long units wait for a transaction that cannot begin yet; 0: not */
	bool inline_commit; /* commit on the loop: for tests that must be deterministic */
	void (*fatal)(void *ctx, const struct error *err); /* an unknown outcome: leave the process */
	void *fatal_ctx;
};

struct tick *tick_create(const struct tick_config *config);
void tick_add_member(struct tick *t, const struct tick_member *m);
/* Queues a unit for the next tick; those of an owner run in order of submission. */
void tick_submit(struct tick *t, struct tick_unit *u);
/* For how long a unit of that owner would wait for its run; out_above: the owner has more than a fair share
 * of what waits. */
int64_t tick_wait_us(const struct tick *t, uint64_t owner, bool *out_above);
/* Units submitted and not finished. */
unsigned tick_pending(const struct tick *t);
/* Calls idle once, in a later turn of the loop, when nothing is pending (for a graceful stop). */
void tick_drain(struct tick *t, void (*idle)(void *ctx), void *ctx);
/* Only when nothing is pending. Waits for the commit thread; the memory goes with the loop's next turn. */
void tick_destroy(struct tick *t);

/* Nothing can be written: why, and since when on the monotonic clock. */
struct tick_trouble {
	int64_t since_us;
	struct error err;
};
/* From the first refusal until something was committed; NULL: all is well. */
const struct tick_trouble *tick_trouble(const struct tick *t);

struct tick_stats {
	uint64_t ticks, units, failed, refused;
	uint64_t commit_us; /* sum, on the monotonic clock */
};
void tick_stats(const struct tick *t, struct tick_stats *out);

#endif
