/* SPDX-License-Identifier: Apache-2.0 */
/* Commands on limits and guardrails with more to do than one request. */
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "cloudctl/ctl.h"

int cmd_quota_set(struct ctl *ctl)
{
	const struct command *command = ctl->args.command;
	CLEANUP(buf_finish) struct buf b = { 0 };
	const char *url;
	json_t *answer;

	jw_object(&b);
	jw_key(&b, "quotas");
	jw_object(&b);
	for (size_t i = str_starts(command->args, "PROJECT"); i < ctl->args.positional_n; i++) {
		const char *pair = ctl->args.positional[i], *eq = strchr(pair, '=');
		int64_t limit;

		if (!eq || eq == pair || !str_int64(eq + 1, -1, INT64_MAX, &limit)) {
			error_set(&ctl->err, ERR_BAD_REQUEST,
				"'%s' is not KEY=NUMBER, as cores=64 (-1 is no limit)", pair);
			return ctl_failed(ctl);
		}
		jw_kv_int(&b, arena_strndup(&ctl->arena, pair, (size_t)(eq - pair)), limit);
	}
	jw_end_object(&b);
	jw_end_object(&b);
	if (ctl_url(ctl, command->url, &url) || ctl_call(ctl, "PUT", url, buf_text(&b), &answer))
		return ctl_failed(ctl);
	return ctl_show(ctl, command->view, answer);
}

int cmd_quota_tree(struct ctl *ctl)
{
	const struct command *command = ctl->args.command;
	const char *url, *below = arena_printf(&ctl->arena, "%s?project={projects:--project}", command->url);
	json_t *answer;

	if (ctl_url(ctl, args_option(&ctl->args, "project") ? below : command->url, &url) ||
		ctl_call(ctl, "GET", url, NULL, &answer))
		return ctl_failed(ctl);
	return ctl_show(ctl, command->view, answer);
}

/* Nothing is written of a list that is not given: all is allowed then. */
static void put_list(struct ctl *ctl, struct buf *b, const char *option, const char *key)
{
	const char *value;

	if (!args_option(&ctl->args, option))
		return;
	jw_key(b, key);
	jw_array(b);
	for (size_t i = 0; (value = args_option_at(&ctl->args, option, i)); i++)
		jw_str(b, value);
	jw_end_array(b);
}

int cmd_guardrail_set(struct ctl *ctl)
{
	const struct command *command = ctl->args.command;
	CLEANUP(buf_finish) struct buf b = { 0 };
	const char *url;
	json_t *answer;

	jw_object(&b);
	jw_key(&b, "guardrail");
	jw_object(&b);
	put_list(ctl, &b, "flavor", "flavors");
	put_list(ctl, &b, "zone", "zones");
	put_list(ctl, &b, "image-visibility", "image_visibility");
	jw_kv_bool(&b, "preemptible", !args_flag(&ctl->args, "no-preemptible"));
	jw_kv_bool(&b, "reserved", !args_flag(&ctl->args, "no-reserved"));
	jw_end_object(&b);
	jw_end_object(&b);
	if (ctl_url(ctl, command->url, &url) || ctl_call(ctl, "PUT", url, buf_text(&b), &answer))
		return ctl_failed(ctl);
	return ctl_show(ctl, command->view, answer);
}
