/* SPDX-License-Identifier: Apache-2.0 */
/* An image on a host, whole or not at all. libvirt cannot rename a volume, and a clone (a second full copy on
 * the host) is no more atomic than an upload; so the bytes go into the volume under its own name, and an
 * empty volume <name>.ok is made after the upload was confirmed. Only an image with its marker counts; one
 * without is removed and uploaded anew. Removal takes the marker first. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "hv/libvirt/volume.h"

/* Uploads that run in this process, so that two lanes do not write the same volume at once. */
struct upload {
	struct upload *next;
	const char *uri, *pool, *name;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct upload *list;
} uploads = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static bool same(const struct upload *a, const struct upload *b)
{
	return str_eq(a->uri, b->uri) && str_eq(a->pool, b->pool) && str_eq(a->name, b->name);
}

static void upload_begin(struct upload *u)
{
	struct upload *other;

	pthread_mutex_lock(&uploads.lock);
	for (other = uploads.list; other;)
		if (same(other, u)) {
			pthread_cond_wait(&uploads.changed, &uploads.lock);
			other = uploads.list;
		} else {
			other = other->next;
		}
	u->next = uploads.list;
	uploads.list = u;
	pthread_mutex_unlock(&uploads.lock);
}

static void upload_end(struct upload *u)
{
	struct upload **p;

	pthread_mutex_lock(&uploads.lock);
	for (p = &uploads.list; *p != u; p = &(*p)->next)
		;
	*p = u->next;
	pthread_cond_broadcast(&uploads.changed);
	pthread_mutex_unlock(&uploads.lock);
}

struct file_source {
	int fd;
	off_t at;
};

static long file_read(void *ctx, void *buf, size_t n)
{
	struct file_source *f = ctx;
	ssize_t k = pread(f->fd, buf, n, f->at);

	if (k > 0)
		f->at += k;
	return k;
}

static int image_make(struct hv_conn *c, virStoragePoolPtr pool, const struct volume_spec *spec, int fd,
	int64_t size, struct error *err)
{
	CLEANUP(vol_free) virStorageVolPtr old = NULL, vol = NULL, marker_vol = NULL;
	char marker[VOLUME_MARKER_NAME];
	struct volume_spec mark = {
		.name = volume_marker(spec->name, marker), .format = "raw", .capacity = 1
	};
	struct file_source source = { .fd = fd };

	if (volume_find(c, pool, mark.name, &marker_vol, err) < 0 ||
		volume_find(c, pool, spec->name, &old, err) < 0)
		return -1;
	if (marker_vol && old)
		return 0;
	if (marker_vol && volume_delete(c, pool, mark.name, err) < 0)
		return -1;
	if (old && volume_delete(c, pool, spec->name, err) < 0)
		return -1;
	vol_free(&marker_vol);
	marker_vol = NULL;
	if (volume_make(c, pool, spec, &vol, err) < 0 ||
		volume_upload(c, vol, size, file_read, &source, err) < 0)
		return -1;
	return volume_make(c, pool, &mark, &marker_vol, err);
}

int lv_image_ensure(struct hv_conn *c, const char *name, const char *format, int fd, int64_t size,
	int64_t virtual_size, struct error *err)
{
	/* The file is made as raw bytes of the image's own size; libvirt sees its format when the upload is
	 * done. The test driver uploads nothing, so there the virtual size is all that is known. */
	struct volume_spec spec = { .name = name, .format = "raw", .capacity = size };
	struct upload u = { .uri = c->link->uri, .pool = c->pool, .name = name };
	CLEANUP(pool_free) virStoragePoolPtr pool = NULL;
	int rc;

	if (!name || !*name || strchr(name, '/') || strlen(name) >= HV_VOLUME_NAME ||
		!str_starts(name, "image-"))
		return error_set(err, ERR_BAD_REQUEST, "not a name of an image's volume");
	if (c->link->test) {
		spec.format = format;
		spec.capacity = virtual_size > 0 ? virtual_size : size;
	}
	if (!(pool = volume_pool(c, err)))
		return -1;
	upload_begin(&u);
	rc = image_make(c, pool, &spec, fd, size, err);
	upload_end(&u);
	return rc;
}

static int replace(struct hv_conn *c, virStoragePoolPtr pool, const struct volume_spec *spec, int fd,
	int64_t size, struct error *err)
{
	CLEANUP(vol_free) virStorageVolPtr vol = NULL;
	struct file_source source = { .fd = fd };
	bool used;

	if (volume_in_use(c, spec->name, &used, err) < 0)
		return -1;
	if (used)
		return error_set(err, ERR_CONFLICT, "the disk is in use");
	if (volume_delete(c, pool, spec->name, err) < 0 || volume_make(c, pool, spec, &vol, err) < 0)
		return -1;
	return volume_upload(c, vol, size, file_read, &source, err);
}

int lv_volume_upload(struct hv_conn *c, const char *name, int fd, int64_t size, struct error *err)
{
	struct volume_spec spec = { .name = name, .format = "raw", .capacity = size };
	struct upload u = { .uri = c->link->uri, .pool = c->pool, .name = name };
	CLEANUP(pool_free) virStoragePoolPtr pool = NULL;
	int rc;

	if (!volume_name_ok(name, err) || !(pool = volume_pool(c, err)))
		return -1;
	upload_begin(&u);
	rc = replace(c, pool, &spec, fd, size, err);
	upload_end(&u);
	return rc;
}
