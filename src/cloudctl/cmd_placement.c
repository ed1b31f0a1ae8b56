/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that ask placement. */
#include "cloudctl/ctl.h"

#include <stdlib.h>

#include "base/util.h"

/* A body member for an option that names a row by name or id. */
static int kv_resolved(struct ctl *ctl, struct buf *b, const char *key, const char *plural, const char *name)
{
	const char *id;

	if (!name)
		return 0;
	if (ctl_resolve(ctl, plural, name, &id))
		return -1;
	jw_kv_str(b, key, id);
	return 0;
}

int cmd_explain(struct ctl *ctl)
{
	static const char *const texts[] = { "image", "zone", "host" };
	static const struct {
		const char *option, *hint;
	} hints[] = { { "group", "group" }, { "same-host", "same_host" },
		{ "different-host", "different_host" } };
	const char *count = args_option(&ctl->args, "count");
	CLEANUP(buf_finish) struct buf b = { 0 };
	json_t *answer;

	jw_object(&b);
	jw_key(&b, "explain");
	jw_object(&b);
	if (kv_resolved(ctl, &b, "flavor", "flavors", ctl->args.positional[0]) ||
		kv_resolved(ctl, &b, "project_id", "projects", args_option(&ctl->args, "project")))
		return ctl_failed(ctl);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (args_option(&ctl->args, texts[i]))
			jw_kv_str(&b, texts[i], args_option(&ctl->args, texts[i]));
	if (count)
		jw_kv_int(&b, "count", atoll(count));
	jw_key(&b, "hints");
	jw_object(&b);
	for (size_t i = 0; i < ARRAY_LEN(hints); i++)
		if (args_option(&ctl->args, hints[i].option))
			jw_kv_str(&b, hints[i].hint, args_option(&ctl->args, hints[i].option));
	jw_end_object(&b);
	jw_end_object(&b);
	jw_end_object(&b);
	if (ctl_call(ctl, "POST", "/cloud/v1/placement/explain", buf_text(&b), &answer))
		return ctl_failed(ctl);
	return ctl_show(ctl, ctl->args.command->view, answer);
}
