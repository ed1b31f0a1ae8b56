/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: opened with a deadline for the network, watched by keepalive, closed without blocking the
 * loop. */
#include "hv/libvirt/conn.h"

#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/libvirt/address.h"

enum { CLOSERS_MAX = 16, CLOSE_GRACE_S = 3 };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct lv_link *shared;  /* of the test driver; the list holds a reference to each */
	struct lv_link *closing; /* wait for a closer */
	unsigned closers;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void lock(void)
{
	pthread_mutex_lock(&all.lock);
}

static void unlock(void)
{
	pthread_mutex_unlock(&all.lock);
}

/* --- the end of a link ---------------------------------------------------------------------------------- */

static void on_dead(virConnectPtr conn, int reason, void *opaque);

static void link_drop(void *opaque)
{
	struct lv_link *l = opaque;
	bool last;

	lock();
	last = --l->holds == 0;
	unlock();
	if (!last)
		return;
	host_facts_free(l->facts);
	pthread_mutex_destroy(&l->facts_lock);
	pthread_mutex_destroy(&l->turn);
	free(l->uri);
	free(l);
}

/* virConnectClose asks the host and waits for its answer, so this needs a thread. */
static void link_close(struct lv_link *l)
{
	if (l->conn) {
		if (l->lifecycle_id >= 0)
			virConnectDomainEventDeregisterAny(l->conn, l->lifecycle_id);
		virConnectUnregisterCloseCallback(l->conn, on_dead);
		virConnectClose(l->conn);
	}
	link_drop(l);
}

static void *closer(void *arg)
{
	struct lv_link *l;

	(void)arg;
	lock();
	while ((l = all.closing)) {
		all.closing = l->next;
		unlock();
		link_close(l);
		lock();
	}
	all.closers--;
	pthread_cond_broadcast(&all.changed);
	unlock();
	return NULL;
}

/* Under the lock. */
static void link_close_soon(struct lv_link *l)
{
	pthread_attr_t attr;
	pthread_t thread;

	l->next = all.closing;
	all.closing = l;
	if (all.closers == CLOSERS_MAX)
		return;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, closer, NULL) == 0)
		all.closers++; /* else the next closer takes it */
	pthread_attr_destroy(&attr);
}

static void link_unref_locked(struct lv_link *l)
{
	if (--l->refs == 0)
		link_close_soon(l);
}

/* Out of the list of shared links, if it is there. Under the lock. */
static void link_unshare_locked(struct lv_link *l)
{
	for (struct lv_link **p = &all.shared; *p; p = &(*p)->next)
		if (*p == l) {
			*p = l->next;
			link_unref_locked(l);
			return;
		}
}

/* --- calls and members ---------------------------------------------------------------------------------- */

/* Under the lock: takes a closed connection apart once nothing uses it. */
static void conn_release_locked(struct hv_conn *c)
{
	struct hv_conn **p;

	if (!c->closed || c->users)
		return;
	for (p = &c->link->members; *p && *p != c; p = &(*p)->next)
		;
	if (*p)
		*p = c->next;
	memo_finish(&c->memo);
	link_unref_locked(c->link);
	free(c->pool);
	free(c);
}

int conn_enter(struct hv_conn *c, struct error *err)
{
	bool dead;

	lock();
	if (!(dead = c->closed || c->link->dead))
		c->users++;
	unlock();
	return dead ? error_set(err, ERR_UNREACHABLE, "the connection to the host is lost") : 0;
}

void conn_leave(struct hv_conn *c)
{
	lock();
	c->users--;
	conn_release_locked(c);
	unlock();
}

bool conn_turn_begin(struct hv_conn *c, bool is_short)
{
	if (is_short || c->link->test)
		pthread_mutex_lock(&c->link->turn);
	return is_short || c->link->test;
}

void conn_turn_end(struct hv_conn *c)
{
	pthread_mutex_unlock(&c->link->turn);
}

void lv_close(struct hv_conn *c)
{
	if (!c)
		return;
	lock();
	c->closed = true;
	conn_release_locked(c);
	unlock();
}

/* --- events --------------------------------------------------------------------------------------------- */

struct delivery {
	struct lv_link *link;
	struct hv_event event;
};

