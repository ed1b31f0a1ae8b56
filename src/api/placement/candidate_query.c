/* SPDX-License-Identifier: Apache-2.0 */
/* GET /allocation_candidates: reading what is asked. */
#include <ctype.h>
#include <string.h>

#include "api/placement/candidates.h"
#include "api/placement/placement.h"
#include "base/util.h"

static int bad(struct error *err, const char *name, const char *why)
{
	return error_set(err, ERR_BAD_REQUEST, "Invalid query parameter %.80s: %s", name, why);
}

static bool suffix_valid(const struct api_call *c, const char *s)
{
	size_t n = strlen(s);

	if (!n)
		return true;
	if (c->version < SINCE_GROUPS || n > CANDIDATE_SUFFIX)
		return false;
	if (c->version < SINCE_SUFFIXES)
		return *s != '0' && strspn(s, "0123456789") == n;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-')
			return false;
	return true;
}

/* NULL: too many. */
static struct candidate_group *group_of(struct candidate_query *q, const char *suffix)
{
	for (size_t i = 0; i < q->groups_n; i++)
		if (strcmp(q->groups[i].suffix, suffix) == 0)
			return &q->groups[i];
	if (q->groups_n == CANDIDATE_GROUPS_MAX)
		return NULL;
	q->groups[q->groups_n].suffix = suffix;
	return &q->groups[q->groups_n++];
}

/* resources, required, member_of and in_tree, with a suffix or without: 1 it was one, 0 not, -1. */
static int read_of_group(
	struct api_call *c, const struct http_pair *p, struct candidate_query *q, struct error *err)
{
	static const int since[WANT_PARAMS] = { [WANT_REQUIRED] = SINCE_SUMMARY_TRAITS,
		[WANT_MEMBER_OF] = SINCE_CANDIDATES_MEMBER_OF,
		[WANT_IN_TREE] = SINCE_CANDIDATES_IN_TREE };

	for (int i = 0; i < WANT_PARAMS; i++) {
		const char *suffix = p->name + strlen(want_params[i]);
		struct candidate_group *g;

		if (!str_starts(p->name, want_params[i]) || c->version < since[i] || !suffix_valid(c, suffix))
			continue;
		g = group_of(q, suffix);
		if (!g)
			return bad(err, p->name, "too many groups");
		return want_read(c, (enum want_param)i, p->name, p->value, &g->want, err) < 0 ? -1 : 1;
	}
	return 0;
}

static int read_subtree(
	struct api_call *c, const struct http_pair *p, struct candidate_query *q, struct error *err)
{
	char *rest = arena_strdup(c->arena, p->value), *part;
	struct want_set *s = &q->subtrees[q->subtrees_n];

	if (q->subtrees_n == CANDIDATE_SUBTREES_MAX)
		return bad(err, p->name, "too many of them");
	s->names = ARENA_ARRAY(c->arena, const char *, CANDIDATE_GROUPS_MAX);
	while ((part = strsep(&rest, ","))) {
		if (!*part || s->n == CANDIDATE_GROUPS_MAX)
			return bad(err, p->name, "it must be a list of groups' suffixes");
		s->names[s->n++] = part;
	}
	q->subtrees_n++;
	return 0;
}

static int read_other(
	struct api_call *c, const struct http_pair *p, struct candidate_query *q, struct error *err)
{
	if (strcmp(p->name, "limit") == 0 && c->version >= SINCE_LIMIT)
		return str_int64(p->value, 1, INT32_MAX, &q->limit)
			       ? 0
			       : bad(err, p->name, "it must be an integer from 1 on");
	if (strcmp(p->name, "group_policy") == 0 && c->version >= SINCE_GROUPS) {
		q->isolate = strcmp(p->value, "isolate") == 0;
		q->policy_given = true;
		return q->isolate || strcmp(p->value, "none") == 0
			       ? 0
			       : bad(err, p->name, "it is none or isolate");
	}
	if (strcmp(p->name, "root_required") == 0 && c->version >= SINCE_ROOT_REQUIRED)
		return want_read_traits(c, p->name, p->value, &q->root, err);
	if (strcmp(p->name, "same_subtree") == 0 && c->version >= SINCE_SUBTREE)
		return read_subtree(c, p, q, err);
	return bad(err, p->name, "there is none of that name");
}

static bool in_subtree(const struct candidate_query *q, const char *suffix)
{
	for (size_t i = 0; i < q->subtrees_n; i++)
		for (size_t k = 0; k < q->subtrees[i].n; k++)
			if (strcmp(q->subtrees[i].names[k], suffix) == 0)
				return true;
	return false;
}

static int check_subtrees(struct candidate_query *q, struct error *err)
{
	for (size_t i = 0; i < q->subtrees_n; i++)
		for (size_t k = 0; k < q->subtrees[i].n; k++) {
			bool known = false;

			for (size_t g = 0; g < q->groups_n && !known; g++)
				known = strcmp(q->groups[g].suffix, q->subtrees[i].names[k]) == 0;
			if (!known)
				return bad(err, "same_subtree", "it names a group that is not asked for");
		}
	return 0;
}

static int check(struct candidate_query *q, struct error *err)
{
	size_t amounts = 0, numbered = 0;

	for (size_t i = 0; i < q->groups_n; i++) {
		const struct candidate_group *g = &q->groups[i];

		amounts += g->want.amounts_n;
		numbered += *g->suffix != '\0';
		if (!g->want.amounts_n && !(*g->suffix && in_subtree(q, g->suffix)))
			return error_set(err, ERR_BAD_REQUEST,
				"Invalid query: all traits and aggregates must be those of resources: "
				"resources%.64s is missing",
				g->suffix);
	}
	if (!amounts)
		return error_set(err, ERR_BAD_REQUEST, "Invalid query: resources is required");
	if (numbered > 1 && !q->policy_given)
		return error_set(err, ERR_BAD_REQUEST,
			"Invalid query: group_policy (none or isolate) is required with several groups");
	return check_subtrees(q, err);
}

int candidate_query_read(struct api_call *c, struct candidate_query *out, struct error *err)
{
	struct candidate_query q = { .limit = c->api->config.list_max };

	q.groups = ARENA_ARRAY(c->arena, struct candidate_group, CANDIDATE_GROUPS_MAX);
	for (size_t i = 0; i < c->http->query_n; i++) {
		int rc = read_of_group(c, &c->http->query[i], &q, err);

		if (rc < 0 || (rc == 0 && read_other(c, &c->http->query[i], &q, err) < 0))
			return -1;
	}
	if (check(&q, err) < 0)
		return -1;
	if (q.limit > (int64_t)c->api->config.list_max)
		q.limit = c->api->config.list_max;
	*out = q;
	return 0;
}
