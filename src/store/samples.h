/* SPDX-License-Identifier: Apache-2.0 */
/* What servers use, by minute and by hour: a file of its own beside the database, since it is no decision.
 * Its functions may be called from any thread but the loop's: they take a lock and may wait for the disk. */
#ifndef STORE_SAMPLES_H
#define STORE_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "domain/samples.h"

struct samples;

struct samples_config {
	const char *path;
	int64_t period_ms; /* how often hosts are asked */
	int64_t minutes_keep_ms, hours_keep_ms;
};

/* A file that cannot be read is put aside (PATH.broken) and begun anew: the cloud goes on without. */
int samples_open(const struct samples_config *config, struct samples **out, struct error *err);
struct samples *samples_ref(struct samples *s);
void samples_unref(struct samples *s); /* NULL is fine; the last closes it */
int64_t samples_period_ms(const struct samples *s);

/* What one host said at one time. */
struct samples_row {
	const char *server, *project; /* uids; project "": as it is known */
	struct sample_reading reading;
};
struct samples_batch {
	int64_t host_id;
	int64_t offset_ms; /* wall clock minus the readings' time */
	const struct samples_row *rows;
	size_t n;
};
/* All or none. What is not later than what was written of a server on that host changes nothing: a batch may
 * come twice. *out_n: readings that were new. */
int samples_write(struct samples *s, const struct samples_batch *const *list, size_t n, int64_t *out_n,
	struct error *err);

/* --- reading: sums over steps of time, by the wall clock --- */

enum samples_step { SAMPLES_MINUTE, SAMPLES_HOUR };

struct samples_sum {
	int64_t at_ms;      /* where its time begins */
	int64_t covered_ms; /* of it, while the server ran */
	int64_t used[SAMPLE_COUNTERS];
	int64_t ram_known_ms, ram_mib_ms; /* while the memory in use was known, and the sum of it */
	int64_t ram_max_mib;              /* SAMPLE_UNKNOWN: it never was */
	int64_t readings;
};
/* Steps that begin in [from, to); `each`: steps to a sum, aligned; 0: all in one. At most max; *out_more:
 * there are more. A server that is not known has none. */
struct samples_query {
	const char *server;
	enum samples_step step;
	int64_t from_ms, to_ms, each;
	size_t max;
};
int samples_read(struct samples *s, struct arena *a, const struct samples_query *q, struct samples_sum **out,
	size_t *out_n, bool *out_more, struct error *err);

/* Servers of a project (NULL: of all), by uid, behind `after` (NULL: from the first). */
struct samples_server {
	const char *uid, *project;
};
int samples_servers(struct samples *s, struct arena *a, const char *project, const char *after, size_t max,
	struct samples_server **out, size_t *out_n, struct error *err);

/* Who used most since then, a project's (NULL: all). By a counter, or by SAMPLE_COUNTERS: memory. */
struct samples_top {
	struct samples_server server;
	struct samples_sum sum;
};
enum samples_order { SAMPLES_BY_CPU, SAMPLES_BY_DISK, SAMPLES_BY_NET, SAMPLES_BY_RAM };
int samples_top(struct samples *s, struct arena *a, const char *project, int64_t from_ms,
	enum samples_order order, size_t max, struct samples_top **out, size_t *out_n, struct error *err);

/* Lets go of what is too old, a bounded piece at a time; *out_more: call again soon. */
int samples_sweep(struct samples *s, int64_t wall_ms, bool *out_more, struct error *err);
int64_t samples_file_bytes(const struct samples *s);

#endif
