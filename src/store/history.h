/* SPDX-License-Identifier: Apache-2.0 */
/* What consoles have printed, by time: a file of its own beside the database, since it is no decision. Its
 * functions may be called from any thread but the loop's: they take a lock and may wait for the disk. */
#ifndef STORE_HISTORY_H
#define STORE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

struct history;

struct history_config {
	const char *path;
	int64_t keep_us;      /* how long text stays */
	int64_t server_bytes; /* of one server's: the oldest goes first */
	int64_t total_bytes;
};

/* A file that cannot be read is put aside (PATH.broken) and begun anew: the cloud goes on without. */
int history_open(const struct history_config *config, struct history **out, struct error *err);
struct history *history_ref(struct history *h);
void history_unref(struct history *h); /* NULL is fine; the last closes it */

/* How far a server's log on a host was read; each host has a mark of its own. */
enum { HISTORY_TAIL = 32 };
struct history_mark {
	bool known; /* there is one */
	int64_t host_id, offset;
	unsigned char tail[HISTORY_TAIL];
	size_t tail_n;
};
int history_mark_get(
	struct history *h, const char *server, int64_t host_id, struct history_mark *out, struct error *err);
/* The one that moved last, of all other hosts. */
int history_mark_before(
	struct history *h, const char *server, int64_t host_id, struct history_mark *out, struct error *err);
/* Keeps text and marks together, so that a restart goes on where it was. Somebody else has read on from one
 * of them meanwhile: nothing happens. */
struct history_step {
	struct history_mark before, after;
	/* What history_mark_before said; and, where the log came from that host, how far it was read since.
	 */
	struct history_mark other, other_after;
	bool came;
};
struct history_text {
	const char *p;
	size_t n;
	int64_t at_us;
	bool lost; /* some text before it is gone */
};
int history_append(struct history *h, const char *server, const struct history_step *step,
	const struct history_text *text, struct error *err);

struct history_chunk {
	int64_t at_us; /* when it was read; no two are the same */
	bool lost;
	const char *p;
	size_t n;
};
/* In order of time, since and until included: at most `chunks` and about `bytes`; *out_more: there are more.
 */
struct history_query {
	const char *server;
	int64_t since_us, until_us;
	size_t chunks, bytes;
};
int history_read(struct history *h, struct arena *a, const struct history_query *q,
	struct history_chunk **out, size_t *out_n, bool *out_more, struct error *err);
/* The last bytes. */
int history_last(struct history *h, const char *server, size_t max, struct buf *out, struct error *err);

/* Lets go of what is too old or too much, a bounded piece at a time; *out_more: call again soon. */
int history_sweep(struct history *h, int64_t now_us, bool *out_more, struct error *err);

struct history_stats {
	int64_t bytes, file_bytes;
};
void history_stats(struct history *h, struct history_stats *out);

#endif
