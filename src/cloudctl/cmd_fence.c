/* SPDX-License-Identifier: Apache-2.0 */
/* The power of hosts: commands that take more than one request, and wait for what is read. */
#include "cloudctl/ctl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/util.h"
#include "cloudctl/pki_file.h"

enum { POLL_MS = 250, POWER_WAIT_S = 400, EVACUATION_WAIT_S = 3600 };

static bool is(const json_t *object, const char *key, const char *value)
{
	return str_eq(json_string_value(json_object_get(object, key)), value);
}

static int64_t until_us(struct ctl *ctl, int64_t otherwise_s)
{
	const char *seconds = args_option(&ctl->args, "timeout");

	return clock_mono(&clock_system) + (seconds ? atoll(seconds) : otherwise_s) * INT64_C(1000000);
}

static void pause_a_while(void)
{
	nanosleep(&(const struct timespec) { .tv_nsec = POLL_MS * 1000000L }, NULL);
}

/* --- power --- */

static int power_wait(struct ctl *ctl, const char *url)
{
	int64_t end_us = until_us(ctl, POWER_WAIT_S);
	const json_t *attempt;
	json_t *answer;

	for (;; pause_a_while()) {
		if (ctl_call(ctl, "GET", url, NULL, &answer))
			return ctl_failed(ctl);
		attempt = json_array_get(json_object_get(json_object_get(answer, "power"), "attempts"), 0);
		if (!is(attempt, "state", "running"))
			break;
		if (clock_mono(&clock_system) > end_us) {
			error_set(&ctl->err, ERR_TIMEOUT, "the fence agent is still at work");
			return ctl_failed(ctl);
		}
	}
	if (is(attempt, "state", "done"))
		return ctl_show(ctl, ctl->args.command->view, answer);
	error_set(&ctl->err, ERR_CONFLICT, "%.400s",
		json_string_value(json_object_get(attempt, "error"))
			? json_string_value(json_object_get(attempt, "error"))
			: "it failed");
	return ctl_failed(ctl);
}

static int power_ask(struct ctl *ctl, const char *url, const char *to)
{
	CLEANUP(buf_finish) struct buf b = { 0 };

	jw_object(&b);
	jw_key(&b, "power");
	jw_object(&b);
	jw_kv_str(&b, "to", to);
	ctl_body_options(ctl, &b);
	jw_end_object(&b);
	jw_end_object(&b);
	if (ctl_call(ctl, "POST", url, buf_text(&b), NULL))
		return ctl_failed(ctl);
	if (!args_flag(&ctl->args, "no-wait"))
		return power_wait(ctl, url);
	ctl_say(ctl, "It is under way: cloudctl host power %s", ctl->args.positional[0]);
	return 0;
}

/* host fence, and host power. */
int cmd_host_power(struct ctl *ctl)
{
	const char *to = str_eq(ctl->args.command->path, "host fence") ? "off"
			 : ctl->args.positional_n > 1                  ? ctl->args.positional[1]
								       : NULL;
	const char *url;
	json_t *answer;

	if (ctl_url(ctl, ctl->args.command->url, &url))
		return ctl_failed(ctl);
	if (to)
		return power_ask(ctl, url, to);
	return ctl_call(ctl, "GET", url, NULL, &answer) ? ctl_failed(ctl)
							: ctl_show(ctl, ctl->args.command->view, answer);
}

/* --- agents --- */

static int file_member(struct ctl *ctl, struct buf *b, const char *option, const char *member, bool line)
{
	const char *path = args_option(&ctl->args, option);
	CLEANUP(buf_finish) struct buf text = { 0 };

	if (!path)
		return 0;
	if (pki_file_read(path, &text, &ctl->err))
		return -1;
	if (line)
		text.len = strcspn(buf_text(&text), "\r\n");
	jw_kv_str(b, member, buf_text(&text));
	if (text.data)
		explicit_bzero(text.data, text.len);
	return 0;
}

