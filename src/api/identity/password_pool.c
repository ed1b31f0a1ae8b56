/* SPDX-License-Identifier: Apache-2.0 */
/* Password hashing off the loop, on a lane of its own: scrypt takes a fifth of a second and 32 MiB each time,
 * so few run at once and few may wait; and those in turn by who asks (for most the peer; not the user, whose
 * existence that would tell), so that whoever tries many holds up nobody else. */
#include "api/identity/internal.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum { SHARE_US = 200000 };

struct password_task {
	struct work work;
	struct fair_item turn;
	struct fair_class *whose; /* while it runs: to be charged */
	int64_t begun_us;
	struct api_call *call;
	password_then *then;
	const struct rng *rng;
	/* owned: the thread must not see the call */
	char *given, *hash, *fresh;
	char **earlier;
	size_t earlier_n;
	/* what came of it */
	enum password_outcome outcome;
	char *made;
};

static enum password_outcome outcome_of(struct password_task *t)
{
	if (t->given && !password_verify(t->given, t->hash))
		return PASSWORD_WRONG;
	for (size_t i = 0; t->fresh && i < t->earlier_n; i++)
		if (password_verify(t->fresh, t->earlier[i]))
			return PASSWORD_USED;
	if (t->fresh && !(t->made = password_hash(t->rng, t->fresh)))
		return PASSWORD_NO_MEMORY;
	return PASSWORD_OK;
}

static void run(struct work *w)
{
	struct password_task *t = CONTAINER_OF(w, struct password_task, work);

	t->outcome = outcome_of(t);
}

static void pump(struct identity *id);

static void done(struct work *w, enum work_result res)
{
	struct password_task *t = CONTAINER_OF(w, struct password_task, work);
	struct api_call *c = t->call;
	struct identity *id = c->api->identity;
	int64_t now_us = clock_mono(c->api->loop->clock);
	struct error err;

	id->hashing--;
	fair_charge(&id->line, t->whose, now_us - t->begun_us, now_us);
	pump(id);
	if (res == WORK_DONE) {
		t->then(c, t->outcome, arena_strdup(c->arena, t->made));
		return;
	}
	error_set(&err, ERR_UNAVAILABLE, "cloudd is stopping");
	api_fail(c, &err);
}

static void wipe(char *text)
{
	if (text)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

static void destroy(struct work *w)
{
	struct password_task *t = CONTAINER_OF(w, struct password_task, work);

	wipe(t->given);
	wipe(t->fresh);
	for (size_t i = 0; i < t->earlier_n; i++)
		free(t->earlier[i]);
	free(t->earlier);
	free(t->hash);
	free(t->made);
	free(t);
}

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

/* As many as there are threads. */
static void pump(struct identity *id)
{
	while (id->hashing < id->api->config.password_threads && id->line.n) {
		struct fair_class *whose;
		struct password_task *t =
			CONTAINER_OF(fair_pop(&id->line, &whose), struct password_task, turn);

		t->whose = whose;
		t->begun_us = clock_mono(id->api->loop->clock);
		id->hashing++;
		if (!lane_submit(id->passwords, &t->work)) {
			done(&t->work, WORK_CANCELLED);
			destroy(&t->work);
		}
	}
}

static int busy(struct api_call *c, const struct fair_class *whose, struct error *err)
{
	int64_t s = fair_wait_us(whose) / 1000000 + 1;

	c->retry_s = s < 60 ? (unsigned)s : 60;
	return error_set(err, ERR_BUSY, "Too many password checks are waiting; try again in a moment.");
}

/* One that has more in line than whose makes room. False: none has. */
static bool make_room(struct identity *id, const struct fair_class *whose)
{
	struct fair_item *last = fair_last_of_longest(&id->line);
	struct password_task *t = CONTAINER_OF(last, struct password_task, turn);
	struct error err;

	if (last->class->n <= whose->n + 1)
		return false;
	busy(t->call, last->class, &err);
	fair_remove(&id->line, last);
	api_fail(t->call, &err);
	destroy(&t->work);
	return true;
}

static int line_up(struct password_task *t, struct error *err)
{
	struct api_call *c = t->call;
	struct identity *id = c->api->identity;
	struct fair_class *whose = fair_class_get(&id->line, c->owner, FAIR_SHARE);
	bool room = id->line.n < c->api->config.password_queue || make_room(id, whose);

	if (room) {
		fair_push(&id->line, whose, &t->turn);
	} else {
		busy(c, whose, err);
		destroy(&t->work);
	}
	fair_class_put(&id->line, whose);
	if (!room)
		return -1;
	pump(id);
	return 0;
}

int password_submit(
	struct api_call *c, const struct password_work *what, password_then *then, struct error *err)
{
	struct password_task *t = xcalloc(1, sizeof *t);

	t->work = (struct work) { .run = run, .done = done, .destroy = destroy };
	t->call = c;
	t->then = then;
	t->rng = c->api->loop->rng;
	t->given = copy(what->given);
	t->hash = copy(what->hash);
	t->fresh = copy(what->fresh);
	t->earlier_n = what->earlier_n;
	t->earlier = xcalloc(what->earlier_n + 1, sizeof *t->earlier);
	for (size_t i = 0; i < what->earlier_n; i++)
		t->earlier[i] = xstrdup(what->earlier[i]);
	return line_up(t, err);
}

int password_refused(const struct api_call *c, enum password_outcome outcome, struct error *err)
{
	switch (outcome) {
	case PASSWORD_OK:
		return 0;
	case PASSWORD_WRONG:
		return unauthorized(err, "wrong password, or no such user");
	case PASSWORD_USED:
		return error_set(err, ERR_BAD_REQUEST,
			"The new password cannot be identical to a previous password: the last %lld are "
			"remembered.",
			(long long)c->api->config.passwords.unique_last);
	case PASSWORD_NO_MEMORY:
		return error_set(err, ERR_UNAVAILABLE, "The password could not be hashed: memory is short.");
	}
	return error_internal(err, "password outcome %d", (int)outcome);
}

void password_pool_create(struct identity *id)
{
	unsigned n = id->api->config.password_threads;

	id->passwords = lane_create(id->api->lanes, "passwords", n, n);
	fair_init(&id->line, SHARE_US);
}

void password_pool_destroy(struct identity *id)
{
	struct fair_item *last;

	while ((last = fair_last_of_longest(&id->line))) {
		struct password_task *t = CONTAINER_OF(last, struct password_task, turn);
		struct error err;

		fair_remove(&id->line, last);
		error_set(&err, ERR_UNAVAILABLE, "cloudd is stopping");
		api_fail(t->call, &err);
		destroy(&t->work);
	}
	lane_destroy(id->passwords);
	fair_finish(&id->line);
}
