/* SPDX-License-Identifier: Apache-2.0 */
/* Live moves between simulated hosts. As with real ones, the target shows the guest paused while it is on its
 * way, and who loses the connection to the source in the middle does not know how it ended: it did not move.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/sim_world.h"

struct sim_move { /* on the stack of the call; under the source's lock */
	struct sim_move *next;
	struct sim_world *from, *to;
	const char *uuid;
	const struct hv_migrate *how;
	struct timespec since, until;
	bool cancelled, forced, arrived;
};

/* Both worlds' locks, in an order that all agree on. */
static void lock_both(struct sim_move *m)
{
	bool swap = m->to < m->from;

	pthread_mutex_lock(swap ? &m->to->lock : &m->from->lock);
	pthread_mutex_lock(swap ? &m->from->lock : &m->to->lock);
}

/* Under the source's lock; gives the target's as well. */
static void lock_to(struct sim_move *m)
{
	pthread_mutex_unlock(&m->from->lock);
	lock_both(m);
}

static void unlock_to(struct sim_move *m)
{
	pthread_mutex_unlock(&m->to->lock);
}

/* Faults that were ordered for the target: the guest stays where it is. */
static int meet_target(struct sim_move *m, enum sim_op op, struct error *err)
{
	struct sim_call k = { .w = m->to };
	struct error why;

	pthread_mutex_lock(&m->to->lock);
	if (sim_meet(&k, op, &why) == 0 && sim_end(&k, 0, &why) == 0 && k.fault != SIM_DROP)
		return 0;
	error_set(
		err, ERR_HYPERVISOR, "the host could not move the server: the other host cannot be reached");
	return error_detail(err, "%s", why.msg);
}

/* --- begin ---------------------------------------------------------------------------------------------- */

static int make_volumes(struct sim_move *m, struct error *err)
{
	for (size_t i = 0; i < m->how->disks_n; i++) {
		const char *name = m->how->disks[i].volume;
		const struct sim_vol *v = sim_world_vol(m->from, name);
		struct sim_vol *old = sim_world_vol(m->to, name), *made;

		if (!v)
			return sim_no(err, "a disk is not there");
		if (old)
			sim_world_vol_remove(m->to, old);
		if (sim_world_vol_make(m->to, name, v->capacity, &made, err) < 0)
			return -1;
		if (v->kept)
			sim_world_vol_write(made, v->data.data, v->data.len);
	}
	return 0;
}

static void *copy_of(const void *p, size_t n, size_t size)
{
	void *copy = xcalloc(n, size);

	if (n)
		memcpy(copy, p, n * size);
	return copy;
}

static void make_dom(struct sim_move *m, const struct sim_dom *d)
{
	struct sim_dom *t = sim_world_dom_add(m->to, m->uuid);
	struct hv_domain had = sim_has_get(&d->has);
	struct sim_node node = t->node;

	*t = *d;
	t->node = node;
	t->move = NULL;
	t->incoming = true;
	t->epoch = m->how->epoch ? m->how->epoch : d->epoch;
	t->power = HV_POWER_PAUSED;
	sim_use_start(t);
	t->disks = copy_of(d->disks, d->disks_n, sizeof *d->disks);
	t->has = (struct sim_has) { 0 };
	sim_has_set(&t->has, m->how->as ? m->how->as : &had);
	t->log = t->old_log = (struct buf) { 0 }; /* its log there begins empty */
	t->rotated = false;
	t->logged = t->starts;
	t->told = d->told ? xstrdup(d->told) : NULL;
	t->macs = copy_of(d->macs, d->nics_n, sizeof *d->macs);
}

/* Under both locks. m->arrived: nothing is left to be done. */
static int begin(struct sim_move *m, struct error *err)
{
	struct sim_dom *d, *there;

	if (sim_find_ours(m->from, m->uuid, &d, err) < 0 || sim_find_ours(m->to, m->uuid, &there, err) < 0)
		return -1;
	m->arrived = !d && there && sim_power_on(there->power) && !there->incoming;
	if (m->arrived)
		return 0;
	if (!d)
		return error_set(err, ERR_NOT_FOUND, "the server is not on the host");
	if (!sim_power_on(d->power))
		return error_set(err, ERR_CONFLICT, "the server does not run");
	if (d->has.hostdevs_n || d->has.mdevs_n)
		return error_set(
			err, ERR_CONFLICT, "a server with devices passed through cannot be moved live");
	if (m->cancelled)
		return error_set(err, ERR_CONFLICT, "the move was cancelled");
	if (d->move || (there && sim_power_on(there->power)))
		return error_set(err, ERR_CONFLICT, "the server is being moved already");
	if (make_volumes(m, err) < 0)
		return -1;
	for (size_t i = 0; i < d->disks_n; i++)
		if (!sim_world_vol(m->to, d->disks[i]))
			return sim_no(err, "a disk is not there");
	if (there)
		sim_world_dom_remove(m->to, there);
	make_dom(m, d);
	d->move = m;
	return 0;
}

