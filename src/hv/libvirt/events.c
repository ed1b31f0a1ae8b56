/* SPDX-License-Identifier: Apache-2.0 */
/* libvirt's event loop interface on libuv (virEventRegisterImpl), and the way from any thread to the loop.
 *
 * libvirt adds, changes and removes its watches from whatever thread makes a call; libuv's handles may be
 * touched on the loop's thread only. So each watch carries the state that libvirt wants, under one lock, and
 * waits in one queue until the loop applies it. The queue keeps order: a watch that was removed is closed
 * before another is added on a descriptor that the system gave out again. libvirt's free callback (it closes
 * the descriptor) is called from uv_close's callback only.
 *
 * A call that waits for its answer switches the connection's watch off and, when it has it, on again. Such
 * changes are applied a few milliseconds late, all at once: most undo each other, and the loop does not wake
 * up for each. */
#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/log.h"
#include "base/util.h"
#include "hv/internal.h"

struct watch {
	struct watch *hash_next, *queue_next;
	int id;
	bool timer, queued, removed;
	bool late; /* queued, but it can wait */
	bool open; /* the uv handle exists; the loop's own from here on */
	int want;  /* libvirt's event bits, or milliseconds; what libvirt asked for last */
	int have;  /* what libuv was told */
	int fd;
	union {
		virEventHandleCallback handle;
		virEventTimeoutCallback timeout;
	} cb;
	void *opaque;
	virFreeCallback ff;
	union {
		uv_handle_t handle;
		uv_poll_t poll;
		uv_timer_t timer;
	} uv;
};

struct post {
	struct post *next;
	void (*fn)(void *arg);
	void *arg;
};

enum { BUCKETS = 1024, IDLE = -1, LATE_MS = 5 };

static struct {
	pthread_mutex_t lock;
	uv_loop_t *loop; /* NULL: no loop */
	pthread_t thread;
	uv_async_t *wake;
	uv_timer_t *late;
	bool is_late; /* the loop knows, or is told, that changes wait for `late` */
	struct watch *buckets[BUCKETS];
	struct watch *head, **tail;
	struct post *posts, **posts_tail;
	int last_id;
	bool registered; /* libvirt allows one registration for the life of the process */
} ev = { .lock = PTHREAD_MUTEX_INITIALIZER };

_Thread_local int hv_watch_last;

/* --- the table: under the lock -------------------------------------------------------------------------- */

static struct watch **slot(int id, bool timer)
{
	struct watch **p = &ev.buckets[(unsigned)id % BUCKETS];

	while (*p && ((*p)->id != id || (*p)->timer != timer))
		p = &(*p)->hash_next;
	return p;
}

static struct watch *find(int id, bool timer)
{
	struct watch *w = *slot(id, timer);

	return w && !w->removed ? w : NULL;
}

static void enqueue(struct watch *w)
{
	if (!w->queued) {
		w->queued = true;
		w->queue_next = NULL;
		*ev.tail = w;
		ev.tail = &w->queue_next;
	}
}

static void queue(struct watch *w)
{
	enqueue(w);
	w->late = false;
	uv_async_send(ev.wake);
}

static void queue_late(struct watch *w)
{
	if (w->queued)
		return;
	enqueue(w);
	w->late = true;
	if (!ev.is_late)
		uv_async_send(ev.wake);
	ev.is_late = true;
}

static int add(struct watch *w)
{
	int id = -1;

	pthread_mutex_lock(&ev.lock);
	if (ev.loop) {
		do
			ev.last_id = ev.last_id == INT32_MAX ? 1 : ev.last_id + 1;
		while (*slot(ev.last_id, w->timer));
		id = w->id = ev.last_id;
		*slot(id, w->timer) = w;
		queue(w);
	}
	pthread_mutex_unlock(&ev.lock);
	if (id < 0)
		free(w);
	return id;
}

static int change(int id, bool timer, int want)
{
	struct watch *w;

	pthread_mutex_lock(&ev.lock);
	w = ev.loop ? find(id, timer) : NULL;
	if (w && w->want != want) {
		w->want = want;
		if (timer || pthread_equal(ev.thread, pthread_self()))
			queue(w);
		else
			queue_late(w);
	}
	pthread_mutex_unlock(&ev.lock);
	return w ? 0 : -1;
}

static int drop(int id, bool timer)
{
	struct watch *w;

	pthread_mutex_lock(&ev.lock);
	if ((w = ev.loop ? find(id, timer) : NULL)) {
		w->removed = true;
		queue(w);
	}
	pthread_mutex_unlock(&ev.lock);
	return w ? 0 : -1;
}

/* --- on the loop ---------------------------------------------------------------------------------------- */

/* True when w is to be told; *want is what it asked for last. */
static bool wanted(struct watch *w, int *want)
{
	bool yes;

	pthread_mutex_lock(&ev.lock);
	yes = !w->removed && ev.loop;
	*want = w->want;
	pthread_mutex_unlock(&ev.lock);
	return yes;
}

static void apply_later(struct watch *w)
{
	pthread_mutex_lock(&ev.lock);
	if (ev.loop)
		queue(w);
	pthread_mutex_unlock(&ev.lock);
}

