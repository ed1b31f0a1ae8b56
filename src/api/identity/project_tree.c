/* SPDX-License-Identifier: Apache-2.0 */
/* What is above and below a project, as lists of projects or as a tree of their ids. Who is no administrator
 * sees of it where they have a role, up to the first project where they have none. */
#include "api/identity/internal.h"

struct tree {
	struct project *all;
	size_t n, cap;
};

static int visible(struct api_call *c, const struct project *p, struct error *err)
{
	struct role *roles;
	size_t n;

	if (api_is_admin(c))
		return 1;
	if (store_assignment_effective(
		    c->db, c->arena, c->who->user.id, ASSIGNED_PROJECT, p->id, &roles, &n, err) < 0)
		return -1;
	return n != 0;
}

static void add(struct api_call *c, struct tree *t, const struct project *p)
{
	if (t->n == t->cap) {
		struct project *more = ARENA_ARRAY(c->arena, struct project, t->cap ? 2 * t->cap : 8);

		for (size_t i = 0; i < t->n; i++)
			more[i] = t->all[i];
		t->all = more;
		t->cap = t->cap ? 2 * t->cap : 8;
	}
	t->all[t->n++] = *p;
}

/* Those above end at the first that is not shown; of those below, what hangs on one that is not shown goes
 * with it. `hidden`: the parent of what is passed over. */
static int gather(struct api_call *c, const struct project *of, bool above, struct tree *t, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int64_t shown_parents[DEPTH_MAX + 2] = { of->id };
	size_t depth = 0;
	struct project p;
	int rc, see;

	if ((above ? store_project_above(c->db, of->id, &st, err)
		   : store_project_below(c->db, of->id, &st, err)) < 0)
		return -1;
	while (t->n < LIST_MAX && (rc = store_project_next(st, c->arena, &p, err)) > 0) {
		size_t up = depth;

		while (!above && up && shown_parents[up] != p.parent_id)
			up--;
		if (!above && shown_parents[up] != p.parent_id)
			continue; /* below one that is not shown */
		see = visible(c, &p, err);
		if (see < 0)
			return -1;
		if (!see && above)
			return 0;
		if (!see)
			continue;
		add(c, t, &p);
		depth = up < DEPTH_MAX ? up + 1 : up;
		shown_parents[depth] = p.id;
	}
	return t->n < LIST_MAX && rc < 0 ? -1 : 0;
}

static int write_list(struct api_call *c, const char *key, const struct tree *t, struct error *err)
{
	jw_key(&c->out, key);
	jw_array(&c->out);
	for (size_t i = 0; i < t->n; i++) {
		jw_object(&c->out);
		jw_key(&c->out, "project");
		if (view_project(c, &t->all[i], err) < 0)
			return -1;
		jw_end_object(&c->out);
	}
	jw_end_array(&c->out);
	return 0;
}

/* {"parent": {"its parent": {"domain": null}}} */
static void write_parent_ids(struct api_call *c, const struct project *p, const struct tree *t)
{
	const struct project *top = t->n ? &t->all[t->n - 1] : p;
	bool whole = !top->parent_id;

	jw_key(&c->out, "parents");
	for (size_t i = 0; i < t->n; i++) {
		jw_object(&c->out);
		jw_key(&c->out, t->all[i].uid);
	}
	if (whole) {
		jw_object(&c->out);
		jw_key(&c->out, p->domain_uid);
	}
	jw_null(&c->out);
	for (size_t i = 0; i < t->n + whole; i++)
		jw_end_object(&c->out);
}

/* {"child": {"its child": null}, "other child": null} */
static void write_child_ids(struct api_call *c, const struct project *p, const struct tree *t)
{
	int64_t open[DEPTH_MAX + 2] = { p->id };
	size_t depth = 0;

	jw_key(&c->out, "subtree");
	if (!t->n) {
		jw_null(&c->out);
		return;
	}
	jw_object(&c->out);
	for (size_t i = 0; i < t->n; i++) {
		for (; depth && open[depth] != t->all[i].parent_id; depth--)
			jw_end_object(&c->out);
		jw_key(&c->out, t->all[i].uid);
		if (i + 1 < t->n && t->all[i + 1].parent_id == t->all[i].id && depth <= DEPTH_MAX) {
			jw_object(&c->out);
			open[++depth] = t->all[i].id;
		} else {
			jw_null(&c->out);
		}
	}
	for (; depth; depth--)
		jw_end_object(&c->out);
	jw_end_object(&c->out);
}

/* One direction: by list, by ids, or not at all. */
static int write_side(struct api_call *c, const struct project *p, bool above, struct error *err)
{
	bool list = query_flag(c, above ? "parents_as_list" : "subtree_as_list") == 1;
	bool ids = query_flag(c, above ? "parents_as_ids" : "subtree_as_ids") == 1;
	struct tree t = { 0 };

	if (list && ids)
		return error_set(err, ERR_BAD_REQUEST, "%s_as_list and %s_as_ids exclude each other",
			above ? "parents" : "subtree", above ? "parents" : "subtree");
	if (!list && !ids)
		return 0;
	if (gather(c, p, above, &t, err) < 0)
		return -1;
	if (list)
		return write_list(c, above ? "parents" : "subtree", &t, err);
	if (above)
		write_parent_ids(c, p, &t);
	else
		write_child_ids(c, p, &t);
	return 0;
}

int view_project_tree(struct api_call *c, const struct project *p, struct error *err)
{
	if (view_project_open(c, p, err) < 0 || write_side(c, p, true, err) < 0 ||
		write_side(c, p, false, err) < 0)
		return -1;
	jw_end_object(&c->out);
	return 0;
}
