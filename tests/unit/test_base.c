/* SPDX-License-Identifier: Apache-2.0 */
/* The base room: text, JSON both ways, encodings, ids, times, passwords. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bind.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/cpuset.h"
#include "base/crypto.h"
#include "base/error.h"
#include "base/util.h"

/* ---- error ---- */

static void test_error(void **state)
{
	struct error err;
	char longer[400];

	(void)state;
	assert_int_equal(error_set(&err, ERR_CONFLICT, "%s %d", "port", 7), -1);
	assert_int_equal(error_wrap(&err, "server %s", "x"), -1);
	assert_string_equal(err.msg, "server x: port 7");
	assert_string_equal(err.detail, "");
	assert_int_equal(error_detail(&err, "row %d", 3), -1);
	assert_string_equal(err.detail, "row 3");
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(error_internal(&err, "secret path"), -1);
	assert_int_equal(err.code, ERR_INTERNAL);
	assert_null(strstr(err.msg, "secret"));
	memset(longer, 'a', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	error_set(&err, ERR_CONFLICT, "%s", longer);
	error_wrap(&err, "%s", longer); /* cut, not overrun */
	assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
	for (int i = 0; i < ERR_MAX; i++)
		assert_string_not_equal(error_code_name((enum err)i), "UNKNOWN");
	assert_string_equal(error_code_name(ERR_MAX), "UNKNOWN");
}

/* ---- text ---- */

static void test_str_int64(void **state)
{
	static const char *const bad[] = { "", "-", "+1", " 1", "1 ", "1x", "0x10", "1.0",
		"9223372036854775808", "-9223372036854775809", "11", "-6" };
	int64_t v = 42;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (str_int64(bad[i], i >= 10 ? -5 : INT64_MIN, i >= 10 ? 10 : INT64_MAX, &v))
			fail_msg("'%s' was taken", bad[i]);
	assert_false(str_int64(NULL, 0, 1, &v));
	assert_int_equal(v, 42);
	assert_true(str_int64("-5", -5, 10, &v));
	assert_int_equal(v, -5);
	assert_true(str_int64("9223372036854775807", 0, INT64_MAX, &v));
	assert_true(v == INT64_MAX);
	assert_true(str_int64("007", 0, 10, &v));
	assert_int_equal(v, 7);
}

static void test_str_bool(void **state)
{
	static const char *const yes[] = { "True", "true", "1", "YES", "on" },
				 *const no[] = { "False", "0", "no", "Off" },
				 *const bad[] = { "", "2", "truely", " true" };
	bool v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		assert_true(str_bool(yes[i], &v) && v);
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		assert_true(str_bool(no[i], &v) && !v);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(str_bool(bad[i], &v));
	assert_false(str_bool(NULL, &v));
}

static void test_str_copy(void **state)
{
	char out[4];

	(void)state;
	assert_true(str_copy(out, sizeof out, "abc"));
	assert_string_equal(out, "abc");
	assert_false(str_copy(out, sizeof out, "abcd"));
	assert_string_equal(out, "abc");
	assert_true(str_eq(NULL, NULL) && str_eq("a", "a"));
	assert_false(str_eq(NULL, "") || str_eq("a", "b"));
	assert_true(str_starts("abc", "ab") && str_starts("abc", ""));
	assert_false(str_starts("ab", "abc"));
}

static void test_utf8(void **state)
{
	static const struct {
		const char *text;
		bool valid;
		size_t chars;
	} cases[] = {
		{ "", true, 0 },
		{ "abc", true, 3 },
		{ "Đà Nẵng", true, 7 },
		{ "\xf0\x9f\x98\x80", true, 1 },
		{ "\xf4\x8f\xbf\xbf", true, 1 },  /* the last one */
		{ "\xf4\x90\x80\x80", false, 0 }, /* behind it */
		{ "\xed\xa0\x80", false, 0 },     /* a surrogate */
		{ "\xc0\xaf", false, 0 },         /* overlong */
		{ "\xe0\x80\xaf", false, 0 },
		{ "\xf0\x80\x80\xaf", false, 0 },
		{ "\xe1\xba", false, 0 }, /* cut */
		{ "\x80", false, 0 },
		{ "a\xff", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(utf8_valid(cases[i].text, strlen(cases[i].text)), cases[i].valid);
		if (cases[i].valid)
			assert_int_equal(utf8_length(cases[i].text), cases[i].chars);
	}
	assert_false(utf8_valid("a\0b", 3));
}

static void test_arena(void **state)
{
	struct arena a = { 0 };
	char *big;

	(void)state;
	for (size_t n = 0; n < 3000; n += 7) {
		char *p = arena_alloc(&a, n);

		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n); /* the next must not see it */
	}
	big = arena_alloc(&a, 1 << 20);
	memset(big, 1, 1 << 20);
	assert_string_equal(arena_strdup(&a, "abc"), "abc");
	assert_null(arena_strdup(&a, NULL));
	assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
	assert_string_equal(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
	assert_memory_equal(arena_copy(&a, "a\0b", 3), "a\0b", 3);
	arena_finish(&a);
	assert_int_equal(a.used, 0);
	assert_non_null(arena_alloc(&a, 1)); /* ready again */
	arena_finish(&a);
}

/* ---- JSON writer ---- */

static void test_writer(void **state)
{
	struct buf b = { 0 };

	(void)state;
	jw_object(&b);
	jw_kv_str(&b, "s", "a\"b\\c\n\t\x01\x7f/é");
	jw_kv_str(&b, "none", NULL);
	jw_kv_int(&b, "min", INT64_MIN);
	jw_kv_bool(&b, "yes", true);
	jw_kv_null(&b, "null");
	jw_key(&b, "list");
	jw_array(&b);
	jw_array(&b);
	jw_end_array(&b);
	jw_object(&b);
	jw_end_object(&b);
	jw_str(&b, ",");
	jw_str(&b, ":");
	jw_str(&b, "");
	jw_strf(&b, "%s", "");
	jw_strf(&b, "%d%%", 50);
	jw_raw(&b, "[1]", 3);
	jw_bool(&b, false);
	jw_end_array(&b);
	jw_kv_int(&b, "last,", 0);
	jw_end_object(&b);
	assert_string_equal(buf_text(&b),
		"{\"s\":\"a\\\"b\\\\c\\n\\t\\u0001\x7f/é\",\"none\":null,"
		"\"min\":-9223372036854775808,\"yes\":true,\"null\":null,"
		"\"list\":[[],{},\",\",\":\",\"\",\"\",\"50%\",[1],false],\"last,\":0}");
	buf_finish(&b);
}

static void test_writer_doubles(void **state)
{
	static const struct {
		double v;
		const char *text;
	} cases[] = { { 0, "0.0" }, { 1, "1.0" }, { 0.1, "0.1" }, { -2.5, "-2.5" }, { 1e300, "1e+300" },
		{ NAN, "0.0" }, { INFINITY, "0.0" }, { 123456789.125, "123456789.125" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = { 0 };

		jw_double(&b, cases[i].v);
		assert_string_equal(buf_text(&b), cases[i].text);
		buf_finish(&b);
	}
}

/* Whatever bytes come in, what goes out is JSON of valid UTF-8; valid text comes back as it was. */
static void test_writer_any_bytes(void **state)
{
	static const char odd[] = "\xc3\xa9\xe1\xba\xf0\x9f\"\\a";
	unsigned x = 1;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct buf b = { 0 };
		char in[24];
		size_t n = (size_t)round % sizeof in;
		json_error_t je;
		json_t *v;

		for (size_t i = 0; i < n; i++) {
			x = x * 1664525u + 1013904223u;
			in[i] = round % 2 ? (char)(x >> 24) : odd[(x >> 24) % (sizeof odd - 1)];
		}
		jw_array(&b);
		jw_strn(&b, in, n);
		jw_end_array(&b);
		assert_true(utf8_valid(b.data, b.len));
		v = json_loadb(b.data, b.len, 0, &je);
		if (!v)
			fail_msg("%.*s: %s", (int)b.len, b.data, je.text);
		if (utf8_valid(in, n)) {
			assert_int_equal(json_string_length(json_array_get(v, 0)), n);
			assert_memory_equal(json_string_value(json_array_get(v, 0)), in, n);
		}
		json_decref(v);
		buf_finish(&b);
	}
}

static void test_buf(void **state)
{
	struct buf b = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i);
	assert_memory_equal(b.data, "0,1,2,", 6);
	buf_consume(&b, 4);
	assert_memory_equal(b.data, "2,3,", 4);
	buf_consume(&b, b.len);
	assert_int_equal(b.len, 0);
	assert_string_equal(buf_text(&b), "");
	buf_finish(&b);
	assert_null(b.data);
}

/* ---- JSON reader ---- */

struct body {
	const char *name, *note;
	int64_t count, size;
	bool flag, strict;
	json_t *meta, *list, *any;
};

static const struct bind_field fields[] = {
	BIND(body, name, "name", BIND_STR, BIND_REQUIRED, 1, 5),
	BIND(body, note, "note", BIND_STR, BIND_NULL | BIND_LOOSE, 0, 0),
	BIND(body, count, "count", BIND_INT, 0, 1, 10),
	BIND(body, size, "size", BIND_INT, 0, 0, 0),
	BIND(body, flag, "flag", BIND_BOOL, BIND_LOOSE, 0, 0),
	BIND(body, strict, "strict", BIND_BOOL, 0, 0, 0),
	BIND(body, meta, "meta", BIND_OBJ, 0, 0, 0),
	BIND(body, list, "list", BIND_ARR, 0, 1, 2),
	BIND(body, any, "any", BIND_ANY, 0, 0, 0),
	{ .name = "late", .type = BIND_INT, .offset = offsetof(struct body, size), .since = 19 },
	{ .name = "early", .type = BIND_INT, .offset = offsetof(struct body, size), .until = 56 },
};

static const struct bind_table thing = { .top = "thing", BIND_TABLE(body, fields) };

static int bind_to(const char *text, int version, const struct bind_table *t, struct arena *a, void *out,
	struct bind_seen *seen, struct error *err)
{
	json_t *doc = bind_parse(text, strlen(text), err);
	int rc = doc ? bind_body(doc, t, version, a, out, seen, err) : -1;

	json_decref(doc);
	return rc;
}

static int bind_text(const char *text, int version, struct arena *a, struct body *out, struct bind_seen *seen,
	struct error *err)
{
	return bind_to(text, version, &thing, a, out, seen, err);
}

static const struct {
	const char *text;
	int version;
	const char *says; /* part of the message; NULL: taken */
} bodies[] = {
	{ "{\"thing\": {\"name\": \"abc\"}}", 1, NULL },
	{ "{\"thing\": {\"name\": \"ăăăăă\"}}", 1, NULL },
	{ "{\"thing\": {\"name\": \"a\", \"count\": \"10\", \"note\": 5, \"list\": [1, 2], \"meta\": {}, "
	  "\"any\": 1.5}}",
		1, NULL },
	{ "{\"thing\": {\"name\": \"a\", \"count\": null, \"list\": null}}", 1, NULL },
	{ "{\"thing\": {\"name\": \"a\", \"flag\": \"True\"}}", 1, NULL },
	{ "{\"thing\": {\"name\": \"a\", \"flag\": 1}}", 1, NULL },
	{ "{\"thing\": {\"name\": \"a\", \"late\": 1}}", 19, NULL },
	{ "{\"thing\": {\"name\": \"a\", \"early\": 1}}", 56, NULL },
	{ "", 1, "not JSON" },
	{ "{", 1, "not JSON" },
	{ "{\"thing\": {\"name\": \"a\", \"name\": \"b\"}}", 1, "not JSON" }, /* twice */
	{ "{\"thing\": {\"name\": \"\xff\"}}", 1, "not JSON" },
	{ "{\"thing\": {\"name\": \"a\\u0000b\"}}", 1, "not JSON" },
	{ "{\"thing\": {\"name\": \"a\", \"count\": 99999999999999999999}}", 1, "not JSON" },
	{ "{} x", 1, "not JSON" },
	{ "[]", 1, "key 'thing'" },
	{ "{}", 1, "key 'thing'" },
	{ "{\"thing\": 5}", 1, "key 'thing'" },
	{ "{\"thing\": {}}", 1, "thing.name is required" },
	{ "{\"thing\": {\"name\": null}}", 1, "thing.name is required" },
	{ "{\"thing\": {\"name\": 5}}", 1, "thing.name must be a string" },
	{ "{\"thing\": {\"name\": \"\"}}", 1, "thing.name must be a string of 1 to 5 characters" },
	{ "{\"thing\": {\"name\": \"abcdef\"}}", 1, "thing.name must be a string of 1 to 5 characters" },
	{ "{\"thing\": {\"name\": \"a\", \"count\": 0}}", 1, "thing.count must be an integer from 1 to 10" },
	{ "{\"thing\": {\"name\": \"a\", \"count\": 11}}", 1, "thing.count must be an integer from 1 to 10" },
	{ "{\"thing\": {\"name\": \"a\", \"count\": 1.0}}", 1, "thing.count must be an integer" },
	{ "{\"thing\": {\"name\": \"a\", \"count\": \"x\"}}", 1, "thing.count must be an integer" },
	{ "{\"thing\": {\"name\": \"a\", \"count\": true}}", 1, "thing.count must be an integer" },
	{ "{\"thing\": {\"name\": \"a\", \"flag\": \"maybe\"}}", 1, "thing.flag must be true or false" },
	{ "{\"thing\": {\"name\": \"a\", \"flag\": 2}}", 1, "thing.flag must be true or false" },
	{ "{\"thing\": {\"name\": \"a\", \"strict\": \"true\"}}", 1, "thing.strict must be true or false" },
	{ "{\"thing\": {\"name\": \"a\", \"meta\": []}}", 1, "thing.meta must be an object" },
	{ "{\"thing\": {\"name\": \"a\", \"list\": {}}}", 1, "thing.list must be an array" },
	{ "{\"thing\": {\"name\": \"a\", \"list\": []}}", 1, "thing.list must be" },
	{ "{\"thing\": {\"name\": \"a\", \"list\": [1, 2, 3]}}", 1, "thing.list must be" },
	{ "{\"thing\": {\"name\": \"a\", \"what\": 1}}", 1,
		"thing.what: Additional properties are not allowed" },
	{ "{\"thing\": {\"name\": \"a\", \"late\": 1}}", 18, "thing.late: Additional properties" },
	{ "{\"thing\": {\"name\": \"a\", \"early\": 1}}", 57, "thing.early: Additional properties" },
};

static void test_bind(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		CLEANUP(arena_finish) struct arena a = { 0 };
		struct body out = { 0 };
		struct error err;
		int rc = bind_text(bodies[i].text, bodies[i].version, &a, &out, NULL, &err);

		if (rc != (bodies[i].says ? -1 : 0) || (rc && !strstr(err.msg, bodies[i].says)))
			fail_msg("%s: %s", bodies[i].text, rc ? err.msg : "was taken");
		if (rc)
			assert_int_equal(err.code, ERR_BAD_REQUEST);
		else
			assert_true(*out.name); /* in the arena: the document is gone */
	}
}

