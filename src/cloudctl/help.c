/* SPDX-License-Identifier: Apache-2.0 */
/* Help and manual page, printed from the tables of commands. */
#include "cloudctl/ctl.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "cloudd/operator.h"

enum { LINE_WIDTH = 100 };

static const char about[] = "operates a cloudd cloud";
static const char transport_text[] =
	"Without --url it speaks to the daemon on this machine over the socket " CLOUDD_SOCKET_PATH
	", which only root may use and which needs no password. With --url it signs in over TLS as "
	"OpenStack's "
	"clients do, by OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME, OS_USER_DOMAIN_NAME, "
	"OS_PROJECT_DOMAIN_NAME "
	"and OS_CACERT, or by OS_TOKEN.";

static const struct {
	int code;
	const char *text;
} exits[] = {
	{ CLOUDCTL_OK, "done" },
	{ CLOUDCTL_REFUSED, "the API refused, or a check found something; the reason is on standard error" },
	{ CLOUDCTL_USAGE, "the command line is wrong" },
	{ CLOUDCTL_UNREACHABLE, "cloudd gave no answer" },
};

void help_usage(const struct command *command, char *out, size_t size)
{
	snprintf(out, size, "cloudctl %s%s%s%s", command->path, command->args ? " " : "",
		command->args ? command->args : "", command->options ? " [options]" : "");
}

static void option_text(const struct option *option, char *out, size_t size)
{
	snprintf(out, size, "--%s%s%s", option->name, option->flags & OPT_FLAG ? "" : " ",
		option->flags & OPT_FLAG ? "" : option->value);
}

static const char *option_note(const struct option *option)
{
	return option->flags & OPT_REQUIRED ? " (required)"
	       : option->flags & OPT_MANY   ? " (may be repeated)"
					    : "";
}

static void options_print(const char *title, const struct option *options)
{
	char left[96];

	printf("\n%s:\n", title);
	for (const struct option *o = options; o->name; o++) {
		option_text(o, left, sizeof left);
		printf("  %-28s %s%s\n", left, o->help, option_note(o));
	}
}

static void command_print(const struct command *command)
{
	char usage[256];

	help_usage(command, usage, sizeof usage);
	printf("usage: %s\n\n%s.\n", usage, command->help);
	if (command->options)
		options_print("options", command->options);
	options_print("options of all commands", global_options);
}

/* Is the topic this command, or the group that it belongs to? */
static bool topic_covers(const char *topic, const char *path)
{
	size_t n = strlen(topic);

	return n == 0 || (strncmp(path, topic, n) == 0 && (path[n] == ' ' || path[n] == '\0'));
}

static void list_print(const char *topic)
{
	const struct command *c;
	char left[160];

	for (size_t i = 0; (c = command_at(i)); i++) {
		if (!topic_covers(topic, c->path))
			continue;
		snprintf(left, sizeof left, "%s%s%s", c->path, c->args ? " " : "", c->args ? c->args : "");
		printf("  %-34s %s\n", left, c->help);
	}
}

static void wrapped(const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column + n > LINE_WIDTH) {
			putchar('\n');
			column = 0;
		}
		column += (size_t)printf("%s%.*s", column ? " " : "", (int)n, text);
		text += n + strspn(text + n, " ");
	}
	putchar('\n');
}

bool help_print(const char *topic)
{
	const struct command *c;
	bool any = false;

	for (size_t i = 0; (c = command_at(i)); i++) {
		if (*topic && str_eq(c->path, topic)) {
			command_print(c);
			return true;
		}
		any = any || topic_covers(topic, c->path);
	}
	if (!any)
		return false;
	printf("usage: cloudctl %s%sCOMMAND [arguments] [options]\n\ncommands:\n", topic, *topic ? " " : "");
	list_print(topic);
	if (*topic) {
		printf("\n'cloudctl help %s COMMAND' tells the options of one.\n", topic);
		return true;
	}
	options_print("options of all commands", global_options);
	putchar('\n');
	wrapped(transport_text);
	printf("\nexit codes:\n");
	for (size_t i = 0; i < ARRAY_LEN(exits); i++)
		printf("  %d  %s\n", exits[i].code, exits[i].text);
	printf("\n'cloudctl help COMMAND' tells more about one.\n");
	return true;
}

/* Text for troff: '-' is a minus sign there, a '.' at the start of a line a request. */
static void roff(const char *text)
{
	if (*text == '.' || *text == '\'')
		printf("\\&");
	for (; *text; text++) {
		if (*text == '-' || *text == '\\')
			putchar('\\');
		putchar(*text == '\\' ? 'e' : *text);
	}
}

static void roff_options(const struct option *options)
{
	char left[96];

	for (const struct option *o = options; o && o->name; o++) {
		option_text(o, left, sizeof left);
		printf(".TP\n.B ");
		roff(left);
		putchar('\n');
		roff(o->help);
		printf("%s.\n", option_note(o));
	}
}

void help_print_man(void)
{
	const struct command *c;

	printf(".\\\" SPDX-License-Identifier: Apache-2.0\n.\\\" Made by: cloudctl help --man\n"
	       ".TH CLOUDCTL 1 \"\" cloudd \"Operator commands\"\n.SH NAME\ncloudctl \\- %s\n"
	       ".SH SYNOPSIS\n.B cloudctl\n.I COMMAND\n[arguments] [options]\n.SH DESCRIPTION\n",
		about);
	roff(transport_text);
	printf("\n.SH COMMANDS\n");
	for (size_t i = 0; (c = command_at(i)); i++) {
		printf(".SS ");
		roff(c->path);
		printf("%s%s\n", c->args ? " " : "", c->args ? c->args : "");
		roff(c->help);
		printf(".\n");
		roff_options(c->options);
	}
	printf(".SH OPTIONS OF ALL COMMANDS\n");
	roff_options(global_options);
	printf(".SH EXIT STATUS\n");
	for (size_t i = 0; i < ARRAY_LEN(exits); i++)
		printf(".TP\n.B %d\n%s.\n", exits[i].code, exits[i].text);
	printf(".SH FILES\n.TP\n.B " CLOUDD_SOCKET_PATH "\nwhere the daemon listens for its operator.\n"
	       ".SH SEE ALSO\n.BR cloudd (8),\n.BR openstack (1)\n");
}

int cmd_help(struct ctl *ctl)
{
	char topic[128] = "";

	if (args_flag(&ctl->args, "man")) {
		help_print_man();
		return CLOUDCTL_OK;
	}
	for (size_t i = 0; i < ctl->args.positional_n; i++) {
		size_t n = strlen(topic);

		snprintf(topic + n, sizeof topic - n, "%s%s", n ? " " : "", ctl->args.positional[i]);
	}
	if (help_print(topic))
		return CLOUDCTL_OK;
	error_set(&ctl->err, ERR_BAD_REQUEST, "there is no command '%s'; 'cloudctl help' lists them", topic);
	return ctl_failed(ctl);
}
