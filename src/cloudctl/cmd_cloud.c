/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of the cloud that take more than one request, or look at the answer. */
#include "cloudctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/util.h"
#include "cloudd/operator.h"

enum { WAIT_DEFAULT_S = 60, POLL_MS = 250 };

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* --- host --- */

/* A state that further waiting will hardly change. */
static bool connection_failed(const char *connection)
{
	static const char *const pending[] = { "", "unknown", "connecting" };

	for (size_t i = 0; i < ARRAY_LEN(pending); i++)
		if (str_eq(connection, pending[i]))
			return false;
	return true;
}

static int host_wait(struct ctl *ctl, const char *name)
{
	const char *seconds = args_option(&ctl->args, "timeout");
	int64_t until_us = clock_mono(&clock_system) + (seconds ? atoll(seconds) : WAIT_DEFAULT_S) * 1000000;
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	CLEANUP(buf_finish) struct buf path = { 0 };
	const char *before = "";

	buf_puts(&path, "/cloud/v1/hosts/");
	url_escape(&path, name);
	for (;;) {
		const char *connection;
		json_t *answer, *host;

		if (ctl_call(ctl, "GET", buf_text(&path), NULL, &answer))
			return ctl_failed(ctl);
		host = json_object_get(answer, "host");
		connection = text_of(host, "connection");
		if (strcmp(connection, before) != 0)
			fprintf(stderr, "%s: %s\n", name, connection);
		if (str_eq(connection, "connected"))
			return ctl_show(ctl, ctl->args.command->view, answer);
		if (connection_failed(connection) || clock_mono(&clock_system) > until_us) {
			fprintf(stderr,
				"cloudctl: host %s is not connected (%s): %s\n"
				"It stays in the cloud and is tried again; 'cloudctl host remove %s' gives "
				"it up.\n",
				name, connection, text_of(host, "connection_error"), name);
			return CLOUDCTL_REFUSED;
		}
		before = connection;
		nanosleep(&pause, NULL);
	}
}

int cmd_host_add(struct ctl *ctl)
{
	const struct command *command = ctl->args.command;
	json_t *answer;

	if (ctl_call(ctl, command->method, command->url, ctl_body(ctl), &answer))
		return ctl_failed(ctl);
	if (args_flag(&ctl->args, "wait"))
		return host_wait(ctl, ctl->args.positional[0]);
	return ctl_show(ctl, command->view, answer);
}

/* --- identity --- */

int cmd_bootstrap(struct ctl *ctl)
{
	const char *username = args_option(&ctl->args, "username"),
		   *project = args_option(&ctl->args, "project");
	CLEANUP(buf_finish) struct buf b = { 0 };
	const char *password;
	json_t *answer;
	int rc;

	if (ctl_password(ctl, &password))
		return ctl_failed(ctl);
	username = username ? username : "admin";
	project = project ? project : "admin";
	jw_object(&b);
	jw_key(&b, "bootstrap");
	jw_object(&b);
	jw_kv_str(&b, "username", username);
	jw_kv_str(&b, "password", password);
	jw_kv_str(&b, "project", project);
	jw_end_object(&b);
	jw_end_object(&b);
	if (ctl_call(ctl, "POST", "/cloud/v1/bootstrap", buf_text(&b), &answer))
		return ctl_failed(ctl);
	rc = ctl_show(ctl, NULL, answer);
	ctl_say(ctl, "Administrator %s may sign in, to project %s.", username, project);
	return rc;
}

static int role_assign(struct ctl *ctl, const char *user_id, const char *project_id)
{
	const char *role = args_option(&ctl->args, "role"), *role_id;

	if (ctl_resolve(ctl, "roles", role ? role : "member", &role_id))
		return -1;
	return ctl_call(ctl, "PUT",
		arena_printf(&ctl->arena, "/identity/v3/projects/%s/users/%s/roles/%s", project_id, user_id,
			role_id),
		NULL, NULL);
}

int cmd_user_create(struct ctl *ctl)
{
	const char *project = args_option(&ctl->args, "project"), *project_id = NULL, *password, *user_id;
	CLEANUP(buf_finish) struct buf b = { 0 };
	json_t *answer;

	if (!project && args_option(&ctl->args, "role")) {
		error_set(&ctl->err, ERR_BAD_REQUEST, "--role wants --project too");
		return ctl_failed(ctl);
	}
	if (ctl_password(ctl, &password) || (project && ctl_resolve(ctl, "projects", project, &project_id)))
		return ctl_failed(ctl);
	jw_object(&b);
	jw_key(&b, "user");
	jw_object(&b);
	jw_kv_str(&b, "name", ctl->args.positional[0]);
	jw_kv_str(&b, "password", password);
	if (project_id)
		jw_kv_str(&b, "default_project_id", project_id);
	jw_end_object(&b);
	jw_end_object(&b);
	if (ctl_call(ctl, "POST", "/identity/v3/users", buf_text(&b), &answer))
		return ctl_failed(ctl);
	user_id = text_of(json_object_get(answer, "user"), "id");
	if (project_id && role_assign(ctl, user_id, project_id)) {
		error_wrap(&ctl->err, "the user exists now, the role is not granted");
		return ctl_failed(ctl);
	}
	return ctl_show(ctl, ctl->args.command->view, answer);
}

