/* SPDX-License-Identifier: Apache-2.0 */
/* A live console between a WebSocket and a host.
 *
 *	GET /console?token=… → the token is used up → the host opens the console → 101 → bytes both ways
 *
 * What is typed waits, up to the client, while the host does not take it. What a guest prints faster than the
 * client reads is left out, and the client is told how much: nothing of a guest's making piles up here. All
 *of it is in the console's log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/consoles.h"
#include "api/internal.h"
#include "base/log.h"
#include "base/util.h"
#include "domain/server_state.h"
#include "flow/console.h"
#include "http/websocket.h"
#include "store/server_list.h"
#include "store/servers.h"
#include "store/tokens.h"

enum { MESSAGE_MAX = 64 * 1024, PING_MS = 30000 };

enum { CLOSE_NORMAL = 1000, CLOSE_POLICY = 1008, CLOSE_FAILED = 1011 };

struct console_session {
	struct console_session *next;
	struct consoles *all;
	struct api_call *call; /* until it is open */
	struct http_websocket *socket;
	struct flow_console *console;
	struct principal *who;
	char server[UUID_TEXT], request_id[44];
	struct buf typed; /* what the host did not take yet */
	bool blocked;     /* the client does not keep up */
	uint64_t left_out, bytes_in, bytes_out;
	int64_t begun_us;
};

static void session_free(struct console_session *k)
{
	struct console_session **p = &k->all->sessions;

	while (*p && *p != k)
		p = &(*p)->next;
	if (*p) {
		*p = k->next;
		k->all->sessions_n--;
	}
	principal_unref(k->who);
	buf_finish(&k->typed);
	free(k);
}

static void log_end(const struct console_session *k, const char *why)
{
	char in[24], out[24], s[24];

	snprintf(in, sizeof in, "%llu", (unsigned long long)k->bytes_in);
	snprintf(out, sizeof out, "%llu", (unsigned long long)k->bytes_out);
	snprintf(s, sizeof s, "%lld",
		(long long)((clock_mono(k->all->api->loop->clock) - k->begun_us) / 1000000));
	log_event(LOG_INFO, "console closed", "server", k->server, "request_id", k->request_id, "why", why,
		"seconds", s, "bytes_typed", in, "bytes_shown", out, NULL);
}

/* --- from the client --- */

static void on_message(void *ctx, const void *p, size_t n, bool is_text)
{
	struct console_session *k = ctx;
	size_t taken = flow_console_send(k->console, p, n);

	(void)is_text;
	k->bytes_in += n;
	if (taken == n)
		return;
	buf_append(&k->typed, (const char *)p + taken, n - taken);
	http_websocket_pause(k->socket, true);
}

static void on_drain(void *ctx)
{
	struct console_session *k = ctx;
	char text[80];
	int n;

	k->blocked = false;
	if (!k->left_out)
		return;
	n = snprintf(
		text, sizeof text, "\r\n[%llu bytes were left out]\r\n", (unsigned long long)k->left_out);
	k->left_out = 0;
	k->blocked = !http_websocket_send(k->socket, text, (size_t)n, false);
}

static void on_socket_closed(void *ctx, int code, const char *why)
{
	struct console_session *k = ctx;

	(void)code;
	log_end(k, why ? why : "the client closed it");
	flow_console_close(k->console);
	session_free(k);
}

static const struct http_websocket_events socket_events = { on_message, on_drain, on_socket_closed };

/* --- from the host --- */

static void on_output(void *ctx, const void *p, size_t n)
{
	struct console_session *k = ctx;

	if (k->blocked) {
		k->left_out += n;
		return;
	}
	k->bytes_out += n;
	k->blocked = !http_websocket_send(k->socket, p, n, false);
}

static void on_room(void *ctx)
{
	struct console_session *k = ctx;

	buf_consume(&k->typed, flow_console_send(k->console, k->typed.data, k->typed.len));
	if (k->typed.len)
		return;
	buf_finish(&k->typed);
	http_websocket_pause(k->socket, false);
}

static void on_console_closed(void *ctx, const struct error *why)
{
	struct console_session *k = ctx;

	log_end(k, why->msg);
	http_websocket_close(k->socket, CLOSE_NORMAL, why->msg);
	session_free(k);
}

