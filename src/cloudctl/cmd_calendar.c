/* SPDX-License-Identifier: Apache-2.0 */
/* Reservations, maintenance windows, and the calendar of both, drawn by time. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "cloudctl/ctl.h"
#include "cloudctl/table.h"
#include "cloudd/operator.h"

enum { BAR = 48 };

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* --- times --- */

/* "now", "+90m", "+2h", "+7d" from now; or a time. */
static int read_time(struct ctl *ctl, const char *option, const char **out)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	const char *text = args_option(&ctl->args, option);
	int64_t at = clock_wall(&clock_system), value = 0, seconds = 0;
	char iso[TIME_TEXT];

	*out = NULL;
	if (!text)
		return 0;
	if (text[0] == '+') {
		size_t n = strlen(text);
		const char *digits = arena_strndup(&ctl->arena, text + 1, n > 2 ? n - 2 : 0);

		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			if (text[n - 1] == units[i].unit && str_int64(digits, 0, 1000000, &value))
				seconds = units[i].seconds;
		at += value * seconds * 1000000;
	}
	if (text[0] == '+' ? !seconds : !str_eq(text, "now") && time_parse(text, &at) < 0)
		return error_set(&ctl->err, ERR_BAD_REQUEST,
			"--%s wants a time as 2026-01-31T12:00:00Z, now, or from now on: +30m, +2h, +7d",
			option);
	*out = arena_strdup(&ctl->arena, time_iso_usz(at, iso));
	return 0;
}

static int body_times(struct ctl *ctl, struct buf *b)
{
	const char *from, *to;

	if (read_time(ctl, "from", &from) || read_time(ctl, "to", &to))
		return -1;
	if (from)
		jw_kv_str(b, "start", from);
	if (to)
		jw_kv_str(b, "end", to);
	return 0;
}

/* --- making and changing --- */

static int send(struct ctl *ctl, struct buf *b)
{
	const struct command *command = ctl->args.command;
	const char *url;
	json_t *answer;

	jw_end_object(b);
	jw_end_object(b);
	if (ctl_url(ctl, command->url, &url) || ctl_call(ctl, command->method, url, buf_text(b), &answer))
		return ctl_failed(ctl);
	return ctl_show(ctl, command->view, answer);
}

static void open_body(struct ctl *ctl, struct buf *b)
{
	jw_object(b);
	jw_key(b, ctl->args.command->wrap);
	jw_object(b);
	ctl_body_options(ctl, b);
}

int cmd_reservation_create(struct ctl *ctl)
{
	CLEANUP(buf_finish) struct buf b = { 0 };
	const char *project_id;
	int64_t gpus;

	if (!str_int64(ctl->args.positional[2], 1, INT64_MAX, &gpus)) {
		error_set(&ctl->err, ERR_BAD_REQUEST, "GPUS must be a number from 1 on, not '%s'",
			ctl->args.positional[2]);
		return ctl_failed(ctl);
	}
	open_body(ctl, &b);
	if (ctl_resolve(ctl, "projects", ctl->args.positional[0], &project_id) || body_times(ctl, &b))
		return ctl_failed(ctl);
	jw_kv_str(&b, "project_id", project_id);
	jw_kv_str(&b, "model", ctl->args.positional[1]);
	jw_kv_int(&b, "gpus", gpus);
	return send(ctl, &b);
}

int cmd_maintenance_plan(struct ctl *ctl)
{
	CLEANUP(buf_finish) struct buf b = { 0 };

	open_body(ctl, &b);
	if (body_times(ctl, &b))
		return ctl_failed(ctl);
	jw_key(&b, "hosts");
	jw_array(&b);
	for (size_t i = 0; i < ctl->args.positional_n; i++)
		jw_str(&b, ctl->args.positional[i]);
	jw_end_array(&b);
	return send(ctl, &b);
}

int cmd_block_set(struct ctl *ctl)
{
	CLEANUP(buf_finish) struct buf b = { 0 };

	open_body(ctl, &b);
	return body_times(ctl, &b) ? ctl_failed(ctl) : send(ctl, &b);
}

/* --- the calendar --- */

struct span {
	int64_t from, to;
};

