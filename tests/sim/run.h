/* SPDX-License-Identifier: Apache-2.0 */
/* What a simulated run keeps beside its lives: it outlives each daemon, in memory that parent and lives
 * share. */
#ifndef TESTS_SIM_RUN_H
#define TESTS_SIM_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HOSTS = 3,
	GPUS = 4, /* of a host */
	TENANTS = 3,
	SERVERS_MAX = 96,
	STEPS_MAX = 192,
	FLAVORS = 7,
	FLAVOR_SPOT = 5,
	IMAGES_MAX = 12,
	LATE_MAX = 16,
	EVENTS_KEPT = 400,
	EVENT_TEXT = 200,
	PROBLEMS_MAX = 16,
	PROBLEM_TEXT = 600,
	DAYS_MAX_S = 4 * 86400,
};

/* How a life ends. */
enum death { DEATH_NONE, DEATH_STOP, DEATH_KILL, DEATH_POWER };
/* At the nth of what it ends. */
enum death_at { AT_POINT, AT_SYNC, AT_WRITE, AT_HOST_CALL, AT_STEP, DEATH_ATS, AT_AIM = DEATH_ATS };
/* At which step of a flow, and where. */
enum aim_at { AIM_BEFORE, AIM_WITHIN, AIM_AFTER, AIM_ATS };
struct aim {
	size_t step;
	enum aim_at at;
	unsigned left; /* the nth time that it comes there */
};
/* Exit codes of a life. */
enum {
	LIFE_STOPPED = 0,
	LIFE_KILLED = 41,
	LIFE_POWER = 42,
	LIFE_PROBLEM = 43,
	LIFE_DEADLOCK = 44,
	LIFE_ENDLESS = 45
};

enum fault {
	FAULT_KILL,
	FAULT_POWER_LOSS,
	FAULT_TORN_WRITES,
	FAULT_DISK_SYNC,
	FAULT_LATE_EFFECT,
	FAULT_CALL_REFUSED,
	FAULT_CALL_REFUSED_AFTER,
	FAULT_REPLY_LOST,
	FAULT_CALL_DROPPED,
	FAULT_CALL_HANGS,
	FAULT_CALL_DELAYED,
	FAULT_EVENTS_LOST,
	FAULT_EVENTS_REPEATED,
	FAULT_HOST_CUT,
	FAULT_HOST_REBOOT,
	FAULT_HOST_DEAD,
	FAULT_FOREIGN_DOMAIN,
	FAULT_UNDEFINED,
	FAULT_GUEST_OFF,
	FAULT_POOL_FULL,
	FAULT_CLOCK_STEP,
	FAULT_DISK_FULL,
	FAULT_NO_DESCRIPTORS,
	FAULT_NO_MEMORY,
	FAULT_CLIENT_DROPPED,
	FAULT_CLIENT_SLOW,
	FAULT_REPEATED_REQUEST,
	FAULTS
};
extern const char *const fault_names[FAULTS];

enum outcome { OUT_DONE, OUT_REFUSED, OUT_BUSY, OUT_LOST, OUTCOMES };
extern const char *const outcome_names[OUTCOMES];

/* What somebody was promised about a server. Bits of status in want: see the table in driver.c. */
struct promise {
	char name[32], id[40];
	uint8_t tenant, tried, gone; /* tried: a create was sent; gone: 1 deletion sent, 2 acknowledged */
	uint8_t refused;             /* the create was refused: nothing of it may be there */
	uint8_t count;               /* of one request */
	bool gpu, spot; /* spot: it makes way for others, and is deleted when it cannot be shelved */
	bool overlap;
	uint8_t flying; /* requests about it under way */
	uint32_t want;  /* statuses that it may be in at the end; 0: any */
	uint32_t maybe; /* also these, if a request under way is done */
};

enum late_op { LATE_NONE, LATE_START, LATE_STOP, LATE_REMOVE, LATE_VOLUME_REMOVE };
struct late { /* a host call that was under way when the daemon died, and comes to pass after it */
	enum late_op op;
	char world[16], what[96];
	int64_t at_us;
};

struct step_cover {
	char name[64];
	bool acts;                    /* else it has no before and no within */
	uint32_t died[AIM_ATS], done; /* died: by enum aim_at */
};

struct totals { /* summed up over seeds */
	uint64_t seeds, lives, requests, calls, points, virtual_s, checked, violations;
	uint64_t faults[FAULTS], outcomes[OUTCOMES];
	struct step_cover steps[STEPS_MAX];
	size_t steps_n;
};

struct profile {     /* what may go wrong in a seed; chances in thousandths */
	bool strict; /* nothing that changes what servers are: each must be at the end as promised */
	unsigned switch_mean;
	unsigned call_fault[6]; /* by enum sim_fault_kind */
	unsigned request_drop, request_slow, request_twice;
	unsigned chaos; /* of hosts and guests */
	unsigned clock;
	unsigned scarce; /* disk, descriptors, memory of the controller's */
	unsigned lives, requests;
	bool spurious;
	bool unclean;  /* GPUs are given again as they are */
	bool confirms; /* resizes are confirmed by themselves */
};

struct image { /* of a tenant's own */
	char id[40];
	uint8_t tenant;
	bool ready;
};

struct run {
	uint64_t seed, rng, sched_rng, world_rng, trace;
	int64_t mono_ns, wall_base_ns; /* wall = base + mono */
	int64_t boot_ns;               /* CLOCK_BOOTTIME's and MONOTONIC's zero, of this power-on */
	unsigned boots, life, lives;
	bool last, setup, verbose, judged; /* last: nothing goes wrong any more */
	enum death death;
	enum death_at death_at;
	uint64_t death_left;
	struct aim aim;
	struct profile profile;
	struct promise servers[SERVERS_MAX];
	size_t servers_n;
	struct late late[LATE_MAX];
	char in_flight[64][64];        /* steps that act now */
	char gpu_had[HOSTS][GPUS][64]; /* the project that had it since its last reset */
	bool host_dead[HOSTS], host_replaced[HOSTS];
	unsigned requests_left;
	char admin[512], tokens[TENANTS][512], projects[TENANTS][40], groups[TENANTS][40], image[40],
		flavors[FLAVORS][40];
	struct image images[IMAGES_MAX];
	char events[EVENTS_KEPT][EVENT_TEXT];
	uint64_t events_n;
	char problems[PROBLEMS_MAX][PROBLEM_TEXT];
	unsigned problems_n;
	struct totals totals;
};

extern struct run *run;

/* What the controller has none of for now. */
enum scarce { SCARCE_DISK, SCARCE_DESCRIPTORS, SCARCE_MEMORY, SCARCE };
extern bool scarce[SCARCE];

/* Randomness: one stream for what the world does, one for the order of threads, one for the daemon's own. */
uint64_t rnd(uint64_t *state);
uint32_t rnd_below(uint64_t *state, uint32_t n);
bool rnd_chance(uint64_t *state, unsigned thousandths);
static inline uint32_t dice(uint32_t n)
{
	return rnd_below(&run->world_rng, n);
}
static inline bool chance(unsigned thousandths)
{
	return rnd_chance(&run->world_rng, thousandths);
}

/* One more step of the run's history: goes into its hash, and into what is printed when it fails. */
void event(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* An invariant that does not hold. */
void problem(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fault_count(enum fault f);

/* driver.c: the threads of clients, of the operator and of fate. judge.c: what must hold at the end. */
void driver_start(void);
void judge(void);
/* wraps.c */
void wraps_worlds(void);
void wraps_at_death(void);
void wraps_late(const struct late *l);
const char *late_name(enum late_op op);

#endif
