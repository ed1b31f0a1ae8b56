/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that open a console once. Only their hashes are kept, in memory: what is lost with the process is
 * asked for again. */
#include <stdlib.h>
#include <string.h>

#include "api/consoles.h"
#include "base/util.h"

enum { TOKEN_BYTES = 32, TOKENS_MAX = 4096, USER_TOKENS_MAX = 256, CHECK_MS = 10000 };

static int64_t mono(const struct consoles *s)
{
	return clock_mono(s->api->loop->clock);
}

void console_token_finish(struct console_token *t)
{
	principal_unref(t->who);
	t->who = NULL;
}

static void drop(struct consoles *s, struct console_token **at)
{
	struct console_token *t = *at;

	*at = t->next;
	s->tokens_n--;
	console_token_finish(t);
	free(t);
}

static void drop_expired(struct consoles *s)
{
	int64_t now = mono(s);
	struct console_token **p = &s->tokens;

	while (*p) {
		if ((*p)->expires_us <= now)
			drop(s, p);
		else
			p = &(*p)->next;
	}
}

void console_tokens_clear(struct consoles *s)
{
	while (s->tokens)
		drop(s, &s->tokens);
}

/* Nobody fills the memory with tokens, nor takes others' away: the oldest goes, of one's own first. */
static void make_room(struct consoles *s, int64_t user_id)
{
	struct console_token **oldest = NULL, **own = NULL;
	unsigned own_n = 0;

	drop_expired(s);
	for (struct console_token **p = &s->tokens; *p; p = &(*p)->next) {
		oldest = p;
		if ((*p)->who->user.id != user_id)
			continue;
		own = p;
		own_n++;
	}
	if (own && own_n >= USER_TOKENS_MAX)
		drop(s, own);
	else if (oldest && s->tokens_n >= TOKENS_MAX)
		drop(s, oldest);
}

const char *console_url_make(struct api_call *c, const char *server)
{
	struct consoles *s = c->api->consoles;
	CLEANUP(free_ptr) char *text = random_base64url(c->api->loop->rng, TOKEN_BYTES);
	struct console_token *t = xcalloc(1, sizeof *t);
	const char *url = api_url(c, "/console?token=%s", text);

	make_room(s, c->who->user.id);
	sha256(text, strlen(text), t->hash);
	str_copy(t->server, sizeof t->server, server);
	t->expires_us = mono(s) + c->api->config.console_token_s * 1000000;
	t->who = principal_ref(c->who);
	t->next = s->tokens;
	s->tokens = t;
	s->tokens_n++;
	/* https becomes wss, http ws */
	return arena_printf(c->arena, "ws%s", url + strlen("http"));
}

/* All are looked at, whichever it is: the hash hides what is compared. */
static struct console_token **find(struct consoles *s, const char *text)
{
	unsigned char hash[SHA256_SIZE];
	struct console_token **found = NULL;

	drop_expired(s);
	sha256(text, strlen(text), hash);
	for (struct console_token **p = &s->tokens; *p; p = &(*p)->next)
		if (constant_time_equal((*p)->hash, hash, sizeof hash))
			found = p;
	return found;
}

const struct console_token *console_token_find(struct consoles *s, const char *text)
{
	struct console_token **p = find(s, text);

	return p ? *p : NULL;
}

bool console_token_take(struct consoles *s, const char *text, struct console_token *out)
{
	struct console_token **p = find(s, text), *t = p ? *p : NULL;

	if (!t)
		return false;
	*p = t->next;
	s->tokens_n--;
	*out = *t;
	free(t);
	return true;
}

/* --- the room's start and end --- */

static void on_timer(struct loop_timer *t)
{
	struct consoles *s = CONTAINER_OF(t, struct consoles, timer);

	drop_expired(s);
	console_sessions_check(s);
	loop_timer_set(s->api->loop, t, CHECK_MS, on_timer);
}

struct consoles *consoles_create(struct api *api)
{
	struct consoles *s = xcalloc(1, sizeof *s);

	s->api = api;
	loop_timer_set(api->loop, &s->timer, CHECK_MS, on_timer);
	return s;
}

static void timer_closed(struct loop_timer *t)
{
	free(CONTAINER_OF(t, struct consoles, timer));
}

void consoles_destroy(struct consoles *s)
{
	if (!s)
		return;
	console_tokens_clear(s);
	loop_timer_close(&s->timer, timer_closed);
}