static struct span span_of(const json_t *entry)
{
	struct span s = { 0, 0 };

	time_parse(text_of(entry, "start"), &s.from);
	time_parse(text_of(entry, "end"), &s.to);
	return s;
}

static const char *what_of(struct ctl *ctl, const json_t *entry)
{
	const json_t *hosts = json_object_get(entry, "hosts");
	const char *list = "";
	size_t i;
	json_t *h;

	if (str_eq(text_of(entry, "kind"), "reservation"))
		return arena_printf(&ctl->arena, "%lld %s for %s",
			(long long)json_integer_value(json_object_get(entry, "gpus")),
			text_of(entry, "model"), text_of(entry, "project"));
	json_array_foreach(hosts, i, h)
	{
		if (i == 3)
			return arena_printf(&ctl->arena, "%s and %zu more", list, json_array_size(hosts) - i);
		list = arena_printf(&ctl->arena, "%s%s%s", list, i ? " " : "", text_of(h, "name"));
	}
	return list;
}

/* A column is filled when the entry has any of its time; one that is under way or over is drawn solid. */
static void draw(const json_t *entry, struct span all, char bar[BAR + 1])
{
	struct span s = span_of(entry);
	const char *mark = str_eq(text_of(entry, "state"), "planned") ? "=" : "#";

	for (int i = 0; i < BAR; i++) {
		int64_t from = all.from + (all.to - all.from) / BAR * i,
			to = from + (all.to - all.from) / BAR;

		bar[i] = *(s.from < to && from < s.to ? mark : ".");
	}
	bar[BAR] = '\0';
}

static const char *minute(struct ctl *ctl, int64_t us)
{
	char text[TIME_TEXT];

	time_iso(us, text);
	text[10] = ' ';
	text[16] = '\0';
	return arena_strdup(&ctl->arena, text);
}

static void add_row(struct ctl *ctl, struct table *t, const json_t *entry, struct span all)
{
	struct span s = span_of(entry);
	char bar[BAR + 1];
	const char *cells[] = { text_of(entry, "kind"), text_of(entry, "name"), what_of(ctl, entry),
		text_of(entry, "state"), minute(ctl, s.from), minute(ctl, s.to), bar };

	draw(entry, all, bar);
	table_row(t);
	for (size_t i = 0; i < ARRAY_LEN(cells); i++)
		table_set(t, i, cells[i]);
}

/* From the first beginning, or now, to the last end. */
static struct span span_of_all(const json_t *entries)
{
	struct span all = { clock_wall(&clock_system), 0 };
	size_t i;
	json_t *entry;

	json_array_foreach(entries, i, entry)
	{
		struct span s = span_of(entry);

		all.from = s.from < all.from ? s.from : all.from;
		all.to = s.to > all.to ? s.to : all.to;
	}
	all.to = all.to > all.from ? all.to : all.from + BAR;
	return all;
}

int cmd_calendar(struct ctl *ctl)
{
	CLEANUP(buf_finish) struct buf out = { 0 };
	const char *titles[] = { "KIND", "NAME", "WHAT", "STATE", "FROM", "TO", "" };
	const json_t *entries;
	struct table t = { 0 };
	const char *url;
	struct span all;
	json_t *answer;
	json_t *entry;
	size_t i;

	if (ctl_url(ctl, ctl->args.command->url, &url) || ctl_call(ctl, "GET", url, NULL, &answer))
		return ctl_failed(ctl);
	entries = json_object_get(answer, "calendar");
	if (ctl->output != OUTPUT_TABLE || ctl->columns.n || !json_array_size(entries))
		return ctl_show(ctl, ctl->args.command->view, answer);
	all = span_of_all(entries);
	titles[6] = arena_printf(&ctl->arena, "%s  to  %s (UTC)", minute(ctl, all.from), minute(ctl, all.to));
	table_init(&t, ARRAY_LEN(titles), titles);
	json_array_foreach(entries, i, entry) add_row(ctl, &t, entry, all);
	table_print(&t, &out);
	fwrite(out.data, 1, out.len, stdout);
	table_finish(&t);
	return CLOUDCTL_OK;
}
