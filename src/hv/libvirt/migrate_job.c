/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/libvirt/migrate_job.h"

#include <libvirt/virterror.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/util.h"

enum { CANCEL_TRIES = 100, CANCEL_NAP_MS = 50 };

static struct {
	pthread_mutex_t lock;
	struct lv_move *list;
} moves = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct lv_move *move_find_locked(const char *uuid)
{
	struct lv_move *m = moves.list;

	while (m && strcmp(m->uuid, uuid) != 0)
		m = m->next;
	return m;
}

int lv_move_begin(struct lv_move *m, struct error *err)
{
	bool taken;

	pthread_mutex_lock(&moves.lock);
	taken = move_find_locked(m->uuid) != NULL;
	if (!taken) {
		m->next = moves.list;
		moves.list = m;
	}
	pthread_mutex_unlock(&moves.lock);
	return taken ? error_set(err, ERR_CONFLICT, "the server is being moved already") : 0;
}

void lv_move_end(struct lv_move *m)
{
	struct lv_move **p;

	pthread_mutex_lock(&moves.lock);
	for (p = &moves.list; *p != m; p = &(*p)->next)
		;
	*p = m->next;
	pthread_mutex_unlock(&moves.lock);
}

void lv_move_to(struct lv_move *m, struct hv_conn *to)
{
	pthread_mutex_lock(&moves.lock);
	m->to = to;
	pthread_mutex_unlock(&moves.lock);
}

int lv_move_hand_over(struct lv_move *m, struct error *err)
{
	bool cancelled;

	pthread_mutex_lock(&moves.lock);
	cancelled = m->cancelled;
	m->handed = true;
	pthread_mutex_unlock(&moves.lock);
	return cancelled ? error_set(err, ERR_CONFLICT, "the move was cancelled") : 0;
}

void lv_params_free(struct lv_params *p)
{
	virTypedParamsFree(p->list, p->n);
}

/* --- while it is under way ------------------------------------------------------------------------------ */

static int not_moving(struct error *err)
{
	return error_set(err, ERR_NOT_FOUND, "the server is not being moved");
}

/* One of ours that is still to come to something: what was cancelled before libvirt heard of it will not. */
static bool is_known(const char *uuid)
{
	const struct lv_move *m;
	bool known;

	pthread_mutex_lock(&moves.lock);
	m = move_find_locked(uuid);
	known = m && (m->handed || !m->cancelled);
	pthread_mutex_unlock(&moves.lock);
	return known;
}

