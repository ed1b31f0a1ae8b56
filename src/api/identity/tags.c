/* SPDX-License-Identifier: Apache-2.0 */
/* /projects/{id}/tags, and the filters by tag */
#include "api/identity/tags.h"

#include <string.h>

#include "domain/names.h"

int tags_set(struct api_call *c, int64_t project_id, const json_t *tags, struct error *err)
{
	size_t i;
	json_t *v;

	if (store_project_tag_remove(c->db, project_id, NULL, err) < 0)
		return -1;
	json_array_foreach((json_t *)tags, i, v)
	{
		if (store_project_tag_add(c->db, project_id, json_string_value(v), err) < 0)
			return -1;
	}
	return 0;
}

/* How many of a comma list's tags the project has; *all: how many there are. */
static int count_tags(struct api_call *c, int64_t project_id, const char *list, int *all, struct error *err)
{
	int n = 0, rc;

	for (const char *p = list; *p;) {
		size_t len = strcspn(p, ",");

		rc = store_project_tag_has(c->db, project_id, arena_strndup(c->arena, p, len), err);
		if (rc < 0)
			return -1;
		n += rc;
		(*all)++;
		p += len + (p[len] == ',');
	}
	return n;
}

int tags_match(struct api_call *c, int64_t project_id, struct error *err)
{
	static const struct {
		const char *name;
		bool every, negated;
	} filters[] = {
		{ "tags", true, false },
		{ "tags-any", false, false },
		{ "not-tags", true, true },
		{ "not-tags-any", false, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		const char *list = api_query(c, filters[i].name);
		int all = 0, n = list ? count_tags(c, project_id, list, &all, err) : 0;

		if (n < 0)
			return -1;
		if (list && (filters[i].every ? n == all : n > 0) == filters[i].negated)
			return 0;
	}
	return 1;
}

static int find(struct api_call *c, struct project *p, struct error *err)
{
	const char *uid = api_param(c, "project_id");

	if (!api_is_admin(c) && !str_eq(uid, c->who->project.uid))
		return forbidden(err);
	c->target = uid;
	return store_project_get(c->db, c->arena, uid, p, err);
}

static int reply(struct api_call *c, int64_t project_id, struct error *err)
{
	CLEANUP(db_done) sqlite3_stmt *st = NULL;
	int rc;

	if (store_project_tags(c->db, project_id, &st, err) < 0)
		return -1;
	list_begin(c, "tags");
	while ((rc = db_row(st, err)) > 0)
		jw_str(&c->out, db_text(st, 0));
	list_end(c, NULL);
	return rc;
}

int identity_tag_list(struct api_call *c, struct error *err)
{
	struct project p;

	return find(c, &p, err) < 0 ? -1 : reply(c, p.id, err);
}

struct tags_body {
	json_t *tags;
};

static const struct bind_field fields[] = { BODY_TAGS(tags_body) };

const struct bind_table identity_tags_body = { BIND_TABLE(tags_body, fields), .required = 1,
	.flags = BIND_LINKS };

int identity_tag_replace(struct api_call *c, struct error *err)
{
	const struct tags_body *in = c->in;
	struct project p;

	if (find(c, &p, err) < 0)
		return -1;
	if (body_tags(in->tags, err) < 0 || tags_set(c, p.id, in->tags, err) < 0)
		return -1;
	return reply(c, p.id, err);
}

int identity_tag_clear(struct api_call *c, struct error *err)
{
	struct project p;

	if (find(c, &p, err) < 0 || store_project_tag_remove(c->db, p.id, NULL, err) < 0)
		return -1;
	return no_content(c);
}

int identity_tag_add(struct api_call *c, struct error *err)
{
	const char *tag = api_param(c, "tag");
	struct project p;
	int64_t n = 0;

	if (find(c, &p, err) < 0 || name_check(NAME_TAG, tag, err) < 0 ||
		store_project_tag_count(c->db, p.id, &n, err) < 0)
		return -1;
	if (n >= TAGS_MAX)
		return error_set(err, ERR_BAD_REQUEST, "tags: at most %d", TAGS_MAX);
	if (store_project_tag_add(c->db, p.id, tag, err) < 0)
		return -1;
	c->status = 201;
	return 0;
}

int identity_tag_check(struct api_call *c, struct error *err)
{
	const char *tag = api_param(c, "tag");
	struct project p;
	int rc;

	if (find(c, &p, err) < 0)
		return -1;
	rc = store_project_tag_has(c->db, p.id, tag, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Could not find project tag: %.64s.", tag);
	return rc < 0 ? -1 : no_content(c);
}

int identity_tag_remove(struct api_call *c, struct error *err)
{
	const char *tag = api_param(c, "tag");
	struct project p;
	int rc;

	if (find(c, &p, err) < 0)
		return -1;
	rc = store_project_tag_remove(c->db, p.id, tag, err);
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "Could not find project tag: %.64s.", tag);
	return rc < 0 ? -1 : no_content(c);
}
