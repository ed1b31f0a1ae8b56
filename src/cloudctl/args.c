/* SPDX-License-Identifier: Apache-2.0 */
/* The command line against the table of commands. */
#include "cloudctl/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static const struct option *option_in(const struct option *options, const char *name, size_t n)
{
	for (; options && options->name; options++)
		if (strlen(options->name) == n && strncmp(options->name, name, n) == 0)
			return options;
	return NULL;
}

static const struct option *option_find(const struct command *command, const char *name, size_t n)
{
	const struct option *option = command ? option_in(command->options, name, n) : NULL;

	return option ? option : option_in(global_options, name, n);
}

bool parse_mib(const char *text, int64_t *out)
{
	static const struct {
		char suffix;
		int64_t factor;
	} units[] = { { 'M', 1 }, { 'G', 1024 }, { 'T', 1024 * 1024 } };
	char digits[24];
	size_t n = strlen(text);
	int64_t factor = 1, value;

	if (n == 0 || n >= sizeof digits)
		return false;
	memcpy(digits, text, n + 1);
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (digits[n - 1] == units[i].suffix) {
			factor = units[i].factor;
			digits[n - 1] = '\0';
		}
	if (!str_int64(digits, 0, INT64_MAX / (1024 * 1024), &value))
		return false;
	*out = value * factor;
	return true;
}

