/* SPDX-License-Identifier: Apache-2.0 */
/* Where the daemon meets its hosts (the linker's --wrap): what goes wrong in calls, what comes to pass
 * although the daemon died over it, which steps were under way, and what must hold at every moment. */
#include <stdio.h>
#include <string.h>

#include "aim.h"
#include "base/util.h"
#include "flow/internal.h"
#include "hv/internal.h"
#include "hv/sim_world.h"
#include "sched.h"
#include "status.h"

/* --- calls under way ------------------------------------------------------------------------------------ */

enum { CALLS = 256, GIVEN_UP_MS = 15000 };
static struct call {
	enum late_op op;
	const char *world;
	char what[96];
	int64_t since_ms;
	bool begun; /* its effect is done, or will be in this moment */
} calls[CALLS];
static _Thread_local struct call *mine;
static _Thread_local bool fate; /* this thread is fate itself: nothing goes wrong */

static const char *const late_names[] = { "none", "start", "stop", "remove", "volume_remove" };

const char *late_name(enum late_op op)
{
	return late_names[op];
}

static void call_begin(struct hv_conn *c, enum late_op op, const char *what)
{
	for (size_t i = 0; i < CALLS; i++)
		if (!calls[i].op) {
			calls[i] = (struct call) {
				.op = op, .world = c->world->node.key, .since_ms = sched_now_ms()
			};
			str_copy(calls[i].what, sizeof calls[i].what, what);
			mine = &calls[i];
			return;
		}
}

/* A call that is carried out long after it was sent changes what its server is; who looks says so. */
static void overtaken(enum late_op op, const char *what)
{
	for (size_t i = 0; i < run->servers_n; i++)
		if (str_eq(run->servers[i].id, what))
			run->servers[i].want |= op == LATE_START ? BIT_ACTIVE : BIT_SHUTOFF;
}

static void call_end(void)
{
	if (mine && sched_now_ms() - mine->since_ms > GIVEN_UP_MS)
		overtaken(mine->op, mine->what);
	if (mine)
		mine->op = LATE_NONE;
	mine = NULL;
}

#define LATE(name, late)                                                           \
	int __real_##name(struct hv_conn *c, const char *what, struct error *err); \
	int __wrap_##name(struct hv_conn *c, const char *what, struct error *err); \
	int __wrap_##name(struct hv_conn *c, const char *what, struct error *err)  \
	{                                                                          \
		int rc;                                                            \
		if (!fate)                                                         \
			call_begin(c, late, what);                                 \
		rc = __real_##name(c, what, err);                                  \
		call_end();                                                        \
		return rc;                                                         \
	}
LATE(sim_domain_start, LATE_START)
LATE(sim_domain_stop, LATE_STOP)
LATE(sim_domain_shutdown, LATE_STOP)
LATE(sim_domain_remove, LATE_REMOVE)
LATE(sim_volume_remove, LATE_VOLUME_REMOVE)

/* --- what must hold at every moment --------------------------------------------------------------------- */

static struct sim_world
	*worlds[HOSTS]; /* found once: finding takes a lock, and nothing may move while we look */

void wraps_worlds(void)
{
	char name[16];

	for (int i = 0; i < HOSTS; i++) {
		snprintf(name, sizeof name, "host%d", i + 1);
		worlds[i] = sim_world_get(name);
		worlds[i]->unclean = 0;
		for (int k = 0; k < GPUS; k++)
			str_copy(worlds[i]->gpus[k].had, sizeof worlds[i]->gpus[k].had, run->gpu_had[i][k]);
	}
}

static bool runs(const struct sim_dom *d)
{
	return sim_power_on(d->power) && d->cloud[0] && !d->incoming;
}

static bool same_device(const struct sim_dom *a, const struct sim_dom *b)
{
	for (size_t i = 0; i < a->has.hostdevs_n; i++)
		for (size_t k = 0; k < b->has.hostdevs_n; k++)
			if (!strcmp(a->has.hostdevs[i].address, b->has.hostdevs[k].address))
				return true;
	return false;
}

