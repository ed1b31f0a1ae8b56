/* SPDX-License-Identifier: Apache-2.0 */
/* What every call on a simulated host has in common: it is one critical section of its world, begins by
 * meeting the faults that a test ordered, and may lose its answer at the end. And how events leave for the
 * loop. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/sim_world.h"

/* --- events --------------------------------------------------------------------------------------------- */

struct delivery {
	struct hv_conn *conn;
	struct hv_event event;
};

/* Under the world's lock. */
void sim_conn_release(struct hv_conn *c)
{
	struct hv_conn **p;

	if (!c->closed || c->users)
		return;
	for (p = &c->world->conns; *p && *p != c; p = &(*p)->next)
		;
	if (*p)
		*p = c->next;
	free(c);
}

static void deliver(void *arg)
{
	struct delivery *d = arg;
	struct sim_world *w = d->conn->world;

	if (!d->conn->closed) /* set on this thread only */
		d->conn->events(d->conn->ctx, &d->event);
	pthread_mutex_lock(&w->lock);
	d->conn->users--;
	sim_conn_release(d->conn);
	pthread_mutex_unlock(&w->lock);
	free(d);
}

/* Under the world's lock. */
static void tell_conn(struct hv_conn *c, const struct hv_event *event)
{
	struct delivery *d;

	if (!c->events || c->closed)
		return;
	d = xmalloc(sizeof *d);
	*d = (struct delivery) { .conn = c, .event = *event };
	c->users++;
	if (!hv_post(deliver, d)) {
		c->users--;
		free(d);
	}
}

void sim_world_tell(struct sim_world *w, const struct sim_dom *dom)
{
	struct hv_event event = { .kind = HV_EVENT_POWER };

	event.seen.power = dom->power;
	str_copy(event.seen.uuid, sizeof event.seen.uuid, dom->node.key);
	if (w->lose_events)
		return;
	for (struct hv_conn *c = w->conns; c; c = c->next)
		for (int i = 0; !c->dead && i < (w->repeat_events ? 2 : 1); i++)
			tell_conn(c, &event);
}

static void drop_conn(struct hv_conn *c, const char *why)
{
	struct hv_event event = { .kind = HV_EVENT_CLOSED };

	if (c->dead)
		return;
	c->dead = true;
	str_copy(event.text, sizeof event.text, why);
	tell_conn(c, &event);
}

void sim_world_drop(struct sim_world *w, const char *why)
{
	for (struct hv_conn *c = w->conns; c; c = c->next)
		drop_conn(c, why);
	sim_consoles_end(w, NULL, why);
	pthread_cond_broadcast(&w->changed); /* calls that hang see that they are cut off */
}

/* --- a call's begin and end ----------------------------------------------------------------------------- */

static int take_fault(struct sim_world *w, enum sim_op op)
{
	struct sim_fault_row **p = &w->faults, *f;

	while ((f = *p)) {
		if (f->op != op && f->op != SIM_ANY) {
			p = &f->next;
		} else if (f->after) {
			f->after--;
			p = &f->next;
		} else {
			int kind = (int)f->kind;

			if (f->times > 0 && --f->times == 0) {
				*p = f->next;
				free(f);
			}
			return kind;
		}
	}
	return SIM_NO_FAULT;
}

static void wait_locked(struct sim_world *w, unsigned delay_ms)
{
	struct timespec t = { .tv_sec = delay_ms / 1000, .tv_nsec = (long)(delay_ms % 1000) * 1000000 };

	pthread_mutex_unlock(&w->lock);
	nanosleep(&t, NULL);
	pthread_mutex_lock(&w->lock);
}

static void hang_locked(struct sim_world *w, const struct hv_conn *c)
{
	unsigned releases = w->releases;

	w->hanging++;
	pthread_cond_broadcast(&w->changed);
	while (w->releases == releases && !(c && c->dead))
		pthread_cond_wait(&w->changed, &w->lock);
	w->hanging--;
}

static int unreachable(struct error *err)
{
	return error_set(err, ERR_UNREACHABLE, "the connection to the host is lost");
}

/* Unlocks, and lets a closed connection go. */
static void leave(struct sim_call *k)
{
	if (k->c) {
		k->c->users--;
		sim_conn_release(k->c);
	}
	pthread_mutex_unlock(&k->w->lock);
}

static int refused(struct error *err)
{
	error_set(err, ERR_HYPERVISOR, "the host refused");
	return error_detail(err, "ordered by sim_fault");
}

/* Somebody outside cut the host off, by a file. */
static bool is_cut(const struct sim_world *w)
{
	return w->params.off[0] && access(w->params.off, F_OK) == 0;
}

/* The file is not empty: it is off, and its guests with it. */
static bool has_no_power(const struct sim_world *w)
{
	struct stat st;

	return stat(w->params.off, &st) == 0 && st.st_size > 0;
}

/* Somebody outside holds it up, by another file: nothing is answered until that is gone. */
static bool is_hung(const struct sim_world *w)
{
	return w->params.hang[0] && access(w->params.hang, F_OK) == 0;
}

/* Meets what comes before the effect. -1: the call is over, the lock is not held. */
int sim_meet(struct sim_call *k, enum sim_op op, struct error *err)
{
	int rc = 0;

	k->w->calls[op]++;
	k->fault = take_fault(k->w, op);
	if (k->w->params.delay_ms || k->fault == SIM_DELAY)
		wait_locked(k->w, k->w->params.delay_ms ? k->w->params.delay_ms : 10);
	while (is_hung(k->w) && !(k->c && k->c->dead))
		wait_locked(k->w, 20);
	if (k->fault == SIM_HANG)
		hang_locked(k->w, k->c);
	if (k->fault == SIM_DROP && k->c)
		drop_conn(k->c, "dropped");
	if (is_cut(k->w)) {
		sim_world_drop(k->w, "cut off");
		if (has_no_power(k->w))
			sim_world_power_off(k->w);
	}
	if (k->fault == SIM_FAIL)
		rc = refused(err);
	else if (k->w->down || is_cut(k->w) || (k->c && k->c->dead) || k->fault == SIM_DROP)
		rc = unreachable(err);
	if (rc < 0)
		leave(k);
	return rc;
}

/* On success the world is locked until end(). */
int sim_begin(struct hv_conn *c, enum sim_op op, struct sim_call *k, struct error *err)
{
	*k = (struct sim_call) { .w = c->world, .c = c };
	pthread_mutex_lock(&k->w->lock);
	c->users++;
	return sim_meet(k, op, err);
}

int sim_end(struct sim_call *k, int rc, struct error *err)
{
	if (rc == 0 && k->fault == SIM_FAIL_AFTER)
		rc = refused(err);
	if (k->fault == SIM_LOSE_REPLY) {
		if (k->c)
			drop_conn(k->c, "the answer was lost");
		rc = unreachable(err);
	}
	leave(k);
	return rc;
}
