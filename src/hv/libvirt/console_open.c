/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's serial console over libvirt's stream, in the connection to its host: no port is opened there.
 * What the guest prints arrives as events of the loop. What is typed is sent by a thread of the console's
 * own, as sending may wait for the host; it also says goodbye. */
#include <libvirt/virterror.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/libvirt/conn.h"

enum {
	OUT_MAX = 64 * 1024, /* typed, and not sent yet */
	PIECE = 16 * 1024,
	READS_PER_EVENT = 16 /* then the others get their turn */
};

struct hv_console {
	struct hv_console *next; /* in the list of all */
	struct hv_conn *conn;
	virStreamPtr stream;
	const struct hv_console_events *on;
	void *ctx;
	bool told, closed; /* the loop's: it has ended; its owner has let it go */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct buf out; /* and the rest: under the lock */
	bool ending, full;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct hv_console *head;
	unsigned senders; /* threads */
} all = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void list_add(struct hv_console *k)
{
	pthread_mutex_lock(&all.lock);
	k->next = all.head;
	all.head = k;
	pthread_mutex_unlock(&all.lock);
}

static void list_remove(struct hv_console *k)
{
	struct hv_console **p = &all.head;

	pthread_mutex_lock(&all.lock);
	while (*p && *p != k)
		p = &(*p)->next;
	if (*p)
		*p = k->next;
	pthread_mutex_unlock(&all.lock);
}

/* --- on the loop ---------------------------------------------------------------------------------------- */

static void ended(struct hv_console *k, const char *why)
{
	struct error err;

	if (k->told || k->closed)
		return;
	k->told = true;
	virStreamEventRemoveCallback(k->stream);
	error_set(&err, ERR_CONFLICT, "%s", why);
	k->on->closed(k->ctx, &err);
}

/* The owner may let go of it in any of its calls; the memory stays until a later turn. */
static void on_stream(virStreamPtr stream, int events, void *opaque)
{
	static char piece[PIECE];
	struct hv_console *k = opaque;
	int n = -2;

	for (int i = 0; i < READS_PER_EVENT && !k->closed && !k->told; i++) {
		n = virStreamRecv(stream, piece, sizeof piece);
		if (n <= 0)
			break;
		k->on->output(k->ctx, piece, (size_t)n);
	}
	if (n == 0 || n == -1 || (n < 0 && (events & (VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP))))
		ended(k, "the console has ended: the server is off, or another viewer has opened it");
}

static void on_room(void *arg)
{
	struct hv_console *k = arg;

	if (!k->closed && !k->told)
		k->on->room(k->ctx);
}

static void on_send_failed(void *arg)
{
	ended(arg, "the console does not take input any more");
}

