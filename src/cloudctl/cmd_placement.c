/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that ask placement. */
#include "cloudctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/util.h"
#include "cloudd/operator.h"

enum { MOVE_TIMEOUT_S = 600, POLL_MS = 250 };

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
		{ "different-host", "different_host" }, { "reservation", "reservation" } };
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

/* --- rebalance --- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* Until it runs at the other host with nothing under way, or it turns out that it will not. */
static int move_wait(struct ctl *ctl, const char *id, const char *to)
{
	const char *seconds = args_option(&ctl->args, "timeout");
	int64_t until_us =
		clock_mono(&clock_system) + (seconds ? atoll(seconds) : MOVE_TIMEOUT_S) * INT64_C(1000000);
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	const char *path = arena_printf(&ctl->arena, "/cloud/v1/servers/%s", id);

	for (;;) {
		const json_t *server;
		json_t *answer;

		if (ctl_call(ctl, "GET", path, NULL, &answer))
			return -1;
		server = json_object_get(answer, "server");
		if (!*text_of(server, "task_state"))
			return str_eq(text_of(server, "host"), to)
				       ? 0
				       : error_set(&ctl->err, ERR_CONFLICT,
						 "server %s stayed on %s: 'openstack server migration list' "
						 "says "
						 "why; what was moved before it stays where it is",
						 text_of(server, "name"), text_of(server, "host"));
		if (clock_mono(&clock_system) > until_us)
			return error_set(&ctl->err, ERR_TIMEOUT,
				"server %s is still on its way to %s; run the command again when it has "
				"arrived",
				text_of(server, "name"), to);
		nanosleep(&pause, NULL);
	}
}

static int move_one(struct ctl *ctl, const json_t *move)
{
	const char *id = text_of(move, "server_id"), *to = text_of(move, "to");
	CLEANUP(buf_finish) struct buf b = { 0 };

	jw_object(&b);
	jw_key(&b, "os-migrateLive");
	jw_object(&b);
	jw_kv_str(&b, "host", to);
	jw_kv_bool(&b, "block_migration", true);
	jw_kv_bool(&b, "disk_over_commit", false);
	jw_end_object(&b);
	jw_end_object(&b);
	return ctl_call(ctl, "POST", arena_printf(&ctl->arena, "/compute/v2.1/servers/%s/action", id),
		       buf_text(&b), NULL) ||
			       move_wait(ctl, id, to)
		       ? -1
		       : 0;
}

static int move_all(struct ctl *ctl, const json_t *moves)
{
	const json_t *move;
	size_t i;

	json_array_foreach(moves, i, move)
	{
		fprintf(stderr, "%zu of %zu: %s from %s to %s\n", i + 1, json_array_size(moves),
			text_of(move, "server"), text_of(move, "from"), text_of(move, "to"));
		if (move_one(ctl, move))
			return ctl_failed(ctl);
	}
	ctl_say(ctl, "%zu servers moved.", json_array_size(moves));
	return 0;
}

int cmd_rebalance(struct ctl *ctl)
{
	const char *count = args_option(&ctl->args, "count"), *most = args_option(&ctl->args, "max-moves");
	CLEANUP(buf_finish) struct buf b = { 0 };
	json_t *answer;
	int rc;

	jw_object(&b);
	jw_key(&b, "rebalance");
	jw_object(&b);
	if (kv_resolved(ctl, &b, "flavor", "flavors", ctl->args.positional[0]))
		return ctl_failed(ctl);
	if (count)
		jw_kv_int(&b, "count", atoll(count));
	if (most)
		jw_kv_int(&b, "max_moves", atoll(most));
	jw_end_object(&b);
	jw_end_object(&b);
	if (ctl_call(ctl, "POST", "/cloud/v1/placement/rebalance", buf_text(&b), &answer))
		return ctl_failed(ctl);
	rc = ctl_show(ctl, ctl->args.command->view, answer);
	if (rc || !args_flag(&ctl->args, "apply"))
		return rc;
	return move_all(ctl, json_object_get(json_object_get(answer, "plan"), "moves"));
}
