/* SPDX-License-Identifier: Apache-2.0 */
/* What servers use, collected from their hosts and kept in a file of its own. All calls are made on the loop
 * unless said otherwise. */
#ifndef FLOW_SAMPLES_H
#define FLOW_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "store/samples.h"

struct act;
struct flow_engine;
struct hv_conn;
struct hv_driver;

/* For the act of a step, on its lane, before it ends or moves a guest that may run: counts what it used since
 * the last sample. It cannot fail: what cannot be read now is not counted. */
void samples_last_read(const struct act *act, const struct hv_driver *drv, struct hv_conn *conn,
	const char *uid, const char *project);

/* Works on the file on a thread: `run` gets `in`, which is the caller's again only in `done`, called once,
 * on the loop; it is freed afterwards, with what run put into the arena. ERR_UNAVAILABLE: no samples are
 * kept; ERR_BUSY: too many ask at once. */
typedef int flow_samples_run(struct samples *s, struct arena *a, void *in, struct error *err);
typedef void flow_samples_done(void *ctx, void *in, const struct error *err);
void flow_samples_ask(
	struct flow_engine *e, flow_samples_run *run, void *in, flow_samples_done *done, void *ctx);

struct flow_samples_stats {
	bool on;
	uint64_t asked, failed; /* calls to hosts */
	uint64_t written;       /* readings that were new */
	uint64_t lost_writes;   /* batches that could not be written */
	int64_t file_bytes;
};
void flow_samples_stats(const struct flow_engine *e, struct flow_samples_stats *out);
/* When the host's guests were last measured (wall clock); 0: not since the start. */
int64_t flow_samples_host_us(const struct flow_engine *e, int64_t host_id);

#endif
