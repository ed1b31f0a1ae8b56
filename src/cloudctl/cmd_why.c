/* SPDX-License-Identifier: Apache-2.0 */
/* Differences between rows and hosts: shown, or one of them cleared away. */
#include "cloudctl/ctl.h"

#include "base/util.h"
#include "cloudd/operator.h"

static int clear(struct ctl *ctl, const char *id)
{
	CLEANUP(buf_finish) struct buf path = { 0 };

	buf_puts(&path, "/cloud/v1/drift/");
	url_escape(&path, id);
	if (ctl_call(ctl, "DELETE", buf_text(&path), NULL, NULL))
		return ctl_failed(ctl);
	ctl_say(ctl, "It is being cleared away; 'cloudctl flow list' shows by which flow.");
	return 0;
}

/* Ends as a check does: differences are no success. */
int cmd_drift(struct ctl *ctl)
{
	const char *id = args_option(&ctl->args, "clear");
	CLEANUP(buf_finish) struct buf path = { 0 };
	json_t *answer;
	int rc;

	if (id)
		return clear(ctl, id);
	buf_printf(&path, "/cloud/v1/drift?now=%s", args_flag(&ctl->args, "now") ? "true" : "false");
	if (ctl->args.positional_n) {
		buf_puts(&path, "&host=");
		url_escape(&path, ctl->args.positional[0]);
	}
	if (ctl_call(ctl, "GET", buf_text(&path), NULL, &answer))
		return ctl_failed(ctl);
	rc = ctl_show(ctl, ctl->args.command->view, answer);
	if (rc)
		return rc;
	return json_is_true(json_object_get(json_object_get(answer, "drift"), "clean")) ? 0
											: CLOUDCTL_REFUSED;
}
