/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of the audit that take more than one request, or write files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "cloudctl/ctl.h"
#include "cloudd/operator.h"

enum { LIST_DEFAULT = 50, LIST_MAX = 1000000 };

/* Adds a query's parameter. */
static void query(struct buf *url, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(url, "%c%s=", memchr(url->data, '?', url->len) ? '&' : '?', name);
	url_escape(url, value);
}

static void list_url(struct ctl *ctl, int64_t before, int64_t limit, struct buf *url)
{
	static const char *const filters[] = { "action", "target", "user", "project", "from", "to", "status",
		"request" };
	char number[24];

	buf_puts(url, "/cloud/v1/audit");
	for (size_t i = 0; i < ARRAY_LEN(filters); i++)
		query(url, strcmp(filters[i], "request") == 0 ? "request_id" : filters[i],
			args_option(&ctl->args, filters[i]));
	snprintf(number, sizeof number, "%lld", (long long)(limit < 1000 ? limit : 1000));
	query(url, "limit", number);
	snprintf(number, sizeof number, "%lld", (long long)before);
	query(url, "before", before ? number : NULL);
}

/* The daemon looks at so many records a request: asked until there are enough, or no more. */
int cmd_audit_list(struct ctl *ctl)
{
	const char *limit_text = args_option(&ctl->args, "limit");
	int64_t left = LIST_DEFAULT, before = 0;
	json_t *all = json_array(), *answer, *whole;
	int rc = 0;

	if (limit_text)
		str_int64(limit_text, 0, LIST_MAX, &left);
	do {
		CLEANUP(buf_finish) struct buf url = { 0 };

		list_url(ctl, before, left, &url);
		rc = ctl_call(ctl, "GET", buf_text(&url), NULL, &answer);
		if (rc)
			break;
		json_array_extend(all, json_object_get(answer, "records"));
		left -= (int64_t)json_array_size(json_object_get(answer, "records"));
		before = json_integer_value(json_object_get(answer, "next"));
	} while (before && left > 0);
	whole = json_pack("{s:o}", "records", all);
	rc = rc ? ctl_failed(ctl) : ctl_show(ctl, ctl->args.command->view, whole);
	json_decref(whole);
	return rc;
}

int cmd_audit_export(struct ctl *ctl)
{
	const char *out = args_option(&ctl->args, "out");
	CLEANUP(buf_finish) struct buf url = { 0 };
	FILE *to = out ? fopen(out, "wxe") : stdout;
	int rc;

	if (!to) {
		error_set(&ctl->err, ERR_BAD_REQUEST, "cannot write %s: %s", out, strerror(errno));
		return ctl_failed(ctl);
	}
	buf_puts(&url, "/cloud/v1/audit/export");
	query(&url, "from", args_option(&ctl->args, "from"));
	query(&url, "to", args_option(&ctl->args, "to"));
	rc = ctl_download(ctl, buf_text(&url), to);
	if (!rc && (fflush(to) || (out && fsync(fileno(to)))))
		rc = error_set(&ctl->err, ERR_INTERNAL, "cannot write: %s", strerror(errno));
	if (out)
		fclose(to);
	if (!rc) {
		if (out)
			ctl_say(ctl, "Wrote %s.", out);
		return CLOUDCTL_OK;
	}
	if (out)
		unlink(out);
	return ctl_failed(ctl);
}

/* --- keys --- */

static int show_pem(struct ctl *ctl, const json_t *keys)
{
	const json_t *last = json_array_get(keys, json_array_size(keys) - 1);
	const char *pem = json_string_value(json_object_get(last, "pem"));

	if (!pem) {
		error_set(&ctl->err, ERR_NOT_FOUND, "there is no key yet");
		return ctl_failed(ctl);
	}
	fputs(pem, stdout);
	return CLOUDCTL_OK;
}

int cmd_audit_key(struct ctl *ctl)
{
	const char *made;
	json_t *answer;

	if (args_flag(&ctl->args, "new")) {
		if (ctl_call(ctl, "POST", "/cloud/v1/audit/keys", NULL, &answer))
			return ctl_failed(ctl);
		made = json_string_value(json_object_get(answer, "key"));
		ctl_say(ctl, "Key %s signs from now on; the one before has signed for it.", made);
		return ctl_show(ctl, NULL, answer);
	}
	if (ctl_call(ctl, "GET", "/cloud/v1/audit/keys", NULL, &answer))
		return ctl_failed(ctl);
	if (args_flag(&ctl->args, "pem"))
		return show_pem(ctl, json_object_get(answer, "keys"));
	return ctl_show(ctl, ctl->args.command->view, answer);
}
