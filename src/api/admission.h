/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that would wait too long are turned away at once, with the time after which it is worth to try
 * again: 429 when they would wait behind their own project's, 503 when behind those of all. */
#ifndef API_ADMISSION_H
#define API_ADMISSION_H

#include "api/api.h"

struct admission;
struct admission *admission_create(void);
void admission_destroy(struct admission *a);

/* In whose line it stands. */
uint64_t admission_owner(const struct api_call *c);
/* Room in a line for one more of that class? -1 as below. */
struct fair;
struct fair_class;
int admission_line(
	struct api_call *c, const struct fair *line, const struct fair_class *whose, struct error *err);
/* Sets c->owner. -1: it is turned away; c->status and c->retry_s are set. */
int admission_ask(struct api_call *c, struct error *err);

enum { ADMISSION_EXCESS, ADMISSION_OVERLOAD, ADMISSION_KINDS };
void admission_count(const struct api *api, uint64_t out[ADMISSION_KINDS]);
/* Members of an object: what waits now, how many were turned away, and who lately. */
void admission_write(struct api_call *c);

#endif