static void test_bind_values(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct body out = { .count = 7, .note = "kept" };
	struct bind_seen seen;
	struct error err;

	(void)state;
	assert_int_equal(
		bind_text(
			"{\"thing\": {\"name\": \"abc\", \"note\": null, \"count\": null, \"size\": \"-3\"}}",
			1, &a, &out, &seen, &err),
		0);
	assert_string_equal(out.name, "abc");
	assert_string_equal(out.note, "kept");
	assert_int_equal(out.count, 7); /* a null is as if it were left out */
	assert_int_equal(out.size, -3);
	assert_int_equal(seen.present, 1 << 0 | 1 << 1 | 1 << 3);
	assert_int_equal(seen.null, 1 << 1 | 1 << 2);
	assert_int_equal(bind_text("{\"thing\": {\"name\": \"x\", \"note\": 12, \"flag\": \"on\"}}", 1, &a,
				 &out, NULL, &err),
		0);
	assert_string_equal(out.note, "12");
	assert_true(out.flag);
}

/* Tables in tables: entries of arrays, objects with any keys, words, one of many keys. */

struct port {
	const char *ip;
	int64_t number;
};

struct server {
	const char *word, *mode;
	struct bind_list ports, names;
	json_t *labels;
	const struct port *main;
	double ratio;
	int64_t count;
};

