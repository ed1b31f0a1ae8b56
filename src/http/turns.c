/* SPDX-License-Identifier: Apache-2.0 */
/* Whose turn it is: connections stand in the line of the one for whom they ask, the lines are served in turn,
 * and who would stand for too long is told so. While nobody else asks, nobody stands. */
#include "base/util.h"
#include "http/conn.h"

enum {
	SHARE_US = 200,  /* what an owner may take in a round */
	SLICE_US = 500,  /* then the loop looks who else came, while several ask */
	ALONE_US = 4000, /* and while one does */
	RETRY_MAX_S = 60,
	FEW = 16,        /* so many of one owner may always stand */
	BODIES_SHARE = 4 /* an owner's part of the room for bodies */
};

static int64_t now_us(void)
{
	return (int64_t)(uv_hrtime() / 1000);
}

void turns_init(struct http_server *s)
{
	fair_init(&s->line, SHARE_US);
	s->first = fair_class_get(&s->line, HTTP_OWNER_FIRST, FAIR_FIRST);
	s->excess = fair_class_get(&s->line, UINT64_MAX, FAIR_SHARE);
}

void turns_finish(struct http_server *s)
{
	fair_class_put(&s->line, s->first);
	fair_class_put(&s->line, s->excess);
	fair_finish(&s->line);
}

uint64_t http_owner_peer(const struct http_request *r)
{
	return r->is_unix ? HTTP_OWNER_FIRST : fair_key(r->peer) | (uint64_t)1 << 63;
}

/* Owners are projects; a peer that has not said for whom it asks has less. */
static struct fair_class *owner_get(struct http_server *s, uint64_t key)
{
	return fair_class_get(&s->line, key, key >> 63 ? FAIR_SHARE / 2 : FAIR_SHARE);
}

struct fair_class *turns_peer(struct http_server *s, const struct conn *c)
{
	return owner_get(s, http_owner_peer(&c->req));
}

/* Runs it, and charges whose turn it was; takes the reference. */
static int64_t run(struct http_server *s, struct conn *c, struct fair_class *whose, int64_t begun_us)
{
	int64_t end_us;

	conn_run(c);
	end_us = now_us();
	fair_charge(&s->line, whose, end_us - begun_us, end_us);
	return end_us;
}

/* Nobody waits, one alone asks, and the loop has not been kept for long in this turn. */
static bool is_free(struct http_server *s, int64_t at_us)
{
	uint64_t ms = uv_now(s->loop);

	if (s->line.n || fair_shared(&s->line, at_us))
		return false;
	if (s->direct_ms != ms) {
		s->direct_ms = ms;
		s->direct_us = 0;
	}
	return s->direct_us < ALONE_US;
}

void turns_go(struct http_server *s, struct conn *c)
{
	int64_t at_us = now_us();

	if (!is_free(s, at_us)) {
		turns_line_up(s, c);
		return;
	}
	c->shed = HTTP_FINE; /* of a line that it stood in before */
	s->direct_us += run(s, c, fair_class_ref(c->owner), at_us) - at_us;
}

/* Would one more wait too long? Behind how many of its own, or of all? */
static enum http_admission judge(const struct http_server *s, const struct fair_class *owner)
{
	if (owner == s->first || owner->n < FEW)
		return HTTP_FINE;
	if (owner->n >= s->limits.waiting)
		return HTTP_EXCESS;
	if (fair_wait_us(owner) <= (int64_t)s->limits.wait_ms * 1000)
		return HTTP_FINE;
	return fair_above_share(&s->line, owner) ? HTTP_EXCESS : HTTP_OVERLOAD;
}

void turns_line_up(struct http_server *s, struct conn *c)
{
	/* between requests alone: what has been begun is done */
	c->shed = c->phase == CONN_HEAD ? judge(s, c->owner) : HTTP_FINE;
	fair_push(&s->line, c->shed ? s->excess : c->owner, &c->turn);
	server_wake(s);
}

void turns_serve(struct http_server *s)
{
	int64_t at_us = now_us(), until_us = at_us + (fair_shared(&s->line, at_us) ? SLICE_US : ALONE_US);
	unsigned left =
		s->line.n; /* those that come to stand again meanwhile wait for the next turn of the loop */

	while (left-- && at_us < until_us && !s->destroyed) {
		struct fair_class *whose;
		struct fair_item *item = fair_pop(&s->line, &whose);

		if (!item)
			break;
		at_us = run(s, CONTAINER_OF(item, struct conn, turn), whose, at_us);
	}
}

void turns_leave(struct http_server *s, struct conn *c)
{
	fair_remove(&s->line, &c->turn);
}

/* --- who may come in
 * ---------------------------------------------------------------------------------------- */

void turns_body_release(struct conn *c)
{
	c->server->bodies -= c->reserved;
	c->owner->held -= c->reserved;
	c->reserved = 0;
}

static bool body_reserve(struct http_server *s, struct conn *c)
{
	size_t n = c->msg.chunked              ? s->limits.body
		   : c->msg.content_length > 0 ? (size_t)c->msg.content_length
					       : 0;

	if (n > s->limits.body)
		return true; /* it will be refused for that */
	if (c->owner != s->first && n &&
		(s->bodies + n > s->limits.bodies || c->owner->held + n > s->limits.bodies / BODIES_SHARE))
		return false;
	s->bodies += n;
	c->owner->held += n;
	c->reserved = n;
	return true;
}

static unsigned retry_s(const struct fair_class *owner)
{
	int64_t s = (fair_wait_us(owner) + 999999) / 1000000;

	return s < 1 ? 1 : s > RETRY_MAX_S ? RETRY_MAX_S : (unsigned)s;
}

static enum http_admission count(struct http_server *s, enum http_admission a)
{
	s->stats.turned_excess += a == HTTP_EXCESS;
	s->stats.turned_overload += a == HTTP_OVERLOAD;
	return a;
}

enum http_admission http_admit(struct http_request *r, uint64_t key, bool collects, unsigned *out_retry_s)
{
	struct conn *c = CONTAINER_OF(r, struct conn, req);
	struct http_server *s = c->server;
	enum http_admission a = (enum http_admission)c->shed;

	c->shed = HTTP_FINE;
	if (c->owner->key != key) {
		fair_class_put(&s->line, c->owner);
		c->owner = owner_get(s, key);
		c->moved = true;
		a = judge(s, c->owner);
	}
	*out_retry_s = retry_s(c->owner);
	if (a == HTTP_FINE && collects && !body_reserve(s, c))
		a = c->owner->held > s->limits.bodies / BODIES_SHARE / 2 ? HTTP_EXCESS : HTTP_OVERLOAD;
	return count(s, a);
}