/* --- under way ------------------------------------------------------------------------------------------ */

static struct timespec after(const struct timespec *t, unsigned ms)
{
	long ns = t->tv_nsec + (long)(ms % 1000) * 1000000;

	return (struct timespec) { t->tv_sec + ms / 1000 + ns / 1000000000, ns % 1000000000 };
}

/* Under the source's lock. */
static void travel(struct sim_move *m, const struct hv_conn *c)
{
	unsigned releases = m->from->releases;

	if (!m->from->params.move_ms)
		return;
	pthread_cond_broadcast(&m->from->changed);
	while (!m->cancelled && !m->forced && !c->dead && m->from->releases == releases)
		if (pthread_cond_timedwait(&m->from->changed, &m->from->lock, &m->until) != 0)
			break;
}

/* --- end ------------------------------------------------------------------------------------------------ */

static struct sim_dom *still(const struct sim_move *m)
{
	struct sim_dom *d = sim_world_dom(m->from, m->uuid);

	return d && d->move == m ? d : NULL;
}

/* Under both locks: nobody is told how it ended. */
static int cut_off(struct sim_move *m, struct sim_dom *d, struct sim_dom *t, struct error *err)
{
	enum sim_cut where = m->from->cut;

	m->from->cut = SIM_CUT_NOT;
	d->halted = true;
	sim_world_power(m->from, d, HV_POWER_PAUSED, false);
	if (where == SIM_CUT_FINISHED) {
		t->incoming = false;
		sim_world_power(m->to, t, HV_POWER_RUNNING, false);
	} else if (where == SIM_CUT_PERFORMED) {
		sim_world_dom_remove(m->to, t);
	}
	return error_set(err, ERR_UNREACHABLE, "the connection to the host is lost");
}

/* Under both locks: the guest is there, or nothing of it. */
static int end(struct sim_move *m, const struct hv_conn *c, struct error *err)
{
	struct sim_dom *d = still(m), *t = sim_world_dom(m->to, m->uuid);
	enum hv_power power = d ? d->power : HV_POWER_ABSENT;

	if (t && !t->incoming)
		t = NULL;
	if (d)
		d->move = NULL;
	if (t && sim_power_on(power) && m->from->cut)
		return cut_off(m, d, t, err);
	if (t && sim_power_on(power) && !m->cancelled && !c->dead && !m->to->down) {
		sim_console_carry(d, t);
		sim_world_dom_remove(m->from, d);
		t->incoming = false;
		sim_world_power(m->to, t, power, true);
		for (size_t i = 0; i < m->how->disks_n; i++) {
			struct sim_vol *v = sim_world_vol(m->from, m->how->disks[i].volume);

			if (v)
				sim_world_vol_remove(m->from, v);
		}
		return 0;
	}
	if (t)
		sim_world_dom_remove(m->to, t);
	for (size_t i = 0; i < m->how->disks_n; i++) {
		struct sim_vol *v = sim_world_vol(m->to, m->how->disks[i].volume);

		if (v)
			sim_world_vol_remove(m->to, v);
	}
	if (c->dead)
		return error_set(err, ERR_UNREACHABLE, "the connection to the host is lost");
	if (m->cancelled)
		return error_set(err, ERR_CONFLICT, "the move was cancelled");
	return sim_no(err, "the guest or the other host is gone");
}

/* From the source's lock to the source's lock. */
static int move(struct sim_move *m, struct hv_conn *c, struct error *err)
{
	int rc;

	pthread_mutex_unlock(&m->from->lock);
	rc = meet_target(m, SIM_CONNECT, err);
	if (rc == 0)
		rc = meet_target(m, SIM_VOLUME_ENSURE, err);
	lock_both(m);
	clock_gettime(CLOCK_REALTIME, &m->since);
	m->until = after(&m->since, m->from->params.move_ms);
	if (rc == 0)
		rc = begin(m, err);
	unlock_to(m);
	if (rc < 0 || m->arrived)
		return rc;
	travel(m, c);
	lock_to(m);
	rc = end(m, c, err);
	unlock_to(m);
	return rc;
}

/* --- the driver's functions ------------------------------------------------------------------------------
 */

