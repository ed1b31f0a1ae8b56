/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's command line: finds the command's row and runs it. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "cloudctl/ctl.h"
#include "cloudd/operator.h"

static int usage_error(const struct ctl *ctl)
{
	const struct args *args = &ctl->args;
	int group = 0; /* length of the topic's first word, where commands begin with it */
	const struct command *c;
	char usage[256];

	for (size_t i = 0; (c = command_at(i)); i++) {
		size_t n = strcspn(args->topic, " ");

		if (n > 0 && strcspn(c->path, " ") == n && strncmp(c->path, args->topic, n) == 0)
			group = (int)n;
	}
	fprintf(stderr, "cloudctl: %s\n", ctl->err.msg);
	if (args->command) {
		help_usage(args->command, usage, sizeof usage);
		fprintf(stderr, "usage: %s\n'cloudctl help %s' tells more.\n", usage, args->command->path);
	} else {
		fprintf(stderr, "'cloudctl help%s%.*s' lists the commands.\n", group ? " " : "", group,
			args->topic);
	}
	return CLOUDCTL_USAGE;
}

static void output_options(struct ctl *ctl)
{
	const char *form = args_option(&ctl->args, "output"), *column;

	ctl->output = str_eq(form, "json")    ? OUTPUT_JSON
		      : str_eq(form, "value") ? OUTPUT_VALUE
		      : str_eq(form, "csv")   ? OUTPUT_CSV
					      : OUTPUT_TABLE;
	while (ctl->columns.n < ARRAY_LEN(ctl->columns.names) &&
		(column = args_option_at(&ctl->args, "column", ctl->columns.n)))
		ctl->columns.names[ctl->columns.n++] = column;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	const struct args *args = &ctl->args;

	if (args_parse(argc, argv, &ctl->args, &ctl->err))
		return usage_error(ctl);
	if (args_flag(args, "version")) {
		printf("cloudctl %s\n", CLOUDD_VERSION);
		return CLOUDCTL_OK;
	}
	if (args->help) {
		if (help_print(args->command ? args->command->path : args->topic))
			return CLOUDCTL_OK;
		error_set(&ctl->err, ERR_BAD_REQUEST, "there is no command '%s'", args->topic);
		return usage_error(ctl);
	}
	output_options(ctl);
	return ctl_run(ctl);
}

int main(int argc, char **argv)
{
	struct ctl ctl = { 0 };
	int rc = run(&ctl, argc - 1, argv + 1);

	if (ctl.connected)
		client_finish(&ctl.client);
	json_decref(ctl.answers);
	arena_finish(&ctl.arena);
	/* a full disk behind a redirection is a failure too */
	if (fflush(stdout) && rc == CLOUDCTL_OK) {
		perror("cloudctl: standard output");
		rc = CLOUDCTL_REFUSED;
	}
	return rc;
}
