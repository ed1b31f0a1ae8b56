/* SPDX-License-Identifier: Apache-2.0 */
/* Asks for a backup, shows how far it is, and fetches it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "cloudctl/ctl.h"
#include "cloudd/operator.h"

enum { POLL_MS = 200 };

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void show_progress(const json_t *state)
{
	json_int_t done = json_integer_value(json_object_get(state, "done_bytes"));
	json_int_t total = json_integer_value(json_object_get(state, "total_bytes"));

	if (isatty(STDERR_FILENO) && total)
		fprintf(stderr, "\r%3d %% of %" JSON_INTEGER_FORMAT " bytes", (int)(done * 100 / total),
			total);
}

/* Until the one under way has ended; *name: of the one that was made. */
static int wait_for_it(struct ctl *ctl, const char *before, const char **name)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };

	for (;;) {
		json_t *answer;
		const json_t *state;

		if (ctl_call(ctl, "GET", "/cloud/v1/backups", NULL, &answer))
			return -1;
		state = json_object_get(answer, "backup");
		show_progress(state);
		if (!str_eq(text_of(state, "state"), "running")) {
			if (isatty(STDERR_FILENO))
				fputs("\r\033[K", stderr);
			if (*text_of(state, "error"))
				return error_set(&ctl->err, ERR_INTERNAL, "the backup failed: %s",
					text_of(state, "error"));
			*name = text_of(state, "last");
			return str_eq(*name, before)
				       ? error_set(&ctl->err, ERR_INTERNAL, "no backup was made")
				       : 0;
		}
		nanosleep(&pause, NULL);
	}
}

/* Beside the copy, so that it can be proved and put back from there. */
static int fetch(struct ctl *ctl, const char *name, const char *tail, const char *out)
{
	const char *path = arena_printf(&ctl->arena, "%s%s", out, tail);
	FILE *to = fopen(path, "wxe");
	int rc;

	if (!to)
		return error_set(&ctl->err, ERR_BAD_REQUEST, "cannot write %s: %s", path, strerror(errno));
	rc = ctl_download(ctl,
		arena_printf(&ctl->arena, "/cloud/v1/backups/%s/%s", name, *tail ? "manifest" : "data"), to);
	if (!rc && (fflush(to) || fsync(fileno(to))))
		rc = error_set(&ctl->err, ERR_INTERNAL, "cannot write %s: %s", path, strerror(errno));
	fclose(to);
	if (rc)
		unlink(path);
	return rc;
}

int cmd_backup(struct ctl *ctl)
{
	const char *out = args_option(&ctl->args, "out"), *before, *name = NULL;
	json_t *answer;

	umask(0077);
	if (ctl_call(ctl, "POST", "/cloud/v1/backups", NULL, &answer))
		return ctl_failed(ctl);
	before = text_of(json_object_get(answer, "backup"), "last");
	if (wait_for_it(ctl, before, &name))
		return ctl_failed(ctl);
	if (out && (fetch(ctl, name, "", out) || fetch(ctl, name, ".json", out)))
		return ctl_failed(ctl);
	ctl_say(ctl, "Made %s.", out ? out : name);
	return CLOUDCTL_OK;
}
