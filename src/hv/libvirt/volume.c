/* SPDX-License-Identifier: Apache-2.0 */
/* Disks of guests: volumes of one storage pool. libvirt's test driver keeps volumes but no content; there an
 * upload is left out. */
#include "hv/libvirt/volume.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/libvirt/xmlw.h"

enum { CHUNK = 256 << 10 };

virStoragePoolPtr volume_pool(struct hv_conn *c, struct error *err)
{
	virStoragePoolPtr pool = memo_pool(&c->memo);

	if (pool)
		return pool;
	pool = virStoragePoolLookupByName(c->link->conn, c->pool);
	if (pool) {
		memo_pool_set(&c->memo, pool);
	} else {
		conn_fail(c, "find its storage pool", err);
		/* the volume's absence is not proved by the pool's */
		if (err->code == ERR_NOT_FOUND)
			err->code = ERR_HYPERVISOR;
	}
	return pool;
}

int volume_find(
	struct hv_conn *c, virStoragePoolPtr pool, const char *name, virStorageVolPtr *out, struct error *err)
{
	*out = virStorageVolLookupByName(pool, name);
	if (!*out && conn_last() != VIR_ERR_NO_STORAGE_VOL)
		return conn_fail(c, "look for a disk", err);
	return 0;
}

bool volume_name_ok(const char *name, struct error *err)
{
	if (name && *name && *name != '.' && !strchr(name, '/') && strlen(name) < HV_VOLUME_NAME)
		return true;
	error_set(err, ERR_BAD_REQUEST, "not a name of a volume");
	return false;
}

int volume_want(
	struct hv_conn *c, virStoragePoolPtr pool, const char *name, virStorageVolPtr *out, struct error *err)
{
	if (volume_find(c, pool, name, out, err) < 0)
		return -1;
	return *out ? 0 : error_set(err, ERR_NOT_FOUND, "the disk is not on the host");
}

static void write_format(struct xmlw *w, const char *format)
{
	xw_empty(w, "format", "type", format, NULL);
}

void volume_xml(struct buf *out, const struct volume_spec *spec)
{
	struct xmlw w = { .out = out };

	xw_open(&w, "volume");
	xw_leaf(&w, "name", spec->name);
	xw_open(&w, "capacity");
	xw_attr(&w, "unit", "bytes");
	xw_textf(&w, "%lld", (long long)spec->capacity);
	xw_close(&w);
	xw_leaf(&w, "allocation", "0");
	xw_open(&w, "target");
	write_format(&w, spec->format);
	xw_close(&w);
	if (spec->backing_path) {
		xw_open(&w, "backingStore");
		xw_leaf(&w, "path", spec->backing_path);
		write_format(&w, spec->backing_format);
		xw_close(&w);
	}
	xw_close(&w);
}

int volume_make(struct hv_conn *c, virStoragePoolPtr pool, const struct volume_spec *spec,
	virStorageVolPtr *out, struct error *err)
{
	CLEANUP(buf_finish) struct buf xml = { 0 };
	struct error why;

	volume_xml(&xml, spec);
	if ((*out = virStorageVolCreateXML(pool, buf_text(&xml), 0)))
		return 0;
	if (conn_last() == VIR_ERR_STORAGE_VOL_EXIST) {
		if (volume_find(c, pool, spec->name, out, err) < 0)
			return -1;
		if (*out)
			return 0;
	}
	conn_fail(c, "make a disk", &why);
	/* another call made it, or its file is there and libvirt has not seen it yet */
	if (why.code == ERR_HYPERVISOR) {
		virStoragePoolRefresh(pool, 0);
		if ((*out = virStorageVolLookupByName(pool, spec->name)))
			return 0;
	}
	*err = why;
	return -1;
}

int volume_delete(struct hv_conn *c, virStoragePoolPtr pool, const char *name, struct error *err)
{
	CLEANUP(vol_free) virStorageVolPtr vol = NULL;

	if (volume_find(c, pool, name, &vol, err) < 0)
		return -1;
	if (!vol || virStorageVolDelete(vol, 0) == 0 || conn_last() == VIR_ERR_NO_STORAGE_VOL)
		return 0;
	return conn_fail(c, "remove a disk", err);
}

