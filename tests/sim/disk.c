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
	int64_t at; /* -1: the size became n */
	size_t n;
	unsigned char is[];
};

struct file {
	char path[256];
	unsigned char *was; /* as of the last sync; NULL: nothing was written since it was opened */
	size_t was_n, was_room;
	struct change *first, **last;
};

static struct file files[FILES];
static size_t files_n;
static struct file *of_fd[FDS];
static bool of_daemon[FDS]; /* in its directory */

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
		free(c);
	}
	f->first = NULL;
	f->last = &f->first;
}

/* It begins anew. */
static void forget_all(struct file *f)
{
	forget(f);
	free(f->was);
	f->was = NULL;
	f->was_n = f->was_room = 0;
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

static void was_size(struct file *f, size_t n)
{
	if (n > f->was_room) {
		f->was_room = 2 * n + 4096;
		f->was = realloc(f->was, f->was_room);
	}
	if (n > f->was_n)
		memset(f->was + f->was_n, 0, n - f->was_n);
	f->was_n = n;
}

/* What there is on disk, before the first change. */
static void was_read(struct file *f, int fd)
{
	struct stat st = { 0 };

	fstat(fd, &st);
	was_size(f, (size_t)st.st_size + 1); /* one more: an empty file has something, too */
	f->was_n = (size_t)st.st_size;
	if (syscall(SYS_pread64, fd, f->was, f->was_n, 0) != (long)f->was_n)
		abort();
}

static void note(struct file *f, int fd, const void *p, size_t n, int64_t at)
{
	struct change *c;

	if (run->death != DEATH_POWER)
		return; /* nobody will ask */
	if (!f->was)
		was_read(f, fd);
	c = malloc(sizeof *c + (at < 0 ? 0 : n));
	*c = (struct change) { .at = at, .n = n };
	if (at >= 0)
		memcpy(c->is, p, n);
	*f->last = c;
	f->last = &c->next;
}

/* What was written since is on disk. */
static void settle(struct file *f)
{
	for (struct change *c = f->first; c; c = c->next) {
		size_t end = c->at < 0 ? c->n : (size_t)c->at + c->n;

		if (c->at < 0 || end > f->was_n)
			was_size(f, end);
		if (c->at >= 0)
			memcpy(f->was + c->at, c->is, c->n);
	}
	forget(f);
}

/* --- the power goes ------------------------------------------------------------------------------------- */

/* Some of it, by sectors. */
static void redo(int fd, const struct change *c, unsigned whole)
{
	bool torn = false;

	if (c->at < 0) {
		if (chance(whole) && syscall(SYS_ftruncate, fd, c->n) < 0)
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
	size_t n = 0;
	unsigned whole = dice(4) * 333 + 1;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, f->path, O_RDWR | O_CLOEXEC, 0);

	if (fd < 0 || !f->was) {
		syscall(SYS_close, fd);
		return;
	}
	if (syscall(SYS_pwrite64, fd, f->was, f->was_n, 0) < 0 || syscall(SYS_ftruncate, fd, f->was_n) < 0)
		abort();
	for (struct change *c = f->first; c; c = c->next, n++)
		redo(fd, c, whole);
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
	if (io_scarce(SCARCE_DESCRIPTORS, EMFILE))
		return -1;
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (fd >= 0 && fd < FDS && sched_on()) {
		of_daemon[fd] = strstr(path, "state/") != NULL;
		of_fd[fd] = kept(path) ? file_of(path) : NULL;
		if (of_fd[fd] && flags & O_TRUNC)
			forget_all(of_fd[fd]);
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
		of_fd[fd] = NULL, of_daemon[fd] = false;
	sched_io();
	return (int)syscall(SYS_close, fd);
}

bool disk_is_full(int fd, int64_t at, size_t n)
{
	struct stat st;

	if (!scarce[SCARCE_DISK] || fd < 0 || fd >= FDS || !of_daemon[fd])
		return false;
	if (at >= 0 && fstat(fd, &st) == 0 && (off_t)(at + (int64_t)n) <= st.st_size)
		return false; /* what it has it keeps */
	return io_scarce(SCARCE_DISK, ENOSPC);
}

static ssize_t pwrite_tracked(int fd, const void *p, size_t n, off_t at)
{
	struct file *f = tracked(fd);

	if (disk_is_full(fd, at, n))
		return -1;
	if (f) {
		sched_point(AT_WRITE);
		note(f, fd, p, n, at);
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
		note(f, fd, NULL, (size_t)size, -1);
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
		settle(f);
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
			forget_all(&files[i]);
	return (int)syscall(SYS_unlink, path);
}

int unlink(const char *path)
{
	return remove_tracked(path);
}
