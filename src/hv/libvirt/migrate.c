/* SPDX-License-Identifier: Apache-2.0 */
/* Live moves of guests with their disks. The controller's own two connections drive it (libvirt's "managed
 * direct" migration), so that hosts need no trust in each other's libvirtd; the guest's memory and disks go
 * from QEMU to QEMU, encrypted. Which connection breaks decides nothing: libvirt keeps the guest on one side,
 * and we ask both where it is. */
#include <errno.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "hv/libvirt/address.h"
#include "hv/libvirt/guestxml.h"
#include "hv/libvirt/migrate_job.h"
#include "hv/libvirt/volume.h"

enum { COPY_MAX = 64 << 20 };

/* --- the other side ------------------------------------------------------------------------------------- */

struct trip {
	struct hv_conn *from, *to;
	const char *uuid;
	const struct hv_migrate *how;
	struct lv_move move;
	virDomainPtr dom; /* here */
	struct hv_seen here, there;
	char *xml;             /* of the running guest */
	struct buf live, kept; /* its definitions for the other host */
};

static void apart_name(const char *uuid, char out[HV_VOLUME_NAME])
{
	snprintf(out, HV_VOLUME_NAME, "%.36s-move.ok", uuid);
}

/* A file that is made on one side must not be there on the other: else both share a directory, and a disk
 * "copied" would be the disk itself, and one removed here would be gone there. */
static int prove_apart(struct trip *t, virStoragePoolPtr here, virStoragePoolPtr there, struct error *err)
{
	CLEANUP(vol_free) virStorageVolPtr a = NULL, b = NULL;
	CLEANUP(buf_finish) struct buf xml = { 0 };
	char name[HV_VOLUME_NAME];
	int rc = 0;

	apart_name(t->uuid, name);
	volume_xml(&xml, &(struct volume_spec) { .name = name, .format = "raw", .capacity = 1 });
	if (volume_delete(t->from, here, name, err) < 0 || volume_delete(t->to, there, name, err) < 0)
		return -1;
	if (!(b = virStorageVolCreateXML(there, buf_text(&xml), 0)))
		return conn_fail(t->to, "take a server", err);
	if (!(a = virStorageVolCreateXML(here, buf_text(&xml), 0))) {
		rc = conn_fail(
			t->from, "move the server (do the hosts share their storage pool's directory?)", err);
	} else {
		virStorageVolDelete(a, 0);
	}
	virStorageVolDelete(b, 0);
	return rc;
}

int lv_move_forget(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(pool_free) virStoragePoolPtr pool = NULL;
	char name[HV_VOLUME_NAME];

	if (c->link->test)
		return 0;
	if (!(pool = volume_pool(c, err)))
		return -1;
	apart_name(uuid, name);
	return volume_delete(c, pool, name, err);
}

static int copy_bytes(struct trip *t, const char *from, const char *to, struct error *err)
{
	CLEANUP(close_fd) int fd = memfd_create("cloudd-move", MFD_CLOEXEC);
	int64_t size = 0;
	void *data;
	int rc;

	if (fd < 0)
		return error_internal(err, "memfd: %s", strerror(errno));
	if (lv_volume_download(t->from, from, fd, COPY_MAX, &size, err) < 0)
		return -1;
	data = size ? mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
	if (data == MAP_FAILED)
		return error_internal(err, "mmap: %s", strerror(errno));
	rc = lv_volume_write(t->to, to, data ? data : "", (size_t)size, err);
	if (data)
		munmap(data, (size_t)size);
	return rc;
}

/* An empty volume of the disk's size, which QEMU then fills. What an earlier attempt has left goes first. */
static int make_volume(struct trip *t, virStoragePoolPtr here, virStoragePoolPtr there,
	const struct hv_disk *disk, struct error *err)
{
	CLEANUP(vol_free) virStorageVolPtr vol = NULL, made = NULL;
	struct volume_spec spec = { .name = disk->volume, .format = disk->format };
	virStorageVolInfo info;

	if (volume_delete(t->to, there, disk->volume, err) < 0)
		return -1;
	if (disk->readonly)
		return copy_bytes(t, disk->volume, disk->volume, err);
	if (volume_want(t->from, here, disk->volume, &vol, err) < 0)
		return -1;
	if (virStorageVolGetInfo(vol, &info) < 0)
		return conn_fail(t->from, "measure a disk", err);
	spec.capacity = (int64_t)info.capacity;
	return volume_make(t->to, there, &spec, &made, err);
}

static void remove_volumes(struct hv_conn *c, const struct trip *t)
{
	struct error ignored;

	for (size_t i = 0; i < t->how->disks_n; i++)
		lv_volume_remove(c, t->how->disks[i].volume, &ignored);
	lv_console_remove(c, t->uuid, &ignored);
}

static int prepare(struct trip *t, struct error *err)
{
	CLEANUP(pool_free) virStoragePoolPtr here = volume_pool(t->from, err), there = NULL;
	int rc = 0;

	if (!here || !(there = volume_pool(t->to, err)) || prove_apart(t, here, there, err) < 0)
		return -1;
	for (size_t i = 0; rc == 0 && i < t->how->disks_n; i++)
		rc = make_volume(t, here, there, &t->how->disks[i], err);
	if (rc == 0)
		rc = lv_console_prepare(t->to, t->uuid, err);
	if (rc < 0)
		remove_volumes(t->to, t);
	return rc;
}

