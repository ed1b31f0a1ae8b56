/* SPDX-License-Identifier: Apache-2.0 */
/* Changing what the operator says of a host. */
#include "cloudctl/ctl.h"

#include <string.h>

#include "base/util.h"

static bool named(const struct ctl *ctl, const char *option, const char *trait)
{
	const char *one;

	for (size_t i = 0; (one = args_option_at(&ctl->args, option, i)); i++)
		if (strcmp(one, trait) == 0)
			return true;
	return false;
}

/* The traits of now, with those that are added and without those that are taken away. */
static int traits_body(struct ctl *ctl, const char *url, struct buf *b)
{
	json_t *answer, *have, *item;
	const char *one;
	size_t i;

	if (!args_option(&ctl->args, "trait") && !args_option(&ctl->args, "no-trait"))
		return 0;
	if (ctl_call(ctl, "GET", url, NULL, &answer))
		return -1;
	have = json_object_get(json_object_get(answer, "host"), "traits");
	jw_key(b, "traits");
	jw_array(b);
	json_array_foreach(have, i, item)
	{
		const char *t = json_string_value(item);

		if (t && !named(ctl, "no-trait", t))
			jw_str(b, t);
	}
	for (i = 0; (one = args_option_at(&ctl->args, "trait", i)); i++)
		jw_str(b, one);
	jw_end_array(b);
	return 0;
}

int cmd_host_set(struct ctl *ctl)
{
	const struct command *command = ctl->args.command;
	CLEANUP(buf_finish) struct buf b = { 0 };
	json_t *answer;
	const char *url;

	if (ctl_url(ctl, command->url, &url))
		return ctl_failed(ctl);
	jw_object(&b);
	jw_key(&b, "host");
	jw_object(&b);
	ctl_body_options(ctl, &b);
	if (traits_body(ctl, url, &b))
		return ctl_failed(ctl);
	jw_end_object(&b);
	jw_end_object(&b);
	if (ctl_call(ctl, command->method, url, buf_text(&b), &answer))
		return ctl_failed(ctl);
	return ctl_show(ctl, command->view, answer);
}