static void look_at(int host, const struct sim_dom *d)
{
	for (int i = 0; i < HOSTS; i++) {
		struct sim_world *w = worlds[i];
		struct sim_node *n = sim_table_next(&w->doms, NULL);

		for (; n; n = sim_table_next(&w->doms, n)) {
			struct sim_dom *o = (struct sim_dom *)(void *)n;

			if (o == d || !o->cloud[0])
				continue;
			if (i != host && runs(o) && !strcmp(n->key, d->node.key))
				problem("server %s runs on host%d and on host%d", n->key, host + 1, i + 1);
			if (i == host && same_device(o, d))
				problem("servers %s and %s on host%d have the same device", n->key,
					d->node.key, host + 1);
		}
	}
}

static void look_around(void)
{
	for (int i = 0; i < HOSTS; i++) {
		struct sim_world *w = worlds[i];
		struct sim_node *n = sim_table_next(&w->doms, NULL);

		if (w->unclean && !run->profile.unclean)
			problem("host%d: a GPU went from one project to another without a reset", i + 1);
		w->unclean = 0;
		for (int k = 0; k < GPUS; k++)
			memcpy(run->gpu_had[i][k], w->gpus[k].had, sizeof run->gpu_had[i][k]);
		for (; n; n = sim_table_next(&w->doms, n))
			if (runs((struct sim_dom *)(void *)n))
				look_at(i, (struct sim_dom *)(void *)n);
	}
	run->totals.checked++;
}

/* --- faults of calls ------------------------------------------------------------------------------------ */

static const enum fault call_faults[] = {
	[SIM_FAIL] = FAULT_CALL_REFUSED,
	[SIM_FAIL_AFTER] = FAULT_CALL_REFUSED_AFTER,
	[SIM_LOSE_REPLY] = FAULT_REPLY_LOST,
	[SIM_DROP] = FAULT_CALL_DROPPED,
	[SIM_HANG] = FAULT_CALL_HANGS,
	[SIM_DELAY] = FAULT_CALL_DELAYED,
};

static void order_fault(struct sim_world *w, enum sim_op op)
{
	if (fate || run->setup || run->last)
		return;
	for (int i = 0; i < 6; i++)
		if (chance(run->profile.call_fault[i])) {
			sim_fault(w->node.key, op, 1, 1, (enum sim_fault_kind)i);
			fault_count(call_faults[i]);
			event("%s: next %s meets fault %d", w->node.key, sim_op_name(op), i);
			return;
		}
}

int __real_sim_meet(struct sim_call *k, enum sim_op op, struct error *err);
int __wrap_sim_meet(struct sim_call *k, enum sim_op op, struct error *err);
int __wrap_sim_meet(struct sim_call *k, enum sim_op op, struct error *err)
{
	return __real_sim_meet(k, op, err);
}

int __real_sim_begin(struct hv_conn *c, enum sim_op op, struct sim_call *k, struct error *err);
int __wrap_sim_begin(struct hv_conn *c, enum sim_op op, struct sim_call *k, struct error *err);
int __wrap_sim_begin(struct hv_conn *c, enum sim_op op, struct sim_call *k, struct error *err)
{
	const char *world = c->world->node.key;
	int rc;

	sched_point(AT_HOST_CALL);
	run->totals.calls++;
	order_fault(c->world, op);
	rc = __real_sim_begin(c, op, k, err);
	if (mine && rc == 0)
		mine->begun = true;
	event("%s %s %s%s", world, sim_op_name(op), mine ? mine->what : "", rc < 0 ? ": not done" : "");
	return rc;
}

int __real_sim_end(struct sim_call *k, int rc, struct error *err);
int __wrap_sim_end(struct sim_call *k, int rc, struct error *err);
int __wrap_sim_end(struct sim_call *k, int rc, struct error *err)
{
	const char *world = k->w->node.key;
	int done = rc;

	if (!run->setup)
		look_around();
	rc = __real_sim_end(k, rc, err);
	if (rc < 0)
		event("%s: ... %s: %s (%s)", world, done < 0 ? "refused" : "told so, but done", err->msg,
			err->detail);
	sched_point(AT_HOST_CALL);
	return rc;
}

static const char *dying; /* who dies here dies at this step */
static enum aim_at dying_at;
static char within[64]; /* the step over which the daemon is to die soon */