/* --- uploads -------------------------------------------------------------------------------------------- */

static int send_all(struct hv_conn *c, virStreamPtr stream, int64_t size, volume_source_fn *source, void *ctx,
	struct error *err)
{
	CLEANUP(free_ptr) char *chunk = xmalloc(CHUNK);
	int64_t left = size;

	while (left > 0) {
		long n = source(ctx, chunk, left < CHUNK ? (size_t)left : CHUNK);

		if (n <= 0)
			return error_internal(
				err, "upload: %s", n ? strerror(errno) : "shorter than it should be");
		for (long sent = 0; sent < n;) {
			int k = virStreamSend(stream, chunk + sent, (size_t)(n - sent));

			if (k < 0)
				return conn_fail(c, "take an upload", err);
			sent += k;
		}
		left -= n;
	}
	return 0;
}

int volume_upload(struct hv_conn *c, virStorageVolPtr vol, int64_t size, volume_source_fn *source, void *ctx,
	struct error *err)
{
	CLEANUP(stream_free) virStreamPtr stream = NULL;

	if (c->link->test || size == 0)
		return 0;
	if (!(stream = virStreamNew(c->link->conn, 0)))
		return conn_fail(c, "start an upload", err);
	if (virStorageVolUpload(vol, stream, 0, (unsigned long long)size, 0) < 0)
		return conn_fail(c, "start an upload", err);
	if (send_all(c, stream, size, source, ctx, err) < 0) {
		virStreamAbort(stream);
		return -1;
	}
	return virStreamFinish(stream) < 0 ? conn_fail(c, "finish an upload", err) : 0;
}

struct memory_source {
	const char *data;
	size_t left;
};

static long memory_read(void *ctx, void *buf, size_t n)
{
	struct memory_source *m = ctx;

	if (n > m->left)
		n = m->left;
	memcpy(buf, m->data, n);
	m->data += n;
	m->left -= n;
	return (long)n;
}

/* --- the driver's functions ----------------------------------------------------------------------------- */

const char *volume_marker(const char *name, char out[VOLUME_MARKER_NAME])
{
	snprintf(out, VOLUME_MARKER_NAME, "%s.ok", name);
	return out;
}

/* *known: the answer is from memory. */
static int find_backing(struct hv_conn *c, virStoragePoolPtr pool, const char *name, char **out_path,
	bool *known, struct error *err)
{
	CLEANUP(vol_free) virStorageVolPtr vol = NULL;

	*out_path = memo_image(&c->memo, name);
	if ((*known = *out_path != NULL))
		return 0;
	if (volume_find(c, pool, name, &vol, err) < 0)
		return -1;
	if (!vol)
		return error_set(err, ERR_NOT_FOUND, "the image is not on the host");
	*out_path = virStorageVolGetPath(vol);
	if (!*out_path)
		return conn_fail(c, "find the image", err);
	memo_image_set(&c->memo, name, *out_path);
	return 0;
}

static int ensure(struct hv_conn *c, const char *name, int64_t capacity, const char *backing,
	const char *backing_format, bool *known, struct error *err)
{
	CLEANUP(pool_free) virStoragePoolPtr pool = volume_pool(c, err);
	CLEANUP(vol_free) virStorageVolPtr vol = NULL;
	CLEANUP(free_ptr) char *path = NULL;

	*known = false;
	if (!pool || (backing && find_backing(c, pool, backing, &path, known, err) < 0))
		return -1;
	return volume_make(c, pool,
		&(struct volume_spec) { .name = name,
			.format = "qcow2",
			.capacity = capacity,
			.backing_path = path,
			.backing_format = backing_format },
		&vol, err);
}

