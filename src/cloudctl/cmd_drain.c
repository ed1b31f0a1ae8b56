/* SPDX-License-Identifier: Apache-2.0 */
/* Emptying a host: asking for it, stopping it, and waiting until it is over. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/util.h"
#include "cloudctl/ctl.h"

enum { POLL_MS = 500 };

static int64_t count(const json_t *drain, const char *key)
{
	return json_integer_value(json_object_get(drain, key));
}

static bool is(const json_t *drain, const char *state)
{
	return str_eq(json_string_value(json_object_get(drain, "state")), state);
}

static int look(struct ctl *ctl, json_t **out)
{
	const char *url;

	return ctl_url(ctl, "/cloud/v1/hosts/{0}/drain", &url) || ctl_call(ctl, "GET", url, NULL, out) ? -1
												       : 0;
}

/* A line on standard error whenever something has changed. */
static void tell(const json_t *drain, int64_t *said)
{
	int64_t moved = count(drain, "moved"), moving = count(drain, "moving"), stays = count(drain, "stays");
	int64_t now = (moved << 40) + (moving << 20) + stays + 1;

	if (now == *said)
		return;
	*said = now;
	fprintf(stderr, "%lld of %lld moved, %lld on the way, %lld wait, %lld stay\n", (long long)moved,
		(long long)count(drain, "servers_total"), (long long)moving,
		(long long)count(drain, "waiting"), (long long)stays);
}

static int wait_for(struct ctl *ctl)
{
	const char *seconds = args_option(&ctl->args, "timeout");
	int64_t until_us =
		clock_mono(&clock_system) + (seconds ? atoll(seconds) : INT32_MAX) * INT64_C(1000000);
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	const json_t *drain;
	int64_t said = 0;
	json_t *answer;

	for (;; nanosleep(&pause, NULL)) {
		if (look(ctl, &answer))
			return ctl_failed(ctl);
		drain = json_object_get(answer, "drain");
		tell(drain, &said);
		if (!is(drain, "running"))
			break;
		if (clock_mono(&clock_system) > until_us) {
			ctl_show(ctl, ctl->args.command->view, answer);
			error_set(&ctl->err, ERR_TIMEOUT, "servers are still on their way, or wait");
			return ctl_failed(ctl);
		}
	}
	if (ctl_show(ctl, ctl->args.command->view, answer) || is(drain, "done"))
		return ctl->err.code ? ctl_failed(ctl) : 0;
	error_set(&ctl->err, ERR_CONFLICT, "%lld servers are still there",
		(long long)(count(drain, "stays") + count(drain, "waiting") + count(drain, "moving")));
	return ctl_failed(ctl);
}

static int ask(struct ctl *ctl, bool stop)
{
	CLEANUP(buf_finish) struct buf b = { 0 };
	const char *url;

	jw_object(&b);
	jw_key(&b, "drain");
	jw_object(&b);
	if (stop)
		jw_kv_bool(&b, "stop", true);
	else
		ctl_body_options(ctl, &b);
	jw_end_object(&b);
	jw_end_object(&b);
	return ctl_url(ctl, ctl->args.command->url, &url) || ctl_call(ctl, "POST", url, buf_text(&b), NULL)
		       ? -1
		       : 0;
}

int cmd_host_drain(struct ctl *ctl)
{
	bool stop = args_flag(&ctl->args, "stop");
	const char *host = ctl->args.positional[0];
	json_t *answer;

	if (args_flag(&ctl->args, "show"))
		return look(ctl, &answer) ? ctl_failed(ctl) : ctl_show(ctl, ctl->args.command->view, answer);
	if (ask(ctl, stop))
		return ctl_failed(ctl);
	if (args_flag(&ctl->args, "wait"))
		return wait_for(ctl);
	if (stop)
		ctl_say(ctl, "No more servers leave host %s; those under way arrive.", host);
	else
		ctl_say(ctl,
			"Host %s gets no new servers, and those on it leave: cloudctl host drain --show %s",
			host, host);
	return 0;
}