/* --- definitions for the other host --------------------------------------------------------------------- */

static int read_guest(struct trip *t, struct guest *out, struct arena *a, struct error *err)
{
	t->xml = virDomainGetXMLDesc(t->dom, VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_MIGRATABLE);
	if (!t->xml)
		return conn_fail(t->from, "describe the server", err);
	return guestxml_read(a, t->xml, out, err);
}

static int place(struct trip *t, struct error *err)
{
	CLEANUP(free_ptr)
	char *kept = virDomainGetXMLDesc(
		t->dom, VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_MIGRATABLE | VIR_DOMAIN_XML_INACTIVE);
	CLEANUP(free_ptr) char *log = NULL;
	const struct host_facts *facts;
	struct guest_place at;

	if (!kept)
		return conn_fail(t->from, "describe the server", err);
	if (conn_facts(t->to, &facts, err) < 0)
		return -1;
	if (facts->pool_path)
		log = lv_console_path(facts, t->uuid);
	at = (struct guest_place) {
		.pool = t->to->pool,
		.emulator = facts->emulator,
		.log_path = log,
		.promise = t->how->as,
		.epoch = t->how->epoch,
	};
	return guestxml_place(t->xml, &at, &t->live, err) < 0 ? -1 : guestxml_place(kept, &at, &t->kept, err);
}

/* --- the move ------------------------------------------------------------------------------------------- */

static const char *dev_of(const struct guest *guest, const char *volume)
{
	for (size_t i = 0; i < guest->disks_n; i++)
		if (str_eq(guest->disks[i].volume, volume))
			return guest->disks[i].dev;
	return NULL;
}

static void add(struct lv_params *p, const char *name, const char *value)
{
	virTypedParamsAddString(&p->list, &p->n, &p->max, name, value);
}

/* Where QEMU there is reached: the name by which the controller knows the host, which its certificate holds.
 */
static int add_uri(struct lv_params *p, const struct hv_target *to, struct error *err)
{
	char host[256], port[8], uri[300];

	if (address_host(to->uri, host, sizeof host, port, err) < 0)
		return -1;
	snprintf(uri, sizeof uri, strchr(host, ':') ? "tcp://[%s]" : "tcp://%s", host);
	add(p, VIR_MIGRATE_PARAM_URI, uri);
	return 0;
}

static int fill_params(
	struct trip *t, const struct guest *guest, struct lv_params *p, bool *disks, struct error *err)
{
	*disks = false;
	if (add_uri(p, t->how->to, err) < 0)
		return -1;
	add(p, VIR_MIGRATE_PARAM_DEST_XML, buf_text(&t->live));
	add(p, VIR_MIGRATE_PARAM_PERSIST_XML, buf_text(&t->kept));
	if (t->how->bandwidth_mib > 0)
		virTypedParamsAddULLong(&p->list, &p->n, &p->max, VIR_MIGRATE_PARAM_BANDWIDTH,
			(unsigned long long)t->how->bandwidth_mib);
	for (size_t i = 0; i < t->how->disks_n; i++) {
		const char *dev = dev_of(guest, t->how->disks[i].volume);

		if (!dev)
			return error_set(err, ERR_NOT_FOUND, "the running server has no disk %.64s",
				t->how->disks[i].volume);
		if (t->how->disks[i].readonly)
			continue;
		add(p, VIR_MIGRATE_PARAM_MIGRATE_DISKS, dev);
		*disks = true;
	}
	return 0;
}

static int go(struct trip *t, const struct guest *guest, struct error *err)
{
	unsigned flags = VIR_MIGRATE_LIVE | VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_UNDEFINE_SOURCE |
			 VIR_MIGRATE_AUTO_CONVERGE | VIR_MIGRATE_TLS;
	CLEANUP(lv_params_free) struct lv_params p = { 0 };
	virDomainPtr there;
	bool disks;

	if (fill_params(t, guest, &p, &disks, err) < 0 || lv_move_hand_over(&t->move, err) < 0)
		return -1;
	if (disks)
		flags |= VIR_MIGRATE_NON_SHARED_DISK;
	if (t->how->epoch)
		memo_own_put(t->to->link->uri, t->uuid, t->how->epoch);
	/* a host that knows no such limit keeps its own */
	if (t->how->downtime_ms > 0)
		virDomainMigrateSetMaxDowntime(t->dom, (unsigned long long)t->how->downtime_ms, 0);
	there = virDomainMigrate3(t->dom, t->to->link->conn, p.list, (unsigned)p.n, flags);
	if (there) {
		virDomainFree(there);
		return 0;
	}
	if (conn_last() == VIR_ERR_OPERATION_ABORTED)
		return error_set(err, ERR_CONFLICT, "the move was cancelled");
	return conn_fail(t->from, "move the server", err);
}

/* --- where it is ---------------------------------------------------------------------------------------- */

