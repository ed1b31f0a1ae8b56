/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of a connection's pool, for the files that need them. */
#ifndef HV_LIBVIRT_VOLUME_H
#define HV_LIBVIRT_VOLUME_H

#include "hv/libvirt/conn.h"

struct volume_spec {
	const char *name, *format;
	int64_t capacity;
	const char *backing_path, *backing_format; /* NULL: none */
};

/* The pool, active; free with pool_free. NULL with the error. */
virStoragePoolPtr volume_pool(struct hv_conn *c, struct error *err);
/* *out is NULL when there is no such volume. */
int volume_find(struct hv_conn *c, virStoragePoolPtr pool, const char *name, virStorageVolPtr *out,
	struct error *err);
/* Makes it, or takes the one that is there. */
int volume_make(struct hv_conn *c, virStoragePoolPtr pool, const struct volume_spec *spec,
	virStorageVolPtr *out, struct error *err);
/* Gone already: fine. */
int volume_delete(struct hv_conn *c, virStoragePoolPtr pool, const char *name, struct error *err);

bool volume_name_ok(const char *name, struct error *err);
/* As volume_find, but one must be there: ERR_NOT_FOUND. */
int volume_want(struct hv_conn *c, virStoragePoolPtr pool, const char *name, virStorageVolPtr *out,
	struct error *err);
/* What a new volume is made from, as libvirt's XML. */
void volume_xml(struct buf *out, const struct volume_spec *spec);
/* A server's volume is named by its id: does that server run? */
int volume_in_use(struct hv_conn *c, const char *name, bool *out, struct error *err);

/* Gives the next bytes for an upload: their number, 0 at the end, -1 on failure (errno). */
typedef long volume_source_fn(void *ctx, void *buf, size_t n);
int volume_upload(struct hv_conn *c, virStorageVolPtr vol, int64_t size, volume_source_fn *source, void *ctx,
	struct error *err);

/* The volume that says that an image is whole: <name>.ok */
enum { VOLUME_MARKER_NAME = HV_VOLUME_NAME + 8 };
const char *volume_marker(const char *name, char out[VOLUME_MARKER_NAME]);

#endif
