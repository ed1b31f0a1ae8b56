/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes read by the controller: their list, and the bytes of one. A download is sparse: holes come as holes
 * and become such in the file. */
#include <errno.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/libvirt/volume.h"

enum { CHUNK = 256 << 10, HOLE = -3 }; /* HOLE: what virStreamRecvFlags returns in front of one */

static int write_all(int fd, const char *p, size_t n, int64_t at, struct error *err)
{
	while (n) {
		ssize_t k = pwrite(fd, p, n, (off_t)at);

		if (k < 0 && errno != EINTR)
			return hv_file_failed(err);
		if (k > 0) {
			p += k;
			n -= (size_t)k;
			at += k;
		}
	}
	return 0;
}

/* From the stream into fd; *at is how far it came. */
static int receive(
	struct hv_conn *c, virStreamPtr stream, int fd, int64_t max, int64_t *at, struct error *err)
{
	CLEANUP(free_ptr) char *chunk = xmalloc(CHUNK);
	long long hole;
	int n;

	while ((n = virStreamRecvFlags(stream, chunk, CHUNK, VIR_STREAM_RECV_STOP_AT_HOLE))) {
		if (n == HOLE) {
			if (virStreamRecvHole(stream, &hole, 0) < 0)
				return conn_fail(c, "give a disk's content", err);
			if (hole < 0 || hole > max - *at)
				return hv_too_large(max, err);
			*at += hole;
			continue;
		}
		if (n < 0)
			return conn_fail(c, "give a disk's content", err);
		if (n > max - *at)
			return hv_too_large(max, err);
		if (write_all(fd, chunk, (size_t)n, *at, err) < 0)
			return -1;
		*at += n;
	}
	return 0;
}

static int download(
	struct hv_conn *c, virStorageVolPtr vol, int fd, int64_t max, int64_t *out_size, struct error *err)
{
	CLEANUP(stream_free) virStreamPtr stream = virStreamNew(c->link->conn, 0);
	virStorageVolInfo info;
	int64_t size = 0;

	if (virStorageVolGetInfoFlags(vol, &info, VIR_STORAGE_VOL_GET_PHYSICAL) < 0)
		return conn_fail(c, "measure a disk", err);
	if ((int64_t)info.allocation > max)
		return hv_too_large(max, err);
	if (ftruncate(fd, 0) < 0)
		return hv_file_failed(err);
	if (!stream || virStorageVolDownload(vol, stream, 0, 0, VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM) < 0)
		return conn_fail(c, "give a disk's content", err);
	if (receive(c, stream, fd, max, &size, err) < 0) {
		virStreamAbort(stream);
		return -1;
	}
	if (virStreamFinish(stream) < 0)
		return conn_fail(c, "give a disk's content", err);
	if (ftruncate(fd, size) < 0)
		return hv_file_failed(err);
	*out_size = size;
	return 0;
}

int lv_volume_download(
	struct hv_conn *c, const char *name, int fd, int64_t max, int64_t *out_size, struct error *err)
{
	CLEANUP(pool_free) virStoragePoolPtr pool = NULL;
	CLEANUP(vol_free) virStorageVolPtr vol = NULL;
	virStorageVolInfo info;

	if (!volume_name_ok(name, err) || !(pool = volume_pool(c, err)) ||
		volume_want(c, pool, name, &vol, err) < 0)
		return -1;
	if (!c->link->test)
		return download(c, vol, fd, max, out_size, err);
	if (virStorageVolGetInfo(vol, &info) < 0)
		return conn_fail(c, "measure a disk", err);
	return hv_blank_read(name, (int64_t)info.capacity, fd, max, out_size, err);
}

/* --- the list --------------------------------------------------------------------------------------------
 */

/* 1: one of ours; 0: not, or gone since the list was made. */
static int list_one(
	struct hv_conn *c, struct arena *a, virStorageVolPtr vol, struct hv_volume *out, struct error *err)
{
	const char *name = virStorageVolGetName(vol);
	virStorageVolInfo info;
	struct error why;

	if (!name || !hv_volume_ours(name))
		return 0;
	if (virStorageVolGetInfo(vol, &info) < 0) {
		conn_fail(c, "measure a disk", &why);
		/* a volume that is just removed gives other errors as well */
		if (why.code == ERR_NOT_FOUND || why.code == ERR_HYPERVISOR)
			return 0;
		*err = why;
		return -1;
	}
	*out = (struct hv_volume) { arena_strdup(a, name), (int64_t)info.capacity, (int64_t)info.allocation };
	return 1;
}

int lv_volume_list(
	struct hv_conn *c, struct arena *a, struct hv_volume **out, size_t *out_n, struct error *err)
{
	CLEANUP(pool_free) virStoragePoolPtr pool = volume_pool(c, err);
	virStorageVolPtr *vols = NULL;
	struct hv_volume *list;
	size_t n = 0;
	int total, rc = 0;

	if (!pool)
		return -1;
	if ((total = virStoragePoolListAllVolumes(pool, &vols, 0)) < 0)
		return conn_fail(c, "list its disks", err);
	list = ARENA_ARRAY(a, struct hv_volume, (size_t)total);
	for (int i = 0; i < total; i++) {
		if (rc >= 0 && (rc = list_one(c, a, vols[i], &list[n], err)) > 0)
			n++;
		virStorageVolFree(vols[i]);
	}
	free(vols);
	if (rc < 0)
		return -1;
	*out = list;
	*out_n = n;
	return 0;
}
