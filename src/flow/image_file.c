/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/image_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "domain/image_inspect.h"

enum { PIECE_BYTES = 1 << 20 };
_Static_assert((int)PIECE_BYTES >= (int)INSPECT_BYTES, "the start is looked at in one piece");

/* ---- from a volume to a file ---- */

static int failed(struct error *err, int number, const char *what, const char *path)
{
	bool full = number == ENOSPC || number == EDQUOT;

	error_set(err, full ? ERR_NO_SPACE : ERR_INTERNAL,
		full ? "The cloud's controller has no disk space left for images."
		     : "the store of images cannot be used now");
	return error_detail(err, "%s %.160s: %s", what, path, strerror(number));
}

struct sums {
	EVP_MD_CTX *md5, *sha512;
};

static void sums_finish(struct sums *s)
{
	EVP_MD_CTX_free(s->md5);
	EVP_MD_CTX_free(s->sha512);
}

static void sums_start(struct sums *s)
{
	s->md5 = EVP_MD_CTX_new();
	s->sha512 = EVP_MD_CTX_new();
	if (!s->md5 || !s->sha512 || EVP_DigestInit_ex(s->md5, EVP_md5(), NULL) != 1 ||
		EVP_DigestInit_ex(s->sha512, EVP_sha512(), NULL) != 1)
		abort(); /* no memory */
}

static void sums_end(struct sums *s, struct image_data *out)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n;

	EVP_DigestFinal_ex(s->md5, md, &n);
	hex_encode(md, n, out->md5);
	EVP_DigestFinal_ex(s->sha512, md, &n);
	hex_encode(md, n, out->sha512);
}

/* Inspects and hashes the file in pieces. */
static int examine(struct act *act, int fd, const char *path, struct image_data *out, struct error *err)
{
	CLEANUP(free_ptr) char *piece = xmalloc(PIECE_BYTES);
	CLEANUP(sums_finish) struct sums sums;
	int64_t at = 0;

	sums_start(&sums);
	for (;;) {
		ssize_t n = pread(fd, piece, PIECE_BYTES, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(err, errno, "read", path);
		if (at == 0 && image_inspect(piece, (size_t)(n < INSPECT_BYTES ? n : INSPECT_BYTES), "qcow2",
				       &out->virtual_size, err))
			return error_wrap(err, "what the host sent");
		if (n == 0)
			break;
		EVP_DigestUpdate(sums.md5, piece, (size_t)n);
		EVP_DigestUpdate(sums.sha512, piece, (size_t)n);
		at += n;
		if (act_abandoned(act, err))
			return -1;
	}
	out->size = at;
	sums_end(&sums, out);
	return 0;
}

/* Durable under its last name: only then is the row made active. */
static int seal(struct act *act, int fd, const char *part, const char *path, struct error *err)
{
	CLEANUP(free_ptr) char *dir = xstrdup(path);
	CLEANUP(close_fd) int dir_fd = -1;

	*strrchr(dir, '/') = '\0';
	if (fsync(fd) < 0)
		return failed(err, errno, "fsync", part);
	if (act_abandoned(act, err))
		return -1;
	if (rename(part, path) < 0)
		return failed(err, errno, "rename", part);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0 || fsync(dir_fd) < 0)
		return failed(err, errno, "fsync", dir);
	return 0;
}

int image_file_fetch(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, const char *volume,
	const char *path, int64_t max, struct image_data *out, struct error *err)
{
	/* a try that was given up may still write to its own */
	CLEANUP(free_ptr) char *part = xasprintf("%s.part.XXXXXX", path);
	CLEANUP(close_fd) int fd = mkostemp(part, O_CLOEXEC);
	int64_t size;

	if (fd < 0)
		return failed(err, errno, "open", part);
	if (drv->volume_download(conn, volume, fd, max, &size, err) || act_abandoned(act, err) ||
		examine(act, fd, part, out, err) || seal(act, fd, part, path, err)) {
		unlink(part);
		return -1;
	}
	return 0;
}

/* ---- removal ---- */

struct removal {
	struct work work;
	char *path;
};

static void removal_run(struct work *w)
{
	struct removal *r = CONTAINER_OF(w, struct removal, work);

	if (unlink(r->path) < 0 && errno != ENOENT)
		log_event(LOG_ERR, "the file of an image that is gone stays until the next start", "path",
			r->path, "error", strerror(errno), NULL);
}

static void removal_done(struct work *w, enum work_result res)
{
	(void)w;
	(void)res;
}

static void removal_destroy(struct work *w)
{
	struct removal *r = CONTAINER_OF(w, struct removal, work);

	free(r->path);
	free(r);
}

static void removal_start(struct flow_engine *e, const char *uid)
{
	struct removal *r = xcalloc(1, sizeof *r);

	if (!e->files_lane)
		e->files_lane = lane_create(e->cfg.lanes, "image files", 1, UINT32_MAX);
	r->path = xasprintf("%s/%s", e->cfg.image_dir, uid);
	r->work = (struct work) { .run = removal_run, .done = removal_done, .destroy = removal_destroy };
	if (!lane_submit(e->files_lane, &r->work))
		removal_destroy(&r->work);
}

void image_file_forget(struct flow_engine *e, const char *uid)
{
	if (e->files_n == e->files_cap) {
		e->files_cap = e->files_cap ? e->files_cap * 2 : 16;
		e->files = xrealloc(e->files, e->files_cap * sizeof *e->files);
	}
	str_copy(e->files[e->files_n++], UUID_TEXT, uid);
}

void image_files_undo(struct flow_engine *e, size_t mark)
{
	e->files_n = mark;
}

void image_files_done(struct flow_engine *e)
{
	for (size_t i = 0; i < e->files_n; i++)
		removal_start(e, e->files[i]);
	e->files_n = 0;
}

void image_files_destroy(struct flow_engine *e)
{
	if (e->files_lane)
		lane_destroy(e->files_lane);
	e->files_lane = NULL;
	free(e->files);
	e->files = NULL;
	e->files_n = e->files_cap = 0;
}
