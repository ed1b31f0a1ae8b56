/* SPDX-License-Identifier: Apache-2.0 */
/* The volumes of a server on its host. Their names derive from its id, so that nothing has to be remembered
 * in order to be cleaned up; which of them it has, its row says. */
#include "flow/server_parts.h"

#include "base/util.h"

enum { GIB_SHIFT = 30, MIB_SHIFT = 20, SWAP_MIB_PER_GIB = 1024 };

/* In the order that the guest sees them, the first of which it boots; the serial is what it finds them by. A
 * rescue disk is left in the pool until the server is deleted when a rescue failed; no other start uses it.
 */
static const struct {
	enum hv_part part;
	const char *format, *serial; /* NULL: the server's id */
	bool readonly;
} disks[] = {
	{ HV_RESCUE, "qcow2", "rescue", false },
	{ HV_ROOT, "qcow2", NULL, false },
	{ HV_EPHEMERAL, "qcow2", "ephemeral0", false },
	{ HV_SWAP, "qcow2", "swap0", false },
	{ HV_CONFIG, "raw", "config", true },
};

static bool has_part(const struct server *s, enum hv_part part)
{
	switch (part) {
	case HV_RESCUE:
		return s->rescue_image_id != 0;
	case HV_ROOT:
		return true;
	case HV_EPHEMERAL:
		return s->ephemeral_gib > 0;
	case HV_SWAP:
		return s->swap_mib > 0;
	case HV_CONFIG:
		return s->config_drive;
	default:
		return false;
	}
}

const struct hv_disk *server_disks(struct arena *a, const struct server *s, size_t *out_n)
{
	struct hv_disk *list = ARENA_ARRAY(a, struct hv_disk, ARRAY_LEN(disks));
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(disks); i++)
		if (has_part(s, disks[i].part) &&
			(disks[i].part != HV_RESCUE || s->task_state == TASK_RESCUING))
			list[n++] = (struct hv_disk) {
				.volume = hv_server_volume(
					s->uid, disks[i].part, arena_alloc(a, HV_VOLUME_NAME)),
				.format = disks[i].format,
				.serial = disks[i].serial ? disks[i].serial : s->uid,
				.readonly = disks[i].readonly,
			};
	*out_n = n;
	return list;
}

int64_t server_blanks_gib(const struct server *s)
{
	return s->ephemeral_gib + (s->swap_mib + SWAP_MIB_PER_GIB - 1) / SWAP_MIB_PER_GIB;
}

int server_root_make(
	const struct server_facts *f, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	int64_t capacity = f->s.disk_gib ? f->s.disk_gib << GIB_SHIFT : f->image.virtual_size;
	char root[HV_VOLUME_NAME], backing[HV_VOLUME_NAME];

	hv_server_volume(f->s.uid, HV_ROOT, root);
	if (!f->has_image)
		return drv->volume_ensure(conn, root, capacity, NULL, NULL, err);
	return drv->volume_ensure(conn, root, capacity,
		hv_image_volume(f->image.image_uid, f->image.format, backing), f->image.format, err);
}

int server_rescue_make(
	const struct server_facts *f, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	char name[HV_VOLUME_NAME], backing[HV_VOLUME_NAME];

	hv_server_volume(f->s.uid, HV_RESCUE, name);
	if (drv->volume_remove(conn, name, err))
		return -1;
	return drv->volume_ensure(conn, name, f->image.virtual_size,
		hv_image_volume(f->image.image_uid, f->image.format, backing), f->image.format, err);
}

int server_blanks_make(
	const struct server *s, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	char name[HV_VOLUME_NAME];

	if (s->ephemeral_gib && drv->volume_ensure(conn, hv_server_volume(s->uid, HV_EPHEMERAL, name),
					s->ephemeral_gib << GIB_SHIFT, NULL, NULL, err))
		return -1;
	return s->swap_mib ? drv->volume_ensure(conn, hv_server_volume(s->uid, HV_SWAP, name),
				     s->swap_mib << MIB_SHIFT, NULL, NULL, err)
			   : 0;
}

int server_drive_make(
	const struct server_facts *f, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	CLEANUP(buf_finish) struct buf drive = { 0 };
	char name[HV_VOLUME_NAME];

	if (!f->s.config_drive)
		return 0;
	if (server_config_make(f, &drive, err))
		return -1;
	return drv->volume_write(
		conn, hv_server_volume(f->s.uid, HV_CONFIG, name), drive.data, drive.len, err);
}

int server_disks_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;

	if (server_root_make(f, drv, conn, err) || act_abandoned(act, err) ||
		server_blanks_make(&f->s, drv, conn, err) || act_abandoned(act, err) ||
		server_drive_make(f, drv, conn, err))
		return -1;
	return FLOW_NEXT;
}

int server_disks_remove(
	const struct server *s, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	char name[HV_VOLUME_NAME];

	for (size_t i = 0; i < ARRAY_LEN(disks); i++)
		if (has_part(s, disks[i].part) &&
			drv->volume_remove(conn, hv_server_volume(s->uid, disks[i].part, name), err))
			return -1;
	return 0;
}

int server_parts_remove(const char *uid, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	char name[HV_VOLUME_NAME];

	for (enum hv_part part = 0; part < HV_PARTS; part++)
		if (drv->volume_remove(conn, hv_server_volume(uid, part, name), err))
			return -1;
	return 0;
}