int sim_domain_migrate(struct hv_conn *c, const char *uuid, const struct hv_migrate *how, struct error *err)
{
	struct sim_move m = { .from = c->world, .uuid = uuid, .how = how }, **p;
	struct sim_call k;
	int rc;

	if (!str_starts(how->to->uri, "sim://"))
		return error_set(err, ERR_HYPERVISOR, "a simulated host moves guests to simulated ones only");
	if (!(m.to = sim_world_open(how->to->uri, err)))
		return -1;
	if (m.to == m.from)
		return error_set(err, ERR_CONFLICT, "the server is on that host already");
	if (sim_begin(c, SIM_DOMAIN_MIGRATE, &k, err) < 0)
		return -1;
	m.next = m.from->moves;
	m.from->moves = &m;
	rc = move(&m, c, err);
	for (p = &m.from->moves; *p != &m; p = &(*p)->next)
		;
	*p = m.next;
	return sim_end(&k, rc, err);
}

/* One that was cancelled before it began comes to nothing. */
static int find_move(struct sim_world *w, const char *uuid, struct sim_move **out, struct error *err)
{
	struct sim_dom *d;

	if (sim_find_ours(w, uuid, &d, err) < 0)
		return -1;
	*out = w->moves;
	while (*out && strcmp((*out)->uuid, uuid) != 0)
		*out = (*out)->next;
	if (*out && (*out)->cancelled && !(d && d->move == *out))
		*out = NULL;
	return *out ? 0 : error_set(err, ERR_NOT_FOUND, "the server is not being moved");
}

static int64_t part(int64_t total, const struct sim_move *m)
{
	struct timespec now;
	double all = difftime(m->until.tv_sec, m->since.tv_sec) + 1, gone;

	clock_gettime(CLOCK_REALTIME, &now);
	gone = difftime(now.tv_sec, m->since.tv_sec);
	return gone >= all ? total : (int64_t)((double)total * gone / all);
}

int sim_migrate_look(struct hv_conn *c, const char *uuid, struct hv_progress *out, struct error *err)
{
	struct hv_progress p = { 0 };
	struct sim_move *m;
	struct sim_call k;
	const struct sim_dom *d;
	int rc;

	if (sim_begin(c, SIM_MIGRATE_LOOK, &k, err) < 0)
		return -1;
	if ((rc = find_move(k.w, uuid, &m, err)) == 0) {
		for (size_t i = 0; i < m->how->disks_n; i++) {
			const struct sim_vol *v = sim_world_vol(k.w, m->how->disks[i].volume);

			p.disk_total += v ? v->capacity : 0;
		}
		p.disk_done = part(p.disk_total, m);
		p.disk_left = p.disk_total - p.disk_done;
		d = sim_world_dom(k.w, uuid);
		p.ram_total = d ? d->ram_mib << 20 : 0;
		p.ram_done = part(p.ram_total, m);
		p.ram_left = p.ram_total - p.ram_done;
	}
	if (sim_end(&k, rc, err) < 0)
		return -1;
	*out = p;
	return 0;
}

static int tell(struct hv_conn *c, enum sim_op op, const char *uuid, struct error *err)
{
	struct sim_move *m;
	struct sim_call k;
	int rc;

	if (sim_begin(c, op, &k, err) < 0)
		return -1;
	if ((rc = find_move(k.w, uuid, &m, err)) == 0) {
		m->cancelled |= op == SIM_MIGRATE_CANCEL;
		m->forced |= op == SIM_MIGRATE_FORCE;
		pthread_cond_broadcast(&k.w->changed);
	}
	return sim_end(&k, rc, err);
}

int sim_migrate_cancel(struct hv_conn *c, const char *uuid, struct error *err)
{
	return tell(c, SIM_MIGRATE_CANCEL, uuid, err);
}

int sim_migrate_force(struct hv_conn *c, const char *uuid, struct error *err)
{
	return tell(c, SIM_MIGRATE_FORCE, uuid, err);
}

int sim_migrate_undo(struct hv_conn *c, const char *uuid, struct error *err)
{
	struct sim_dom *d;
	struct sim_call k;
	int rc;

	if (sim_begin(c, SIM_DOMAIN_UNPAUSE, &k, err) < 0)
		return -1;
	for (struct sim_move *m = k.w->moves; m; m = m->next)
		m->cancelled |= strcmp(m->uuid, uuid) == 0;
	if ((rc = sim_find_ours(k.w, uuid, &d, err)) == 0 && d && d->power == HV_POWER_PAUSED && d->halted) {
		d->halted = false;
		sim_world_power(k.w, d, HV_POWER_RUNNING, true);
	}
	return sim_end(&k, rc, err);
}