struct request {
	const struct server *server;
};

static const char *const modes[] = { "fast", "slow", NULL };
static const struct bind_field port_fields[] = {
	BIND(port, ip, "ip", BIND_STR, BIND_REQUIRED, 1, 15),
	BIND(port, number, "number", BIND_INT, 0, 1, 65535),
};
static const struct bind_table port_table = { BIND_TABLE(port, port_fields) };
static const struct bind_field port_item = { .type = BIND_OBJ, .table = &port_table };
static const struct bind_table label_table = { .more = &bind_item_text };
static const struct bind_field server_fields[] = {
	{ .name = "ports",
		.type = BIND_ARR,
		.offset = offsetof(struct server, ports),
		.max = 2,
		.items = &port_item },
	{ .name = "ports",
		.type = BIND_STR,
		.offset = offsetof(struct server, word),
		.since = 37,
		.words = modes },
	{ .name = "names",
		.type = BIND_ARR,
		.offset = offsetof(struct server, names),
		.items = &bind_item_text },
	{ .name = "labels",
		.type = BIND_OBJ,
		.offset = offsetof(struct server, labels),
		.flags = BIND_JSON,
		.max = 2,
		.table = &label_table },
	{ .name = "main", .type = BIND_OBJ, .offset = offsetof(struct server, main), .table = &port_table },
	{ .name = "mode",
		.type = BIND_STR,
		.offset = offsetof(struct server, mode),
		.flags = BIND_ANY_CASE,
		.words = modes },
	{ .name = "ratio",
		.type = BIND_NUM,
		.offset = offsetof(struct server, ratio),
		.max = 16,
		.absent = 1 },
	{ .name = "count", .type = BIND_INT, .offset = offsetof(struct server, count), .absent = -1 },
};
static const struct bind_table server_table = { BIND_TABLE(server, server_fields) };
static const struct bind_field request_fields[] = {
	{ .name = "server", .type = BIND_OBJ, .table = &server_table },
	{ .name = "stop", .type = BIND_OBJ, .flags = BIND_NULL, .table = &port_table },
};
static const struct bind_table request_table = { .fields = request_fields,
	.n = 1,
	.size = sizeof(struct request),
	.required = 1 },
			       one_table = { BIND_TABLE(request, request_fields), .flags = BIND_ONE };