int lv_volume_ensure(struct hv_conn *c, const char *name, int64_t capacity, const char *backing,
	const char *backing_format, struct error *err)
{
	struct error first;
	bool known;

	if (!volume_name_ok(name, err))
		return -1;
	if (ensure(c, name, capacity, backing, backing_format, &known, &first) == 0)
		return 0;
	/* what was remembered may be so no more */
	memo_pool_forget(&c->memo);
	memo_image_forget(&c->memo);
	if (known && first.code != ERR_UNREACHABLE)
		return ensure(c, name, capacity, backing, backing_format, &known, err);
	*err = first;
	return -1;
}

int lv_volume_write(struct hv_conn *c, const char *name, const void *data, size_t n, struct error *err)
{
	struct memory_source source = { data, n };
	struct volume_spec spec = { .name = name, .format = "raw", .capacity = (int64_t)n };
	CLEANUP(pool_free) virStoragePoolPtr pool = NULL;
	CLEANUP(vol_free) virStorageVolPtr vol = NULL;
	virStorageVolInfo info;

	if (!volume_name_ok(name, err) || !(pool = volume_pool(c, err)) ||
		volume_find(c, pool, name, &vol, err) < 0)
		return -1;
	if (vol && (virStorageVolGetInfo(vol, &info) < 0 || info.capacity != n)) {
		if (volume_delete(c, pool, name, err) < 0)
			return -1;
		vol_free(&vol);
		vol = NULL;
	}
	if (!vol && volume_make(c, pool, &spec, &vol, err) < 0)
		return -1;
	return volume_upload(c, vol, (int64_t)n, memory_read, &source, err);
}

int lv_volume_remove(struct hv_conn *c, const char *name, struct error *err)
{
	CLEANUP(pool_free) virStoragePoolPtr pool = NULL;
	char marker[VOLUME_MARKER_NAME];

	if (!volume_name_ok(name, err) || !(pool = volume_pool(c, err)))
		return -1;
	memo_image_forget(&c->memo);
	/* the marker first: what is left of an image by a crash between the two is not taken for a whole one
	 */
	if (str_starts(name, "image-") && volume_delete(c, pool, volume_marker(name, marker), err) < 0)
		return -1;
	return volume_delete(c, pool, name, err);
}

int volume_in_use(struct hv_conn *c, const char *name, bool *out, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	struct hv_seen seen = { 0 };
	char uuid[UUID_TEXT];

	snprintf(uuid, sizeof uuid, "%.36s", name);
	if (uuid_valid(uuid) && lv_find_ours(c, uuid, &dom, &seen, err) < 0)
		return -1;
	*out = lv_is_active(seen.power);
	return 0;
}

/* libvirt's test driver cannot resize, and keeps no bytes: made anew, the volume is as large as wanted. */
static int grow_blank(
	struct hv_conn *c, virStoragePoolPtr pool, const char *name, int64_t capacity, struct error *err)
{
	CLEANUP(vol_free) virStorageVolPtr vol = NULL;

	if (volume_delete(c, pool, name, err) < 0)
		return -1;
	return volume_make(c, pool,
		&(struct volume_spec) { .name = name, .format = "qcow2", .capacity = capacity }, &vol, err);
}

int lv_volume_grow(struct hv_conn *c, const char *name, int64_t capacity, struct error *err)
{
	CLEANUP(pool_free) virStoragePoolPtr pool = NULL;
	CLEANUP(vol_free) virStorageVolPtr vol = NULL;
	virStorageVolInfo info;
	bool in_use;

	if (!volume_name_ok(name, err) || !(pool = volume_pool(c, err)) ||
		volume_want(c, pool, name, &vol, err) < 0)
		return -1;
	if (virStorageVolGetInfo(vol, &info) < 0)
		return conn_fail(c, "measure a disk", err);
	if ((int64_t)info.capacity >= capacity)
		return 0;
	if (volume_in_use(c, name, &in_use, err) < 0)
		return -1;
	if (in_use)
		return error_set(err, ERR_CONFLICT, "the disk is in use by a running server");
	if (c->link->test)
		return grow_blank(c, pool, name, capacity, err);
	return virStorageVolResize(vol, (unsigned long long)capacity, 0) < 0
		       ? conn_fail(c, "grow a disk", err)
		       : 0;
}
