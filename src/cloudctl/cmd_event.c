/* SPDX-License-Identifier: Apache-2.0 */
/* Events as they happen: a stream is followed, and taken up again where it broke. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "cloudctl/ctl.h"

enum { AGAIN_S = 2, FIELD_MAX = 1 << 20 };

struct watch {
	struct ctl *ctl;
	struct buf line, data;
	char last[24]; /* "": from now on */
	int64_t left;  /* events to be shown; below 0: all */
};

static void json_free(json_t **value)
{
	json_decref(*value);
}

static const char *text_of(const json_t *event, const char *key)
{
	const char *text = json_string_value(json_object_get(event, key));

	return text ? text : "-";
}

/* What came is somebody else's text: nothing of it may steer the terminal. */
static void print_safe(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static void show(struct watch *w)
{
	CLEANUP(json_free) json_t *event = json_loadb(w->data.data, w->data.len, JSON_ALLOW_NUL, NULL);
	CLEANUP(free_ptr)
	char *data = event ? json_dumps(json_object_get(event, "data"), JSON_COMPACT) : NULL;
	bool table = w->ctl->output == OUTPUT_TABLE;

	if (!event)
		return;
	if (w->ctl->output == OUTPUT_JSON) {
		print_safe(buf_text(&w->data));
	} else {
		printf(table ? "%-27s  " : "%s\t", text_of(event, "at"));
		printf(table ? "%-18s  " : "%s\t", text_of(event, "type"));
		print_safe(text_of(event, "subject"));
		fputs(table ? "  " : "\t", stdout);
		print_safe(data ? data : "{}");
	}
	putchar('\n');
	fflush(stdout);
	if (w->left > 0)
		w->left--;
}

/* False: enough has been shown. */
static bool take_line(struct watch *w, const char *line)
{
	if (str_starts(line, "id: ")) {
		str_copy(w->last, sizeof w->last, line + 4);
	} else if (str_starts(line, "data: ")) {
		w->data.len = 0;
		buf_puts(&w->data, line + 6);
	} else if (!*line && w->data.len) {
		show(w);
		w->data.len = 0;
	}
	return w->left != 0;
}

static bool on_piece(void *ctx, const char *p, size_t n)
{
	struct watch *w = ctx;

	for (size_t i = 0; i < n; i++) {
		if (p[i] != '\n') {
			if (w->line.len < FIELD_MAX)
				buf_append(&w->line, p + i, 1);
			continue;
		}
		if (!take_line(w, buf_text(&w->line)))
			return false;
		w->line.len = 0;
	}
	return true;
}

int cmd_event_watch(struct ctl *ctl)
{
	const char *after = args_option(&ctl->args, "after"), *count = args_option(&ctl->args, "count");
	struct watch w = { .ctl = ctl, .left = -1 };
	const char *url;
	int rc = 0;

	if (ctl_url(ctl, ctl->args.command->url, &url))
		return ctl_failed(ctl);
	if (count)
		str_int64(count, 1, INT64_MAX, &w.left);
	str_copy(w.last, sizeof w.last, after ? after : "");
	while (!rc && w.left) {
		bool begun = w.last[0];

		w.line.len = w.data.len = 0;
		if (!ctl_follow(ctl, url, w.last, on_piece, &w))
			continue; /* it ended in order: the daemon stops, or the token has run out */
		/* a daemon that is not there yet comes back; what refuses us does not change its mind */
		if (!begun && !w.last[0])
			rc = ctl_failed(ctl);
		else if (ctl->err.code != ERR_UNREACHABLE && ctl->err.code != ERR_UNAVAILABLE)
			rc = ctl_failed(ctl);
		else
			nanosleep(&(struct timespec) { .tv_sec = AGAIN_S }, NULL);
	}
	buf_finish(&w.line);
	buf_finish(&w.data);
	return rc;
}

int cmd_webhook_redeliver(struct ctl *ctl)
{
	CLEANUP(buf_finish) struct buf body = { 0 };
	const char *url;
	json_t *answer;
	int64_t after = 0;

	if (!str_int64(args_option(&ctl->args, "after"), 0, INT64_MAX, &after))
		error_set(&ctl->err, ERR_BAD_REQUEST, "--after must be the id of an event");
	jw_object(&body);
	jw_key(&body, "redeliver");
	jw_object(&body);
	jw_kv_int(&body, "after", after);
	jw_end_object(&body);
	jw_end_object(&body);
	if (ctl->err.code || ctl_url(ctl, ctl->args.command->url, &url) ||
		ctl_call(ctl, "POST", url, buf_text(&body), &answer))
		return ctl_failed(ctl);
	return ctl_show(ctl, ctl->args.command->view, answer);
}