static void console_free(void *arg)
{
	struct hv_console *k = arg;

	buf_finish(&k->out);
	pthread_cond_destroy(&k->changed);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

size_t lv_console_send(struct hv_console *k, const void *p, size_t n)
{
	size_t room;

	pthread_mutex_lock(&k->lock);
	room = OUT_MAX - k->out.len;
	k->full |= n > room;
	if (n > room)
		n = room;
	buf_append(&k->out, p, n);
	pthread_cond_signal(&k->changed);
	pthread_mutex_unlock(&k->lock);
	return n;
}

void lv_console_close(struct hv_console *k)
{
	list_remove(k);
	if (!k->told)
		virStreamEventRemoveCallback(k->stream);
	k->closed = true;
	pthread_mutex_lock(&k->lock);
	k->ending = true;
	pthread_cond_signal(&k->changed);
	pthread_mutex_unlock(&k->lock);
}

void lv_consoles_lost(const struct lv_link *l, const char *why)
{
	struct hv_console *k;

	do {
		pthread_mutex_lock(&all.lock);
		for (k = all.head; k && (k->conn->link != l || k->told); k = k->next)
			;
		pthread_mutex_unlock(&all.lock);
		if (k)
			ended(k, why);
	} while (k);
}

/* --- the sender ----------------------------------------------------------------------------------------- */

static bool send_all(struct hv_console *k, const struct buf *b)
{
	for (size_t at = 0; at < b->len;) {
		int n = virStreamSend(k->stream, b->data + at, b->len - at);

		if (n < 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

/* What was typed since, or false when it is over. */
static bool take(struct hv_console *k, struct buf *out)
{
	bool full, go_on;

	pthread_mutex_lock(&k->lock);
	while (!k->out.len && !k->ending)
		pthread_cond_wait(&k->changed, &k->lock);
	*out = k->out;
	k->out = (struct buf) { 0 };
	full = k->full;
	k->full = false;
	go_on = !k->ending;
	pthread_mutex_unlock(&k->lock);
	if (go_on && full)
		hv_post(on_room, k);
	return go_on;
}

static void *sender(void *arg)
{
	struct hv_console *k = arg;
	struct buf b = { 0 };
	bool ok = true;

	while (take(k, &b)) {
		if (ok && !(ok = send_all(k, &b)))
			hv_post(on_send_failed, k);
		buf_finish(&b);
	}
	buf_finish(&b);
	virStreamAbort(k->stream);
	virStreamFree(k->stream);
	conn_leave(k->conn);
	if (!hv_post(console_free, k))
		console_free(k);
	pthread_mutex_lock(&all.lock);
	all.senders--;
	pthread_cond_broadcast(&all.changed);
	pthread_mutex_unlock(&all.lock);
	return NULL;
}

void lv_consoles_finish(const struct timespec *until)
{
	pthread_mutex_lock(&all.lock);
	while (all.senders && pthread_cond_timedwait(&all.changed, &all.lock, until) == 0)
		;
	pthread_mutex_unlock(&all.lock);
}

static int sender_start(struct hv_console *k)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	pthread_mutex_lock(&all.lock);
	rc = pthread_create(&thread, &attr, sender, k);
	all.senders += rc == 0;
	pthread_mutex_unlock(&all.lock);
	pthread_attr_destroy(&attr);
	return rc;
}

/* --- opening: on a lane --------------------------------------------------------------------------------- */

static int check_running(struct hv_conn *c, const char *uuid, struct error *err)
{
	struct hv_seen seen;

	if (lv_domain_look(c, uuid, &seen, err) < 0)
		return -1;
	if (!seen.ours || (seen.power != HV_POWER_RUNNING && seen.power != HV_POWER_PAUSED))
		return error_set(err, ERR_CONFLICT, "the server does not run on its host");
	if (c->link->test)
		return error_set(err, ERR_CONFLICT, "servers on this host have no console");
	return 0;
}

static int stream_open(struct hv_conn *c, const char *uuid, virStreamPtr *out, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = virDomainLookupByUUIDString(c->link->conn, uuid);

	if (!dom)
		return conn_fail(c, "look for the server", err);
	if (!(*out = virStreamNew(c->link->conn, VIR_STREAM_NONBLOCK)))
		return conn_fail(c, "open the console", err);
	if (virDomainOpenConsole(dom, NULL, *out, VIR_DOMAIN_CONSOLE_FORCE) == 0)
		return 0;
	conn_fail(c, "open the console", err);
	virStreamFree(*out);
	return -1;
}

int lv_console_open(struct hv_conn *c, const char *uuid, const struct hv_console_events *events, void *ctx,
	struct hv_console **out, struct error *err)
{
	const int wanted = VIR_STREAM_EVENT_READABLE | VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP;
	struct hv_console *k;
	virStreamPtr stream = NULL;

	if (check_running(c, uuid, err) < 0 || stream_open(c, uuid, &stream, err) < 0)
		return -1;
	k = xcalloc(1, sizeof *k);
	*k = (struct hv_console) { .conn = c, .stream = stream, .on = events, .ctx = ctx };
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->changed, NULL);
	if (conn_enter(c, err) < 0) { /* held until its end */
		virStreamFree(stream);
		console_free(k);
		return -1;
	}
	list_add(k);
	if (virStreamEventAddCallback(stream, wanted, on_stream, k, NULL) < 0) {
		conn_fail(c, "open the console", err);
	} else if (sender_start(k) != 0) {
		error_internal(err, "no thread for a console");
		virStreamEventRemoveCallback(stream);
	} else {
		*out = k;
		return 0;
	}
	list_remove(k);
	virStreamAbort(stream);
	virStreamFree(stream);
	conn_leave(c);
	console_free(k);
	return -1;
}