static const struct {
	const char *text;
	int version;
	const char *says;
} nested[] = {
	{ "{\"server\": {\"ports\": [{\"ip\": \"1\"}, {\"ip\": \"\"}]}}", 1,
		"server.ports[1].ip must be a string of 1 to 15" },
	{ "{\"server\": {\"ports\": [{}]}}", 1, "server.ports[0].ip is required" },
	{ "{\"server\": {\"ports\": [{\"ip\": \"1\", \"x\": 1}]}}", 1, "server.ports[0].x: Additional" },
	{ "{\"server\": {\"ports\": [7]}}", 1, "server.ports[0] must be an object" },
	{ "{\"server\": {\"ports\": [null]}}", 1, "server.ports[0] must be an object" },
	{ "{\"server\": {\"ports\": [{\"ip\": \"1\"}, {\"ip\": \"1\"}, {\"ip\": \"1\"}]}}", 1,
		"server.ports must be an array of 0 to 2" },
	{ "{\"server\": {\"ports\": \"fast\"}}", 36, "server.ports must be an array" },
	{ "{\"server\": {\"ports\": \"none\"}}", 37, "server.ports must be one of fast, slow" },
	{ "{\"server\": {\"ports\": 7}}", 37, "server.ports must be an array" },
	{ "{\"server\": {\"names\": [\"a\", 7]}}", 1, "server.names[1] must be a string" },
	{ "{\"server\": {\"labels\": {\"a\": 7}}}", 1, "server.labels.a must be a string" },
	{ "{\"server\": {\"labels\": {\"a\": \"\", \"b\": \"\", \"c\": \"\"}}}", 1,
		"server.labels must be an object of 0 to 2" },
	{ "{\"server\": {\"main\": {\"ip\": \"1\", \"number\": 0}}}", 1,
		"server.main.number must be an integer from 1 to 65535" },
	{ "{\"server\": {\"mode\": \"Fastest\"}}", 1, "server.mode must be one of fast, slow" },
	{ "{\"server\": {\"ratio\": 16.5}}", 1, "server.ratio must be a number from 0 to 16" },
	{ "{\"server\": {\"ratio\": \"1\"}}", 1, "server.ratio must be a number" },
	{ "{\"server\": null}", 1, "server is required" },
	{ "{\"server\": {}, \"x\": 1}", 1, "x: Additional" },
};

