/* SPDX-License-Identifier: Apache-2.0 */
/* Why something is as it is: what it waits for, and what can be done about it. A const table of causes, asked
 * in its order with plain facts; and for each state that a row can be in, what leads out of it. Pure. */
#ifndef DOMAIN_WHY_H
#define DOMAIN_WHY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "domain/server_state.h"

enum why_subject { WHY_SERVER = 1, WHY_HOST = 2, WHY_IMAGE = 4, WHY_FLOW = 8 };

enum why_flow {           /* how the flow on it stands */
	WHY_FLOW_NONE,    /* there is none */
	WHY_FLOW_WORKS,   /* at its step */
	WHY_FLOW_RETRIES, /* something went wrong: again after a back-off */
	WHY_FLOW_HOST,    /* until its host can be heard */
	WHY_FLOW_IMAGE,   /* until its image is on the host */
	WHY_FLOW_OTHER,   /* until another flow ends */
	WHY_FLOW_STUCK    /* its deadline passed */
};

enum why_link {        /* how its host can be heard */
	WHY_LINK_NONE, /* it is on none */
	WHY_LINK_UP,
	WHY_LINK_OPENING,  /* not yet, since the start */
	WHY_LINK_UNSTEADY, /* it is connected, but that comes and goes */
	WHY_LINK_DOUBTFUL, /* something failed a short while ago */
	WHY_LINK_AWAY,     /* unreachable */
	WHY_LINK_FENCING,  /* its power is being cut */
	WHY_LINK_DEAD,     /* that is proved */
	WHY_LINK_DEAD_ANSWERS,
	WHY_LINK_RETURNS /* it is connected, and what went elsewhere is being cleared away */
};

struct why_facts {
	enum why_subject subject;
	enum vm_state vm; /* of a server */
	enum task_state task;
	enum why_flow flow;
	enum why_link link;
	bool waits_for_room; /* a host is kept for it while others leave */
	bool has_to_leave;   /* for another one, or a block */
	bool drained;        /* it waits to leave its host, or to be left by those that wait */
	bool left_over;      /* something of it is still to be cleared away elsewhere */
	bool gpu_lost;       /* a GPU that it has is not on its host */
	const char *state;   /* of a host or an image, by its row; NULL */
};

enum { WHY_COMMANDS = 4 };

struct why_cause {
	const char *name;
	unsigned subjects; /* enum why_subject, joined */
	bool (*holds)(const struct why_facts *f);
	const char *says;                   /* to operators; {words} are filled in by why_fill */
	const char *tells;                  /* to tenants, who see nothing of hosts and flows */
	const char *commands[WHY_COMMANDS]; /* for operators; NULL: no more, none: nothing has to be done */
};

/* The first that holds; there is always one. */
const struct why_cause *why_find(const struct why_facts *f);
const struct why_cause *why_cause_at(size_t i); /* NULL behind the last */

struct why_word {
	const char *name, *value; /* value NULL: "?" */
};
/* Writes the text with its {words}. */
void why_fill(struct buf *out, const char *text, const struct why_word *words, size_t n);

/* What a server's owner can do in a state where nothing is under way: the actions that the state allows, with
 * the command. Ended by a NULL command. */
struct why_step {
	enum server_action action;
	const char *command;
};
const struct why_step *why_server_steps(enum vm_state vm);
/* Tasks that no flow shows, with what sets and ends them. NULL: a flow's step shows it, or nothing does. */
const char *why_task_of(enum task_state task);

enum why_end {
	WHY_END_REST,    /* nothing is awaited: it is fine as it is */
	WHY_END_FLOW,    /* `by` is the kind of a flow that ends it; a flow has a deadline */
	WHY_END_TIME,    /* `by` is what is looked at when time has come */
	WHY_END_LOOK,    /* `by` is what is seen of the host */
	WHY_END_REQUEST, /* `by` is what the client still has to do, or undo */
	WHY_END_COMMAND  /* `by` is the operator's command */
};

struct why_way {
	const char *table, *column, *value; /* of a row's state */
	enum why_end end;
	const char *by;
	const char *command; /* what an operator or owner may type to leave it early; NULL: none is needed */
};
/* NULL: nothing is known of that state. */
const struct why_way *why_way_find(const char *table, const char *column, const char *value);
const struct why_way *why_way_at(size_t i); /* NULL behind the last */

#endif
