/* SPDX-License-Identifier: Apache-2.0 */
/* When there is no room for a new connection, that one goes which has asked for nothing for the longest. They
 * stand in the order in which they fell idle, the last ones first; who is found at work on the way goes to
 * the front. */
#include "http/conn.h"

enum { IDLE_LEAST_MS = 1000 }; /* so that a flood does not drive away those that have just come */

static void unlink_conn(struct http_server *s, struct conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		s->last = c->prev;
	c->prev = c->next = NULL;
}

static void push_front(struct http_server *s, struct conn *c)
{
	c->next = s->conns;
	if (s->conns)
		s->conns->prev = c;
	else
		s->last = c;
	s->conns = c;
}

void evict_enter(struct conn *c)
{
	c->idle_since = uv_now(c->server->loop);
	push_front(c->server, c);
}

void evict_leave(struct conn *c)
{
	unlink_conn(c->server, c);
}

void evict_idle(struct conn *c)
{
	c->idle_since = uv_now(c->server->loop);
	if (c->server->conns == c)
		return;
	unlink_conn(c->server, c);
	push_front(c->server, c);
}

static bool is_idle(const struct conn *c)
{
	return (c->phase == CONN_HEAD || c->phase == CONN_HANDSHAKE || c->phase == CONN_LINGER) &&
	       !c->running && !c->live && !c->turn.class;
}

bool evict_one(struct http_server *s)
{
	uint64_t now = uv_now(s->loop);

	for (unsigned n = s->stats.open; n && s->last; n--) {
		struct conn *c = s->last;

		if (c->idle_since + IDLE_LEAST_MS > now)
			return false;
		if (is_idle(c)) {
			s->stats.evicted++;
			conn_drop(c);
			return true;
		}
		evict_idle(c);
	}
	return false;
}
