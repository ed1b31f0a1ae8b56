/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "cloudd/operator.h"

enum { PASSWORD_MAX = 256, UID_HEX = 32 };

static const char *setting(const struct ctl *ctl, const char *option, const char *variable)
{
	const char *given = args_option(&ctl->args, option);

	given = given ? given : getenv(variable);
	return given && *given ? given : NULL;
}

static int connect_client(struct ctl *ctl)
{
	const char *socket = args_option(&ctl->args, "socket");
	struct client_config config = {
		.socket = socket ? socket : CLOUDD_SOCKET_PATH,
		.url = args_option(&ctl->args, "url"),
		.cacert = setting(ctl, "cacert", "OS_CACERT"),
		.token = getenv("OS_TOKEN"),
		.username = setting(ctl, "os-username", "OS_USERNAME"),
		.password = getenv("OS_PASSWORD"),
		.project = setting(ctl, "os-project-name", "OS_PROJECT_NAME"),
		.user_domain = getenv("OS_USER_DOMAIN_NAME"),
		.project_domain = getenv("OS_PROJECT_DOMAIN_NAME"),
	};

	if (ctl->connected)
		return 0;
	if (client_init(&ctl->client, &config, &ctl->err))
		return -1;
	ctl->connected = true;
	return 0;
}

int ctl_call(struct ctl *ctl, const char *method, const char *path, const char *body, json_t **out)
{
	json_t *answer = NULL;

	if (connect_client(ctl) ||
		client_call(&ctl->client, method, path, body, out ? &answer : NULL, &ctl->err))
		return -1;
	if (!out)
		return 0;
	if (!ctl->answers)
		ctl->answers = json_array();
	if (answer)
		json_array_append_new(ctl->answers, answer);
	*out = answer;
	return 0;
}

int ctl_download(struct ctl *ctl, const char *path, FILE *to)
{
	return connect_client(ctl) || client_download(&ctl->client, path, to, &ctl->err) ? -1 : 0;
}

int ctl_follow(struct ctl *ctl, const char *path, const char *last, client_piece_fn *take, void *ctx)
{
	ctl->err.code = ERR_NONE;
	return connect_client(ctl) || client_follow(&ctl->client, path, last, take, ctx, &ctl->err) ? -1 : 0;
}

/* The command that lists what this one works on: "server show" has "server list". */
static const char *sibling_list(const struct command *command)
{
	size_t n = strcspn(command->path, " ");
	const struct command *c;

	for (size_t i = 0; (c = command_at(i)); i++)
		if (strncmp(c->path, command->path, n) == 0 && str_eq(c->path + n, " list"))
			return c->path;
	return NULL;
}

static void hint(const struct ctl *ctl)
{
	const char *list = sibling_list(ctl->args.command);

	switch (ctl->err.code) {
	case ERR_UNAUTHORIZED:
		fprintf(stderr, "Check OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME and the domains; "
				"on the controller itself root needs no password without --url.\n");
		break;
	case ERR_FORBIDDEN:
		fprintf(stderr, "This needs the role admin; root has it on the controller without --url.\n");
		break;
	case ERR_NOT_FOUND:
		if (list)
			fprintf(stderr, "'cloudctl %s' shows what there is.\n", list);
		break;
	case ERR_UNAVAILABLE:
		fprintf(stderr,
			"Nothing was changed; see the daemon's log (journalctl -u cloudd) and try again.\n");
		break;
	case ERR_UNREACHABLE:
		fprintf(stderr, "See 'systemctl status cloudd' on the controller.\n");
		break;
	default:
		break;
	}
}

int ctl_failed(struct ctl *ctl)
{
	bool answered = ctl->connected && ctl->client.status != 0;

	fprintf(stderr, "cloudctl: %s\n", ctl->err.msg);
	if (ctl->err.code == ERR_UNREACHABLE || answered || ctl->err.code == ERR_UNAUTHORIZED)
		hint(ctl);
	if (ctl->err.code == ERR_UNREACHABLE)
		return CLOUDCTL_UNREACHABLE;
	return ctl->err.code == ERR_BAD_REQUEST && !answered ? CLOUDCTL_USAGE : CLOUDCTL_REFUSED;
}

