/* SPDX-License-Identifier: Apache-2.0 */
/* cloudctl without a daemon: the command line against the table, the table printer, and answers as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "cloudctl/ctl.h"
#include "cloudctl/table.h"

/* Splits at spaces. */
static int parse(const char *line, struct args *out, struct error *err)
{
	static char copy[512], *argv[ARGS_MAX + 8];
	char *at = copy, *word;
	int argc = 0;

	str_copy(copy, sizeof copy, line);
	while ((word = strsep(&at, " ")))
		if (*word)
			argv[argc++] = word;
	return args_parse(argc, argv, out, err);
}

static void test_args_good(void **state)
{
	static const struct {
		const char *line, *path, *first;
		size_t positional;
		const char *option, *value;
	} cases[] = {
		{ "status", "status", NULL, 0, "zone", NULL },
		{ "host add h1 qemu+tls://h1/system --zone z --wait", "host add", "h1", 2, "zone", "z" },
		{ "-o json host list", "host list", NULL, 0, "output", "json" },
		{ "host -o json list", "host list", NULL, 0, "output", "json" },
		{ "--socket /x status", "status", NULL, 0, "socket", "/x" },
		{ "--socket=/x status", "status", NULL, 0, "socket", "/x" },
		{ "host add --vcpu-ratio=4.5 h1 uri", "host add", "h1", 2, "vcpu-ratio", "4.5" },
		{ "host show -- --odd-name", "host show", "--odd-name", 1, "zone", NULL },
		{ "quota set p cores=1 ram=2 gpus=3", "quota set", "p", 4, "zone", NULL },
		{ "help host add", "help", "host", 2, "man", NULL },
		{ "help", "help", NULL, 0, "man", NULL },
		{ "flavor create f --vcpus 1 --ram 4G --disk 0", "flavor create", "f", 1, "ram", "4G" },
		{ "server list --all", "server list", NULL, 0, "all", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct args args;
		struct error err;

		if (parse(cases[i].line, &args, &err))
			fail_msg("%s: %s", cases[i].line, err.msg);
		assert_string_equal(args.command->path, cases[i].path);
		assert_int_equal(args.positional_n, cases[i].positional);
		if (cases[i].first)
			assert_string_equal(args.positional[0], cases[i].first);
		if (cases[i].value)
			assert_string_equal(args_option(&args, cases[i].option), cases[i].value);
		else
			assert_null(args_option(&args, cases[i].option));
	}
}

static void test_args_bad(void **state)
{
	static const struct {
		const char *line, *message;
	} cases[] = {
		{ "", "no command" },
		{ "frobnicate", "no command 'frobnicate'" },
		{ "host", "no command 'host'" },
		{ "host frobnicate h1", "no command 'host frobnicate'" },
		{ "host add h1", "wants NAME URI" },
		{ "host add h1 uri more", "'more' is one argument too many" },
		{ "host list --zone z", "unknown option --zone" },
		{ "host list -z", "unknown option -z" },
		{ "host add h1 uri --zone", "--zone wants a value" },
		{ "host add h1 uri --accel fast", "--accel must be one of auto|kvm|qemu" },
		{ "host add h1 uri --accel=aut", "--accel must be one of" },
		{ "host add h1 uri --vcpu-ratio many", "--vcpu-ratio wants a number" },
		{ "host add h1 uri --vcpu-ratio -1", "--vcpu-ratio wants a number" },
		{ "host add h1 uri --ram-reserved 4Q", "--ram-reserved wants a size" },
		{ "host add h1 uri --wait=yes", "--wait takes no value" },
		{ "host add h1 uri --zone a --zone b", "--zone is given twice" },
		{ "flavor create f --vcpus 1 --ram 4G", "needs --disk" },
		{ "flavor create f --vcpus one --ram 4G --disk 1", "--vcpus wants a whole number" },
		{ "quota set p", "wants PROJECT KEY=VALUE" },
		{ "-o yaml status", "--output must be one of" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct args args;
		struct error err;

		if (parse(cases[i].line, &args, &err) == 0)
			fail_msg("'%s' was taken", cases[i].line);
		if (!strstr(err.msg, cases[i].message))
			fail_msg("'%s': %s", cases[i].line, err.msg);
	}
}

static void test_args_many(void **state)
{
	char line[4096] = "quota set p";
	struct args args;
	struct error err;

	(void)state;
	assert_int_equal(
		parse("flavor create f --vcpus 1 --ram 1 --disk 1 --gpus a:1 --gpus b:2", &args, &err), 0);
	assert_string_equal(args_option_at(&args, "gpus", 0), "a:1");
	assert_string_equal(args_option_at(&args, "gpus", 1), "b:2");
	assert_null(args_option_at(&args, "gpus", 2));
	for (int i = 0; i < ARGS_MAX; i++)
		strcat(line, " a=1");
	assert_int_equal(parse(line, &args, &err), -1);
	assert_string_equal(err.msg, "too many arguments");
}

static void test_mib(void **state)
{
	static const struct {
		const char *text;
		int64_t mib;
	} cases[] = { { "4096", 4096 }, { "4G", 4096 }, { "1T", 1048576 }, { "7M", 7 }, { "0", 0 },
		{ "", -1 }, { "G", -1 }, { "-1G", -1 }, { "4g", -1 }, { "4GB", -1 },
		{ "99999999999999999999", -1 }, { "1 G", -1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t mib = -1;

		assert_int_equal(parse_mib(cases[i].text, &mib), cases[i].mib >= 0);
		assert_int_equal(mib, cases[i].mib);
	}
}

/* The tables themselves: what a typing error in it would break at run time. */
static void test_table_of_commands(void **state)
{
	const struct command *c;

	(void)state;
	for (size_t i = 0; (c = command_at(i)); i++) {
		assert_non_null(c->help);
		assert_true(c->run || (c->method && c->url));
		assert_true(c->help[strlen(c->help) - 1] != '.');
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(c->path, command_at(j)->path);
		for (const struct option *o = c->options; o && o->name; o++) {
			assert_true((o->flags & OPT_FLAG) ? o->value == NULL : o->value != NULL);
			assert_non_null(o->help);
			for (const struct option *g = global_options; g->name; g++)
				assert_string_not_equal(o->name, g->name);
		}
	}
}

static void test_table_print(void **state)
{
	static const char *const titles[] = { "NAME", "N", "NOTE" };
	struct table t;
	struct buf out = { 0 };

	(void)state;
	table_init(&t, 3, titles);
	t.right[1] = true;
	table_row(&t);
	table_set(&t, 0, "Zürich");
	table_set(&t, 1, "7");
	table_row(&t);
	table_set(&t, 0, "東京");
	table_set(&t, 1, "12345");
	table_set(&t, 2, "a\x1b[31mb\nc\xff");
	table_print(&t, &out);
	assert_string_equal(buf_text(&out), "NAME        N  NOTE\n"
					    "Zürich      7\n"
					    "東京    12345  a?[31mb c?\n");
	buf_finish(&out);
	table_finish(&t);
}

static void test_table_width(void **state)
{
	(void)state;
	assert_int_equal(table_width(""), 0);
	assert_int_equal(table_width("abc"), 3);
	assert_int_equal(table_width("é"), 1);
	assert_int_equal(table_width("e\xcc\x81"), 1); /* combining accent */
	assert_int_equal(table_width("漢字"), 4);
	assert_int_equal(table_width("\xff\xfe"), 2);
}

static const struct column sample_columns[] = {
	{ "name", "name", FORM_TEXT },
	{ "cpu", "used/all", FORM_USED },
	{ "memory", "ram.total", FORM_MIB },
	{ "up", "up_s", FORM_SECONDS },
	{ "at", "at", FORM_TIME },
	{ "tags", "tags", FORM_TEXT },
	{ 0 },
};
static const struct view list_view = { "things", sample_columns, NULL, "no things" };
static const char sample[] =
	"{\"things\":[{\"name\":\"a\",\"used\":3,\"all\":8,\"ram\":{\"total\":1536},\"up_s\":3700,"
	"\"at\":1700000000000000,\"tags\":[\"x\",\"y\"]},"
	"{\"name\":\"b\\tc\",\"used\":0,\"all\":16,\"ram\":{},\"up_s\":59,\"at\":null,\"tags\":{\"k\":1}}]}";

static void check_view(
	const char *json, const struct view *view, const struct selection *sel, bool values, const char *want)
{
	json_t *answer = json_loads(json, 0, NULL);
	struct buf out = { 0 };
	struct error err = { 0 };

	assert_non_null(answer);
	if ((values ? view_values : view_table)(view, answer, sel, &out, &err))
		fail_msg("%s", err.msg);
	assert_string_equal(buf_text(&out), want);
	buf_finish(&out);
	json_decref(answer);
}

static void test_view(void **state)
{
	static const struct selection two = { .names = { "cpu", "NAME" }, .n = 2 };
	static const struct view object = { NULL, sample_columns, NULL, NULL },
				 members = { "q", NULL, NULL, NULL };

	(void)state;
	check_view(sample, &list_view, NULL, false,
		"NAME   CPU   MEMORY  UP     AT                    TAGS\n"
		"a      3/8  1.5 GiB  1h 1m  2023-11-14T22:13:20Z  x,y\n"
		"b c   0/16        -  59s    -                     k=1\n");
	check_view(sample, &list_view, &two, false, " CPU  NAME\n 3/8  a\n0/16  b c\n");
	check_view(sample, &list_view, &two, true, "3/8\ta\n0/16\tb c\n");
	check_view("{\"things\":[]}", &list_view, NULL, false, "no things\n");
	check_view("{\"things\":[]}", &list_view, NULL, true, "");
	check_view("{\"name\":\"n\"}", &object, NULL, false,
		"name    n\ncpu     -\nmemory  -\nup      -\nat      -\ntags    -\n");
	check_view("{\"q\":{\"cores\":4,\"ram\":-1}}", &members, NULL, false, "cores  4\nram    -1\n");
}

static void check_csv(
	const char *json, const struct view *view, const struct selection *sel, const char *want)
{
	json_t *answer = json_loads(json, 0, NULL);
	struct buf out = { 0 };
	struct error err = { 0 };

	if (view_csv(view, answer, sel, &out, &err))
		fail_msg("%s", err.msg);
	assert_string_equal(buf_text(&out), want);
	buf_finish(&out);
	json_decref(answer);
}

static void test_csv(void **state)
{
	static const struct selection some = { .names = { "name", "up", "tags" }, .n = 3 };
	static const struct view object = { NULL, sample_columns, NULL, NULL };

	(void)state;
	check_csv(sample, &list_view, &some, "name,up,tags\r\na,3700,\"x,y\"\r\nb\tc,59,k=1\r\n");
	check_csv("{\"things\":[]}", &list_view, &some, "name,up,tags\r\n");
	check_csv("{\"name\":\"say \\\"hi\\\"\\n\",\"up_s\":-5,\"tags\":\"=1+1\"}", &object, &some,
		"name,up,tags\r\n\"say \"\"hi\"\"\n\",-5,\"'=1+1\"\r\n");
	check_csv("{\"name\":\"-1+2\",\"up_s\":0}", &object, &some, "name,up,tags\r\n\"'-1+2\",0,\r\n");
}

static void test_view_unknown_column(void **state)
{
	static const struct selection bad = { .names = { "colour" }, .n = 1 };
	json_t *answer = json_loads(sample, 0, NULL);
	struct buf out = { 0 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(view_table(&list_view, answer, &bad, &out, &err), -1);
	assert_string_equal(
		err.msg, "there is no column 'colour'; there are: name, cpu, memory, up, at, tags");
	buf_finish(&out);
	json_decref(answer);
}

static void test_url_escape(void **state)
{
	struct buf out = { 0 };

	(void)state;
	url_escape(&out, "a b/c?d=é");
	assert_string_equal(buf_text(&out), "a%20b%2Fc%3Fd%3D%C3%A9");
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_args_good),
		cmocka_unit_test(test_args_bad),
		cmocka_unit_test(test_args_many),
		cmocka_unit_test(test_mib),
		cmocka_unit_test(test_table_of_commands),
		cmocka_unit_test(test_table_print),
		cmocka_unit_test(test_table_width),
		cmocka_unit_test(test_view),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_view_unknown_column),
		cmocka_unit_test(test_url_escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
