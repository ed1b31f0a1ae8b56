/* SPDX-License-Identifier: Apache-2.0 */
/* A main for a fuzz target built without libFuzzer: replays the files and directories on the command line. */
#ifndef TESTS_FUZZ_REPLAY_H
#define TESTS_FUZZ_REPLAY_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#ifndef CLOUDD_LIBFUZZER
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static size_t replay_file(const char *path)
{
	static uint8_t data[1 << 20];
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
	char file[4096];
	DIR *d = opendir(path);
	size_t n = 0;

	if (!d)
		return 0;
	for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
		snprintf(file, sizeof file, "%s/%s", path, e->d_name);
		n += e->d_name[0] != '.' ? replay_file(file) : 0;
	}
	closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	struct stat st;
	size_t n = 0;

	for (int i = 1; i < argc; i++)
		if (!stat(argv[i], &st))
			n += S_ISDIR(st.st_mode) ? replay_dir(argv[i]) : replay_file(argv[i]);
	printf("%zu inputs\n", n);
	return n ? 0 : 1;
}
#endif

#endif