static int agent_set(struct ctl *ctl, const char *url)
{
	CLEANUP(buf_finish) struct buf b = { 0 };
	json_t *answer;
	int rc;

	jw_object(&b);
	jw_key(&b, "fence_agent");
	jw_object(&b);
	if (args_option(&ctl->args, "redfish"))
		jw_kv_str(&b, "url", args_option(&ctl->args, "redfish"));
	if (args_option(&ctl->args, "command"))
		jw_kv_str(&b, "command", args_option(&ctl->args, "command"));
	if (args_option(&ctl->args, "user"))
		jw_kv_str(&b, "user", args_option(&ctl->args, "user"));
	if (file_member(ctl, &b, "password-file", "password", true) ||
		file_member(ctl, &b, "ca", "ca", false))
		return ctl_failed(ctl);
	jw_end_object(&b);
	jw_end_object(&b);
	rc = ctl_call(ctl, "PUT", url, buf_text(&b), &answer)
		     ? ctl_failed(ctl)
		     : ctl_show(ctl, ctl->args.command->view, answer);
	explicit_bzero(b.data, b.len);
	return rc;
}

static int agent_test(struct ctl *ctl)
{
	const char *url;
	json_t *answer, *attempt;
	int64_t end_us = until_us(ctl, POWER_WAIT_S);

	if (ctl_url(ctl, "/cloud/v1/hosts/{1}/power", &url) ||
		ctl_call(ctl, "POST", url, "{\"power\": {\"to\": \"status\", \"reason\": \"test\"}}", NULL))
		return ctl_failed(ctl);
	do {
		pause_a_while();
		if (ctl_call(ctl, "GET", url, NULL, &answer))
			return ctl_failed(ctl);
		attempt = json_array_get(json_object_get(json_object_get(answer, "power"), "attempts"), 0);
	} while (is(attempt, "state", "running") && clock_mono(&clock_system) < end_us);
	if (is(attempt, "state", "done")) {
		ctl_say(ctl, "Its power is %s.", json_string_value(json_object_get(attempt, "power")));
		return 0;
	}
	error_set(&ctl->err, ERR_CONFLICT, "its power could not be read: %.300s",
		json_string_value(json_object_get(attempt, "error")));
	return ctl_failed(ctl);
}

int cmd_fence_agent(struct ctl *ctl)
{
	const char *verb = ctl->args.positional[0], *url;
	json_t *answer;

	if (ctl_url(ctl, ctl->args.command->url, &url))
		return ctl_failed(ctl);
	if (str_eq(verb, "set"))
		return agent_set(ctl, url);
	if (str_eq(verb, "test"))
		return agent_test(ctl);
	if (str_eq(verb, "show"))
		return ctl_call(ctl, "GET", url, NULL, &answer)
			       ? ctl_failed(ctl)
			       : ctl_show(ctl, ctl->args.command->view, answer);
	if (!str_eq(verb, "clear")) {
		error_set(&ctl->err, ERR_BAD_REQUEST,
			"host fence-agent wants set, show, clear or test, and a host");
		return ctl_failed(ctl);
	}
	if (ctl_call(ctl, "DELETE", url, NULL, NULL))
		return ctl_failed(ctl);
	ctl_say(ctl, "Host %s has no fence agent.", ctl->args.positional[1]);
	return 0;
}

/* --- evacuation --- */

static int evacuation_wait(struct ctl *ctl, const char *url)
{
	int64_t end_us = until_us(ctl, EVACUATION_WAIT_S);
	const json_t *evacuation;
	json_t *answer;

	for (;; pause_a_while()) {
		if (ctl_call(ctl, "GET", url, NULL, &answer))
			return ctl_failed(ctl);
		evacuation = json_object_get(answer, "evacuation");
		if (!is(evacuation, "state", "running"))
			break;
		if (clock_mono(&clock_system) > end_us) {
			ctl_show(ctl, ctl->args.command->view, answer);
			error_set(&ctl->err, ERR_TIMEOUT, "servers are still on their way");
			return ctl_failed(ctl);
		}
	}
	ctl_show(ctl, ctl->args.command->view, answer);
	if (is(evacuation, "state", "done") && !json_array_size(json_object_get(evacuation, "left")))
		return 0;
	error_set(&ctl->err, ERR_CONFLICT, "%zu servers stay behind",
		json_array_size(json_object_get(evacuation, "left")));
	return ctl_failed(ctl);
}

int cmd_host_evacuate(struct ctl *ctl)
{
	const char *method = args_flag(&ctl->args, "show")   ? "GET"
			     : args_flag(&ctl->args, "stop") ? "DELETE"
							     : "POST";
	const char *url;
	json_t *answer;

	if (ctl_url(ctl, ctl->args.command->url, &url) || ctl_call(ctl, method, url, NULL, &answer))
		return ctl_failed(ctl);
	return args_flag(&ctl->args, "wait") ? evacuation_wait(ctl, url)
					     : ctl_show(ctl, ctl->args.command->view, answer);
}
