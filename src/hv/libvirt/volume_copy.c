/* SPDX-License-Identifier: Apache-2.0 */
/* A disk copied on its host into one that stands alone. Of a guest that is off, libvirt's storage driver
 * makes the copy. A running guest's QEMU holds its image, so it makes the copy itself: it mirrors the disk
 * into an empty volume until both are the same, and is then told to go on with the old one; the copy is the
 * disk as it was at that moment. */
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/util.h"
#include "hv/libvirt/guestxml.h"
#include "hv/libvirt/volume.h"
#include "hv/libvirt/xmlw.h"

static int copy_of_off(struct hv_conn *c, virStoragePoolPtr pool, virStorageVolPtr from,
	const struct volume_spec *spec, struct error *err)
{
	CLEANUP(vol_free) virStorageVolPtr vol = NULL;
	CLEANUP(buf_finish) struct buf xml = { 0 };

	volume_xml(&xml, spec);
	vol = virStorageVolCreateXMLFrom(pool, buf_text(&xml), from, 0);
	return vol ? 0 : conn_fail(c, "copy a disk", err);
}

/* --- of a running guest --------------------------------------------------------------------------------- */

/* The guest's name for the disk, in the arena; NULL: it runs without it (a rescued one). */
static int find_dev(struct hv_conn *c, virDomainPtr dom, struct arena *a, const char *volume,
	const char **out, struct error *err)
{
	CLEANUP(free_ptr) char *xml = virDomainGetXMLDesc(dom, 0);
	struct guest guest = { 0 };

	if (!xml)
		return conn_fail(c, "describe the server", err);
	if (guestxml_read(a, xml, &guest, err) < 0)
		return -1;
	*out = NULL;
	for (size_t i = 0; i < guest.disks_n; i++)
		if (str_eq(guest.disks[i].volume, volume)) {
			*out = guest.disks[i].dev;
			break;
		}
	return 0;
}

static void target_xml(struct buf *out, const char *path)
{
	struct xmlw w = { .out = out };

	xw_open(&w, "disk");
	xw_attr(&w, "type", "file");
	xw_empty(&w, "source", "file", path, NULL);
	xw_empty(&w, "driver", "type", "qcow2", NULL);
	xw_close(&w);
}

/* Ends a copy of this disk that an earlier call has left under way. */
static void end_left(virDomainPtr dom, const char *dev)
{
	virDomainBlockJobInfo job;

	if (virDomainGetBlockJobInfo(dom, dev, &job, 0) == 1 && job.type == VIR_DOMAIN_BLOCK_JOB_TYPE_COPY)
		virDomainBlockJobAbort(dom, dev, 0);
}

static void nap(unsigned ms)
{
	nanosleep(&(struct timespec) { .tv_nsec = (long)ms * 1000000 }, NULL);
}

/* libvirt keeps cur below end until the mirror is the same as the disk. */
static int wait_same(struct hv_conn *c, virDomainPtr dom, const char *dev, struct error *err)
{
	virDomainBlockJobInfo job;
	unsigned ms = 10;
	int rc;

	while ((rc = virDomainGetBlockJobInfo(dom, dev, &job, 0)) == 1) {
		if (job.end && job.cur == job.end)
			return 0;
		nap(ms);
		ms = ms < 320 ? ms * 2 : 500;
	}
	if (rc < 0)
		return conn_fail(c, "copy a disk", err);
	return error_set(err, ERR_HYPERVISOR, "the host could not copy a disk: its copying ended too early");
}

static int mirror(
	struct hv_conn *c, virDomainPtr dom, const char *dev, virStorageVolPtr to, struct error *err)
{
	CLEANUP(free_ptr) char *path = virStorageVolGetPath(to);
	CLEANUP(buf_finish) struct buf xml = { 0 };

	if (!path)
		return conn_fail(c, "copy a disk", err);
	target_xml(&xml, path);
	end_left(dom, dev);
	/* TRANSIENT_JOB: a persistent guest may have a mirror that does not outlive it */
	if (virDomainBlockCopy(dom, dev, buf_text(&xml), NULL, 0,
		    VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB) < 0)
		return conn_fail(c, "copy a disk", err);
	if (wait_same(c, dom, dev, err) < 0) {
		virDomainBlockJobAbort(dom, dev, 0);
		return -1;
	}
	return virDomainBlockJobAbort(dom, dev, 0) < 0 ? conn_fail(c, "finish the copy of a disk", err) : 0;
}

static int copy_of_running(struct hv_conn *c, virStoragePoolPtr pool, virDomainPtr dom, const char *dev,
	const struct volume_spec *spec, struct error *err)
{
	CLEANUP(vol_free) virStorageVolPtr to = NULL;
	struct error ignored;

	if (volume_make(c, pool, spec, &to, err) < 0)
		return -1;
	if (mirror(c, dom, dev, to, err) == 0)
		return 0;
	volume_delete(c, pool, spec->name, &ignored);
	return -1;
}

int lv_volume_flatten(
	struct hv_conn *c, const char *uuid, const char *from, const char *to, struct error *err)
{
	CLEANUP(pool_free) virStoragePoolPtr pool = NULL;
	CLEANUP(vol_free) virStorageVolPtr vol = NULL;
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	CLEANUP(arena_finish) struct arena a = { 0 };
	const char *dev = NULL;
	struct volume_spec spec = { .name = to, .format = "qcow2" };
	virStorageVolInfo info;
	struct hv_seen seen;

	if (!volume_name_ok(from, err) || !volume_name_ok(to, err))
		return -1;
	if (strcmp(from, to) == 0)
		return error_set(err, ERR_BAD_REQUEST, "a disk cannot be copied onto itself");
	if (!(pool = volume_pool(c, err)) || volume_want(c, pool, from, &vol, err) < 0 ||
		lv_find_ours(c, uuid, &dom, &seen, err) < 0)
		return -1;
	if (virStorageVolGetInfo(vol, &info) < 0)
		return conn_fail(c, "measure a disk", err);
	spec.capacity = (int64_t)info.capacity;
	/* the copy of a running disk may still be written to by a mirror that nobody waits for */
	if (volume_delete(c, pool, to, err) < 0)
		return -1;
	if (lv_is_active(seen.power) && !c->link->test && find_dev(c, dom, &a, from, &dev, err) < 0)
		return -1;
	return dev ? copy_of_running(c, pool, dom, dev, &spec, err) : copy_of_off(c, pool, vol, &spec, err);
}
