/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the dispatcher share among themselves. */
#ifndef API_INTERNAL_H
#define API_INTERNAL_H

#include "api/api.h"

/* The call's path, for people to read: without what must not be read. */
const char *api_path(const struct api_call *c);

/* The row for a call whose outcome is known (c->status); inside a unit. reason: NULL for success. */
int audit_insert(struct api_call *c, struct db *db, const char *reason, struct error *err);
/* A record could not be stored: the journal says so, and the count of such, which is written down later. */
void audit_lost(struct api *api, const char *request_id, const struct error *why);
/* Writes the row in a tick of its own without holding the call: for replies that cannot wait. */
void audit_detached(struct api_call *c, const char *reason);

/* What goes with time, every minute; and the bound on audit rows of requests that anybody can make. stop
 * writes down what was left out so far; destroy goes with the loop's next turn. */
void housekeeping_start(struct api *api);
void housekeeping_stop(struct api *api);
void housekeeping_destroy(struct api *api);
/* Does this refused call get an audit row? When not, it is on the tally. */
bool housekeeping_denied(struct api_call *c);
/* One more that could not be written down. */
void housekeeping_unstored(struct api *api);

/* A POST with an Idempotency-Key: sets c->key. ERR_BAD_REQUEST for a key that cannot be one. */
int idempotency_begin(struct api_call *c, struct error *err);
/* 1: c has the reply of the first attempt; 0: this is the first; -1, also when the key was another request's.
 * On c->db, with c->key. */
int idempotency_replay(struct api_call *c, struct error *err);
/* Keeps c's reply for a day; inside the unit that did what was asked for. */
int idempotency_keep(struct api_call *c, struct error *err);

/* What a caller is told of a unit whose commit was refused, or whose outcome is unknown. */
void api_unstored(struct error *out, enum tick_outcome outcome, const struct error *why);

/* Settles c->version from the request's headers; -1 with ERR_NOT_ACCEPTABLE or ERR_BAD_REQUEST. */
int version_negotiate(struct api_call *c, struct error *err);
/* Version headers of the reply. */
void version_headers(struct api_call *c);

/* Answers with c->status and no record: a storm must not fill the audit. */
void api_turn_away(struct api_call *c, const struct error *err);
/* Seconds after which it is worth to try again what was refused for now. */
const char *api_retry_after(const struct api_call *c);

/* Level at which whoever ends this error logs it (syslog's). */
int api_error_level(enum err code);

#endif
