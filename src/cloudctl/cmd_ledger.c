/* SPDX-License-Identifier: Apache-2.0 */
/* cloudctl ledger verify: the verdict, GPU-hours by owner, and what is wrong. */
#include <stdio.h>

#include "cloudctl/ctl.h"
#include "cloudd/operator.h"

static const struct view models_view = { "models",
	(const struct column[]) {
		{ "model", "model", FORM_TEXT },
		{ "tenant", "tenant", FORM_COUNT },
		{ "reserved", "reserved", FORM_COUNT },
		{ "idle", "idle", FORM_COUNT },
		{ "maintenance", "maintenance", FORM_COUNT },
		{ "faulty", "faulty", FORM_COUNT },
		{ "total", "total", FORM_COUNT },
		{ "lifetime", "lifetime", FORM_COUNT },
		{ 0 },
	},
	NULL, "The ledger has no GPUs." };
static const struct view findings_view = { "findings",
	(const struct column[]) {
		{ "rule", "rule", FORM_TEXT },
		{ "object", "object", FORM_TEXT },
		{ "finding", "message", FORM_TEXT },
		{ 0 },
	},
	NULL, NULL };

static json_int_t count(const json_t *ledger, const char *key)
{
	return json_integer_value(json_object_get(ledger, key));
}

int cmd_ledger_verify(struct ctl *ctl)
{
	json_t *answer, *ledger;
	const char *url;
	int rc = CLOUDCTL_OK;
	bool ok;

	if (ctl_url(ctl, ctl->args.command->url, &url) || ctl_call(ctl, "GET", url, NULL, &answer))
		return ctl_failed(ctl);
	ledger = json_object_get(answer, "ledger");
	ok = json_is_true(json_object_get(ledger, "ok"));
	if (ctl->output == OUTPUT_JSON)
		rc = ctl_show(ctl, NULL, answer);
	else
		rc = ctl_show(ctl, ok ? &models_view : &findings_view, ledger);
	ctl_say(ctl,
		"%s: %" JSON_INTEGER_FORMAT " GPUs with %" JSON_INTEGER_FORMAT
		" intervals, %" JSON_INTEGER_FORMAT " intervals of servers, images and addresses, "
		"%" JSON_INTEGER_FORMAT " findings.",
		ok ? "The books add up" : "The books do NOT add up", count(ledger, "gpus"),
		count(ledger, "gpu_intervals"), count(ledger, "intervals"), count(ledger, "findings_n"));
	return rc != CLOUDCTL_OK ? rc : ok ? CLOUDCTL_OK : CLOUDCTL_REFUSED;
}
