/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a host as a whole, and by what: one table of rules over plain facts. Only evidence changes
 * it: that a host is silent is no proof that it is off, and nothing is freed, cleaned or started elsewhere
 * before there is one. And how many silent hosts are too many to be dead. Pure. */
#ifndef DOMAIN_HOST_EVIDENCE_H
#define DOMAIN_HOST_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum host_evidence {
	EVIDENCE_CONNECTED,   /* a connection stands, and a look over it was judged */
	EVIDENCE_DOUBTFUL,    /* something failed, or it is not yet as it should be: no new servers */
	EVIDENCE_UNREACHABLE, /* nothing was heard of it for long: the same, and somebody should look */
	EVIDENCE_DOWN,        /* proved: its power was read as off, or an operator said so */
	EVIDENCE_STATES
};

struct evidence_facts {
	bool fenced; /* its power was read as off, and nobody has said since that it is back */
	bool stated; /* an operator said that it is off */
	bool connected;
	bool failed;     /* something did since the daemon's start */
	bool comes_back; /* it was down: what went elsewhere may still have something there */
	bool unsteady;   /* evidence_unsteady */
	enum host_evidence was;
	int64_t silent_us, unreachable_us; /* since it was heard; how long that may be */
};

struct evidence_verdict {
	enum host_evidence state;
	const char *source; /* "look", "fence", ...: see the table */
	bool tell;          /* false: not worth an event, a start says nothing about hosts */
};

struct evidence_verdict evidence_weigh(const struct evidence_facts *f);
const char *evidence_text(enum host_evidence s);
/* The event that tells of it. */
const char *evidence_event(enum host_evidence s);
bool evidence_parse(const char *text, enum host_evidence *out);
/* What a source means, for people. */
const char *evidence_source_says(const char *source);

/* A connection that comes and goes: after so many losses within a while it has to stand for a time before the
 * host is taken for connected. */
enum { EVIDENCE_LOSSES = 4, EVIDENCE_WINDOW_S = 60 };
struct evidence_losses {
	int64_t at_us[EVIDENCE_LOSSES]; /* monotonic, the oldest is overwritten; 0: none */
	unsigned n;
};
void evidence_lost(struct evidence_losses *l, int64_t mono_us);
/* stands_us: for how long the connection stands; steady_us 0: no connection is unsteady. */
bool evidence_unsteady(
	const struct evidence_losses *l, int64_t mono_us, int64_t stands_us, int64_t steady_us);

/* May a silent host be fenced by itself? Many that fall silent together are a network, not dead hosts. */
struct evidence_fleet {
	int64_t hosts;     /* all */
	int64_t connected; /* of them */
	int64_t silent;    /* doubtful or unreachable, or fenced by itself a short while ago */
	int64_t most;      /* the operator's bound */
};
enum { EVIDENCE_SHARE_PERCENT = 20 };
/* NULL: it may; else why not. */
const char *evidence_holds_fence(const struct evidence_fleet *f);

#endif
