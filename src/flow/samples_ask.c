/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the samples, answered on a thread; and the collector's own figures. */
#include <stdlib.h>

#include "base/util.h"
#include "flow/sample_set.h"

/* --- reading -------------------------------------------------------------------------------------------- */

struct question {
	struct work work;
	struct samples *file;
	struct arena arena;
	flow_samples_run *run;
	void *in;
	int rc;
	struct error err;
	flow_samples_done *done;
	void *ctx;
};

static void question_run(struct work *work)
{
	struct question *k = CONTAINER_OF(work, struct question, work);

	k->rc = k->run(k->file, &k->arena, k->in, &k->err);
}

static void question_done(struct work *work, enum work_result res)
{
	struct question *k = CONTAINER_OF(work, struct question, work);
	struct error late;

	error_set(&late, ERR_UNAVAILABLE, "The samples cannot be read now.");
	if (res != WORK_DONE)
		k->done(k->ctx, NULL, &late); /* k is the thread's still */
	else
		k->done(k->ctx, k->in, k->rc < 0 ? &k->err : NULL);
}

static void question_destroy(struct work *work)
{
	struct question *k = CONTAINER_OF(work, struct question, work);

	samples_unref(k->file);
	arena_finish(&k->arena);
	free(k->in);
	free(k);
}

void flow_samples_ask(
	struct flow_engine *e, flow_samples_run *run, void *in, flow_samples_done *done, void *ctx)
{
	struct question *k;
	struct error err;

	if (!e->samples) {
		error_set(&err, ERR_UNAVAILABLE, "No samples of what servers use are kept.");
		done(ctx, in, &err);
		free(in);
		return;
	}
	k = xcalloc(1, sizeof *k);
	k->work = (struct work) { .run = question_run,
		.done = question_done,
		.destroy = question_destroy,
		.timeout_ms = e->cfg.call_timeout_ms };
	k->file = samples_ref(e->samples->file);
	k->run = run;
	k->in = in;
	k->done = done;
	k->ctx = ctx;
	if (lane_submit(e->samples->readers, &k->work))
		return;
	error_set(&err, ERR_BUSY, "Too many requests read the samples: try again.");
	done(ctx, in, &err);
	question_destroy(&k->work);
}

void flow_samples_stats(const struct flow_engine *e, struct flow_samples_stats *out)
{
	*out = e->samples ? e->samples->stats : (struct flow_samples_stats) { 0 };
	if (!e->samples)
		return;
	out->on = true;
	out->file_bytes = samples_file_bytes(e->samples->file);
}

int64_t flow_samples_host_us(const struct flow_engine *e, int64_t host_id)
{
	const struct watch *w = e->samples ? sample_watch(e->samples, host_id) : NULL;

	return w ? w->read_us : 0;
}