static int64_t figure(virTypedParameterPtr list, int n, const char *name)
{
	unsigned long long v = 0;

	virTypedParamsGetULLong(list, n, name, &v);
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

int lv_migrate_look(struct hv_conn *c, const char *uuid, struct hv_progress *out, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	CLEANUP(lv_params_free) struct lv_params p = { 0 };
	int type = VIR_DOMAIN_JOB_NONE, what = 0;
	struct hv_seen seen;
	bool known;

	if (lv_find_ours(c, uuid, &dom, &seen, err) < 0)
		return -1;
	/* one that does not run is not on its way: libvirt does not tell of jobs then */
	if (dom && !c->link->test && virDomainGetJobStats(dom, &type, &p.list, &p.n, 0) < 0 &&
		conn_last() != VIR_ERR_OPERATION_INVALID)
		return conn_fail(c, "tell how far the move is", err);
	known = is_known(uuid);
	virTypedParamsGetInt(p.list, p.n, VIR_DOMAIN_JOB_OPERATION, &what);
	/* without a job of libvirt's one of ours is in its beginning or end: figures of nothing */
	if (!known && (type == VIR_DOMAIN_JOB_NONE || what != VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT))
		return not_moving(err);
	*out = (struct hv_progress) {
		.ram_total = figure(p.list, p.n, VIR_DOMAIN_JOB_MEMORY_TOTAL),
		.ram_done = figure(p.list, p.n, VIR_DOMAIN_JOB_MEMORY_PROCESSED),
		.ram_left = figure(p.list, p.n, VIR_DOMAIN_JOB_MEMORY_REMAINING),
		.disk_total = figure(p.list, p.n, VIR_DOMAIN_JOB_DISK_TOTAL),
		.disk_done = figure(p.list, p.n, VIR_DOMAIN_JOB_DISK_PROCESSED),
		.disk_left = figure(p.list, p.n, VIR_DOMAIN_JOB_DISK_REMAINING),
	};
	return 0;
}

/* 1: told; 0: libvirt has its job not begun, or over; -1: there is no such move. *again: it was told before.
 */
static int cancel_once(const char *uuid, virDomainPtr dom, bool *again)
{
	bool known, handed = true;
	struct lv_move *m;

	pthread_mutex_lock(&moves.lock);
	if ((known = (m = move_find_locked(uuid)) != NULL)) {
		*again |= m->cancelled;
		m->cancelled = true;
		handed = m->handed;
	}
	pthread_mutex_unlock(&moves.lock);
	if (!handed || (dom && virDomainAbortJob(dom) == 0))
		return 1;
	return known ? 0 : -1;
}

/* The call that moves it lets go of the other host. */
static bool let_go(const char *uuid)
{
	struct lv_move *m;

	pthread_mutex_lock(&moves.lock);
	if ((m = move_find_locked(uuid))) {
		m->cancelled = true;
		if (m->to)
			conn_cut(m->to);
	}
	pthread_mutex_unlock(&moves.lock);
	return m != NULL;
}

/* Its job was ended and the guest runs here: all that the call can still tell the other host is that nothing
 * comes. A guest that is paused may have arrived there, which that host alone knows. */
static void let_go_if_here(virDomainPtr dom, const char *uuid)
{
	int state = VIR_DOMAIN_NOSTATE, reason;

	if (dom && virDomainGetState(dom, &state, &reason, 0) == 0 && state == VIR_DOMAIN_RUNNING)
		let_go(uuid);
}

static void nap(void)
{
	nanosleep(&(struct timespec) { .tv_nsec = CANCEL_NAP_MS * 1000000L }, NULL);
}

int lv_migrate_cancel(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	struct hv_progress progress;
	bool again = false;
	int rc;

	if (lv_migrate_look(c, uuid, &progress, err) < 0)
		return -1;
	dom = virDomainLookupByUUIDString(c->link->conn, uuid);
	rc = cancel_once(uuid, dom, &again);
	if (again) {
		let_go_if_here(dom, uuid);
		return 0;
	}
	for (int i = 0; rc == 0 && i < CANCEL_TRIES; i++) {
		nap();
		rc = cancel_once(uuid, dom, &again);
	}
	if (rc > 0)
		return 0;
	return rc < 0 ? not_moving(err) : error_set(err, ERR_HYPERVISOR, "the host did not cancel the move");
}

int lv_migrate_force(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	struct hv_progress progress;
	struct hv_seen seen;
	struct lv_move *m;

	if (lv_migrate_look(c, uuid, &progress, err) < 0 || lv_find_present(c, uuid, &dom, &seen, err) < 0)
		return -1;
	if (seen.power == HV_POWER_PAUSED)
		return 0;
	if (virDomainSuspend(dom) < 0)
		return conn_fail(c, "pause the server for its move", err);
	pthread_mutex_lock(&moves.lock);
	if ((m = move_find_locked(uuid)))
		m->forced = true;
	pthread_mutex_unlock(&moves.lock);
	return 0;
}

int lv_migrate_undo(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	struct hv_seen seen;

	/* the call itself confirms here that nothing arrived */
	for (int i = 0; let_go(uuid); i++) {
		if (i == CANCEL_TRIES)
			return error_set(err, ERR_TIMEOUT, "the move does not end");
		nap();
	}
	if (lv_find_ours(c, uuid, &dom, &seen, err) < 0)
		return -1;
	if (!dom || !seen.halted)
		return 0;
	return virDomainResume(dom) < 0 ? conn_fail(c, "let the server go on", err) : 0;
}
