/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudctl/pki_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

enum { FILE_MAX_BYTES = 16 << 20 };

static int file_error(struct error *err, const char *what, const char *path)
{
	enum err code = errno == ENOENT                     ? ERR_NOT_FOUND
			: errno == EEXIST                   ? ERR_CONFLICT
			: errno == EACCES || errno == EPERM ? ERR_FORBIDDEN
							    : ERR_INTERNAL;

	return error_set(err, code, "cannot %s %s: %s", what, path, strerror(errno));
}

int pki_dir_make(const char *path, mode_t mode, struct error *err)
{
	CLEANUP(free_ptr) char *copy = xstrdup(path);

	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, 0755) && errno != EEXIST)
			return file_error(err, "make directory", copy);
		*p = '/';
	}
	if (mkdir(copy, mode) && errno != EEXIST)
		return file_error(err, "make directory", copy);
	return 0;
}

static int write_all(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, data, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		data += done;
		n -= (size_t)done;
	}
	return fsync(fd);
}

int pki_file_write(const char *path, const void *data, size_t n, mode_t mode, bool replace, struct error *err)
{
	CLEANUP(free_ptr) char *temporary = xasprintf("%s.XXXXXX", path);
	CLEANUP(close_fd) int fd = mkostemp(temporary, O_CLOEXEC);
	int rc;

	if (fd < 0)
		return file_error(err, "write", path);
	if (write_all(fd, data, n) || fchmod(fd, mode)) {
		file_error(err, "write", temporary);
		unlink(temporary);
		return -1;
	}
	/* link refuses to replace, rename replaces: both at once */
	rc = replace ? rename(temporary, path) : link(temporary, path);
	if (rc)
		file_error(err, "write", path);
	if (rc || !replace)
		unlink(temporary);
	return rc;
}

int pki_file_append(const char *path, const char *line, struct error *err)
{
	CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || write_all(fd, line, strlen(line)))
		return file_error(err, "write", path);
	return 0;
}

int pki_file_read(const char *path, struct buf *out, struct error *err)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return file_error(err, "read", path);
	for (;;) {
		ssize_t n = read(fd, buf_reserve(out, 65536), 65536);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return file_error(err, "read", path);
		if (n == 0)
			return 0;
		out->len += (size_t)n;
		if (out->len > FILE_MAX_BYTES)
			return error_set(err, ERR_TOO_LARGE, "%s is larger than 16 MiB", path);
	}
}
