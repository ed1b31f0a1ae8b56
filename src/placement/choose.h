/* SPDX-License-Identifier: Apache-2.0 */
/* What choosing, choosing several at once and explaining share; private to this room. */
#ifndef PLACEMENT_CHOOSE_H
#define PLACEMENT_CHOOSE_H

#include "placement/index.h"

/* A choice under way. */
struct choosing {
	struct placement *p;
	struct query *q;
	struct tree *tree; /* of q; NULL until it is needed */
};

/* The best host for one server: its slot. False: none fits. */
bool choose_slot(struct choosing *c, size_t *out);
struct tree *choose_tree(struct choosing *c);
/* One server of the query onto a host where it fits, without taking anything. */
void choose_on(const struct query *q, size_t slot, struct placement_choice *out);

/* No more than so many fit on the host, of `most`; not always as many. */
size_t room_at_most(const struct query *q, size_t slot, size_t most);

struct taken {
	struct holding held;
	struct leaf before; /* of the tree, at its host */
};

/* n alike, as far as they fit: what they would take is charged until gang_undo. */
struct gang {
	struct choosing *c;
	struct taken *taken; /* room for n */
	size_t n;
	size_t most; /* that fit, where not all do */
	enum placement_scope
		lacks; /* no such place has room for all; PLACEMENT_ANYWHERE: none was asked for */
};
void gang_choose(struct gang *g, size_t n);
void gang_tell(const struct gang *g, struct placement_choice *out);
void gang_undo(struct gang *g);

/* ERR_NO_HOST with the refusals by rule: "no host fits: 3 of 4 lack ram, 1 is disabled". -1. */
int no_host(const struct choosing *c, enum placement_scope lacks, size_t fitted, size_t wanted,
	struct error *err);

#endif