static void test_bind_nested(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct request out = { 0 };
	const struct port *ports;
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(nested); i++)
		if (bind_to(nested[i].text, nested[i].version, &request_table, &a, &out, NULL, &err) == 0 ||
			!strstr(err.msg, nested[i].says))
			fail_msg("%s: %s", nested[i].text, err.msg);
	assert_int_equal(
		bind_to("{\"server\": {\"ports\": [{\"ip\": \"1\"}, {\"ip\": \"2\", \"number\": \"7\"}], "
			"\"names\": [\"x\"], \"main\": {\"ip\": \"3\"}, \"mode\": \"SLOW\"}}",
			37, &request_table, &a, &out, NULL, &err),
		0);
	ports = out.server->ports.items;
	assert_int_equal(out.server->ports.n, 2);
	assert_string_equal(ports[1].ip, "2");
	assert_int_equal(ports[1].number, 7);
	assert_string_equal(((const char *const *)out.server->names.items)[0], "x");
	assert_string_equal(out.server->main->ip, "3");
	assert_ptr_equal(out.server->mode, modes[1]);
	assert_null(out.server->word);
	assert_true(out.server->ratio == 1.0);
	assert_int_equal(out.server->count, -1);
	assert_int_equal(
		bind_to("{\"server\": {\"ports\": \"fast\"}}", 37, &request_table, &a, &out, NULL, &err), 0);
	assert_string_equal(out.server->word, "fast");
	assert_null(out.server->ports.items); /* none, which an empty one is not */
}

