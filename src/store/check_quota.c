/* SPDX-License-Identifier: Apache-2.0 */
/* Limits and guardrails of projects. */
#include <inttypes.h>
#include <stdio.h>

#include "base/util.h"
#include "store/check_rules.h"
#include "store/quota_tree.h"

const struct check_rule check_quota_rules[] = {
	{ "quota-project",
		"SELECT p.uid, 'is deleted and still has a limit of ' || q.resource FROM quota q JOIN "
		"project p ON p.id = q.project_id WHERE p.deleted_us != 0" },
	{ "guardrail-project", "SELECT p.uid, 'is deleted and still has guardrails' FROM guardrail g JOIN "
			       "project p ON p.id = g.project_id WHERE p.deleted_us != 0" },
	{ "guardrail-rule", "SELECT p.uid, 'has a guardrail that nothing knows: ' || g.rule || ' ' || "
			    "g.value FROM guardrail "
			    "g JOIN project p ON p.id = g.project_id WHERE NOT CASE g.rule WHEN 'flavor' "
			    "THEN g.value != '' "
			    "WHEN 'zone' THEN g.value != '' WHEN 'image_visibility' THEN g.value IN "
			    "('public', 'private', "
			    "'shared', 'community') WHEN 'preemptible' THEN g.value = 'no' WHEN 'reserved' "
			    "THEN g.value = "
			    "'no' ELSE 0 END" },
};
const size_t check_quota_rules_n = ARRAY_LEN(check_quota_rules);

struct tree_check {
	store_finding_fn *found;
	void *ctx;
};

static void torn(void *ctx, const struct quota_torn *t)
{
	const struct tree_check *c = ctx;
	char message[200];

	if (t->below.unlimited)
		snprintf(message, sizeof message,
			"its limit of %.64s is %" PRId64 ", and a project below it is unlimited", t->name,
			t->limit);
	else
		snprintf(message, sizeof message,
			"its limit of %.64s is %" PRId64 ", those of the projects below it come to %" PRId64,
			t->name, t->limit, t->below.sum);
	c->found(c->ctx, "quota-tree", t->project_uid, message);
}

int check_quota_tree(struct db *db, store_finding_fn *found, void *ctx, struct error *err)
{
	struct tree_check c = { found, ctx };

	return store_quota_torn(db, NULL, torn, &c, err);
}
