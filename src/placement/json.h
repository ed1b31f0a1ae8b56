/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's inputs and answers as JSON, both ways, for the journal of decisions and for replaying it. What
 * is 0, false or empty is left out; what is read is checked as what comes from outside. */
#ifndef PLACEMENT_JSON_H
#define PLACEMENT_JSON_H

#include <jansson.h>

#include "base/arena.h"
#include "placement/placement.h"

void placement_host_write(struct buf *b, const struct placement_host *h);
void placement_request_write(struct buf *b, const struct placement_request *r);
void placement_choice_write(struct buf *b, const struct placement_choice *c);
void placement_mix_write(struct buf *b, const struct placement_mix *m);

/* Strings and arrays in the arena. ERR_BAD_REQUEST naming the member. */
int placement_host_read(const json_t *j, struct arena *a, struct placement_host *out, struct error *err);
int placement_request_read(
	const json_t *j, struct arena *a, struct placement_request *out, struct error *err);
int placement_choice_read(const json_t *j, struct arena *a, struct placement_choice *out, struct error *err);
int placement_mix_read(const json_t *j, struct arena *a, struct placement_mix *out, struct error *err);

#endif