static void test_bind_one(void **state)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "{}", "one key" },
		{ "{\"server\": null, \"stop\": null}", "one key" },
		{ "{\"dance\": {}}", "no such action: dance" },
		{ "{\"dance\": null}", "no such action: dance" },
		{ "{\"server\": null}", "server must not be null" },
		{ "{\"stop\": {}}", "stop.ip is required" },
		{ "[]", "JSON object" },
	};
	struct request out = { 0 };
	struct bind_seen seen;
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (bind_to(bad[i].text, 1, &one_table, &a, &out, NULL, &err) == 0 ||
			!strstr(err.msg, bad[i].says))
			fail_msg("%s: %s", bad[i].text, err.msg);
	assert_int_equal(bind_to("{\"stop\": null}", 1, &one_table, &a, &out, &seen, &err), 0);
	assert_int_equal(seen.present, 1 << 1);
	assert_null(out.server);
}

static void test_bind_depth(void **state)
{
	char text[300];
	struct error err;

	(void)state;
	for (int depth = 2; depth <= 100; depth += 7) {
		json_t *v;

		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		v = bind_parse(text, 2 * (size_t)depth, &err);
		assert_int_equal(v != NULL, depth < 32);
		json_decref(v);
	}
}

/* ---- encodings, ids, passwords ---- */

static void test_base64(void **state)
{
	static const struct {
		const char *plain, *text;
	} cases[] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" } }; /* RFC 4648 section 10 */
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Zg===", "=Zg=", "Zg==Zg==", "Zm9*",
		"Zm9v\xc3\xa9==", "====", "Z===", "Zm-_", "QUJD----" };
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(free_ptr) char *text = base64_encode(cases[i].plain, strlen(cases[i].plain));
		CLEANUP(free_ptr) unsigned char *back = base64_decode(text, strlen(text), &n);

		assert_string_equal(text, cases[i].text);
		assert_non_null(back);
		assert_int_equal(n, strlen(cases[i].plain));
		assert_memory_equal(back, cases[i].plain, n);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (base64_decode(bad[i], strlen(bad[i]), &n))
			fail_msg("'%s' was taken", bad[i]);
	{
		CLEANUP(free_ptr) unsigned char *back = base64_decode(" Zm9v\r\nYmFy\n", 12, &n);

		assert_int_equal(n, 6);
		assert_memory_equal(back, "foobar", 6);
	}
}

static void count_up(void *ctx, void *out, size_t n)
{
	unsigned char *next = ctx, *p = out;

	while (n--)
		*p++ = (*next)++;
}