int cmd_user_password(struct ctl *ctl)
{
	CLEANUP(buf_finish) struct buf b = { 0 };
	const char *password, *url;
	json_t *answer;

	if (ctl_password(ctl, &password) || ctl_url(ctl, "/identity/v3/users/{users:0}", &url))
		return ctl_failed(ctl);
	jw_object(&b);
	jw_key(&b, "user");
	jw_object(&b);
	jw_kv_str(&b, "password", password);
	jw_end_object(&b);
	jw_end_object(&b);
	if (ctl_call(ctl, "PATCH", url, buf_text(&b), &answer))
		return ctl_failed(ctl);
	ctl_say(ctl, "%s has a new password; its tokens have ended.", ctl->args.positional[0]);
	return CLOUDCTL_OK;
}

/* --- flavor --- */

/* The GPUs as compute's clients know them: pci_passthrough:alias = "h100:8,l40s:1". */
static const char *gpus_body(struct ctl *ctl)
{
	CLEANUP(buf_finish) struct buf alias = { 0 };
	CLEANUP(buf_finish) struct buf b = { 0 };
	const char *one;

	for (size_t i = 0; (one = args_option_at(&ctl->args, "gpus", i)); i++)
		buf_printf(&alias, "%s%s", i ? "," : "", one);
	if (alias.len == 0)
		return NULL;
	jw_object(&b);
	jw_key(&b, "extra_specs");
	jw_object(&b);
	jw_kv_str(&b, "pci_passthrough:alias", buf_text(&alias));
	jw_end_object(&b);
	jw_end_object(&b);
	return arena_strdup(&ctl->arena, buf_text(&b));
}

int cmd_flavor_create(struct ctl *ctl)
{
	const struct command *command = ctl->args.command;
	const char *gpus = gpus_body(ctl), *path;
	CLEANUP(buf_finish) struct buf id = { 0 };
	json_t *answer, *specs;

	if (ctl_call(ctl, command->method, command->url, ctl_body(ctl), &answer))
		return ctl_failed(ctl);
	if (!gpus)
		return ctl_show(ctl, command->view, answer);
	url_escape(&id, text_of(json_object_get(answer, "flavor"), "id"));
	path = arena_printf(&ctl->arena, "/compute/v2.1/flavors/%s/os-extra_specs", buf_text(&id));
	if (ctl_call(ctl, "POST", path, gpus, &specs)) {
		struct error why = ctl->err;

		/* a flavor without its GPUs would be something else than what was asked for */
		ctl_call(ctl, "DELETE", arena_printf(&ctl->arena, "/compute/v2.1/flavors/%s", buf_text(&id)),
			NULL, NULL);
		ctl->err = why;
		return ctl_failed(ctl);
	}
	json_object_set(
		json_object_get(answer, "flavor"), "extra_specs", json_object_get(specs, "extra_specs"));
	return ctl_show(ctl, command->view, answer);
}

/* --- check --- */

static const struct view findings_view = { "findings",
	(const struct column[]) {
		{ "rule", "rule", FORM_TEXT },
		{ "object", "object", FORM_TEXT },
		{ "message", "message", FORM_TEXT },
		{ 0 },
	},
	NULL, NULL };

int cmd_check(struct ctl *ctl)
{
	json_t *answer, *check;
	int rc = CLOUDCTL_OK;
	bool ok;

	if (ctl_call(ctl, "GET", ctl->args.command->url, NULL, &answer))
		return ctl_failed(ctl);
	check = json_object_get(answer, "check");
	ok = json_is_true(json_object_get(check, "ok"));
	if (ctl->output == OUTPUT_JSON)
		rc = ctl_show(ctl, NULL, answer);
	else if (!ok)
		rc = ctl_show(ctl, &findings_view, check);
	ctl_say(ctl, "%s: %" JSON_INTEGER_FORMAT " rules, %zu findings.", ok ? "All is well" : "NOT well",
		json_integer_value(json_object_get(check, "rules")),
		json_array_size(json_object_get(check, "findings")));
	return rc != CLOUDCTL_OK ? rc : ok ? CLOUDCTL_OK : CLOUDCTL_REFUSED;
}