/* Calls that were under way when the daemon died may be carried out all the same. */
void wraps_at_death(void)
{
	size_t n = 0;

	memset(run->late, 0, sizeof run->late);
	for (size_t i = 0; i < CALLS && n < LATE_MAX; i++) {
		struct late *l = &run->late[n];

		if (!calls[i].op || calls[i].begun || !chance(500))
			continue;
		l->op = calls[i].op;
		str_copy(l->world, sizeof l->world, calls[i].world);
		str_copy(l->what, sizeof l->what, calls[i].what);
		l->at_us = dice(3000) * 1000;
		n++;
	}
	for (size_t i = 0; i < ARRAY_LEN(run->in_flight); i++)
		if (run->in_flight[i][0])
			cover_death(run->in_flight[i], AIM_WITHIN);
	if (dying)
		cover_death(dying, dying_at);
}

/* Fate carries them out. */
void wraps_late(const struct late *l)
{
	char uri[64];
	struct hv_target target = { .uri = uri };
	struct hv_conn *c;
	struct error err;
	int rc = -1;

	snprintf(uri, sizeof uri, "sim://%s", l->world);
	fate = true;
	if (hv_sim_driver.connect(&target, NULL, NULL, &c, &err) == 0) {
		overtaken(l->op, l->what);
		if (l->op == LATE_START)
			rc = hv_sim_driver.domain_start(c, l->what, &err);
		else if (l->op == LATE_STOP)
			rc = hv_sim_driver.domain_stop(c, l->what, &err);
		else if (l->op == LATE_REMOVE)
			rc = hv_sim_driver.domain_remove(c, l->what, &err);
		else
			rc = hv_sim_driver.volume_remove(c, l->what, &err);
		hv_sim_driver.close(c);
	}
	fate = false;
	fault_count(FAULT_LATE_EFFECT);
	event("%s: late %s of %s %s", l->world, late_names[l->op], l->what,
		rc < 0 ? "came to nothing" : "done");
}

/* --- steps ---------------------------------------------------------------------------------------------- */

static void flight(const char *step, bool begins)
{
	for (size_t i = 0; i < ARRAY_LEN(run->in_flight); i++)
		if (begins ? !run->in_flight[i][0] : !strcmp(run->in_flight[i], step)) {
			str_copy(run->in_flight[i], sizeof run->in_flight[i], begins ? step : "");
			return;
		}
}

/* The daemon may die here, also by aim. */
static void at_step(const char *step, enum aim_at at)
{
	dying = step;
	dying_at = at;
	if (aim_hit(step, at))
		sched_die();
	sched_point(AT_STEP);
	dying = NULL;
}

/* Before an act, after it, after its commit. */
static void wraps_hook(const char *step, const char *point)
{
	event("%s %s", step, point);
	if (!strcmp(point, "before-act")) {
		at_step(step, AIM_BEFORE);
		flight(step, true);
		if (aim_hit(step, AIM_WITHIN)) {
			str_copy(within, sizeof within, step);
			sched_die_soon(1 + dice(30));
		}
	} else {
		if (!strcmp(point, "after-act"))
			flight(step, false);
		else
			cover_done(step);
		if (within[0] && str_eq(within, step)) { /* it was too quick: the next time */
			sched_die_soon(0);
			run->aim.left = 1;
			within[0] = '\0';
		}
		at_step(step, AIM_AFTER);
	}
}

static bool on_hook(void *ctx, const char *step, const char *point)
{
	(void)ctx;
	wraps_hook(step, point);
	return false;
}

int __real_flow_engine_create(const struct flow_config *config, struct flow_engine **out, struct error *err);
int __wrap_flow_engine_create(const struct flow_config *config, struct flow_engine **out, struct error *err);
int __wrap_flow_engine_create(const struct flow_config *config, struct flow_engine **out, struct error *err)
{
	static const struct flow_hooks hooks = { .crash = on_hook };

	if (__real_flow_engine_create(config, out, err) < 0)
		return -1;
	memset(run->in_flight, 0, sizeof run->in_flight);
	flow_engine_hooks(*out, &hooks);
	return 0;
}

/* --- passwords: what makes them safe takes a fifth of a second each ----------------------------------------
 */

char *__wrap_password_hash(const struct rng *rng, const char *password);
char *__wrap_password_hash(const struct rng *rng, const char *password)
{
	(void)rng;
	return xasprintf("sim$%s", password);
}

bool __wrap_password_verify(const char *password, const char *hash);
bool __wrap_password_verify(const char *password, const char *hash)
{
	return hash && str_starts(hash, "sim$") && str_eq(hash + 4, password);
}