void ctl_say(struct ctl *ctl, const char *fmt, ...)
{
	va_list ap;

	if (ctl->output != OUTPUT_TABLE)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

int ctl_show(struct ctl *ctl, const struct view *view, const json_t *answer)
{
	CLEANUP(buf_finish) struct buf text = { 0 };

	if (!answer)
		return CLOUDCTL_OK;
	if (ctl->output == OUTPUT_JSON) {
		json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
		putchar('\n');
		return CLOUDCTL_OK;
	}
	if (!view)
		return CLOUDCTL_OK;
	if (view->key && !json_object_get(answer, view->key)) {
		error_set(&ctl->err, ERR_UNAVAILABLE, "cloudd's answer has no \"%s\"", view->key);
		return ctl_failed(ctl);
	}
	if ((ctl->output == OUTPUT_VALUE ? view_values
		    : ctl->output == OUTPUT_CSV
			    ? view_csv
			    : view_table)(view, answer, &ctl->columns, &text, &ctl->err)) {
		fprintf(stderr, "cloudctl: %s\n", ctl->err.msg);
		return CLOUDCTL_USAGE;
	}
	if (text.len)
		fwrite(text.data, 1, text.len, stdout);
	return CLOUDCTL_OK;
}

static const struct plural {
	const char *name, *by_name, *by_id, *list;
	const char *own; /* those that a tenant may list */
} plurals[] = {
	{ "projects", "/identity/v3/projects?name=%s", "/identity/v3/projects/%s", "project list",
		"/identity/v3/auth/projects" },
	{ "users", "/identity/v3/users?name=%s", "/identity/v3/users/%s", "user list", NULL },
	{ "roles", "/identity/v3/roles?name=%s", "/identity/v3/roles/%s", "role list", NULL },
	/* compute cannot filter flavors by name: the list is small */
	{ "flavors", "/compute/v2.1/flavors?is_public=None&limit=1000", "/compute/v2.1/flavors/%s",
		"flavor list", NULL },
};

/* The path with the name in it. Escaping grows a name at most threefold. */
static const char *path_with(struct ctl *ctl, const char *pattern, const char *name)
{
	CLEANUP(buf_finish) struct buf escaped = { 0 };
	const char *at = strstr(pattern, "%s");

	if (!at)
		return pattern;
	url_escape(&escaped, name);
	return arena_printf(
		&ctl->arena, "%.*s%s%s", (int)(at - pattern), pattern, buf_text(&escaped), at + 2);
}

static int resolve_in(struct ctl *ctl, const struct plural *plural, const char *path, const char *name,
	const char **out_id, size_t *out_found)
{
	json_t *answer, *item;
	size_t i;

	*out_found = 0;
	if (ctl_call(ctl, "GET", path, NULL, &answer))
		return -1;
	json_array_foreach(json_object_get(answer, plural->name), i, item)
	{
		const char *its_name = json_string_value(json_object_get(item, "name"));
		const char *id = json_string_value(json_object_get(item, "id"));

		if (!its_name || (strcasecmp(its_name, name) != 0 && !str_eq(id, name)))
			continue;
		(*out_found)++;
		*out_id = id;
	}
	return 0;
}

/* Who may not look for it among all finds it among those that are his. */
static int resolve_by_name(struct ctl *ctl, const struct plural *plural, const char *name,
	const char **out_id, size_t *out_found)
{
	int rc = resolve_in(ctl, plural, path_with(ctl, plural->by_name, name), name, out_id, out_found);

	if (rc == 0 || ctl->err.code != ERR_FORBIDDEN || !plural->own)
		return rc;
	if (resolve_in(ctl, plural, plural->own, name, out_id, out_found))
		return -1;
	if (*out_found == 0)
		return error_set(&ctl->err, ERR_NOT_FOUND, "you have no role in a project '%s'", name);
	return 0;
}

int ctl_resolve(struct ctl *ctl, const char *plural_name, const char *name, const char **out_id)
{
	const struct plural *plural = plurals;
	size_t found;

	while (!str_eq(plural->name, plural_name))
		plural++;
	if (resolve_by_name(ctl, plural, name, out_id, &found))
		return -1;
	if (found > 1)
		return error_set(&ctl->err, ERR_CONFLICT,
			"%zu %s have the name '%s'; use the id ('cloudctl %s')", found, plural->name, name,
			plural->list);
	if (found == 1)
		return 0;
	*out_id = name;
	if (ctl_call(ctl, "GET", path_with(ctl, plural->by_id, name), NULL, NULL) == 0)
		return 0;
	if (ctl->err.code == ERR_NOT_FOUND)
		return error_set(&ctl->err, ERR_NOT_FOUND,
			"none of the %s has the name or id '%s' ('cloudctl %s')", plural->name, name,
			plural->list);
	return -1;
}

/* Also of a project that was deleted, by its id: it has books. */
static int resolve_project(struct ctl *ctl, const char **project)
{
	const char *given = *project;

	if (ctl_resolve(ctl, "projects", given, project) == 0)
		return 0;
	if (ctl->err.code != ERR_NOT_FOUND || strlen(given) != UID_HEX ||
		strspn(given, "0123456789abcdef") != UID_HEX)
		return -1;
	*project = given;
	return 0;
}

/* What stands between the braces: 0, --name, projects:0, projects:--name. */
static int expand_one(struct ctl *ctl, const char *what, size_t n, struct buf *out)
{
	char plural[16] = "", ref[48];
	const char *colon = memchr(what, ':', n), *value;

	if (colon) {
		snprintf(plural, sizeof plural, "%.*s", (int)(colon - what), what);
		n -= (size_t)(colon + 1 - what);
		what = colon + 1;
	}
	snprintf(ref, sizeof ref, "%.*s", (int)n, what);
	value = ref[0] == '-' ? args_option(&ctl->args, ref + 2) : ctl->args.positional[atoi(ref)];
	if (plural[0] && ctl_resolve(ctl, plural, value, &value))
		return -1;
	url_escape(out, value);
	return 0;
}

int ctl_url(struct ctl *ctl, const char *pattern, const char **out)
{
	CLEANUP(buf_finish) struct buf url = { 0 };
	char separator = strchr(pattern, '?') ? '&' : '?';

	while (*pattern) {
		size_t n = strcspn(pattern, "{");

		buf_append(&url, pattern, n);
		pattern += n;
		if (!*pattern)
			break;
		n = strcspn(pattern, "}");
		if (expand_one(ctl, pattern + 1, n - 1, &url))
			return -1;
		pattern += n + 1;
	}
	for (size_t i = 0; i < ctl->args.set_n; i++) {
		const struct option *option = ctl->args.set[i].option;

		if (!option->field || option->field[0] != '?')
			continue;
		buf_printf(&url, "%c%s=", separator, option->field + 1);
		url_escape(&url, option->flags & OPT_FLAG ? "1" : ctl->args.set[i].value);
		separator = '&';
	}
	*out = arena_strdup(&ctl->arena, buf_text(&url));
	return 0;
}

static void body_option(struct buf *b, const struct option *option, const char *value)
{
	int64_t number = 0;

	jw_key(b, option->field);
	if (option->flags & OPT_MIB)
		parse_mib(value, &number), jw_int(b, number);
	else if (option->flags & OPT_INT)
		str_int64(value, 0, INT64_MAX, &number), jw_int(b, number);
	else if (option->flags & OPT_REAL)
		jw_double(b, strtod(value, NULL));
	else if (option->flags & OPT_FLAG)
		jw_bool(b, true);
	else
		jw_str(b, value);
}

void ctl_body_options(struct ctl *ctl, struct buf *b)
{
	for (size_t i = 0; i < ctl->args.set_n; i++)
		if (ctl->args.set[i].option->field && ctl->args.set[i].option->field[0] != '?')
			body_option(b, ctl->args.set[i].option, ctl->args.set[i].value);
}

const char *ctl_body(struct ctl *ctl)
{
	const struct command *command = ctl->args.command;
	CLEANUP(buf_finish) struct buf b = { 0 };
	const char *field = command->fields;

	if (!command->wrap)
		return command->body;
	jw_object(&b);
	jw_key(&b, command->wrap);
	jw_object(&b);
	for (size_t i = 0; field && *field && i < ctl->args.positional_n; i++) {
		size_t n = strcspn(field, " ");

		if (*field != '-')
			jw_kv_str(&b, arena_strndup(&ctl->arena, field, n), ctl->args.positional[i]);
		field += n + strspn(field + n, " ");
	}
	ctl_body_options(ctl, &b);
	jw_end_object(&b);
	jw_end_object(&b);
	return arena_strdup(&ctl->arena, buf_text(&b));
}

int ctl_password(struct ctl *ctl, const char **out)
{
	char line[PASSWORD_MAX + 2];

	*out = args_option(&ctl->args, "password");
	if (*out)
		return 0;
	if (!args_flag(&ctl->args, "password-stdin"))
		return error_set(&ctl->err, ERR_BAD_REQUEST, "give --password-stdin or --password PASSWORD");
	if (!fgets(line, sizeof line, stdin))
		return error_set(&ctl->err, ERR_BAD_REQUEST, "there is no password on standard input");
	line[strcspn(line, "\r\n")] = '\0';
	if (strlen(line) > PASSWORD_MAX)
		return error_set(
			&ctl->err, ERR_BAD_REQUEST, "the password is longer than %d bytes", PASSWORD_MAX);
	*out = arena_strdup(&ctl->arena, line);
	return 0;
}

int ctl_run(struct ctl *ctl)
{
	const struct command *command = ctl->args.command;

	for (size_t i = 0; i < ctl->args.set_n; i++)
		if (ctl->args.set[i].option->flags & OPT_PROJECT &&
			resolve_project(ctl, &ctl->args.set[i].value))
			return ctl_failed(ctl);
	return command->run ? command->run(ctl) : ctl_run_simple(ctl);
}

int ctl_run_simple(struct ctl *ctl)
{
	const struct command *command = ctl->args.command;
	const char *url;
	json_t *answer;
	int rc;

	if (ctl_url(ctl, command->url, &url) || ctl_call(ctl, command->method, url, ctl_body(ctl), &answer))
		return ctl_failed(ctl);
	rc = ctl_show(ctl, command->view, answer);
	if (rc == CLOUDCTL_OK && command->done) {
		const char *at = strstr(command->done, "{0}");

		if (at)
			ctl_say(ctl, "%.*s%s%s", (int)(at - command->done), command->done,
				ctl->args.positional[0], at + 3);
		else
			ctl_say(ctl, "%s", command->done);
	}
	return rc;
}
