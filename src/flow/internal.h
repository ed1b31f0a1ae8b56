/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share: the engine, a flow in memory, and the tables that the kinds are made of.
 */
#ifndef FLOW_INTERNAL_H
#define FLOW_INTERNAL_H

#include "domain/server_state.h"
#include "flow/flow.h"
#include "flow/host_link.h"
#include "placement/map.h"
#include "store/flows.h"

struct flow;
struct act;

/* ---- kinds and steps: const tables ---- */

enum flow_subject { SUBJECT_SERVER, SUBJECT_HOST_IMAGE, SUBJECT_ALLOCATION, SUBJECT_DEVICE };

enum flow_verdict {
	FLOW_NEXT, /* on to the next step, or the end after the last */
	FLOW_DONE, /* to the end, whatever steps are left */
	FLOW_POLL, /* nothing went wrong, look again in a while; no row is written */
	FLOW_PARK, /* load: until the flow on act->wait_for ends */
	FLOW_WAIT, /* went wrong in a way that may pass: again with back-off; the error is kept in the row */
	FLOW_FAIL  /* went wrong for good */
};

/* How long an act may take before it is given up and the host is asked what it did: step_time.c. */
enum flow_time {
	TIME_CALL,
	TIME_START, /* a guest with devices: all of its memory is pinned, and each device set up */
	TIME_SAVE,  /* its memory, to disk and back */
	TIME_STAGE, /* a disk or an image */
	TIME_MOVE,  /* memory and disks, between hosts */
	TIMES
};

struct step_size { /* of what an act works on */
	int64_t ram_mib, disk_gib, gpus;
};

