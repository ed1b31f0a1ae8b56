/* SPDX-License-Identifier: Apache-2.0 */
/* A client of the daemon under the scheduler: HTTP/1.1 on a unix socket, as well-behaved as it is told to be.
 */
#ifndef TESTS_SIM_CLIENT_H
#define TESTS_SIM_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { REPLY_MAX = 1 << 20 };

struct client {
	int fd;            /* -1: not connected */
	const char *token; /* NULL: root on the socket */
	bool calm;         /* no bad manners */
};

struct reply {
	int status;   /* 0: none came; -1: nobody was there, nothing was sent */
	json_t *json; /* NULL: no body, or not JSON */
	char token[512];
};

/* body: NULL none. key: of Idempotency-Key, NULL none. reply->json is the caller's to release. */
void client_ask(struct client *c, const char *method, const char *path, const char *body, const char *version,
	const char *key, struct reply *reply);
/* The same with bytes that are not JSON. */
void client_put(struct client *c, const char *path, const void *p, size_t n, struct reply *reply);
void client_close(struct client *c);

/* Where the daemon listens: the name of an abstract socket. */
extern char client_socket[64];

#endif