/* On the loop: tells every member. A member's function may close connections. */
static void deliver(struct lv_link *l, const struct hv_event *event)
{
	CLEANUP(free_ptr) struct hv_conn **some = NULL;
	size_t n = 0;

	lock();
	for (struct hv_conn *c = l->members; c; c = c->next)
		n++;
	some = xcalloc(n, sizeof *some);
	n = 0;
	for (struct hv_conn *c = l->members; c; c = c->next)
		if (c->events && !c->closed) {
			c->users++;
			some[n++] = c;
		}
	unlock();
	for (size_t i = 0; i < n; i++) {
		/* closed is set on this thread only */
		if (!some[i]->closed)
			some[i]->events(some[i]->ctx, event);
		conn_leave(some[i]);
	}
}

static void on_delivery(void *arg)
{
	struct delivery *d = arg;

	if (d->event.kind == HV_EVENT_CLOSED)
		lv_consoles_lost(d->link, d->event.text);
	deliver(d->link, &d->event);
	link_drop(d->link);
	free(d);
}

static void hand_over(struct lv_link *l, const struct hv_event *event)
{
	struct delivery *d;

	if (hv_on_loop()) {
		deliver(l, event);
		return;
	}
	d = xmalloc(sizeof *d);
	*d = (struct delivery) { .link = l, .event = *event };
	lock();
	l->holds++;
	unlock();
	if (!hv_post(on_delivery, d)) {
		link_drop(l);
		free(d);
	}
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *opaque)
{
	struct hv_event e = { .kind = HV_EVENT_POWER };

	(void)conn;
	e.seen.reason = detail;
	if (lv_event_power(event, detail, &e.seen.power) && virDomainGetUUIDString(dom, e.seen.uuid) == 0)
		hand_over(opaque, &e);
	return 0;
}

static const char *close_reason(int reason)
{
	switch (reason) {
	case VIR_CONNECT_CLOSE_REASON_EOF:
		return "the host closed the connection";
	case VIR_CONNECT_CLOSE_REASON_KEEPALIVE:
		return "the host does not answer (keepalive)";
	case VIR_CONNECT_CLOSE_REASON_CLIENT:
		return "closed by us";
	default:
		return "the connection failed";
	}
}

/* libvirt calls this off the loop, too. Handed over in any case: it may hold locks of the connection. */
static void on_dead(virConnectPtr conn, int reason, void *opaque)
{
	struct lv_link *l = opaque;
	struct delivery *d = xmalloc(sizeof *d);

	(void)conn;
	*d = (struct delivery) { .link = l, .event = { .kind = HV_EVENT_CLOSED } };
	snprintf(d->event.text, sizeof d->event.text, "%s", close_reason(reason));
	lock();
	l->dead = true;
	l->holds++;
	link_unshare_locked(l);
	unlock();
	if (!hv_post(on_delivery, d)) {
		link_drop(l);
		free(d);
	}
}

/* --- opening -------------------------------------------------------------------------------------------- */

bool conn_dead(const struct hv_conn *c)
{
	bool dead;

	lock();
	dead = c->link->dead;
	unlock();
	return dead;
}

void conn_cut(struct hv_conn *c)
{
	hv_watch_shut(c->link->watch);
}

static int connect_fail(struct error *err)
{
	virErrorPtr e = virGetLastError();

	error_set(err, ERR_UNREACHABLE, "cannot connect to the host");
	return error_detail(err, "%s", e && e->message ? e->message : "no reason given");
}

/* Keepalive, the end of the connection, and (when wanted) what happens to domains. */
static int link_watch(struct lv_link *l, const struct hv_target *t, bool lifecycle, struct error *err)
{
	bool tls = strstr(l->uri, "+tls://") != NULL;

	if (t->keepalive_interval_s &&
		virConnectSetKeepAlive(l->conn, (int)t->keepalive_interval_s, t->keepalive_count) < 0 && tls)
		return connect_fail(err);
	lock();
	l->holds++;
	unlock();
	if (virConnectRegisterCloseCallback(l->conn, on_dead, l, link_drop) < 0) {
		link_drop(l);
		if (tls)
			return connect_fail(err);
	}
	if (!lifecycle)
		return 0;
	lock();
	l->holds++; /* NOLINT(clang-analyzer-unix.Malloc): the opener's hold outlives the callbacks' */
	unlock();
	l->lifecycle_id = virConnectDomainEventRegisterAny(l->conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
		VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), l, link_drop);
	if (l->lifecycle_id < 0) {
		link_drop(l);
		return connect_fail(err);
	}
	return 0;
}

