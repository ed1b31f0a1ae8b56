/* SPDX-License-Identifier: Apache-2.0 */
/* cloudctl server console: what a server printed, as it is kept; with --follow also what it prints on. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/util.h"
#include "cloudctl/ctl.h"
#include "cloudd/operator.h"

enum { FOLLOW_S = 1 };

/* "90s", "30m", "1h", "2d": that long ago; or a time. */
static int read_time(struct ctl *ctl, const char *option, const char **out)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	const char *text = args_option(&ctl->args, option);
	size_t n = text ? strlen(text) : 0;
	char iso[TIME_TEXT];
	int64_t value, at;

	*out = NULL;
	if (!text)
		return 0;
	for (size_t i = 0; n > 1 && i < ARRAY_LEN(units); i++) {
		const char *digits = arena_strndup(&ctl->arena, text, n - 1);

		if (text[n - 1] != units[i].unit || !str_int64(digits, 0, 1000000, &value))
			continue;
		at = clock_wall(&clock_system) - value * units[i].seconds * 1000000;
		*out = arena_strdup(&ctl->arena, time_iso_usz(at, iso));
		return 0;
	}
	if (time_parse(text, &at) < 0)
		return error_set(&ctl->err, ERR_BAD_REQUEST,
			"--%s wants a time as 2026-01-31T12:00:00Z, or how long ago as 90s, 30m, 1h, 2d",
			option);
	*out = arena_strdup(&ctl->arena, time_iso_usz(at, iso));
	return 0;
}

/* Servers of that name that the caller can see: all, for administrators. */
static int list_servers(struct ctl *ctl, const char *name, json_t **out)
{
	CLEANUP(buf_finish) struct buf path = { 0 };

	buf_puts(&path, "/compute/v2.1/servers?all_tenants=1&name=");
	url_escape(&path, name);
	if (ctl_call(ctl, "GET", buf_text(&path), NULL, out) == 0)
		return 0;
	if (ctl->err.code != ERR_FORBIDDEN)
		return -1;
	path.len = 0;
	buf_puts(&path, "/compute/v2.1/servers?name=");
	url_escape(&path, name);
	return ctl_call(ctl, "GET", buf_text(&path), NULL, out);
}

static int find_server(struct ctl *ctl, const char *name, const char **out_id)
{
	const char *id = NULL;
	json_t *answer, *one;
	size_t i;

	if (uuid_valid(name)) {
		*out_id = name;
		return 0;
	}
	if (list_servers(ctl, name, &answer) < 0)
		return -1;
	json_array_foreach(json_object_get(answer, "servers"), i, one)
	{
		if (!str_eq(json_string_value(json_object_get(one, "name")), name))
			continue;
		if (id)
			return error_set(&ctl->err, ERR_CONFLICT,
				"there are several servers named %s: give the id", name);
		id = json_string_value(json_object_get(one, "id"));
	}
	if (!id)
		return error_set(&ctl->err, ERR_NOT_FOUND, "there is no server named %s", name);
	*out_id = id;
	return 0;
}

static void print_chunks(const json_t *console)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(console, "chunks"), i, one)
	{
		const json_t *text = json_object_get(one, "text");

		if (json_is_true(json_object_get(one, "lost_before")))
			fputs("\n[some output is missing here]\n", stdout);
		fwrite(json_string_value(text), 1, json_string_length(text), stdout);
	}
	fflush(stdout);
}

/* One page; *more: there are others. What was read is given back: following may go on for days. */
static int show_page(struct ctl *ctl, const char *id, char since[TIME_TEXT], const char *until, bool *more)
{
	CLEANUP(buf_finish) struct buf path = { 0 };
	json_t *answer, *console;

	buf_printf(&path, "/cloud/v1/servers/%s/console?%s%s%s%s", id, since[0] ? "since=" : "", since,
		until ? "&until=" : "", until ? until : "");
	if (ctl_call(ctl, "GET", buf_text(&path), NULL, &answer) < 0)
		return -1;
	console = json_object_get(answer, "console");
	if (ctl->output == OUTPUT_JSON)
		ctl_show(ctl, NULL, answer);
	else
		print_chunks(console);
	str_copy(since, TIME_TEXT, json_string_value(json_object_get(console, "next")));
	*more = json_is_true(json_object_get(console, "more"));
	json_array_clear(ctl->answers);
	return 0;
}

int cmd_server_console(struct ctl *ctl)
{
	const struct timespec pause = { .tv_sec = FOLLOW_S };
	bool follow = args_flag(&ctl->args, "follow"), more = true;
	const char *found = NULL, *id, *from, *until;
	char since[TIME_TEXT] = "";

	if (read_time(ctl, "since", &from) < 0 || read_time(ctl, "until", &until) < 0 ||
		find_server(ctl, ctl->args.positional[0], &found) < 0)
		return ctl_failed(ctl);
	id = arena_strdup(&ctl->arena, found);
	if (from)
		str_copy(since, sizeof since, from);
	while (more || follow) {
		if (!more)
			nanosleep(&pause, NULL);
		if (show_page(ctl, id, since, until, &more) < 0)
			return ctl_failed(ctl);
	}
	return CLOUDCTL_OK;
}
