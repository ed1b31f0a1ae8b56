/* SPDX-License-Identifier: Apache-2.0 */
/* Remote consoles: one-time tokens for them, and the WebSockets that come with such a token. Both live in
 * memory alone: a restart ends them. */
#ifndef API_CONSOLES_H
#define API_CONSOLES_H

#include "api/api.h"
#include "base/crypto.h"

struct console_token {
	struct console_token *next;
	unsigned char hash[SHA256_SIZE];
	char server[UUID_TEXT];
	int64_t expires_us; /* mono */
	struct principal *who;
};

struct console_session;

struct consoles {
	struct api *api;
	struct console_token *tokens; /* newest first */
	unsigned tokens_n;
	struct console_session *sessions;
	unsigned sessions_n;
	struct loop_timer timer;
};

struct consoles *consoles_create(struct api *api);
void consoles_destroy(struct consoles *s); /* the server's connections are closed already */

/* --- console_tokens.c --- */

/* A URL for the server's serial console, good once and for console_token_s; in the call's arena. */
const char *console_url_make(struct api_call *c, const char *server);
/* The token of that text, still valid, or NULL; it stays. */
const struct console_token *console_token_find(struct consoles *s, const char *text);
/* Takes it out: *out is the caller's to finish. False: unknown, used or expired. */
bool console_token_take(struct consoles *s, const char *text, struct console_token *out);
void console_token_finish(struct console_token *t);
void console_tokens_clear(struct consoles *s);

/* --- console_socket.c --- */

/* GET /console?token=…: the WebSocket. */
api_handler console_connect;
/* Ends the sessions of those whose token does not hold any more. */
void console_sessions_check(struct consoles *s);

#endif
