/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a host's link share: host_link.c, link_state.c, link_look.c, link_call.c and link_conn.c.
 * No other file includes this. */
#ifndef FLOW_LINK_H
#define FLOW_LINK_H

#include "domain/host_evidence.h"
#include "flow/internal.h"

/* Finds a dead peer. */
enum { KEEPALIVE_S = 3, KEEPALIVE_COUNT = 3 };

enum link_state { LINK_WAITING, LINK_CONNECTING, LINK_CONNECTED };

struct link_conn { /* held by its slot, and by every call that runs over it */
	const struct hv_driver *drv;
	struct hv_conn *c;
	struct link *link; /* NULL once the link let it go */
	unsigned refs;
	bool closed;
};

/* Connects that were given up and still hang; outlives the link. */
struct tally {
	unsigned refs, stuck;
};

struct connect;

struct link_slot {
	struct link *l;
	enum link_lane id;
	struct lane *lane;
	struct link_conn *conn;
	struct connect *connecting;
	bool gated;
	struct link_slot *gate_next;
	struct fair line; /* calls that are not yet on the lane, by owners in turn */
	unsigned running;
};

struct link {
	struct flow_engine *e;
	int64_t host_id;
	char name[PLACEMENT_NAME], zone[PLACEMENT_NAME], pool[128];
	char *uri;
	enum hv_accel accel;
	const struct hv_driver *drv;
	enum link_state state;
	bool closing, looking, inventory_due;
	bool held;         /* no connection is made: it is being fenced */
	bool timer_closed; /* with `closing`: the memory goes when nothing is under way any more */
	int64_t since_us, seen_us, epoch;
	unsigned attempt; /* counts beginnings and ends of connections: what belongs to an earlier one is not
			     heard */
	unsigned fails, looks, telling; /* telling: units on their way that tell placement */
	char error[256];
	struct link_slot slots[LINK_LANES];
	struct loop_timer timer;
	struct tally *tally;
	struct flow *parked;
	struct drift_set *drift;         /* drift.c; NULL: nothing was looked at yet */
	struct {                         /* evidence.c: what is known of the host as a whole */
		enum host_evidence told; /* by the row, or a unit that is on its way to it */
		char source[16];
		int64_t told_us;
		bool fenced, stated, comes_back; /* the row's */
		bool failed;
		bool clean; /* the last look over all of this connection found nothing left over */
		int64_t heard_us, up_us; /* monotonic: it stood until then, or stands since then */
		struct evidence_losses losses;
		int64_t auto_us;    /* monotonic: not fenced by itself before */
		char held_why[160]; /* why it was not the last time */
	} known;
};

struct link_set {
	unsigned connecting;
	struct link_slot *gate_head, **gate_tail;
};

/* ---- host_link.c ---- */

/* Of a link that is closing: gives its memory back once nothing is under way any more. */
void link_free_when_idle(struct link *l);

/* ---- link_state.c ---- */

/* WAITING to CONNECTING, as soon as the gate opens. */
void link_begin(struct link *l);
/* CONNECTING to CONNECTED: its first look is written. */
void link_up(struct link *l);
/* Not connected (any more): again after a back-off, a longer one while earlier tries still hang. */
void link_wait(struct link *l, const char *why);
/* Of a link that waits: tries again now, whatever the back-off. */
void link_retry(struct link *l);
/* Lets both connections go, and fails the calls that never started. */
void link_close(struct link *l, const char *why);

/* While it is held nothing is sent to the host; then it is connected anew. */
void link_hold(struct link *l, bool held);

/* ---- evidence.c ---- */

/* As the row has it. */
void evidence_take(struct link *l, const struct host_row *h);
/* The connection is lost, or could not be made. */
void evidence_failed(struct link *l, bool stood);
/* The first look is judged: it stands. */
void evidence_stands(struct link *l);
/* As it would be with a connection, or without. */
struct evidence_verdict evidence_of(const struct link *l, bool connected);
/* Tells row, events and placement, when it is not what they were told last. */
void evidence_tell(struct link *l);
/* On the loop: a unit that is on its way tells this. */
void evidence_note(struct link *l, const struct evidence_verdict *v);
/* Inside a unit: the same of a verdict. */
int evidence_write(struct flow_engine *e, struct db *db, int64_t host_id, const struct evidence_verdict *v,
	int64_t epoch, struct error *err);
/* Inside the unit of a first look: what was found on a host that was down. */
int evidence_returned(struct flow_engine *e, struct db *db, const struct host_look *look, struct error *err);
/* A look over all was judged, and found so many domains that should not be there. */
void evidence_judged(struct link *l, size_t stale);

/* ---- link_look.c ---- */

/* first: what makes the link connected. uuid: at this domain only, NULL: at all. */
void link_look_start(struct link *l, bool first, bool inventory, const char *uuid);

/* ---- link_call.c ---- */

extern const unsigned link_lane_widths[LINK_LANES];

/* Also from the first look, before the link counts as connected. */
void link_ops_call(struct link *l, struct host_call *c);
/* Puts on the lane what stands in line, as far as the lane is wide. */
void link_slot_pump(struct link_slot *s);
/* Those that never started. */
void link_slot_fail(struct link_slot *s, enum err code, const char *why);

/* ---- link_conn.c ---- */

void link_tally_unref(struct tally *t);
void link_conn_unref(struct link_conn *conn);
void link_slot_let_go(struct link_slot *s);
/* Connects the slot. At most connects_max at once: the others stand in line. */
void link_gate_enter(struct link_slot *s);
void link_gate_leave(struct link_slot *s);

#endif
