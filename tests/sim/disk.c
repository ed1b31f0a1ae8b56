/* SPDX-License-Identifier: Apache-2.0 */
/* What a disk keeps when the power goes: each file as of its last sync, and any part of what was written
 * since. Takes over the calls that write; the world's own files (host*.state) are not the daemon's and lose
 * nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sched.h"

enum { FDS = 1024, SECTOR = 512, FILES = 64 };

struct change { /* of a file since its last sync, oldest first */
	struct change *next;
	int64_t at; /* -1: the size became `old_size` from `size` */
	int64_t size, old_size;
	unsigned char *was, *is;
	size_t was_n, n;
};

struct file {
	char path[256];
	struct change *first, **last;
};

static struct file files[FILES];
static size_t files_n;
static struct file *of_fd[FDS];

/* The databases and what the audit keeps: what promises stand on. */
static bool kept(const char *path)
{
	const char *dot = strrchr(path, '/');

	path = dot ? dot + 1 : path;
	if (!strncmp(path, "cloudd.db", 9))
		return !strcmp(path, "cloudd.db") || !strcmp(path, "cloudd.db-wal");
	return false;
}

static void forget(struct file *f)
{
	for (struct change *c = f->first, *next; c; c = next) {
		next = c->next;
		free(c->was);
		free(c->is);
		free(c);
	}
	f->first = NULL;
	f->last = &f->first;
}

static struct file *file_of(const char *path)
{
	for (size_t i = 0; i < files_n; i++)
		if (!strcmp(files[i].path, path))
			return &files[i];
	if (files_n == FILES || strlen(path) >= sizeof files->path)
		return NULL;
	strcpy(files[files_n].path, path);
	files[files_n].last = &files[files_n].first;
	return &files[files_n++];
}

static struct file *tracked(int fd)
{
	return sched_on() && fd >= 0 && fd < FDS ? of_fd[fd] : NULL;
}

static struct change *change_add(struct file *f)
{
	struct change *c = calloc(1, sizeof *c);

	*f->last = c;
	f->last = &c->next;
	return c;
}

static int64_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_size;
}

static void note_write(struct file *f, int fd, const void *p, size_t n, int64_t at)
{
	struct change *c = change_add(f);
	ssize_t got;

	c->at = at;
	c->n = n;
	c->is = malloc(n);
	memcpy(c->is, p, n);
	c->was = malloc(n);
	got = (ssize_t)syscall(SYS_pread64, fd, c->was, n, at);
	c->was_n = got > 0 ? (size_t)got : 0;
	c->old_size = size_of(fd);
}

static void note_size(struct file *f, int fd, int64_t size)
{
	struct change *c = change_add(f);

	c->at = -1;
	c->old_size = size_of(fd);
	c->size = size;
	if (size < c->old_size) { /* what is cut off may come back */
		ssize_t got;

		c->was = malloc((size_t)(c->old_size - size));
		got = (ssize_t)syscall(SYS_pread64, fd, c->was, (size_t)(c->old_size - size), size);
		c->was_n = got > 0 ? (size_t)got : 0;
	}
}

/* --- the power goes ------------------------------------------------------------------------------------- */

static void undo(int fd, const struct change *c)
{
	if (c->was_n && syscall(SYS_pwrite64, fd, c->was, c->was_n, c->at < 0 ? c->size : c->at) < 0)
		abort();
	if (syscall(SYS_ftruncate, fd, c->old_size) < 0)
		abort();
}

/* Some of it, by sectors. */
static void redo(int fd, const struct change *c, unsigned whole)
{
	bool torn = false;

	if (c->at < 0) {
		if (chance(whole) && syscall(SYS_ftruncate, fd, c->size) < 0)
			abort();
		return;
	}
	for (size_t i = 0; i < c->n;) {
		size_t n = SECTOR - (size_t)(c->at + (int64_t)i) % SECTOR;

		if (n > c->n - i)
			n = c->n - i;
		if (chance(whole)) {
			if (syscall(SYS_pwrite64, fd, c->is + i, n, c->at + (int64_t)i) < 0)
				abort();
		} else {
			torn = true;
		}
		i += n;
	}
	if (torn)
		fault_count(FAULT_TORN_WRITES);
}

static void lose(struct file *f)
{
	struct change *list[4096];
	size_t n = 0;
	unsigned whole = dice(4) * 333 + 1;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, f->path, O_RDWR | O_CLOEXEC, 0);

	if (fd < 0)
		return;
	for (struct change *c = f->first; c; c = c->next) {
		if (n == 4096)
			abort();
		list[n++] = c;
	}
	for (size_t i = n; i-- > 0;)
		undo(fd, list[i]);
	for (size_t i = 0; i < n; i++)
		redo(fd, list[i], whole);
	event("--- %s loses some of %zu writes", strrchr(f->path, '/') ? strrchr(f->path, '/') + 1 : f->path,
		n);
	syscall(SYS_close, fd);
}

void disk_lose_power(void)
{
	for (size_t i = 0; i < files_n; i++)
		lose(&files[i]);
}

/* --- taken over ----------------------------------------------------------------------------------------- */

static int open_tracked(const char *path, int flags, mode_t mode)
{
	int fd;

	if (sched_on() && !strcmp(path, "/proc/sys/kernel/random/boot_id"))
		path = "boot_id";
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (fd >= 0 && fd < FDS && sched_on()) {
		of_fd[fd] = kept(path) ? file_of(path) : NULL;
		if (of_fd[fd] && flags & O_TRUNC)
			forget(of_fd[fd]);
	}
	return fd;
}

#define OPEN(name)                                           \
	int name(const char *path, int flags, ...)           \
	{                                                    \
		va_list ap;                                  \
		mode_t mode = 0;                             \
		if (flags & (O_CREAT | __O_TMPFILE)) {       \
			va_start(ap, flags);                 \
			mode = (mode_t)va_arg(ap, unsigned); \
			va_end(ap);                          \
		}                                            \
		return open_tracked(path, flags, mode);      \
	}
OPEN(open)
OPEN(open64)

int close(int fd)
{
	if (fd >= 0 && fd < FDS)
		of_fd[fd] = NULL;
	return (int)syscall(SYS_close, fd);
}

static ssize_t pwrite_tracked(int fd, const void *p, size_t n, off_t at)
{
	struct file *f = tracked(fd);

	if (f) {
		sched_point(AT_WRITE);
		note_write(f, fd, p, n, at);
	}
	return syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return pwrite_tracked(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return pwrite_tracked(fd, p, n, at);
}

static int truncate_tracked(int fd, off_t size)
{
	struct file *f = tracked(fd);

	if (f) {
		sched_point(AT_WRITE);
		note_size(f, fd, size);
	}
	return (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate(int fd, off_t size)
{
	return truncate_tracked(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
	return truncate_tracked(fd, size);
}

static int sync_tracked(int fd)
{
	struct file *f = tracked(fd);

	if (f) {
		sched_point(AT_SYNC);
		fault_count(FAULT_DISK_SYNC);
		forget(f);
		sched_point(AT_SYNC);
	}
	return 0; /* of what a crash of this machine does to the test nobody need know */
}

int fsync(int fd)
{
	return sync_tracked(fd);
}

int fdatasync(int fd)
{
	return sync_tracked(fd);
}

static int remove_tracked(const char *path)
{
	for (size_t i = 0; sched_on() && i < files_n; i++)
		if (!strcmp(files[i].path, path))
			forget(&files[i]);
	return (int)syscall(SYS_unlink, path);
}

int unlink(const char *path)
{
	return remove_tracked(path);
}