static void on_opened(void *ctx, struct flow_console *console, const struct error *err)
{
	struct console_session *k = ctx;
	struct api_call *c = k->call;
	const struct api_config *config = &c->api->config;
	const struct http_websocket_limits limits = {
		.message = MESSAGE_MAX,
		.ping_ms = PING_MS,
		.idle_ms = (unsigned)config->console_idle_s * 1000,
		.life_ms = (unsigned)config->console_life_s * 1000,
	};

	if (err) {
		session_free(k);
		api_fail(c, err);
		return;
	}
	k->call = NULL;
	k->console = console;
	c->status = 101;
	audit_detached(c, NULL);
	k->socket = api_websocket(
		c, http_websocket_offers(c->http, "binary") ? "binary" : NULL, &limits, &socket_events, k);
	if (k->socket)
		return;
	flow_console_close(console);
	session_free(k);
}

static const struct flow_console_events console_events = { on_opened, on_output, on_room, on_console_closed };

/* --- opening --- */

/* Does what the token was issued to still hold? A disabled user, project or a role that was taken away ends
 * it. */
static bool who_holds(const struct consoles *s, const struct principal *who)
{
	struct error err;

	return who->is_local_root || store_token_holds(store_ro(s->api->store), who->token_id,
					     clock_wall(s->api->loop->clock), &err) > 0;
}

void console_sessions_check(struct consoles *s)
{
	struct console_session *next;

	for (struct console_session *k = s->sessions; k; k = next) {
		next = k->next;
		if (!k->socket || who_holds(s, k->who))
			continue;
		log_end(k, "the token that it was asked for with holds no more");
		flow_console_close(k->console);
		http_websocket_close(k->socket, CLOSE_POLICY, "your token holds no more");
		session_free(k);
	}
}

static int find_server(struct api_call *c, const char *uid, struct server *out, struct error *err)
{
	int64_t scope = api_is_admin(c) ? 0 : c->who->project.id, id, created_us;
	int rc = store_server_find(c->db, scope, uid, &id, &created_us, err);

	if (rc > 0)
		rc = store_server_load(c->db, c->arena, id, out, err) < 0 ? -1 : 1;
	if (rc < 0)
		return -1;
	if (!rc || out->deleted_us)
		return error_set(err, ERR_NOT_FOUND, "Instance %.64s could not be found.", uid);
	return server_action_allowed(ACTION_SERIAL_CONSOLE, out->uid, out->vm_state, out->task_state,
		out->locked, api_is_admin(c), err);
}

/* The upgrade must be in order before the token is used up. 1: it is, 0: answered, -1. */
static int check_upgrade(struct api_call *c, struct error *err)
{
	switch (http_websocket_asked(c->http)) {
	case WEBSOCKET_FINE:
		return 1;
	case WEBSOCKET_VERSION:
		c->status = 426;
		api_header(c, "Upgrade", "websocket");
		api_header(c, "Sec-WebSocket-Version", "13");
		api_reply(c);
		return 0;
	case WEBSOCKET_BAD:
		return error_set(err, ERR_BAD_REQUEST, "the WebSocket's opening handshake is not in order");
	default:
		return error_set(err, ERR_BAD_REQUEST,
			"this is a WebSocket's address: open it with a client for those");
	}
}

static int use_token(struct api_call *c, struct console_token *t, struct error *err)
{
	const char *text = api_query(c, "token");

	if (!text || !console_token_take(c->api->consoles, text, t))
		return error_set(err, ERR_UNAUTHORIZED, "The console's token is unknown, used or expired.");
	principal_unref(c->who);
	c->who = principal_ref(t->who);
	c->target = arena_strdup(c->arena, t->server);
	if (!who_holds(c->api->consoles, t->who))
		return error_set(err, ERR_UNAUTHORIZED,
			"The token that the console was asked for with holds no more.");
	return 0;
}

int console_connect(struct api_call *c, struct error *err)
{
	struct consoles *all = c->api->consoles;
	CLEANUP(console_token_finish) struct console_token t = { 0 };
	struct console_session *k;
	struct server s = { 0 };
	int rc = check_upgrade(c, err);

	if (rc <= 0)
		return rc;
	if (use_token(c, &t, err) < 0 || find_server(c, t.server, &s, err) < 0)
		return -1;
	if (all->sessions_n >= c->api->config.consoles_max)
		return error_set(err, ERR_BUSY, "Too many consoles are open.");
	k = xcalloc(1, sizeof *k);
	*k = (struct console_session) {
		.next = all->sessions, .all = all, .call = c, .who = principal_ref(t.who)
	};
	all->sessions = k;
	all->sessions_n++;
	str_copy(k->server, sizeof k->server, s.uid);
	str_copy(k->request_id, sizeof k->request_id, c->request_id);
	k->begun_us = clock_mono(c->api->loop->clock);
	flow_console_open(c->api->flows, s.host_id, s.uid, &console_events, k);
	return 0;
}