static int uv_bits(int want)
{
	return (want & VIR_EVENT_HANDLE_READABLE ? UV_READABLE : 0) |
	       (want & VIR_EVENT_HANDLE_WRITABLE ? UV_WRITABLE : 0) |
	       (want & VIR_EVENT_HANDLE_HANGUP ? UV_DISCONNECT : 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	int bits = 0, want;

	if (!wanted(w, &want))
		return;
	if (status < 0) {
		bits = VIR_EVENT_HANDLE_ERROR;
		w->have = 0; /* libuv has stopped this poll */
		apply_later(w);
	}
	if (!uv_bits(want) &&
		!bits) { /* switched off, and not applied yet: it would be told again and again */
		uv_poll_stop(poll);
		w->have = 0;
		return;
	}
	if (events & UV_READABLE)
		bits |= VIR_EVENT_HANDLE_READABLE;
	if (events & UV_WRITABLE)
		bits |= VIR_EVENT_HANDLE_WRITABLE;
	if (events & UV_DISCONNECT)
		bits |= VIR_EVENT_HANDLE_HANGUP;
	bits &= want | VIR_EVENT_HANDLE_ERROR | VIR_EVENT_HANDLE_HANGUP;
	if (bits)
		w->cb.handle(w->id, w->fd, bits, w->opaque);
}

static void on_timer(uv_timer_t *timer)
{
	struct watch *w = timer->data;
	int want;

	if (wanted(w, &want) && want >= 0)
		w->cb.timeout(w->id, w->opaque);
}

static void on_watch_closed(uv_handle_t *h)
{
	struct watch *w = h->data, **p;

	pthread_mutex_lock(&ev.lock);
	if (*(p = slot(w->id, w->timer)) == w)
		*p = w->hash_next;
	pthread_mutex_unlock(&ev.lock);
	/* a watch that was not removed belongs to a connection that hangs still: its memory is left to it */
	if (w->ff && w->removed)
		w->ff(w->opaque);
	free(w);
}

static void open_handle(struct watch *w)
{
	int rc;

	if (w->timer) {
		uv_timer_init(ev.loop, &w->uv.timer);
		w->have = IDLE;
	} else if ((rc = uv_poll_init(ev.loop, &w->uv.poll, w->fd)) < 0) {
		/* the descriptor is closed already: its owner removes the watch next */
		log_msg(LOG_DEBUG, "libvirt watch on descriptor %d: %s", w->fd, uv_strerror(rc));
		return;
	}
	w->uv.handle.data = w;
	w->open = true;
}

static void set_timer(struct watch *w, int want)
{
	/* 0 means "as soon as possible, until told otherwise": a repeat of 0 would be once */
	if (want >= 0)
		uv_timer_start(&w->uv.timer, on_timer, (uint64_t)want, want ? (uint64_t)want : 1);
	else
		uv_timer_stop(&w->uv.timer);
}

static void set_poll(struct watch *w, int want)
{
	if (uv_bits(want))
		uv_poll_start(&w->uv.poll, uv_bits(want), on_poll);
	else
		uv_poll_stop(&w->uv.poll);
}

static void close_handle(struct watch *w)
{
	w->uv.handle.data = w;
	if (!w->open)
		on_watch_closed(&w->uv.handle);
	else if (!uv_is_closing(&w->uv.handle))
		uv_close(&w->uv.handle, on_watch_closed);
}

/* Brings libuv's handle to what libvirt asked for last. The watch has left the queue, or has entered it again
 * meanwhile: then its turn comes. */
static void apply(struct watch *w)
{
	bool removed, again;
	int want;

	pthread_mutex_lock(&ev.lock);
	removed = w->removed;
	again = w->queued;
	want = w->want;
	pthread_mutex_unlock(&ev.lock);
	if (again)
		return;
	if (removed) {
		close_handle(w);
		return;
	}
	if (!w->open)
		open_handle(w);
	if (!w->open || want == w->have)
		return;
	(w->timer ? set_timer : set_poll)(w, want);
	w->have = want;
}

static struct watch *take(struct post **posts)
{
	struct watch *w;

	pthread_mutex_lock(&ev.lock);
	w = ev.head;
	ev.head = NULL;
	ev.tail = &ev.head;
	*posts = ev.posts;
	ev.posts = NULL;
	ev.posts_tail = &ev.posts;
	pthread_mutex_unlock(&ev.lock);
	return w;
}

/* Takes w out of the queue, or puts it back when its time has not come. */
static struct watch *take_one(struct watch *w, bool is_time, bool *waits)
{
	struct watch *next;

	pthread_mutex_lock(&ev.lock);
	next = w->queue_next;
	w->queued = false;
	*waits = w->late && !is_time;
	if (*waits)
		enqueue(w);
	else
		w->late = false;
	pthread_mutex_unlock(&ev.lock);
	return next;
}

static void on_late(uv_timer_t *timer);

static void run_queue(bool is_time)
{
	struct post *posts;
	struct watch *w = take(&posts), *next;
	bool waits, any = false;

	for (; w; w = next) {
		next = take_one(w, is_time, &waits);
		any |= waits;
		if (!waits)
			apply(w);
	}
	if (any && !uv_is_active((uv_handle_t *)ev.late))
		uv_timer_start(ev.late, on_late, LATE_MS, 0);
	for (struct post *p = posts, *after; p; p = after) {
		after = p->next;
		p->fn(p->arg);
		free(p);
	}
}

static void on_late(uv_timer_t *timer)
{
	(void)timer;
	pthread_mutex_lock(&ev.lock);
	ev.is_late = false;
	pthread_mutex_unlock(&ev.lock);
	run_queue(true);
}

static void on_wake(uv_async_t *async)
{
	(void)async;
	run_queue(false);
}

/* --- libvirt's six functions ---------------------------------------------------------------------------- */

static int add_handle(int fd, int event, virEventHandleCallback cb, void *opaque, virFreeCallback ff)
{
	struct watch *w = xcalloc(1, sizeof *w);

	w->fd = fd;
	w->want = event;
	w->cb.handle = cb;
	w->opaque = opaque;
	w->ff = ff;
	return hv_watch_last = add(w);
}

/* Under the lock, as the descriptor is closed by whoever removes the watch, after that. */
void hv_watch_shut(int id)
{
	const struct watch *w;

	pthread_mutex_lock(&ev.lock);
	if (id > 0 && ev.loop && (w = find(id, false)))
		shutdown(w->fd, SHUT_RDWR);
	pthread_mutex_unlock(&ev.lock);
}

static void update_handle(int id, int event)
{
	change(id, false, event);
}

static int remove_handle(int id)
{
	return drop(id, false);
}

static int add_timeout(int timeout, virEventTimeoutCallback cb, void *opaque, virFreeCallback ff)
{
	struct watch *w = xcalloc(1, sizeof *w);

	w->timer = true;
	w->want = timeout;
	w->cb.timeout = cb;
	w->opaque = opaque;
	w->ff = ff;
	return add(w);
}

static void update_timeout(int id, int timeout)
{
	change(id, true, timeout);
}

static int remove_timeout(int id)
{
	return drop(id, true);
}

/* --- start and end -------------------------------------------------------------------------------------- */

bool hv_post(void (*fn)(void *arg), void *arg)
{
	struct post *p = xmalloc(sizeof *p);
	bool ok;

	*p = (struct post) { .fn = fn, .arg = arg };
	pthread_mutex_lock(&ev.lock);
	if ((ok = ev.loop != NULL)) {
		*ev.posts_tail = p;
		ev.posts_tail = &p->next;
		uv_async_send(ev.wake);
	}
	pthread_mutex_unlock(&ev.lock);
	if (!ok)
		free(p);
	return ok;
}

bool hv_on_loop(void)
{
	bool yes;

	pthread_mutex_lock(&ev.lock);
	yes = ev.loop && pthread_equal(ev.thread, pthread_self());
	pthread_mutex_unlock(&ev.lock);
	return yes;
}

int hv_events_init(void *uv_loop, struct error *err)
{
	uv_async_t *wake = xcalloc(1, sizeof *wake);
	uv_timer_t *late = xcalloc(1, sizeof *late);
	int rc;

	if (ev.loop) {
		free(late);
		free(wake);
		return error_internal(err, "hv_init called twice");
	}
	if ((rc = uv_async_init(uv_loop, wake, on_wake)) < 0) {
		free(late);
		free(wake);
		return error_internal(err, "uv_async_init: %s", uv_strerror(rc));
	}
	uv_timer_init(uv_loop, late);
	pthread_mutex_lock(&ev.lock);
	ev.loop = uv_loop;
	ev.late = late;
	ev.is_late = false;
	ev.thread = pthread_self();
	ev.wake = wake;
	ev.tail = &ev.head;
	ev.posts_tail = &ev.posts;
	pthread_mutex_unlock(&ev.lock);
	if (!ev.registered)
		virEventRegisterImpl(add_handle, update_handle, remove_handle, add_timeout, update_timeout,
			remove_timeout);
	ev.registered = true;
	return 0;
}

static void on_handle_closed(uv_handle_t *h)
{
	free(h);
}

/* What is queued is applied; then every handle is closed. The caller runs the loop until they are. */
void hv_events_finish(void)
{
	uv_async_t *wake = ev.wake;
	uv_timer_t *late = ev.late;

	if (!ev.loop)
		return;
	run_queue(true);
	pthread_mutex_lock(&ev.lock);
	ev.loop = NULL;
	ev.wake = NULL;
	ev.late = NULL;
	ev.head = NULL; /* what came since is in the table too */
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct watch **p = &ev.buckets[i], *w; (w = *p);) {
			if (!w->open) {
				*p = w->hash_next;
				free(w);
				continue;
			}
			if (!uv_is_closing(&w->uv.handle))
				uv_close(&w->uv.handle, on_watch_closed);
			p = &w->hash_next;
		}
	pthread_mutex_unlock(&ev.lock);
	uv_close((uv_handle_t *)wake, on_handle_closed);
	uv_close((uv_handle_t *)late, on_handle_closed);
}
