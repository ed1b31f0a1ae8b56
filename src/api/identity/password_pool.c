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
	bool check;
	bool ok;
	char *password, *hash; /* owned: the thread must not see the call */
};

static void run(struct work *w)
{
	struct password_task *t = CONTAINER_OF(w, struct password_task, work);

	if (t->check) {
		t->ok = password_verify(t->password, t->hash);
	} else {
		t->hash = password_hash(t->rng, t->password);
		t->ok = t->hash != NULL;
	}
}

static void done(struct work *w, enum work_result res)
{
	struct password_task *t = CONTAINER_OF(w, struct password_task, work);
	struct api_call *c = t->call;
	struct error err;

	if (res == WORK_DONE) {
		t->then(c, t->ok, t->check ? NULL : arena_strdup(c->arena, t->hash));
		return;
	}
	error_set(&err, ERR_UNAVAILABLE, "cloudd is stopping");
	api_fail(c, &err);
}

static void destroy(struct work *w)
{
	struct password_task *t = CONTAINER_OF(w, struct password_task, work);

	OPENSSL_cleanse(t->password, strlen(t->password));
	free(t->password);
	free(t->hash);
	free(t);
}

static int submit(struct api_call *c, bool check, const char *password, const char *hash, password_then *then,
	struct error *err)
{
	struct password_task *t = xcalloc(1, sizeof *t);

	t->work = (struct work) { .run = run, .done = done, .destroy = destroy };
	t->call = c;
	t->then = then;
	t->rng = c->api->loop->rng;
	t->check = check;
	t->password = xstrdup(password);
	t->hash = hash ? xstrdup(hash) : NULL;
	if (lane_submit(c->api->identity->passwords, &t->work))
		return 0;
	destroy(&t->work);
	return error_set(err, ERR_BUSY, "Too many password checks are waiting; try again in a moment.");
}

int password_check(
	struct api_call *c, const char *password, const char *hash, password_then *then, struct error *err)
{
	return submit(c, true, password, hash, then, err);
}

int password_make(struct api_call *c, const char *password, password_then *then, struct error *err)
{
	return submit(c, false, password, NULL, then, err);
}
