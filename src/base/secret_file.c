/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/util.h"

enum { SECRET_BYTES = 32, SECRET_TEXT_MIN = 32, SECRET_TEXT_MAX = 200 };

static int failed(struct error *err, const char *what, const char *path)
{
	return error_set(err, ERR_UNAVAILABLE, "cannot %s %s: %s", what, path, strerror(errno));
}

static int read_it(int fd, const char *path, char **out, struct error *err)
{
	char text[SECRET_TEXT_MAX + 1];
	ssize_t n = read(fd, text, sizeof text);
	struct stat st;

	if (n < 0 || fstat(fd, &st))
		return failed(err, "read", path);
	if (st.st_mode & 077)
		return error_set(err, ERR_FORBIDDEN, "others than its owner may read %s: chmod 600", path);
	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (n < SECRET_TEXT_MIN || n > SECRET_TEXT_MAX || memchr(text, '\0', (size_t)n))
		return error_set(err, ERR_UNAVAILABLE, "%s holds no secret", path);
	text[n] = '\0';
	*out = xstrdup(text);
	return 0;
}

static int sync_dir_of(const char *path)
{
	CLEANUP(free_ptr) char *copy = xstrdup(path);
	CLEANUP(close_fd) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -1 : fsync(fd);
}

/* Whole or not at all: a name of its own first. */
static int make_it(const char *path, const struct rng *rng, char **out, struct error *err)
{
	CLEANUP(free_ptr) char *part = xasprintf("%s.part", path);
	CLEANUP(close_fd) int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	char *text = random_base64url(rng, SECRET_BYTES);
	size_t n = strlen(text);

	if (fd < 0 || fchmod(fd, 0600) || write(fd, text, n) != (ssize_t)n || fsync(fd) ||
		rename(part, path) || sync_dir_of(path)) {
		failed(err, "write", path);
		free(text);
		return -1;
	}
	*out = text;
	return 0;
}

int secret_file_get(const char *path, const struct rng *rng, char **out, struct error *err)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		return read_it(fd, path, out, err);
	return errno == ENOENT ? make_it(path, rng, out, err) : failed(err, "open", path);
}
