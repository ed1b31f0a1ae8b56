/* SPDX-License-Identifier: Apache-2.0 */
/* Long readings of the books for people: on billing's threads, each with a snapshot of its own, so that the
 * loop never waits for them. */
#ifndef FLOW_BOOKS_READ_H
#define FLOW_BOOKS_READ_H

#include <stdatomic.h>

#include "flow/billing.h"

/* On a thread. Is to end soon, with an error, when stop is set. */
typedef int books_read_fn(void *ctx, struct db *db, const atomic_bool *stop, struct error *err);
/* On the loop, once: err NULL is well. */
typedef void books_read_done(void *ctx, const struct error *err);
/* ERR_BUSY when too many are asking. */
int books_read(struct billing *b, books_read_fn *read, books_read_done *done, void *ctx, struct error *err);

#endif
