/* SPDX-License-Identifier: Apache-2.0 */
/* A command is a row of a const table, one table for each noun (commands.h). The row says its words,
 * arguments, options, the request that it makes and how the answer is shown; parsing, help, man page and most
 * commands need nothing else. */
#ifndef CLOUDCTL_COMMAND_H
#define CLOUDCTL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ctl;
struct view;

enum option_flags {
	OPT_REQUIRED = 1,
	OPT_MANY = 2, /* may be given again */
	OPT_INT = 4,  /* whole number, not negative */
	OPT_REAL = 8,
	OPT_MIB = 16,    /* MiB, or with a suffix M, G, T */
	OPT_FLAG = 32,   /* has no value */
	OPT_PROJECT = 64 /* the name or the id of a project: the command gets the id */
};

struct option {
	const char *name;  /* without the dashes */
	const char *value; /* shown in the help; with '|' in it, the values that are allowed */
	const char *help;
	int flags;
	const char *field; /* member of the request's body, or "?limit": of its query; NULL: the command's own
			      code uses it */
};

struct command {
	const char *path; /* "host add" */
	const char *args; /* "NAME [ZONE] KEY=VALUE..." */
	const char *help; /* one sentence; the first line of --help */
	const struct option *options;
	const char *method, *url; /* see ctl_url */
	const char *body;         /* constant body, or NULL: made of `wrap` and the fields */
	const char *wrap;         /* {"wrap": {fields}} */
	const char *fields;       /* members that the arguments become: "name uri"; '-': none */
	const struct view *view;
	const char *done; /* what is said after success where nothing is shown; {0}: the first argument */
	int (*run)(struct ctl *ctl);
};

/* The rows of all tables, in the order of the help; NULL behind the last. */
const struct command *command_at(size_t i);
extern const struct option global_options[];

enum { ARGS_MAX = 64 };

struct args {
	const struct command *command; /* NULL: help was asked for */
	const char *positional[ARGS_MAX];
	size_t positional_n;
	struct {
		const struct option *option;
		const char *value;
	} set[ARGS_MAX];
	size_t set_n;
	char topic[128]; /* words that help was asked about, "" for all */
	bool help;
};

/* argv without the program's name. Options may stand anywhere; "--" ends them; --name=value works. */
int args_parse(int argc, char *const *argv, struct args *out, struct error *err);
/* The last value of an option, NULL when it was not given. */
const char *args_option(const struct args *args, const char *name);
bool args_flag(const struct args *args, const char *name);
/* The i-th value of an option that may be given again; NULL behind the last. */
const char *args_option_at(const struct args *args, const char *name, size_t i);
/* "4096", "4G" to MiB. */
bool parse_mib(const char *text, int64_t *out);

/* Help for the words in topic ("" for all, "host" for a group, "host add"): false when nothing matches. */
bool help_print(const char *topic);
/* The manual page, made of the same table. */
void help_print_man(void);
/* "usage: cloudctl host add NAME URI [options]" */
void help_usage(const struct command *command, char *out, size_t size);

#endif
