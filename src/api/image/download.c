/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v2/images/{id}/file: the file is read on a thread, piece by piece, as fast as the peer takes it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/image/disk.h"
#include "api/image/internal.h"
#include "api/image/range.h"
#include "base/log.h"
#include "base/util.h"

enum { PIECE_BYTES = 256 * 1024 };

/* Open file and piece: the thread's while it reads. */
struct reader {
	struct disk_job job;
	char *path;
	int fd;
	int64_t size, at, left; /* of the file as its row has it; of what was asked for */
	size_t n;
	struct error err;
	char piece[PIECE_BYTES];
};

struct download {
	struct transfer transfer;
	struct api_call *call;
	struct reader *reader;
	bool reading, started;
};

static void reader_free(struct disk_job *j)
{
	struct reader *r = CONTAINER_OF(j, struct reader, job);

	close_fd(&r->fd);
	free(r->path);
	free(r);
}

static int open_file(struct reader *r)
{
	struct stat st;

	if (r->fd >= 0)
		return 0;
	r->fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (r->fd < 0 || fstat(r->fd, &st) < 0)
		return disk_error(&r->err, errno, "open", r->path);
	if (st.st_size != r->size)
		return error_internal(&r->err, "%.160s has %lld bytes, its row says %lld", r->path,
			(long long)st.st_size, (long long)r->size);
	posix_fadvise(r->fd, r->at, r->left, POSIX_FADV_SEQUENTIAL);
	return 0;
}

static void reader_run(struct disk_job *j)
{
	struct reader *r = CONTAINER_OF(j, struct reader, job);
	size_t want = r->left < PIECE_BYTES ? (size_t)r->left : PIECE_BYTES;
	ssize_t n;

	r->n = 0;
	if (open_file(r) < 0)
		return;
	while (r->n < want) {
		n = pread(r->fd, r->piece + r->n, want - r->n, r->at + (int64_t)r->n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			disk_error(&r->err, n < 0 ? errno : EIO, "read", r->path);
			return;
		}
		r->n += (size_t)n;
	}
	r->at += (int64_t)r->n;
	r->left -= (int64_t)r->n;
}

static void finish(struct download *d, bool ok)
{
	struct api_call *c = d->call;

	disk_transfer_end(&d->transfer);
	free(d);
	api_stream_end(c, ok);
}

static void finish_error(struct download *d, const struct error *err)
{
	struct api_call *c = d->call;
	struct error copy = *err;

	if (d->started) {
		log_event(LOG_ERR, "an image could not be sent in full", "request_id", c->request_id, "error",
			copy.msg, "detail", copy.detail, NULL);
		finish(d, false);
		return;
	}
	disk_transfer_end(&d->transfer);
	free(d);
	api_fail(c, &copy);
}

static void read_on(struct download *d)
{
	struct error err;

	d->reading = true;
	if (disk_submit(d->call->api, &d->reader->job))
		return;
	error_set(&err, ERR_UNAVAILABLE, "cloudd is stopping");
	reader_free(&d->reader->job);
	finish_error(d, &err);
}

static void start(struct download *d, int64_t count)
{
	struct api_call *c = d->call;

	c->content_type = "application/octet-stream";
	d->started = true;
	api_stream_start(c, count);
}

static void reader_settled(struct disk_job *j)
{
	struct download *d = j->owner;
	struct reader *r = d->reader;
	bool more;

	d->reading = false;
	if (j->cancelled)
		error_set(&r->err, ERR_UNAVAILABLE, "cloudd is stopping");
	if (r->err.code) {
		struct error err = r->err;

		reader_free(j);
		finish_error(d, &err);
		return;
	}
	if (!d->started)
		start(d, r->left + (int64_t)r->n);
	more = http_respond_write(d->call->http, r->piece, r->n);
	if (!r->left) {
		reader_free(j);
		finish(d, true);
	} else if (more) {
		read_on(d);
	}
}

static void reader_lost(void *owner)
{
	struct download *d = owner;
	struct error err;

	error_set(&err, ERR_UNAVAILABLE, "cloudd is stopping");
	finish_error(d, &err);
}

static void on_drain(struct api_call *c)
{
	struct download *d = c->stream.data_ctx;

	if (!d->reading)
		read_on(d);
}

static struct reader *reader_create(struct download *d, const struct image *i, int64_t first, int64_t count)
{
	struct reader *r = xmalloc(sizeof *r);

	memset(r, 0, offsetof(struct reader, piece));
	r->path = disk_path(d->call->api, i->uid);
	r->fd = -1;
	r->size = i->size;
	r->at = first;
	r->left = count;
	r->job = (struct disk_job) { .run = reader_run,
		.settled = reader_settled,
		.release = reader_free,
		.lost = reader_lost,
		.owner = d };
	return r;
}

static int send_range(
	struct api_call *c, const struct image *i, int64_t first, int64_t count, struct error *err)
{
	struct download *d = xcalloc(1, sizeof *d);

	d->call = c;
	if (disk_transfer_begin(&d->transfer, c->who->project.id, err) < 0) {
		free(d);
		return -1;
	}
	if (c->http->method == HTTP_HEAD) {
		start(d, count);
		finish(d, true);
		return 0;
	}
	d->reader = reader_create(d, i, first, count);
	c->stream = (struct api_stream) { .drain = on_drain, .data_ctx = d };
	read_on(d);
	return 0;
}

static void reply_unsatisfiable(struct api_call *c, const struct image *i)
{
	struct error err;

	error_set(&err, ERR_BAD_REQUEST, "the image has only %lld bytes", (long long)i->size);
	c->status = 416;
	api_header(c, "Content-Range", arena_printf(c->arena, "bytes */%lld", (long long)i->size));
	c->service->error_body(c, &err);
	api_reply(c);
}

int image_download(struct api_call *c, struct error *err)
{
	struct image i;
	struct byte_range range;

	if (image_find(c, &i, err) < 0)
		return -1;
	if (strcmp(i.status, "deactivated") == 0 && !api_is_admin(c))
		return error_set(err, ERR_FORBIDDEN,
			"The requested image has been deactivated. Image data "
			"download is forbidden.");
	if (strcmp(i.status, "active") != 0 && strcmp(i.status, "deactivated") != 0) {
		c->status = 204;
		api_reply(c);
		return 0;
	}
	range = range_parse(http_header(c->http, "Range"), i.size);
	if (range.kind == RANGE_UNSATISFIABLE) {
		reply_unsatisfiable(c, &i);
		return 0;
	}
	c->status = range.kind == RANGE_PART ? 206 : 200;
	api_header(c, "Accept-Ranges", "bytes");
	if (range.kind == RANGE_PART)
		api_header(c, "Content-Range",
			arena_printf(c->arena, "bytes %lld-%lld/%lld", (long long)range.first,
				(long long)(range.first + range.count - 1), (long long)i.size));
	else
		api_header(c, "Content-MD5", i.checksum);
	return send_range(c, &i, range.first, range.count, err);
}
