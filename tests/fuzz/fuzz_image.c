/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds arbitrary bytes to what looks at the start of an image (the first byte chooses the declared format)
 * and to the reader of Range headers: they stay within what they are given, and what they let pass is what it
 * says. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/image/range.h"
#include "base/util.h"
#include "domain/image_inspect.h"

static void check(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void fuzz_inspect(const char *declared, const uint8_t *p, size_t n)
{
	static const uint8_t zeros[12];
	struct error err = { 0 };
	int64_t size = -1;

	if (image_inspect(p, n, declared, &size, &err)) {
		check(size == -1, "a refusal touched the size");
		check(err.code == ERR_BAD_REQUEST && err.msg[0], "a refusal without a reason");
		return;
	}
	check(n > 0, "an empty image passed");
	if (strcmp(declared, "raw") == 0) {
		check(size == 0, "a raw image has a size in its header");
		check(n < 4 || memcmp(p, "QFI\xfb", 4), "qcow2 passed as raw");
		return;
	}
	check(strcmp(declared, "qcow2") == 0, "a format that is not served passed");
	check(n >= 72 && memcmp(p, "QFI\xfb", 4) == 0, "no qcow2 header passed");
	check(memcmp(p + 8, zeros, 12) == 0, "a backing file passed");
	check(memcmp(p + 32, zeros, 4) == 0, "encryption passed");
	check(p[7] == 2 || (n >= 104 && !(p[79] & 7)), "an external data file, or damage, passed");
	check(size > 0 && size <= INT64_C(64) << 40, "a size out of range passed");
}

static void fuzz_range(const uint8_t *p, size_t n)
{
	char header[64] = "bytes=";
	int64_t size = n ? p[0] * 1000 : 0;
	struct byte_range r;

	if (n > sizeof header - 7)
		n = sizeof header - 7;
	memcpy(header + 6, p, n);
	r = range_parse(header, size);
	if (r.kind == RANGE_PART)
		check(r.first >= 0 && r.count > 0 && r.first + r.count <= size, "a range outside the file");
	if (r.kind == RANGE_ALL)
		check(r.first == 0 && r.count == size, "all is not all");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const formats[] = { "qcow2", "raw", "vmdk", "" };
	uint8_t *exact;

	if (!n)
		return 0;
	exact = xmalloc(n); /* so that a step too far is seen */
	memcpy(exact, data + 1, n - 1);
	fuzz_inspect(formats[data[0] % ARRAY_LEN(formats)], exact, n - 1);
	fuzz_range(exact, n - 1);
	free(exact);
	return 0;
}

#ifndef CLOUDD_LIBFUZZER

static size_t replay_file(const char *path)
{
	static uint8_t data[1024 * 1024];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f)
		return 0;
	n = fread(data, 1, sizeof data, f);
	fclose(f);
	/* every beginning of it, as if the upload ended there */
	for (size_t cut = 0; cut <= n; cut++)
		LLVMFuzzerTestOneInput(data, cut);
	return 1;
}

static size_t replay_dir(const char *path)
{
	DIR *d = opendir(path);
	size_t n = 0;

	if (!d)
		return 0;
	for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
		char *file = xasprintf("%s/%s", path, e->d_name);

		if (e->d_name[0] != '.')
			n += replay_file(file);
		free(file);
	}
	closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	size_t n = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (!stat(argv[i], &st))
			n += S_ISDIR(st.st_mode) ? replay_dir(argv[i]) : replay_file(argv[i]);
	}
	printf("%zu inputs\n", n);
	return n ? 0 : 1;
}

#endif
