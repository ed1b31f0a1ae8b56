/* SPDX-License-Identifier: Apache-2.0 */
/* The serial console's log is a file in the pool's directory, so that it can be read over the same TLS link:
 * the volume is made empty before the guest, qemu (or virtlogd) appends to its file, and a download reads its
 * end. */
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/libvirt/volume.h"

/* virtlogd keeps up to this many older pieces: NAME.0, NAME.1, ... */
enum { ROTATED = 3 };

static void log_name(const char *uuid, char out[HV_VOLUME_NAME])
{
	snprintf(out, HV_VOLUME_NAME, "%.36s-console.log", uuid);
}

int lv_console_prepare(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(pool_free) virStoragePoolPtr pool = volume_pool(c, err);
	CLEANUP(vol_free) virStorageVolPtr vol = NULL;
	char name[HV_VOLUME_NAME];

	if (!pool)
		return -1;
	log_name(uuid, name);
	return volume_make(c, pool, &(struct volume_spec) { .name = name, .format = "raw" }, &vol, err);
}

int lv_console_remove(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(pool_free) virStoragePoolPtr pool = NULL;
	char name[HV_VOLUME_NAME], piece[HV_VOLUME_NAME + 8];

	if (c->link->test)
		return 0;
	if (!(pool = volume_pool(c, err)))
		return -1;
	log_name(uuid, name);
	for (int i = 0; i < ROTATED; i++) {
		snprintf(piece, sizeof piece, "%s.%d", name, i);
		if (volume_delete(c, pool, piece, err) < 0)
			return -1;
	}
	return volume_delete(c, pool, name, err);
}

static int receive(struct hv_conn *c, virStorageVolPtr vol, uint64_t offset, uint64_t length, struct buf *out,
	struct error *err)
{
	CLEANUP(stream_free) virStreamPtr stream = virStreamNew(c->link->conn, 0);
	CLEANUP(buf_finish) struct buf got = { 0 };
	int n = 0;

	if (!stream || virStorageVolDownload(vol, stream, offset, length, 0) < 0)
		return conn_fail(c, "read the console", err);
	while (got.len < length) {
		size_t want = length - got.len < 65536 ? length - got.len : 65536;

		if ((n = virStreamRecv(stream, buf_reserve(&got, want), want)) <= 0)
			break;
		got.len += (size_t)n;
	}
	if (got.len < length && n < 0) {
		conn_fail(c, "read the console", err);
		virStreamAbort(stream);
		return -1;
	}
	if (virStreamFinish(stream) < 0)
		virStreamAbort(stream);
	buf_append(out, got.data, got.len);
	return 0;
}

int lv_console_read(struct hv_conn *c, const char *uuid, size_t max, struct buf *out, struct error *err)
{
	CLEANUP(pool_free) virStoragePoolPtr pool = NULL;
	CLEANUP(vol_free) virStorageVolPtr vol = NULL;
	char name[HV_VOLUME_NAME];
	virStorageVolInfo info;
	uint64_t length;

	if (c->link->test || !max)
		return 0;
	if (!(pool = volume_pool(c, err)))
		return -1;
	log_name(uuid, name);
	if (volume_find(c, pool, name, &vol, err) < 0)
		return -1;
	if (!vol) {
		virStoragePoolRefresh(pool, 0);
		if (volume_find(c, pool, name, &vol, err) < 0)
			return -1;
	}
	if (!vol)
		return 0;
	if (virStorageVolGetInfo(vol, &info) < 0)
		return conn_fail(c, "read the console", err);
	if (!(length = info.capacity < max ? info.capacity : max))
		return 0;
	return receive(c, vol, info.capacity - length, length, out, err);
}