static bool is_choice(const char *choices, const char *value)
{
	size_t n = strlen(value);

	for (const char *p = choices; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
		if (strcspn(p, "|") == n && strncmp(p, value, n) == 0)
			return true;
	return false;
}

static int value_check(const struct option *option, const char *value, struct error *err)
{
	int64_t number;
	char *end;

	if (option->flags & OPT_INT && !str_int64(value, 0, INT64_MAX, &number))
		return error_set(
			err, ERR_BAD_REQUEST, "--%s wants a whole number, not '%s'", option->name, value);
	if (option->flags & OPT_MIB && !parse_mib(value, &number))
		return error_set(err, ERR_BAD_REQUEST, "--%s wants a size as 4096 (MiB) or 4G, not '%s'",
			option->name, value);
	if (option->flags & OPT_REAL && (strtod(value, &end) < 0 || end == value || *end))
		return error_set(err, ERR_BAD_REQUEST, "--%s wants a number, not '%s'", option->name, value);
	if (option->value && strchr(option->value, '|') && !is_choice(option->value, value))
		return error_set(err, ERR_BAD_REQUEST, "--%s must be one of %s, not '%s'", option->name,
			option->value, value);
	return 0;
}

static int option_add(struct args *out, const struct option *option, const char *value, struct error *err)
{
	if (out->set_n == ARGS_MAX)
		return error_set(err, ERR_BAD_REQUEST, "too many options");
	if (!(option->flags & OPT_MANY))
		for (size_t i = 0; i < out->set_n; i++)
			if (out->set[i].option == option)
				return error_set(err, ERR_BAD_REQUEST, "--%s is given twice", option->name);
	out->set[out->set_n].option = option;
	out->set[out->set_n++].value = value;
	return 0;
}

/* The option at argv[*i], with its value, which may be the next word. */
static int option_take(
	struct args *out, const char *word, int argc, char *const *argv, int *i, struct error *err)
{
	const char *name = str_eq(word, "-o") ? "output" : str_eq(word, "-c") ? "column" : word + 2;
	const char *value = strchr(name, '=');
	size_t n = value ? (size_t)(value - name) : strlen(name);
	const struct option *option;

	if (word[1] != '-' && name == word + 2)
		return error_set(err, ERR_BAD_REQUEST, "unknown option %s", word);
	option = option_find(out->command, name, n);
	if (!option)
		return error_set(err, ERR_BAD_REQUEST, "unknown option --%.*s", (int)n, name);
	if (option->flags & OPT_FLAG) {
		if (value)
			return error_set(err, ERR_BAD_REQUEST, "--%s takes no value", option->name);
		return option_add(out, option, "", err);
	}
	if (value)
		value++;
	else if (*i + 1 < argc)
		value = argv[++*i];
	else
		return error_set(
			err, ERR_BAD_REQUEST, "--%s wants a value (%s)", option->name, option->value);
	return value_check(option, value, err) ? -1 : option_add(out, option, value, err);
}

/* Counts what "NAME [ZONE] KEY=VALUE..." asks for. */
static void args_count(const char *spec, size_t *least, size_t *most)
{
	*least = *most = 0;
	while (spec && *spec) {
		size_t n = strcspn(spec, " ");

		(*most)++;
		*least += *spec != '[';
		if (memmem(spec, n, "...", 3))
			*most = ARGS_MAX;
		spec += n + strspn(spec + n, " ");
	}
}

static int args_check(const struct args *args, struct error *err)
{
	const struct command *command = args->command;
	size_t least, most;

	args_count(command->args, &least, &most);
	if (args->positional_n < least)
		return error_set(err, ERR_BAD_REQUEST, "'%s' wants %s", command->path, command->args);
	if (args->positional_n > most)
		return error_set(err, ERR_BAD_REQUEST, "'%s' is one argument too many for '%s'",
			args->positional[most], command->path);
	for (const struct option *o = command->options; o && o->name; o++)
		if (o->flags & OPT_REQUIRED && !args_option(args, o->name))
			return error_set(err, ERR_BAD_REQUEST, "'%s' needs --%s%s%s", command->path, o->name,
				o->value ? " " : "", o->value ? o->value : "");
	return 0;
}

static const char *word_at(int argc, char *const *argv, int i)
{
	const struct option *option;

	if (i >= argc || argv[i][0] != '-')
		return i < argc ? argv[i] : NULL;
	/* a global option before the command's words */
	if (str_eq(argv[i], "-o") || str_eq(argv[i], "-c"))
		return word_at(argc, argv, i + 2);
	option = strchr(argv[i], '=') || strlen(argv[i]) < 3
			 ? NULL
			 : option_find(NULL, argv[i] + 2, strlen(argv[i] + 2));
	return word_at(argc, argv, i + (option && !(option->flags & OPT_FLAG) ? 2 : 1));
}

/* The row whose words stand first on the line: the longest one ("host list" before "host"). */
static const struct command *command_find(int argc, char *const *argv, size_t *out_words)
{
	const char *first = word_at(argc, argv, 0), *second = NULL;
	const struct command *best = NULL, *c;

	*out_words = 0;
	for (int i = 0; first && i < argc; i++)
		if (argv[i] == first)
			second = word_at(argc, argv, i + 1);
	for (size_t i = 0; first && (c = command_at(i)); i++) {
		const char *path = c->path, *space = strchr(path, ' ');
		size_t words = space ? 2 : 1;

		if (words <= *out_words || strlen(first) != strcspn(path, " ") || !str_starts(path, first))
			continue;
		if (space && !str_eq(second, space + 1))
			continue;
		best = c;
		*out_words = words;
	}
	return best;
}

static void topic_add(struct args *out, const char *word)
{
	size_t n = strlen(out->topic);

	snprintf(out->topic + n, sizeof out->topic - n, "%s%s", n ? " " : "", word);
}

static int command_unknown(const struct args *args, struct error *err)
{
	if (!args->topic[0])
		return error_set(err, ERR_BAD_REQUEST, "no command is given");
	return error_set(err, ERR_BAD_REQUEST, "there is no command '%s'", args->topic);
}

int args_parse(int argc, char *const *argv, struct args *out, struct error *err)
{
	size_t words, seen = 0;
	bool only_words = false;

	*out = (struct args) { 0 };
	out->command = command_find(argc, argv, &words);
	for (int i = 0; i < argc; i++) {
		const char *word = argv[i];

		if (!only_words && str_eq(word, "--")) {
			only_words = true;
		} else if (!only_words && (str_eq(word, "--help") || str_eq(word, "-h"))) {
			out->help = true;
		} else if (!only_words && word[0] == '-' && word[1]) {
			if (option_take(out, word, argc, argv, &i, err))
				return -1;
		} else if (seen < words || !out->command) {
			if (seen++ < 2)
				topic_add(out, word);
		} else if (out->positional_n == ARGS_MAX) {
			return error_set(err, ERR_BAD_REQUEST, "too many arguments");
		} else {
			out->positional[out->positional_n++] = word;
		}
	}
	if (out->help || args_flag(out, "version"))
		return 0;
	return out->command ? args_check(out, err) : command_unknown(out, err);
}

const char *args_option_at(const struct args *args, const char *name, size_t at)
{
	for (size_t i = 0; i < args->set_n; i++)
		if (str_eq(args->set[i].option->name, name) && at-- == 0)
			return args->set[i].value;
	return NULL;
}

const char *args_option(const struct args *args, const char *name)
{
	return args_option_at(args, name, 0);
}

bool args_flag(const struct args *args, const char *name)
{
	return args_option(args, name) != NULL;
}
