/* SPDX-License-Identifier: Apache-2.0 */
/*	<uid>.part  written and hashed piece by piece
 *	            → fsync → rename to <uid> → fsync of the directory
 * Only then is the row made active: a file without an active row is a left-over, and removed at start. */
#include "api/image/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/util.h"

/* Written back as it comes, so that the last fsync has little left to do. */
static const int64_t FLUSH_BYTES = INT64_C(16) << 20;

static void hash_start(struct writer *w)
{
	w->md5_ctx = EVP_MD_CTX_new();
	w->sha512_ctx = EVP_MD_CTX_new();
	if (!w->md5_ctx || !w->sha512_ctx || EVP_DigestInit_ex(w->md5_ctx, EVP_md5(), NULL) != 1 ||
		EVP_DigestInit_ex(w->sha512_ctx, EVP_sha512(), NULL) != 1)
		abort(); /* no memory */
}

static void hash_end(struct writer *w)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n;

	EVP_DigestFinal_ex(w->md5_ctx, md, &n);
	hex_encode(md, n, w->md5);
	EVP_DigestFinal_ex(w->sha512_ctx, md, &n);
	hex_encode(md, n, w->sha512);
}

/* Better to hear now that `more` bytes cannot fit than after hours; and others need what is set aside. */
static int check_space(struct writer *w, int64_t more)
{
	struct statvfs fs;

	if (fstatvfs(w->fd, &fs) < 0)
		return 0;
	if ((uint64_t)(more + w->reserve) / fs.f_frsize >= fs.f_bavail)
		return disk_error(&w->err, ENOSPC, "space for", w->part);
	return 0;
}

static int open_part(struct writer *w)
{
	if (w->fd >= 0)
		return 0;
	w->touched = true;
	w->fd = open(w->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd < 0)
		return disk_error(&w->err, errno, "open", w->part);
	return check_space(w, w->announced > 0 ? w->announced : 0);
}

static int append(struct writer *w)
{
	const char *p = w->data.data;
	size_t left = w->data.len;

	EVP_DigestUpdate(w->md5_ctx, p, left);
	EVP_DigestUpdate(w->sha512_ctx, p, left);
	while (left) {
		ssize_t n = write(w->fd, p, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return disk_error(&w->err, errno, "write", w->part);
		p += n;
		left -= (size_t)n;
	}
	w->size += (int64_t)w->data.len;
	w->data.len = 0;
	if (w->size - w->flushed >= FLUSH_BYTES) {
		sync_file_range(w->fd, w->flushed, w->size - w->flushed, SYNC_FILE_RANGE_WRITE);
		w->flushed = w->size;
		return check_space(w, 0);
	}
	return 0;
}

static int seal(struct writer *w)
{
	CLEANUP(close_fd) int dir = -1;
	int fd = w->fd;

	hash_end(w);
	if (fsync(fd) < 0)
		return disk_error(&w->err, errno, "fsync", w->part);
	w->fd = -1;
	if (close(fd) < 0)
		return disk_error(&w->err, errno, "close", w->part);
	if (rename(w->part, w->path) < 0)
		return disk_error(&w->err, errno, "rename", w->part);
	dir = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fsync(dir) < 0)
		return disk_error(&w->err, errno, "fsync", w->dir);
	return 0;
}

static void drop(struct writer *w)
{
	close_fd(&w->fd);
	w->fd = -1;
	if (!w->touched)
		return;
	if ((unlink(w->part) < 0 && errno != ENOENT) || (unlink(w->path) < 0 && errno != ENOENT))
		disk_error(&w->err, errno, "unlink", w->part);
}

static void run(struct disk_job *j)
{
	struct writer *w = CONTAINER_OF(j, struct writer, job);

	if (w->act == WRITER_DROP)
		drop(w);
	else if (open_part(w) == 0 && append(w) == 0 && w->act == WRITER_SEAL)
		seal(w);
}

static void release(struct disk_job *j)
{
	writer_destroy(CONTAINER_OF(j, struct writer, job));
}

struct writer *writer_create(const struct api *api, const char *uid, int64_t announced)
{
	struct writer *w = xcalloc(1, sizeof *w);

	w->fd = -1;
	w->announced = announced;
	w->reserve = api->config.disk_reserve;
	w->dir = xstrdup(api->config.image_dir);
	w->path = disk_path(api, uid);
	w->part = disk_part_path(api, uid);
	w->job.run = run;
	w->job.release = release;
	hash_start(w);
	return w;
}

void writer_destroy(struct writer *w)
{
	if (!w)
		return;
	close_fd(&w->fd);
	EVP_MD_CTX_free(w->md5_ctx);
	EVP_MD_CTX_free(w->sha512_ctx);
	buf_finish(&w->data);
	free(w->dir);
	free(w->path);
	free(w->part);
	free(w);
}
