/* SPDX-License-Identifier: Apache-2.0 */
/* Names by kind, and host names made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/util.h"
#include "domain/names.h"

#define X10(s) s s s s s s s s s s
#define X60 X10("xxxxxx")
#define X63 X60 "xxx"
#define X64 X60 "xxxx"
#define X255 X10("0123456789") X10("0123456789") X10("01234") "01234"
/* 255 letters of two bytes each */
#define A255 X10("ăăăăăăăăăă") X10("ăăăăăăăăăă") X10("ăăăăă") "ăăăăă"

static const struct {
	enum name_kind kind;
	const char *text, *says; /* NULL: good */
} cases[] = {
	{ NAME_SERVER, "web-1", NULL },
	{ NAME_SERVER, "Máy chủ số 1", NULL },
	{ NAME_SERVER, X255, NULL },
	{ NAME_SERVER, A255, NULL }, /* characters, not bytes */
	{ NAME_SERVER, X255 "x", "1 to 255 characters" },
	{ NAME_SERVER, "", "the server name must be 1 to 255" },
	{ NAME_SERVER, NULL, "1 to 255" },
	{ NAME_SERVER, "   ", "blank" },
	{ NAME_SERVER, "\xc2\xa0\xe3\x80\x80", "blank" },
	{ NAME_SERVER, "a\nb", "control" },
	{ NAME_SERVER, "a\x7f", "control" },
	{ NAME_SERVER, "a\xc2\x85", "control" },
	{ NAME_SERVER, "a\xff", "UTF-8" },
	{ NAME_SERVER, "a\xed\xa0\x80", "UTF-8" }, /* a surrogate */
	{ NAME_KEYPAIR, "my key_1-x", NULL },
	{ NAME_KEYPAIR, "a@b", "may have only letters, digits, space, '_' and '-'" },
	{ NAME_KEYPAIR, "khóa", "only" },
	{ NAME_KEYPAIR_292, "a@b.c", NULL },
	{ NAME_KEYPAIR_292, "a/b", "only" },
	{ NAME_PROJECT, X64, NULL },
	{ NAME_PROJECT, X64 "x", "1 to 64" },
	{ NAME_DOMAIN, X64 "x", "1 to 64" },
	{ NAME_USER, X255, NULL },
	{ NAME_ROLE, "", "1 to 255" },
	{ NAME_TAG, X60, NULL },
	{ NAME_TAG, X60 "x", "1 to 60" },
	{ NAME_TAG, "a,b", "may have no ',' or '/'" },
	{ NAME_TAG, "a/b", "may have no" },
	{ NAME_METADATA_KEY, X255, NULL },
	{ NAME_METADATA_KEY, "", "1 to 255" },
	{ NAME_METADATA_VALUE, "", NULL },
	{ NAME_METADATA_VALUE, X255 "x", "0 to 255" },
	{ NAME_IMAGE, "", NULL },
	{ NAME_IMAGE, " ", NULL },
	{ NAME_FLAVOR_ID, "m1.tiny_2 -", NULL },
	{ NAME_FLAVOR_ID, "m1:tiny", "only" },
	{ NAME_EXTRA_SPEC_KEY, "hw:cpu_policy", NULL },
	{ NAME_HOST, "node-1.example", NULL },
	{ NAME_HOST, "node 1", "only" },
	{ NAME_ZONE, "zone:host", "no ':'" },
	{ NAME_GPU_MODEL, "h100-80g", NULL },
	{ NAME_GPU_MODEL, "h100:1", "only" },
};

static void test_check(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct error err;
		int rc = name_check(cases[i].kind, cases[i].text, &err);

		if (rc != (cases[i].says ? -1 : 0) || (rc && !strstr(err.msg, cases[i].says)))
			fail_msg("%zu '%s': %s", i, cases[i].text, rc ? err.msg : "was taken");
		if (rc)
			assert_int_equal(err.code, ERR_BAD_REQUEST);
	}
	for (int k = 0; k < NAME_KIND_MAX; k++) {
		struct error err;

		assert_int_equal(name_check((enum name_kind)k, "plain-1", &err), 0);
		assert_int_equal(name_check((enum name_kind)k, "a\tb", &err), -1);
	}
}

static const struct {
	const char *name, *host;
} hostnames[] = {
	{ "web-1", "web-1" },
	{ "Web_Server.1", "web-server-1" },
	{ "a--b", "a--b" },
	{ "a & b", "a-b" },
	{ "-x-", "x" },
	{ "Máy chủ Đà Nẵng", "may-chu-da-nang" },
	{ "Trường Đại học Bách khoa", "truong-dai-hoc-bach-khoa" },
	{ "ỞỡỰựỲỹĨũƠươ", "oouuyyiuouo" },
	{ "Nguye\xcc\x82\xcc\x83n", "nguyen" }, /* decomposed */
	{ "Müller & Söhne", "muller-sohne" },
	{ "服务器", "server-5b3e7a6e" },
	{ "服务器 db", "db" },
	{ "...", "server-5b3e7a6e" },
	{ "", "server-5b3e7a6e" },
	{ NULL, "server-5b3e7a6e" },
	{ "\xff\xfe", "server-5b3e7a6e" },
	{ X63 "yyy", X63 },
	{ X60 "xx-yyy", X60 "xx" },
};

static void test_hostnames(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hostnames); i++) {
		char out[HOSTNAME_TEXT];

		hostname_make(hostnames[i].name, "5b3e7a6e-0000-4000-8000-000000000001", out);
		assert_string_equal(out, hostnames[i].host);
		assert_true(hostname_valid(out));
	}
	assert_false(hostname_valid(""));
	assert_false(hostname_valid("-a"));
	assert_false(hostname_valid("a-"));
	assert_false(hostname_valid("a.b"));
	assert_false(hostname_valid(X64));
	assert_true(hostname_valid(X63));
	assert_true(hostname_valid("A1"));
}

/* Every letter of Vietnamese comes out as a plain one, in both cases. */
static void test_vietnamese(void **state)
{
	static const struct {
		const char *letters;
		char plain;
	} all[] = {
		{ "àáảãạăằắẳẵặâầấẩẫậÀÁẢÃẠĂẰẮẲẴẶÂẦẤẨẪẬ", 'a' },
		{ "èéẻẽẹêềếểễệÈÉẺẼẸÊỀẾỂỄỆ", 'e' },
		{ "ìíỉĩịÌÍỈĨỊ", 'i' },
		{ "òóỏõọôồốổỗộơờớởỡợÒÓỎÕỌÔỒỐỔỖỘƠỜỚỞỠỢ", 'o' },
		{ "ùúủũụưừứửữựÙÚỦŨỤƯỪỨỬỮỰ", 'u' },
		{ "ỳýỷỹỵỲÝỶỸỴ", 'y' },
		{ "đĐ", 'd' },
	};
	char out[HOSTNAME_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		hostname_make(all[i].letters, "x", out);
		assert_int_equal(strlen(out), utf8_length(all[i].letters));
		for (const char *p = out; *p; p++)
			assert_int_equal(*p, all[i].plain);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_hostnames),
		cmocka_unit_test(test_vietnamese),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
