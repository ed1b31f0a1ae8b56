/* SPDX-License-Identifier: Apache-2.0 */
/* Consoles of simulated guests: a log that says when they were started, and a line that says back what it is
 * told. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/sim_world.h"

enum { BOOTS_SHOWN = 1000 }; /* of a world that comes from its file */

/* --- the log -------------------------------------------------------------------------------------------- */

/* Under the world's lock: the log, with every start in it. */
static struct buf *log_of(struct sim_dom *d)
{
	if (!d->logged && d->starts > BOOTS_SHOWN)
		d->logged = d->starts - BOOTS_SHOWN;
	for (; d->logged < d->starts; d->logged++)
		buf_printf(&d->log, "sim: firmware\nsim: %s (%s) boot %u\nsim: ready\n", d->name, d->node.key,
			d->logged + 1);
	return &d->log;
}

int sim_console_read(struct hv_conn *c, const char *uuid, size_t max, struct buf *out, struct error *err)
{
	CLEANUP(buf_finish) struct buf text = { 0 };
	struct sim_dom *d;
	struct sim_call k;

	if (sim_begin(c, SIM_CONSOLE_READ, &k, err) < 0)
		return -1;
	if ((d = sim_world_dom(k.w, uuid))) {
		const struct buf *log = log_of(d);

		buf_append(&text, log->data, log->len);
	}
	if (sim_end(&k, 0, err) < 0)
		return -1;
	if (text.len > max)
		buf_consume(&text, text.len - max);
	buf_append(out, text.data, text.len);
	return 0;
}

static const struct buf *piece_of(struct sim_dom *d, int piece)
{
	return piece ? d->rotated ? &d->old_log : NULL : log_of(d);
}

static int log_size(void *ctx, int piece, int64_t *out, struct error *err)
{
	const struct buf *b = piece_of(ctx, piece);

	(void)err;
	*out = b ? (int64_t)b->len : -1;
	return 0;
}

static int log_read(void *ctx, int piece, int64_t offset, size_t n, struct buf *out, struct error *err)
{
	const struct buf *b = piece_of(ctx, piece);

	(void)err;
	if (n)
		buf_append(out, b->data + offset, n);
	return 0;
}

int sim_console_follow(struct hv_conn *c, struct hv_log *log, size_t max, struct error *err)
{
	static const struct log_source source = { log_size, log_read };
	struct sim_dom *d;
	struct sim_call k;

	if (sim_begin(c, SIM_CONSOLE_FOLLOW, &k, err) < 0)
		return -1;
	log->lost = log->more = false;
	if ((d = sim_world_dom(k.w, log->uuid)))
		log_follow(log, &source, d, max, err);
	return sim_end(&k, 0, err);
}

/* --- open ones ------------------------------------------------------------------------------------------ */

struct hv_console {
	struct hv_console *next; /* of the world; under its lock, as all that changes */
	struct sim_world *w;
	char uuid[UUID_TEXT];
	unsigned posts; /* deliveries on their way to the loop */
	bool listed;
	bool closed; /* by its owner */
	const struct hv_console_events *on;
	void *ctx;
};

struct delivery {
	struct hv_console *console;
	struct buf text; /* empty: it has ended */
	struct error why;
};

static void deliver(void *arg)
{
	struct delivery *d = arg;
	struct hv_console *k = d->console;
	struct sim_world *w = k->w;
	bool last;

	if (!k->closed && d->text.len)
		k->on->output(k->ctx, d->text.data, d->text.len);
	else if (!k->closed)
		k->on->closed(k->ctx, &d->why);
	pthread_mutex_lock(&w->lock);
	last = --k->posts == 0 && k->closed;
	pthread_mutex_unlock(&w->lock);
	if (last)
		free(k);
	buf_finish(&d->text);
	free(d);
}

/* Under the world's lock: p, or the end and why it is. */
static void post(struct hv_console *k, const void *p, size_t n, const char *why)
{
	struct delivery *d = xcalloc(1, sizeof *d);

	d->console = k;
	if (why)
		error_set(&d->why, ERR_CONFLICT, "%s", why);
	else
		buf_append(&d->text, p, n);
	k->posts++;
	if (!hv_post(deliver, d)) {
		k->posts--;
		buf_finish(&d->text);
		free(d);
	}
}

