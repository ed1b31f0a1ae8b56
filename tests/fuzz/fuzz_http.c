/* SPDX-License-Identifier: Apache-2.0 */
/* Request framing under arbitrary bytes: no crash, and the same reading however the bytes are cut. With
 * libFuzzer it searches; without, it replays the files and directories named on the command line. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"
#include "message_replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct http_limits limits = { .line = 200, .headers = 1000, .header_count = 20 };
	struct buf whole = { 0 }, cut = { 0 };

	message_replay(&limits, data, n, n + 1, &whole);
	message_replay(&limits, data, n, 1 + n % 7, &cut);
	if (whole.len != cut.len || (whole.len && memcmp(whole.data, cut.data, whole.len))) {
		fprintf(stderr, "whole: %s\ncut: %s\n", buf_text(&whole), buf_text(&cut));
		abort();
	}
	buf_finish(&whole);
	buf_finish(&cut);
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
	LLVMFuzzerTestOneInput(data, n);
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