static void test_ids(void **state)
{
	unsigned char next = 0xf0;
	const struct rng rng = { count_up, &next };
	char uuid[UUID_TEXT], hex[HEX32_TEXT];
	CLEANUP(free_ptr) char *url = NULL;

	(void)state;
	uuid_make(&rng, uuid);
	assert_string_equal(uuid, "f0f1f2f3-f4f5-46f7-b8f9-fafbfcfdfeff"); /* version 4, variant 1 */
	assert_true(uuid_valid(uuid));
	next = 0;
	hex32_make(&rng, hex);
	assert_string_equal(hex, "000102030405060708090a0b0c0d0e0f");
	assert_true(hex32_valid(hex));
	next = 0xfb;
	url = random_base64url(&rng, 4);
	assert_string_equal(url, "A_z9_g"); /* not "-_z9_g": no dash in front */
	assert_true(uuid_valid("F0F1F2F3-f4f5-46f7-b8f9-fafbfcfdfeff"));
	assert_false(uuid_valid(""));
	assert_false(uuid_valid("f0f1f2f3-f4f5-46f7-b8f9-fafbfcfdfef"));
	assert_false(uuid_valid("f0f1f2f3-f4f5-46f7-b8f9-fafbfcfdfeff0"));
	assert_false(uuid_valid("f0f1f2f3f-4f5-46f7-b8f9-fafbfcfdfeff"));
	assert_false(uuid_valid("g0f1f2f3-f4f5-46f7-b8f9-fafbfcfdfeff"));
	assert_false(hex32_valid("000102030405060708090A0b0c0d0e0f"));
	assert_false(hex32_valid("0001"));
}

static void test_hashes(void **state)
{
	unsigned char md[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1], fp[48];

	(void)state;
	sha256("abc", 3, md);
	hex_encode(md, sizeof md, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	md5_fingerprint("abc", 3, fp);
	assert_string_equal(fp, "90:01:50:98:3c:d2:4f:b0:d6:96:3f:7d:28:e1:7f:72");
	assert_true(constant_time_equal("abc", "abc", 3));
	assert_false(constant_time_equal("abc", "abd", 3));
}

static void test_passwords(void **state)
{
	/* made by another program: Python's hashlib.scrypt */
	static const char vector[] = "scrypt$14$8$1$536f6469756d43686c6f726964652121$"
				     "5266323433bf611b859ac800e892b96da335a93270d5b16f5f66ab7b50f63817",
			  ours[] = "scrypt$15$8$3$30313233343536373839616263646566$"
				   "4a6f942d0e416f5116480bd6f9ac33a04f54d0d326ea93d56bf877fe2adc1b49";
	CLEANUP(free_ptr) char *hash = password_hash(&rng_system, "secret");
	char changed[sizeof vector];

	(void)state;
	assert_true(password_verify("pleaseletmein", vector));
	assert_false(password_verify("pleaseletmeio", vector));
	assert_true(password_verify("mật khẩu", ours));
	assert_memory_equal(hash, "scrypt$15$8$3$", 14);
	assert_true(password_verify("secret", hash));
	assert_false(password_verify("Secret", hash));
	assert_false(password_verify("", hash));
	memcpy(changed, vector, sizeof changed);
	changed[sizeof changed - 2] ^= 1;
	assert_false(password_verify("pleaseletmein", changed));
	assert_false(password_verify("", NULL));
	assert_false(password_verify("", "scrypt$15$8$3$$"));
	assert_false(password_verify("", "scrypt$60$8$3$00$00"));
}

/* ---- time ---- */

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t us; /* -1: refused */
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-01-01", INT64_C(1767225600000000) },
		{ "2026-01-01T00:00:00", INT64_C(1767225600000000) },
		{ "2026-01-01 00:00:00.000001", INT64_C(1767225600000001) },
		{ "2026-01-01T00:00:00.5Z", INT64_C(1767225600500000) },
		{ "2026-01-01T00:00:00.1234567Z", INT64_C(1767225600123456) },
		{ "2026-01-01T07:00:00+07:00", INT64_C(1767225600000000) },
		{ "2025-12-31T19:30:00-0430", INT64_C(1767225600000000) },
		{ "2026-01-01T00:00", INT64_C(1767225600000000) },
		{ "2024-02-29T12:00:00Z", INT64_C(1709208000000000) },
		{ "", -1 },
		{ "now", -1 },
		{ "2026", -1 },
		{ "2026-13-01", -1 },
		{ "2026-00-01", -1 },
		{ "2026-01-32", -1 },
		{ "2026-02-31", -1 },
		{ "2025-02-29T12:00:00Z", -1 },
		{ "2026-01-01T", -1 },
		{ "2026-01-01T24:00:00", -1 },
		{ "2026-01-01T00:60:00", -1 },
		{ "2026-01-01T00:00:00Zx", -1 },
		{ "2026-01-01T00:00:00+7", -1 },
		{ "2026-1-1", -1 },
		{ " 2026-01-01", -1 },
		{ "2026-01-01T00:00:00+24:00", -1 },
		{ "2026-01-01T00:00:00-01:60", -1 },
	};
	char text[TIME_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t us = -1;
		int rc = time_parse(cases[i].text, &us);

		if (rc != (cases[i].us < 0 ? -1 : 0) || us != cases[i].us)
			fail_msg("'%s': %d, %lld", cases[i].text, rc, (long long)us);
	}
	assert_string_equal(time_iso(INT64_C(1767225600999999), text), "2026-01-01T00:00:00Z");
	assert_string_equal(time_iso_us(INT64_C(1767225600000042), text), "2026-01-01T00:00:00.000042");
	assert_string_equal(time_iso_usz(INT64_C(1767225600000042), text), "2026-01-01T00:00:00.000042Z");
	assert_string_equal(time_iso_us(-1, text), "1969-12-31T23:59:59.999999");
}