enum where { HERE, COMING, THERE, NOWHERE, UNKNOWN };

/* One that runs there, or was paused there by its owner, has left: libvirt lets it go on only when all of it
 * has arrived. What is paused here in that case is an empty shell. */
static bool lives(const struct hv_seen *s)
{
	return s->ours && (s->power == HV_POWER_RUNNING ||
				  (s->power == HV_POWER_PAUSED && s->reason == VIR_DOMAIN_PAUSED_USER));
}

static enum where where_is(struct trip *t, struct error *err)
{
	if (lv_domain_look(t->from, t->uuid, &t->here, err) < 0)
		return UNKNOWN;
	if (lv_domain_look(t->to, t->uuid, &t->there, err) < 0)
		return t->here.power == HV_POWER_RUNNING ? HERE : UNKNOWN;
	if (lives(&t->there) && t->here.power != HV_POWER_RUNNING)
		return THERE;
	if (lv_is_active(t->there.power))
		return COMING;
	return t->here.power == HV_POWER_ABSENT ? NOWHERE : HERE;
}

/* What it printed here becomes, there, the piece of its log that was put aside last: who reads its log finds
 * the rest of what it has not read yet. */
static void carry_log(struct trip *t)
{
	char name[HV_VOLUME_NAME], piece[HV_VOLUME_NAME];
	struct error ignored;

	lv_console_names(t->uuid, name, piece);
	copy_bytes(t, name, piece, &ignored);
}

/* It is there: what it had here goes, once the pools are known to be two. */
static int clear_here(struct trip *t, struct error *err)
{
	CLEANUP(pool_free) virStoragePoolPtr here = volume_pool(t->from, err), there = NULL;

	if (!here || !(there = volume_pool(t->to, err)) || prove_apart(t, here, there, err) < 0)
		return -1;
	carry_log(t);
	if (lv_domain_remove(t->from, t->uuid, err) < 0)
		return -1;
	remove_volumes(t->from, t);
	return 0;
}

/* The error stands, unless the guest arrived all the same. */
static int after_failure(struct trip *t, struct error *err)
{
	struct error ignored;
	enum where where = where_is(t, &ignored);

	if (where == THERE)
		return clear_here(t, err);
	if (where == UNKNOWN || (where == COMING && t->here.power != HV_POWER_RUNNING))
		err->code = ERR_UNREACHABLE;
	if (where == HERE || where == NOWHERE)
		remove_volumes(t->to, t);
	/* who paused it only to get it over */
	if (where == HERE && t->move.forced)
		virDomainResume(t->dom);
	return -1;
}

static int leave(struct trip *t, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	struct error ignored;
	struct guest guest = { 0 };
	int rc;

	if (!lv_is_active(t->here.power))
		return error_set(err, ERR_CONFLICT, "the server does not run");
	if (read_guest(t, &guest, &a, err) < 0)
		return -1;
	if (guest.hostdevs)
		return error_set(
			err, ERR_CONFLICT, "a server with devices passed through cannot be moved live");
	if (prepare(t, err) < 0)
		return -1;
	rc = place(t, err) < 0 ? -1 : go(t, &guest, err);
	if (rc < 0)
		return after_failure(t, err);
	clear_here(t, &ignored); /* what cannot be cleared now is found by the next look at the host */
	return 0;
}

static int travel(struct trip *t, struct error *err)
{
	struct hv_seen seen;

	if (lv_find_ours(t->from, t->uuid, &t->dom, &seen, err) < 0)
		return -1;
	switch (where_is(t, err)) {
	case HERE:
		return leave(t, err);
	case THERE: /* by an earlier call */
		return clear_here(t, err);
	case COMING:
		return error_set(err, ERR_CONFLICT, "the server is being moved already");
	case NOWHERE:
		return error_set(err, ERR_NOT_FOUND, "the server is not on the host");
	default:
		return -1;
	}
}

int lv_domain_migrate(struct hv_conn *c, const char *uuid, const struct hv_migrate *how, struct error *err)
{
	struct trip t = { .from = c, .uuid = uuid, .how = how, .move = { .uuid = uuid } };
	struct error why;
	int rc;

	if (c->link->test)
		return error_set(err, ERR_HYPERVISOR, "libvirt's test driver cannot move running servers");
	if (str_starts(how->to->uri, "qemu+tls://") == false)
		return error_set(err, ERR_HYPERVISOR, "a server can be moved to hosts of qemu+tls:// only");
	if (lv_move_begin(&t.move, err) < 0)
		return -1;
	if ((rc = lv_connect(how->to, NULL, NULL, &t.to, &why)) < 0) {
		error_set(err, ERR_HYPERVISOR, "the other host cannot be reached");
		error_detail(err, "%s: %s", why.msg, why.detail);
	} else {
		lv_move_to(&t.move, t.to);
		rc = travel(&t, err);
		lv_move_to(&t.move, NULL);
		lv_close(t.to);
	}
	lv_move_end(&t.move);
	dom_free(&t.dom);
	free(t.xml);
	buf_finish(&t.live);
	buf_finish(&t.kept);
	return rc;
}
