/* SPDX-License-Identifier: Apache-2.0 */
/* What a query wants of a provider: resources=, required=, member_of=, in_tree=. */
#ifndef API_PLACEMENT_WANT_H
#define API_PLACEMENT_WANT_H

#include "api/placement/tree.h"

enum { WANT_AMOUNTS_MAX = 32, WANT_SETS_MAX = 32, WANT_NAMES_MAX = 64 };

struct want_set { /* has one of these, or none of them */
	const char **names;
	size_t n;
	bool forbidden;
};

struct rp_want {
	struct rp_amount amounts[WANT_AMOUNTS_MAX];
	struct want_set traits[WANT_SETS_MAX], members[WANT_SETS_MAX];
	size_t amounts_n, traits_n, members_n;
	const char *in_tree; /* uid; NULL: any */
};

/* The parameters there are; a name in a query begins with one of theirs. */
enum want_param { WANT_RESOURCES, WANT_REQUIRED, WANT_MEMBER_OF, WANT_IN_TREE, WANT_PARAMS };
extern const char *const want_params[WANT_PARAMS];

/* Reads one of them into `out`; `name` is for messages. */
int want_read(struct api_call *c, enum want_param param, const char *name, const char *value,
	struct rp_want *out, struct error *err);
/* "A,!B,in:C,D" as traits. */
int want_read_traits(
	struct api_call *c, const char *name, const char *value, struct rp_want *out, struct error *err);

bool want_fits(const struct rp *p, const struct rp_amount *amount);
bool want_has_traits(const struct rp *p, const struct rp_want *w);
/* Of the host; members by host. */
bool want_is_member(
	const struct provider_member *members, size_t n, int64_t host_id, const struct rp_want *w);

#endif