/* What is written is read back as it was. */
static void test_times_round_trip(void **state)
{
	char text[TIME_TEXT];

	(void)state;
	for (int64_t us = 0, back; us < INT64_C(4000000000000000); us += INT64_C(7777777777777)) {
		assert_int_equal(time_parse(time_iso_us(us, text), &back), 0);
		assert_true(back == us);
		assert_int_equal(time_parse(time_iso_usz(us, text), &back), 0);
		assert_true(back == us);
	}
}

/* ---- sets of CPUs ---- */

static void test_cpuset(void **state)
{
	static const struct {
		const char *text, *written; /* NULL: refused */
	} cases[] = {
		{ "", "" },
		{ "0", "0" },
		{ "1023", "1023" },
		{ "0-1023", "0-1023" },
		{ "8,3,1-2,3", "1-3,8" },
		{ "62-65,127,128", "62-65,127-128" },
		{ "1024", NULL },
		{ "0-1024", NULL },
		{ "99999999999999999999", NULL },
		{ "3-1", NULL },
		{ "1,", NULL },
		{ ",1", NULL },
		{ "1-", NULL },
		{ "-1", NULL },
		{ " 1", NULL },
		{ "1 2", NULL },
		{ "^1", NULL },
	};
	struct cpuset a = { 0 }, b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_finish) struct buf out = { 0 };

		assert_int_equal(cpuset_parse(cases[i].text, &b), cases[i].written ? 0 : -1);
		if (!cases[i].written)
			continue;
		cpuset_write(&b, &out);
		assert_string_equal(buf_text(&out), cases[i].written);
		assert_int_equal(cpuset_empty(&b), !cases[i].text[0]);
	}
	assert_false(cpuset_add(&a, CPUSET_MAX) || cpuset_add(&a, -1) || cpuset_has(&a, -1));
	assert_true(cpuset_add(&a, 64) && cpuset_has(&a, 64) && !cpuset_has(&a, 63));
	assert_int_equal(cpuset_next(&a, 0), 64);
	assert_int_equal(cpuset_next(&a, 64), 64);
	assert_int_equal(cpuset_next(&a, 65), -1);
	assert_int_equal(cpuset_parse("0-9", &b), 0);
	cpuset_join(&a, &b);
	cpuset_without(&a, &(struct cpuset) { .bits = { 1 << 9 } });
	assert_int_equal(cpuset_parse("0-8,64", &b), 0);
	assert_true(cpuset_same(&a, &b));
	cpuset_common(&a, &(struct cpuset) { .bits = { 6 } });
	assert_int_equal(cpuset_parse("1-2", &b), 0);
	assert_true(cpuset_same(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_str_int64),
		cmocka_unit_test(test_str_bool),
		cmocka_unit_test(test_str_copy),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_writer),
		cmocka_unit_test(test_writer_doubles),
		cmocka_unit_test(test_writer_any_bytes),
		cmocka_unit_test(test_buf),
		cmocka_unit_test(test_bind),
		cmocka_unit_test(test_bind_values),
		cmocka_unit_test(test_bind_nested),
		cmocka_unit_test(test_bind_one),
		cmocka_unit_test(test_bind_depth),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_cpuset),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_times_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
