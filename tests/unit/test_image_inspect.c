/* SPDX-License-Identifier: Apache-2.0 */
/* What an image is, from its first bytes: good ones pass, those that lie or reach elsewhere are refused and
 * the message says why. And which bytes a Range header asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/image/range.h"
#include "base/util.h"
#include "domain/image_inspect.h"

/* --- qcow2 headers, written field by field ----------------------------------------------------------------
 */

struct field {
	size_t at;
	unsigned n; /* bytes */
	uint64_t value;
};

enum { END = 0 };

static void put(unsigned char *p, const struct field *f)
{
	for (unsigned i = 0; i < f->n; i++)
		p[f->at + i] = (unsigned char)(f->value >> 8 * (f->n - 1 - i));
}

/* A version 3 header of a disk of 1 GiB, which qemu-img could have written, and no extension. */
static void good_header(unsigned char *p)
{
	static const struct field fields[] = {
		{ 0, 4, 0x514649fb },
		{ 4, 4, 3 },
		{ 20, 4, 16 },
		{ 24, 8, 1 << 30 },
		{ 36, 4, 16 },
		{ 40, 8, 0x30000 },
		{ 48, 8, 0x10000 },
		{ 56, 4, 1 },
		{ 96, 4, 4 },
		{ 100, 4, 112 },
	};

	memset(p, 0, INSPECT_BYTES);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		put(p, &fields[i]);
}

static void test_qcow2(void **state)
{
	static const struct {
		const char *why; /* part of the message; NULL: accepted */
		struct field change[4];
		int64_t size;
		size_t n; /* bytes there are; 0: 64 KiB */
	} cases[] = {
		{ NULL, { { END } }, 1 << 30, 0 },
		{ NULL, { { 24, 8, 1 } }, 1, 0 },
		{ NULL, { { 24, 8, INT64_C(64) << 40 } }, INT64_C(64) << 40, 0 },
		{ NULL, { { 20, 4, 9 } }, 1 << 30, 0 },
		{ NULL, { { 20, 4, 21 } }, 1 << 30, 0 },
		{ NULL, { { 100, 4, 104 } }, 1 << 30, 104 },
		{ NULL, { { 72, 8, 8 | 16 } }, 1 << 30, 0 }, /* compression, extended L2 */
		{ NULL, { { 80, 8, 1 } }, 1 << 30, 0 },      /* lazy refcounts */
		{ NULL, { { 4, 4, 2 }, { 72, 8, 0 }, { 100, 4, 0 } }, 1 << 30, 72 }, /* version 2 */
		/* a table of feature names, then the end */
		{ NULL, { { 112, 4, 0x6803f857 }, { 116, 4, 336 }, { 456, 8, 0 } }, 1 << 30, 0 },
		{ "backing file", { { 8, 8, 0x200 } }, 0, 0 },
		{ "backing file", { { 16, 4, 10 } }, 0, 0 },
		{ "backing file", { { 8, 8, 0x200 }, { 16, 4, 10 } }, 0, 0 },
		{ "format of a backing file", { { 112, 4, 0xe2792aca }, { 116, 4, 5 } }, 0, 0 },
		{ "another file", { { 72, 8, 4 } }, 0, 0 },
		{ "external data file", { { 112, 4, 0x44415441 }, { 116, 4, 11 } }, 0, 0 },
		{ "external data file", { { 4, 4, 2 }, { 72, 4, 0x44415441 }, { 76, 4, 11 } }, 0, 0 },
		/* behind another extension */
		{ "external data file", { { 112, 4, 0x6803f857 }, { 116, 4, 12 }, { 136, 4, 0x44415441 } }, 0,
			0 },
		{ "corrupt", { { 72, 8, 2 } }, 0, 0 },
		{ "dirty", { { 72, 8, 1 } }, 0, 0 },
		{ "not known", { { 72, 8, 32 } }, 0, 0 },
		{ "not known", { { 72, 8, UINT64_C(1) << 63 } }, 0, 0 },
		{ "encrypted", { { 32, 4, 1 } }, 0, 0 },
		{ "encrypted", { { 32, 4, 2 } }, 0, 0 },
		{ "version", { { 4, 4, 1 } }, 0, 0 },
		{ "version", { { 4, 4, 4 } }, 0, 0 },
		{ "version", { { 4, 4, 0xffffffff } }, 0, 0 },
		{ "cluster size", { { 20, 4, 8 } }, 0, 0 },
		{ "cluster size", { { 20, 4, 22 } }, 0, 0 },
		{ "cluster size", { { 20, 4, 0xffffffff } }, 0, 0 },
		{ "virtual size", { { 24, 8, 0 } }, 0, 0 },
		{ "virtual size", { { 24, 8, (INT64_C(64) << 40) + 1 } }, 0, 0 },
		{ "virtual size", { { 24, 8, UINT64_MAX } }, 0, 0 },
		{ "length of its qcow2 header", { { 100, 4, 103 } }, 0, 0 },
		{ "length of its qcow2 header", { { 100, 4, 0 } }, 0, 0 },
		{ "length of its qcow2 header", { { 100, 4, 108 } }, 0, 0 },
		{ "length of its qcow2 header", { { 100, 4, 0xfffffff8 } }, 0, 0 },
		/* longer than what is looked at, so that extensions would hide */
		{ "length of its qcow2 header", { { 20, 4, 21 }, { 100, 4, 0x20000 } }, 0, 0 },
		{ "longer than a header", { { 112, 4, 5 }, { 116, 4, 0xffffffff } }, 0, 0 },
		{ "ends within", { { END } }, 0, 4 },
		{ "ends within", { { END } }, 0, 71 },
		{ "ends within", { { END } }, 0, 103 },
		{ "ends within", { { 4, 4, 2 } }, 0, 71 },
	};
	unsigned char *p = xmalloc(INSPECT_BYTES);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = cases[i].n ? cases[i].n : INSPECT_BYTES;
		struct error err = { 0 };
		unsigned char *exact;
		int64_t size = -1;
		int rc;

		good_header(p);
		for (size_t k = 0; k < 4; k++)
			put(p, &cases[i].change[k]);
		exact = xmalloc(n); /* so that a step too far is seen */
		memcpy(exact, p, n);
		rc = image_inspect(exact, n, "qcow2", &size, &err);
		free(exact);
		if (!cases[i].why && (rc || size != cases[i].size))
			fail_msg("case %zu: %s, size %lld", i, err.msg, (long long)size);
		if (cases[i].why &&
			(!rc || err.code != ERR_BAD_REQUEST || !strstr(err.msg, cases[i].why) || size != -1))
			fail_msg("case %zu: \"%s\" instead of \"%s\"", i, rc ? err.msg : "accepted",
				cases[i].why);
	}
	free(p);
}

