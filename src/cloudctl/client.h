/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP side: one kept connection to cloudd, over the operator's socket or over TLS with a token. */
#ifndef CLOUDCTL_CLIENT_H
#define CLOUDCTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/error.h"

/* Who signs in where; NULL where not given. Borrowed from the command line and the environment. */
struct client_config {
	const char *socket; /* used when url is NULL */
	const char *url;    /* "https://cloud.example:8774" */
	const char *cacert;
	const char *token;
	const char *username, *password, *project, *user_domain, *project_domain;
};

/* A piece of a stream; false: it is enough. */
typedef bool client_piece_fn(void *ctx, const char *p, size_t n);

struct client {
	struct client_config config;
	void *curl;
	char *token;     /* owned */
	struct buf text; /* the last answer */
	long status;     /* its HTTP status, 0: none came */
	FILE *sink;      /* where an answer that succeeds goes instead */
	/* of a stream */
	client_piece_fn *piece;
	void *piece_ctx;
	const char *last; /* id of the last event that was seen */
	bool enough;
	int64_t heard_us; /* when something came, on the clock that only grows */
};

int client_init(struct client *c, const struct client_config *config, struct error *err);
void client_finish(struct client *c);

/* Sends the request; body is JSON or NULL. On success (2xx) *out, which may be NULL, is the answer: NULL when
 * it has no body, else owned by the caller. Failures: ERR_UNREACHABLE without an answer; else the API's
 * message, with the status in c->status. */
int client_call(struct client *c, const char *method, const char *path, const char *body, json_t **out,
	struct error *err);
/* GET, with the answer written to a file as it comes, however long it is. */
int client_download(struct client *c, const char *path, FILE *to, struct error *err);
/* GET of a stream of events, behind the one with the id `last` ("": from now on). 0 when it ended, or take
 * said that it is enough; ERR_UNREACHABLE also when nothing was heard for a minute. */
int client_follow(struct client *c, const char *path, const char *last, client_piece_fn *take, void *ctx,
	struct error *err);
/* Adds text as one segment of a path or value of a query. */
void url_escape(struct buf *out, const char *text);

#endif
