/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/books_read.h"

#include <stdlib.h>

#include "base/util.h"
#include "flow/billing_local.h"

struct reading {
	struct billing_work work;
	books_read_fn *read;
	books_read_done *done;
	void *ctx;
};

static int run(struct billing_work *w, struct db *db, struct error *err)
{
	struct reading *r = CONTAINER_OF(w, struct reading, work);

	return r->read(r->ctx, db, &w->stop, err);
}

static void done(struct billing_work *w, const struct error *err)
{
	struct reading *r = CONTAINER_OF(w, struct reading, work);

	r->done(r->ctx, err);
}

static void destroy(struct billing_work *w)
{
	free(CONTAINER_OF(w, struct reading, work));
}

int books_read(struct billing *b, books_read_fn *read, books_read_done *done_fn, void *ctx, struct error *err)
{
	struct reading *r = xcalloc(1, sizeof *r);

	*r = (struct reading) { .work = { .run = run, .done = done, .destroy = destroy },
		.read = read,
		.done = done_fn,
		.ctx = ctx };
	if (billing_submit(b, &r->work))
		return 0;
	free(r);
	return error_set(err, ERR_BUSY, "too many are reading the books; try again in a moment");
}
