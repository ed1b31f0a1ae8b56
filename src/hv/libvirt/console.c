/* SPDX-License-Identifier: Apache-2.0 */
/* The serial console's log is a file in the pool's directory, so that it can be read over the same TLS link:
 * the volume is made empty before the guest, qemu (or virtlogd) appends to its file, and a download reads its
 * end. */
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/libvirt/volume.h"

/* virtlogd keeps up to this many older pieces: NAME.0, NAME.1, ... */
enum { ROTATED = 3 };

static void log_name(const char *uuid, char out[HV_VOLUME_NAME])
{
	snprintf(out, HV_VOLUME_NAME, "%.36s-console.log", uuid);
}

void lv_console_names(const char *uuid, char name[HV_VOLUME_NAME], char piece[HV_VOLUME_NAME])
{
	log_name(uuid, name);
	snprintf(piece, HV_VOLUME_NAME, "%.36s-console.log.0", uuid);
}

char *lv_console_path(const struct host_facts *facts, const char *uuid)
{
	char name[HV_VOLUME_NAME];

	log_name(uuid, name);
	return xasprintf("%s/%s", facts->pool_path, name);
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

/* --- reading on ------------------------------------------------------------------------------------------
 */

struct follow {
	struct hv_conn *c;
	virStoragePoolPtr pool;
	char names[2][HV_VOLUME_NAME]; /* the log, and what virtlogd put aside last */
	virStorageVolPtr vols[2];
};

/* What virtlogd made is not known to libvirt until the pool was looked over. */
static int follow_size(void *ctx, int piece, int64_t *out, struct error *err)
{
	struct follow *f = ctx;
	virStorageVolPtr *vol = &f->vols[piece];
	virStorageVolInfo info;

	*out = -1;
	if (!*vol && piece)
		virStoragePoolRefresh(f->pool, 0);
	if (!*vol && volume_find(f->c, f->pool, f->names[piece], vol, err) < 0)
		return -1;
	if (!*vol)
		return 0;
	if (virStorageVolGetInfo(*vol, &info) == 0)
		*out = (int64_t)info.capacity;
	else if (conn_last() != VIR_ERR_NO_STORAGE_VOL && conn_dead(f->c))
		return conn_fail(f->c, "read the console", err);
	return 0; /* a file that is gone, or being put aside just now, has nothing new */
}

static int follow_read(void *ctx, int piece, int64_t offset, size_t n, struct buf *out, struct error *err)
{
	struct follow *f = ctx;

	return n ? receive(f->c, f->vols[piece], (uint64_t)offset, n, out, err) : 0;
}

int lv_console_follow(struct hv_conn *c, struct hv_log *log, size_t max, struct error *err)
{
	static const struct log_source source = { follow_size, follow_read };
	CLEANUP(pool_free) virStoragePoolPtr pool = NULL;
	struct follow f = { .c = c };
	int rc;

	log->lost = log->more = false;
	if (c->link->test)
		return 0;
	if (!(pool = volume_pool(c, err)))
		return -1;
	f.pool = pool;
	lv_console_names(log->uuid, f.names[0], f.names[1]);
	rc = log_follow(log, &source, &f, max, err);
	vol_free(&f.vols[0]);
	vol_free(&f.vols[1]);
	return rc;
}
