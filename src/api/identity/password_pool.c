/* SPDX-License-Identifier: Apache-2.0 */
/* Password hashing off the loop, on a lane of its own: scrypt takes a fifth of a second and 32 MiB each time,
 * so few run at once and few may wait. */
#include "api/identity/internal.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

struct password_task {
	struct work work;
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

static void done(struct work *w, enum work_result res)
{
	struct password_task *t = CONTAINER_OF(w, struct password_task, work);
	struct api_call *c = t->call;
	struct error err;

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
	if (lane_submit(c->api->identity->passwords, &t->work))
		return 0;
	destroy(&t->work);
	return error_set(err, ERR_BUSY, "Too many password checks are waiting; try again in a moment.");
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