struct flow_step {
	const char *name; /* a landed name is kept */
	/* On the loop, before the act: reads what the act needs into its arena (act->facts). Decides by
	 * itself to go on (FLOW_NEXT), skip the act (FLOW_DONE), FLOW_PARK or, with err set, FLOW_WAIT or
	 * FLOW_FAIL. */
	enum flow_verdict (*load)(struct flow_engine *e, struct db *ro, struct act *act, struct error *err);
	/* On a lane: FLOW_NEXT, FLOW_DONE or FLOW_POLL, or -1 with err. NULL: no act. */
	int (*act)(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
	/* In the unit that moves the flow on. NULL: nothing but the move. *out_verdict may be changed to
	 * FLOW_DONE. */
	int (*commit)(struct flow_engine *e, struct db *db, struct act *act, enum flow_verdict *out_verdict,
		struct error *err);
	enum task_state task; /* shown from here on; servers only */
	enum link_lane lane;
	enum flow_time time;
};

enum flow_kind_flags {
	KIND_NEVER_FAILS =
		1,      /* what it takes away must be gone: it waits for ever, until the operator steps in */
	KIND_DELETE = 2 /* the wish to delete does not end it: it is that */
};

struct flow_kind {
	const char *name;
	enum flow_subject subject;
	unsigned flags;
	const struct flow_step *steps;
	size_t steps_n;
	int64_t deadline_s;
	/* After the last step, in the unit that ends the flow. */
	int (*end)(struct flow_engine *e, struct db *db, struct act *act, struct error *err);
	/* Gives way to a deletion, in the unit that ends the flow. NULL: nothing of it is left. */
	int (*give_way)(struct flow_engine *e, struct db *db, struct flow *f, struct error *err);
	/* Given up with `why`, in the unit that ends the flow. */
	int (*fail)(struct flow_engine *e, struct db *db, struct flow *f, const struct error *why,
		struct error *err);
};

extern const struct flow_kind kind_server_create, kind_server_delete, kind_server_start, kind_server_stop,
	kind_server_reboot_soft, kind_server_reboot_hard, kind_server_pause, kind_server_unpause,
	kind_server_suspend, kind_server_resume, kind_server_create_image, kind_server_create_backup,
	kind_server_rebuild, kind_server_rescue, kind_server_unrescue, kind_server_shelve,
	kind_server_offload, kind_server_unshelve, kind_server_unshelve_here, kind_image_stage,
	kind_image_unstage;

/* ---- a pass through a step: what the lane works on ---- */

struct act {
	struct host_call call;
	struct arena arena;
	const struct flow_step *step;
	void *facts; /* the step's, in the arena */
	int64_t host_id, wait_for, link_epoch, now_us;
	int64_t clears; /* set by load: what is removed is gone only if no given-up call on it can still be
			   done */
	struct history *history; /* for console_last_read; NULL: none is kept */
	struct samples *samples; /* for samples_last_read; the same */
	struct act_books {       /* the books' time on a thread */
		const struct clock *clock;
		int64_t now_us, boot_us, offset_us; /* when the act was made */
	} books;
	bool want_delete;      /* set by load */
	struct step_size size; /* the same; 0: it does not count */
	bool twice;            /* a test's wish */
	int64_t since_us;      /* when the step began: some have a patience of their own */
	enum flow_verdict verdict;
	struct flow *flow; /* NULL when the flow has let it go */
	unsigned refs;     /* the flow's and the lane's */
	int64_t subject_id;
	struct act *stray_next, **stray_at; /* given up, and its call has not come home */
	int64_t given_up_us;                /* monotonic */
};

/* ---- a flow in memory ---- */

enum flow_phase {
	PHASE_NEW,    /* its row is not on disk yet, or the engine has not started */
	PHASE_SLEEP,  /* in the heap by due_us */
	PHASE_HOST,   /* parked until its host is connected; in the heap by its deadline */
	PHASE_FLOW,   /* parked until another flow ends; in the heap by its deadline */
	PHASE_ACT,    /* a lane works */
	PHASE_COMMIT, /* a unit is on its way */
	PHASE_STUCK   /* the operator's */
};

struct flow {
	int64_t id, subject_id, action_id, arg_id, created_us, deadline_us;
	const struct flow_kind *kind;
	size_t step;
	unsigned tries, refusals; /* refusals: of the host, since the step began in this process */
	enum flow_phase phase;
	int64_t since_us; /* when its step began; after a restart when that was last due */
	bool held;        /* a unit under way takes it away */
	bool dropped;     /* its row is gone; freed when its unit is finished */
	bool waiting;     /* the row says so: error noted */
	bool kick;        /* an event came while it was busy: no patience for the next poll */
	char request_id[64];
	struct hv_seen event;             /* the last one that came while it was busy */
	int64_t event_host_id;            /* 0: none did */
	int64_t due_us;                   /* monotonic */
	size_t heap_at;                   /* plus one; 0: not in the heap */
	struct flow *next, *prev, **list; /* parked */
	struct flow *waiters;             /* parked flows that wait for this one */
	struct act *act;
	/* the unit under way */
	struct tick_unit unit;
	struct flow_engine *e;
	enum flow_verdict verdict;
	size_t next_step;
	bool to_delete; /* gives way to a deletion */
	bool gave_up;   /* its unit has run and leaves it stuck: who deletes need not wait for it */
	unsigned delay_ms;
	struct error err;
};

/* Changes to the memory of flows that follow the tick: done when it is on disk, undone when a unit fails. */
enum note_op { NOTE_ADD, NOTE_DROP, NOTE_RETRY };
struct note {
	enum note_op op;
	struct flow *f;
};

struct flow_engine {
	struct flow_config cfg;
	struct placement *placement;
	struct quota_index *quota;
	struct map flows; /* by subject id */
	struct map links; /* by host id */
	struct link_set *link_set;
	struct console_set *consoles; /* NULL: no console history is kept */
	struct sample_set *samples;   /* NULL: no samples are kept */
	struct restored_set *restored;
	struct flow **heap;
	size_t heap_n, heap_cap;
	struct act *strays;
	struct loop_timer timer, grace, shelf, watch, evacuate;
	struct fence_set *fences;
	struct setting_out *setting_out; /* host_evacuate.c */
	bool watching;                   /* the timer `watch` is set */
	struct {                         /* calendar_time.c */
		struct loop_timer timer;
		struct tick_unit unit;
		bool busy, changed;
		int64_t at, put_off; /* the block or server that the unit is at, and who failed it last */
		int64_t stumbled;    /* who failed another unit when it was to be placed */
	} calendar;
	struct { /* drain.c */
		struct loop_timer timer;
		struct tick_unit unit;
		bool open;           /* there may be a drain that is looked at */
		bool busy, changed;  /* the unit is under way; there is reason for another */
		bool room, had_room; /* some was given back; to the unit under way */
		bool soon, excused;  /* the timer is set for that; store_drain_excuse was done */
		int64_t at, put_off; /* the server that the unit is at, and who failed it last */
	} drain;
	struct tick_unit shelf_unit;
	unsigned refs; /* timers, links: the memory goes with the last */
	struct note *notes;
	size_t notes_n, notes_cap;
	/* files of images that are gone, once the tick is on disk: image_file.c */
	char (*files)[UUID_TEXT];
	size_t files_n, files_cap;
	struct lane *files_lane;
	/* marks of the unit under way */
	size_t mark_decisions; /* so far the journal of decisions is written */
	int64_t expect_us;     /* when placement was last told what to expect; 0: not yet */
	bool churning;         /* as it was told */
	bool decisions_begun;  /* and it knows the hosts as they are since the start, */
	bool decisions_kept;   /* on disk */
	size_t mark_placement, mark_quota, mark_notes, mark_files;
	bool started, stopping, dead, destroyed;
	unsigned running, committing;
	void (*stopped)(void *ctx);
	void *stopped_ctx;
	struct flow_hooks hooks;
	struct flow_stats stats;
};

/* ---- engine.c: inside a unit ---- */

struct flow_start {
	const struct flow_kind *kind;
	int64_t subject_id;
	int64_t action_id; /* in the server's log, finished with the flow; 0: none */
	int64_t arg_id;    /* the row of the other thing that it is about (image, migration); 0: none */
	const char *request_id;
	int64_t now_us;
};
/* Starts a flow on a subject; its first act is dispatched when the tick is on disk. ERR_CONFLICT: there is
 * one. */
int flow_begin(struct flow_engine *e, struct db *db, const struct flow_start *start, struct error *err);
/* Ends one; its row is removed. Not one that acts or commits, but in its own unit. */
int flow_drop(struct flow_engine *e, struct db *db, struct flow *f, struct error *err);
/* Ends one for a deletion to take its place. */
int flow_give_way(struct flow_engine *e, struct db *db, struct flow *f, struct error *err);
/* The flow on a subject, those of this tick included; NULL none. */
struct flow *flow_find(const struct flow_engine *e, int64_t subject_id);
bool flow_is_busy(const struct flow *f);
const struct flow_kind *flow_kind_find(const char *name);
const struct flow_kind *flow_kind_at(size_t i); /* NULL behind the last */

/* ---- step_time.c ---- */

unsigned flow_step_ms(const struct flow_config *cfg, enum flow_time time, const struct step_size *size);

/* ---- engine.c: on the loop ---- */

int64_t engine_now(const struct flow_engine *e); /* wall */
int64_t engine_mono(const struct flow_engine *e);
/* With jitter: half of it to all of min << tries, at most max. */
unsigned engine_backoff_ms(const struct flow_engine *e, unsigned tries);
/* Due now, if it sleeps or is parked. */
void flow_wake(struct flow *f);
/* A new look at a polling flow is worth it. */
void flow_kick(struct flow_engine *e, int64_t subject_id);
/* What happened is unknown, or it may go better later: such an error is waited out. */
bool flow_error_passes(enum err code);
void act_unref(struct act *act);
/* On a lane, between two calls to the host: -1 when the act was given up meanwhile, and another may be at
 * work. */
int act_abandoned(struct act *act, struct error *err);
void engine_unref(struct flow_engine *e);

/* ---- console_history.c ---- */

void console_history_start(struct flow_engine *e);
void console_history_destroy(struct flow_engine *e);
/* The last bytes that are kept of it. False: there is no history, done is not called. */
struct buf;
typedef void console_last_fn(void *ctx, struct buf *text, const struct error *err);
bool console_history_last(
	struct flow_engine *e, const char *uid, size_t max, console_last_fn *done, void *ctx);

/* ---- samples.c ---- */

void samples_start(struct flow_engine *e);
void samples_destroy(struct flow_engine *e);

/* ---- queue.c ---- */

void heap_set(struct flow_engine *e, struct flow *f, int64_t due_us);
void heap_remove(struct flow_engine *e, struct flow *f);
void park_in(struct flow *f, struct flow **list);
void park_out(struct flow *f);
/* An act that was given up may still do what it was sent for, until its call comes home. */
void stray_add(struct flow_engine *e, struct act *act);
void stray_home(struct act *act); /* no stray: nothing happens */
/* Is there one that may still do it? One that was given up long ago, over a connection that is gone since, is
 * not waited for: what is removed then is looked for over another connection, and what comes late all the
 * same is found by the next look at the host. */
bool stray_of(const struct flow_engine *e, int64_t subject_id);
static inline void *map_ptr(const struct map *m, int64_t key)
{
	int64_t v = map_get(m, key);

	return v == MAP_NONE ? NULL : (void *)(intptr_t)v;
}

/* ---- capacity.c ---- */

int capacity_create(struct flow_engine *e, struct db *db, struct error *err);
void capacity_destroy(struct flow_engine *e);
/* Of the row, its devices and whether it is connected: what placement should know (inside a unit). */
int capacity_host_set(
	struct flow_engine *e, struct db *db, int64_t host_id, bool connected, struct error *err);
/* What a server of that size counts for its project; NULL specs: none. */
struct capacity_size {
	int64_t vcpus, ram_mib, disk_gib; /* disk_gib: root and ephemeral */
	const char *extra_specs;
};
void capacity_amounts(struct quota_index *q, const struct capacity_size *size, struct quota_amounts *out);
struct server;
struct capacity_size capacity_size_of(const struct server *s);
void capacity_count_server(struct quota_index *q, const struct server *s, int sign);
/* GPUs and their models that the extra specs (JSON) ask for. */
struct flavor_wants;
int capacity_wants(const char *extra_specs, struct flavor_wants *out, struct error *err);
int capacity_gpus(const char *extra_specs); /* 0 when unreadable */
/* What a server of that size with such wants asks of placement; zone, host and rules are left to the caller.
 * Traits point into wants, arrays are in the arena. */
void capacity_request(struct arena *a, const struct flavor_wants *wants, int64_t vcpus, int64_t ram_mib,
	int64_t disk_gib, struct placement_request *out);
/* Rebuilds quota use from the rows into q. */
int capacity_quota_rebuild(struct db *db, struct quota_index *q, struct error *err);
/* Does placement take those hosts for connected that are? Inside a unit, as flow_check. */
int capacity_hosts_compare(
	struct flow_engine *e, struct db *db, flow_finding_fn *found, void *ctx, struct error *err);
/* Which hosts are connected is taken from `like`; NULL: as their links begin. */
int capacity_placement_rebuild(const struct flow_engine *e, const struct placement *like, struct db *db,
	struct placement *p, struct error *err);

/* ---- hosts.c ---- */

/* The host's link is brought in line with its row, once that is on disk. */
void host_sync_later(struct flow_engine *e, int64_t host_id);
int host_ratio_check(const char *what, int32_t milli, struct error *err);

/* ---- image_stage.c: inside a unit ---- */

/* The image's copy on the host is there or on its way. *out_ready: there. */
int image_stage_ensure(struct flow_engine *e, struct db *db, struct arena *a, int64_t host_id,
	int64_t image_id, const char *request_id, int64_t now_us, struct error *err);
/* A flow that worked on the host has ended, whatever it did there: copies of deleted images that nothing
 * needs any more go. What a server stands on changes in flows alone, or a flow clears away what it leaves: so
 * every copy that loses its last user passes here, but for those whose image is deleted after
 * (flow_image_deleted).
 */
int image_flow_ended(
	struct flow_engine *e, struct db *db, int64_t host_id, const char *request_id, struct error *err);

/* A copy of a deleted image that no row knows of was seen on the host: a row for it, and a flow that removes
 * both. */
int image_copy_seen(struct flow_engine *e, struct db *db, int64_t host_id, int64_t image_id,
	const char *request_id, int64_t now_us, struct error *err);

#endif