static void unlist(struct hv_console *k)
{
	struct hv_console **p = &k->w->consoles;

	while (*p && *p != k)
		p = &(*p)->next;
	if (*p)
		*p = k->next;
	k->listed = false;
}

void sim_consoles_end(struct sim_world *w, const char *uuid, const char *why)
{
	struct hv_console *k = w->consoles, *next;

	for (; k; k = next) {
		next = k->next;
		if (uuid && strcmp(k->uuid, uuid) != 0)
			continue;
		unlist(k);
		post(k, NULL, 0, why);
	}
}

int sim_console_open(struct hv_conn *c, const char *uuid, const struct hv_console_events *events, void *ctx,
	struct hv_console **out, struct error *err)
{
	struct hv_console *k = NULL;
	struct sim_dom *d;
	struct sim_call call;
	int rc;

	if (sim_begin(c, SIM_CONSOLE_OPEN, &call, err) < 0)
		return -1;
	if ((rc = sim_find_ours(call.w, uuid, &d, err)) == 0 && (!d || !sim_power_on(d->power)))
		rc = error_set(err, ERR_CONFLICT, "the server does not run on its host");
	if (rc == 0) {
		sim_consoles_end(call.w, uuid, "another viewer has opened the console");
		k = xcalloc(1, sizeof *k);
		*k = (struct hv_console) {
			.next = call.w->consoles, .w = call.w, .listed = true, .on = events, .ctx = ctx
		};
		str_copy(k->uuid, sizeof k->uuid, uuid);
		call.w->consoles = k;
	}
	if ((rc = sim_end(&call, rc, err)) == 0)
		*out = k;
	else if (k)
		sim_console_close(k);
	return rc;
}

/* Under the world's lock: what a guest prints goes to its log and to who looks. */
static void print(struct sim_world *w, struct sim_dom *d, const char *p, size_t n)
{
	buf_append(log_of(d), p, n);
	for (struct hv_console *k = w->consoles; k; k = k->next)
		if (strcmp(k->uuid, d->node.key) == 0)
			post(k, p, n, NULL);
}

size_t sim_console_send(struct hv_console *k, const void *p, size_t n)
{
	struct sim_dom *d;

	pthread_mutex_lock(&k->w->lock);
	if (k->listed && n && (d = sim_world_dom(k->w, k->uuid)))
		print(k->w, d, p, n);
	pthread_mutex_unlock(&k->w->lock);
	return n;
}

void sim_console_close(struct hv_console *k)
{
	struct sim_world *w = k->w;
	bool last;

	pthread_mutex_lock(&w->lock);
	if (k->listed)
		unlist(k);
	k->closed = true;
	last = k->posts == 0;
	pthread_mutex_unlock(&w->lock);
	if (last)
		free(k);
}

/* --- what tests do -------------------------------------------------------------------------------------- */

int sim_guest_print(const char *world, const char *uuid, const void *p, size_t n)
{
	struct sim_world *w = sim_world_get(world);
	struct sim_dom *d;

	pthread_mutex_lock(&w->lock);
	if ((d = sim_world_dom(w, uuid)))
		print(w, d, p, n);
	pthread_mutex_unlock(&w->lock);
	return d ? 0 : -1;
}

void sim_console_carry(struct sim_dom *from, struct sim_dom *to)
{
	log_of(from);
	buf_finish(&to->old_log);
	to->old_log = from->log;
	from->log = (struct buf) { 0 };
	to->rotated = true;
}

int sim_console_rotate(const char *world, const char *uuid)
{
	struct sim_world *w = sim_world_get(world);
	struct sim_dom *d;

	pthread_mutex_lock(&w->lock);
	if ((d = sim_world_dom(w, uuid)))
		sim_console_carry(d, d);
	pthread_mutex_unlock(&w->lock);
	return d ? 0 : -1;
}
