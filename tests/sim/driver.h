/* SPDX-License-Identifier: Apache-2.0 */
/* What those who use the cloud share: each is a thread with dice. */
#ifndef TESTS_SIM_DRIVER_H
#define TESTS_SIM_DRIVER_H

#include <stdbool.h>

#include "client.h"
#include "run.h"

extern bool daemon_gone;

/* Sends it, now and then twice, as a client that got no answer would. */
enum outcome ask(struct client *c, const char *method, const char *path, const char *body,
	const char *version, struct reply *r);
/* The same where the answer does not matter. */
enum outcome quick(
	struct client *c, const char *method, const char *path, const char *body, const char *version);
/* An action of a server; `after` is what it may be then, 0: as before. */
void act_on(struct client *c, struct promise *p, const char *body, uint32_t after, const char *version);
/* One of a tenant's servers (-1: of anyone's) that nobody deleted; NULL: there is none. */
struct promise *pick(int tenant);
/* The status of a server as bits, 0 when nobody knows; *resting: nothing is being done with it. */
uint32_t status_of(struct client *c, const struct promise *p, bool *resting);

bool take_turn(void);
void pause_some(void);
/* A thread's work is done. */
void driver_done(void);

/* The threads. */
void tenant_main(void *number);
void operator_main(void *arg);
void fate_main(void *arg);

#endif
