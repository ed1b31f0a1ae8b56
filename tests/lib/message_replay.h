/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds bytes to the request parser in pieces of a given size and writes down what it made of them. */
#ifndef TESTS_MESSAGE_REPLAY_H
#define TESTS_MESSAGE_REPLAY_H

#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "http/message.h"

struct replay {
	struct message m;
	struct buf in, head, body, *out;
	size_t at; /* used of in */
	bool in_body, broken;
};

static inline void replay_bad(struct replay *r)
{
	buf_printf(r->out, "!%d", r->m.status);
	r->broken = true;
}

static inline void replay_head(struct replay *r)
{
	const char *p;
	size_t n, have;

	r->at += message_head_skip(&r->m, r->in.data + r->at, r->in.len - r->at);
	p = r->in.data + r->at;
	have = r->in.len - r->at;
	if (!have)
		return;
	if (message_head_find(&r->m, p, have, &n)) {
		replay_bad(r);
		return;
	}
	if (!n) {
		r->in_body = false;
		return;
	}
	r->head.len = 0;
	buf_append(&r->head, p, n);
	r->at += n;
	if (message_head_parse(&r->m, r->head.data, n)) {
		replay_bad(r);
		return;
	}
	buf_printf(r->out, "%s %s", r->m.method_name, r->m.target);
	for (size_t i = 0; i < r->m.headers_n; i++)
		buf_printf(r->out, "|%s=%s", r->m.headers[i].name, r->m.headers[i].value);
	r->in_body = true;
	r->body.len = 0;
}

static inline void replay_body(struct replay *r)
{
	size_t used;

	switch (message_body(&r->m, r->in.data + r->at, r->in.len - r->at, &used)) {
	case MESSAGE_PIECE:
		buf_append(&r->body, r->m.piece, r->m.piece_n);
		break;
	case MESSAGE_END:
		buf_puts(r->out, " [");
		buf_append(r->out, r->body.data, r->body.len);
		buf_puts(r->out, r->m.close ? "]x;" : "];");
		r->in_body = false;
		message_reset(&r->m);
		break;
	case MESSAGE_BAD:
		replay_bad(r);
		break;
	case MESSAGE_MORE:
		break;
	}
	r->at += used;
}

/* Uses all that is in `in`, as far as it goes. */
static inline void replay_run(struct replay *r)
{
	for (;;) {
		size_t at = r->at;
		bool in_body = r->in_body;

		if (r->in_body)
			replay_body(r);
		else if (r->at < r->in.len)
			replay_head(r);
		if (r->broken || (r->at == at && r->in_body == in_body))
			return;
	}
}

/* "METHOD target|name=value [body];" for each message (x: closes after it), "!status" where it broke. */
static inline void message_replay(
	const struct http_limits *limits, const void *data, size_t n, size_t step, struct buf *out)
{
	struct replay r = { .out = out };

	message_init(&r.m, limits);
	for (size_t i = 0; i < n && !r.broken; i += step) {
		buf_append(&r.in, (const char *)data + i, n - i < step ? n - i : step);
		replay_run(&r);
	}
	message_finish(&r.m);
	buf_finish(&r.in);
	buf_finish(&r.head);
	buf_finish(&r.body);
}

#endif