static void test_formats(void **state)
{
	static const struct {
		const char *declared, *bytes;
		size_t n, at;    /* where they are */
		const char *why; /* NULL: accepted */
	} cases[] = {
		{ "raw", "\0\0\0\0", 4, 0, NULL },
		{ "raw", "x", 1, 0, NULL },
		{ "raw", "\xeb\x63\x90", 3, 0, NULL }, /* a boot sector */
		{ "raw", "CD001", 5, 0x8001, NULL },   /* an ISO 9660 file system is a disk's content */
		{ "raw", "QFI\xfb", 4, 512, NULL },    /* not at the start */
		{ "raw", "QFI\xfb", 4, 0, "bytes are qcow2" },
		{ "raw", "KDMV", 4, 0, "bytes are vmdk" },
		{ "raw", "COWD", 4, 0, "bytes are vmdk" },
		{ "raw", "# Disk DescriptorFile", 21, 0, "bytes are vmdk" },
		{ "raw", "\x7f\x10\xda\xbe", 4, 64, "bytes are vdi" },
		{ "raw", "vhdxfile", 8, 0, "bytes are vhdx" },
		{ "raw", "conectix", 8, 0, "bytes are vhd" },
		{ "raw", "QED\0", 4, 0, "bytes are qed" },
		{ "raw", "LUKS\xba\xbe", 6, 0, "bytes are luks" },
		{ "raw", "WithoutFreeSpace", 16, 0, "bytes are parallels" },
		{ "raw", "WithouFreSpacExt", 16, 0, "bytes are parallels" },
		{ "raw", "Bochs Virtual HD Image\0\0\0\0\0\0\0\0\0\0", 32, 0, "bytes are bochs" },
		{ "qcow2", "\0\0\0\0", 4, 0, "bytes are raw" },
		{ "qcow2", "KDMV", 4, 0, "bytes are vmdk" },
		{ "vmdk", "KDMV", 4, 0, "not served" },
		{ "iso", "CD001", 5, 0x8001, "not served" },
		{ "", "x", 1, 0, "not served" },
		{ NULL, "x", 1, 0, "not served" },
		{ "raw", "", 0, 0, "empty" },
		{ "qcow2", "", 0, 0, "empty" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = cases[i].n ? cases[i].at + cases[i].n : 0;
		unsigned char *p = xcalloc(1, n + 1);
		struct error err = { 0 };
		int64_t size = -1;
		int rc;

		memcpy(p + cases[i].at, cases[i].bytes, cases[i].n);
		rc = image_inspect(p, n, cases[i].declared, &size, &err);
		free(p);
		if (!cases[i].why && (rc || size != 0))
			fail_msg("case %zu: %s", i, err.msg);
		if (cases[i].why && (!rc || !strstr(err.msg, cases[i].why)))
			fail_msg("case %zu: \"%s\" instead of \"%s\"", i, err.msg, cases[i].why);
	}
}

static void test_ranges(void **state)
{
	static const struct {
		const char *header;
		int64_t size;
		struct byte_range want;
	} cases[] = {
		{ NULL, 100, { RANGE_ALL, 0, 100 } },
		{ "", 100, { RANGE_ALL, 0, 100 } },
		{ "bytes=0-0", 100, { RANGE_PART, 0, 1 } },
		{ "Bytes=10-19", 100, { RANGE_PART, 10, 10 } },
		{ "bytes=10-", 100, { RANGE_PART, 10, 90 } },
		{ "bytes=10-1000", 100, { RANGE_PART, 10, 90 } },
		{ "bytes=-10", 100, { RANGE_PART, 90, 10 } },
		{ "bytes=-1000", 100, { RANGE_PART, 0, 100 } },
		{ "bytes=99-", 100, { RANGE_PART, 99, 1 } },
		{ "bytes=100-", 100, { RANGE_UNSATISFIABLE, 0, 0 } },
		{ "bytes=-0", 100, { RANGE_UNSATISFIABLE, 0, 0 } },
		{ "bytes=-5", 0, { RANGE_UNSATISFIABLE, 0, 0 } },
		{ "bytes=0-", 0, { RANGE_UNSATISFIABLE, 0, 0 } },
		{ "bytes=99999999999999999999-", 100, { RANGE_UNSATISFIABLE, 0, 0 } },
		{ "bytes=5-99999999999999999999", 100, { RANGE_PART, 5, 95 } },
		{ "bytes=-99999999999999999999", 100, { RANGE_PART, 0, 100 } },
		/* what a server may ignore */
		{ "bytes=5-4", 100, { RANGE_ALL, 0, 100 } },
		{ "bytes=0-1,3-4", 100, { RANGE_ALL, 0, 100 } },
		{ "bytes=", 100, { RANGE_ALL, 0, 100 } },
		{ "bytes=-", 100, { RANGE_ALL, 0, 100 } },
		{ "bytes=x-5", 100, { RANGE_ALL, 0, 100 } },
		{ "bytes=5-x", 100, { RANGE_ALL, 0, 100 } },
		{ "bytes=5", 100, { RANGE_ALL, 0, 100 } },
		{ "bytes=+5-6", 100, { RANGE_ALL, 0, 100 } },
		{ "lines=5-6", 100, { RANGE_ALL, 0, 100 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct byte_range got = range_parse(cases[i].header, cases[i].size);

		if (got.kind != cases[i].want.kind || got.first != cases[i].want.first ||
			got.count != cases[i].want.count)
			fail_msg("%s of %lld: kind %d, %lld bytes from %lld", cases[i].header,
				(long long)cases[i].size, (int)got.kind, (long long)got.count,
				(long long)got.first);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qcow2),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