static int link_open(struct lv_link *l, const struct hv_target *t, bool lifecycle, struct error *err)
{
	const char *type;

	if (address_probe(l->uri, t->connect_timeout_ms, err) < 0)
		return -1;
	hv_watch_last = 0;
	if (!(l->conn = virConnectOpen(l->uri)))
		return connect_fail(err);
	l->watch = hv_watch_last;
	if (!(type = virConnectGetType(l->conn)))
		return connect_fail(err);
	l->test = strcasecmp(type, "test") == 0;
	return link_watch(l, t, lifecycle || l->shared, err);
}

static struct lv_link *link_new(char *uri, bool shared)
{
	struct lv_link *l = xcalloc(1, sizeof *l);

	l->uri = uri;
	l->shared = shared;
	l->lifecycle_id = -1;
	l->holds = 1;
	l->opening = true;
	pthread_mutex_init(&l->facts_lock, NULL);
	pthread_mutex_init(&l->turn, NULL);
	return l;
}

/* An open shared link with a reference for the caller, or NULL. Waits while another thread opens it. */
static struct lv_link *shared_find_locked(const char *uri)
{
	struct lv_link *l = all.shared;

	while (l) {
		if (strcmp(l->uri, uri) != 0) {
			l = l->next;
		} else if (l->opening) {
			pthread_cond_wait(&all.changed, &all.lock);
			l = all.shared;
		} else {
			l->refs++;
			return l;
		}
	}
	return NULL;
}

/* A link with a reference for the caller. */
static struct lv_link *link_get(const struct hv_target *t, bool lifecycle, struct error *err)
{
	char *uri = address_uri(t, err);
	struct lv_link *l;
	int rc;

	if (!uri)
		return NULL;
	lock();
	if (str_starts(uri, "test") && (l = shared_find_locked(uri))) {
		unlock();
		free(uri);
		return l;
	}
	l = link_new(uri, str_starts(uri, "test"));
	l->refs = 1;
	if (l->shared) {
		l->refs++;
		l->next = all.shared;
		all.shared = l;
	}
	unlock();
	rc = link_open(l, t, lifecycle, err);
	lock();
	l->opening = false; /* NOLINT(clang-analyzer-unix.Malloc): as in link_watch */
	if (rc < 0) {
		link_unshare_locked(l);
		link_unref_locked(l);
		l = NULL;
	}
	pthread_cond_broadcast(&all.changed);
	unlock();
	return l;
}

int lv_connect(const struct hv_target *target, hv_event_fn *events, void *ctx, struct hv_conn **out,
	struct error *err)
{
	struct lv_link *l = link_get(target, events != NULL, err);
	struct hv_conn *c;

	if (!l)
		return -1;
	c = xcalloc(1, sizeof *c);
	c->link = l;
	c->events = events;
	c->ctx = ctx;
	c->pool = xstrdup(target->pool ? target->pool : "default");
	c->accel = target->accel;
	memo_init(&c->memo);
	lock();
	c->next = l->members;
	l->members = c;
	unlock();
	*out = c;
	return 0;
}

int conn_facts(struct hv_conn *c, const struct host_facts **out, struct error *err)
{
	struct lv_link *l = c->link;
	int rc = 0;

	pthread_mutex_lock(&l->facts_lock);
	if (!l->facts) {
		struct host_facts *f = xcalloc(1, sizeof *f);

		if ((rc = host_facts_read(c, f, err)) == 0)
			l->facts = f;
		else
			host_facts_free(f);
	}
	if (rc == 0)
		*out = l->facts;
	pthread_mutex_unlock(&l->facts_lock);
	return rc;
}

void host_facts_free(struct host_facts *f)
{
	if (!f)
		return;
	free(f->emulator);
	free(f->pool_path);
	free(f);
}

/* --- start and end ------------------------------------------------------------------------------------- */

static void silent(void *ctx, virErrorPtr e)
{
	(void)ctx;
	(void)e;
}

int hv_libvirt_init(struct error *err)
{
	/* libvirt's own log says on stderr what its errors tell us anyway: errors only, unless the operator
	 * asked */
	setenv("LIBVIRT_DEBUG", "4", 0);
	if (virInitialize() < 0)
		return error_internal(err, "virInitialize failed");
	virSetErrorFunc(NULL, silent); /* errors come back as results; nothing on stderr */
	return 0;
}

void hv_libvirt_finish(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CLOSE_GRACE_S;
	lv_consoles_finish(&until);
	lock();
	while (all.shared)
		link_unshare_locked(all.shared);
	/* a frozen host's closer is left behind */
	while (all.closers && pthread_cond_timedwait(&all.changed, &all.lock, &until) == 0)
		;
	unlock();
}
