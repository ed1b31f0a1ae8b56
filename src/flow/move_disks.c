/* SPDX-License-Identifier: Apache-2.0 */
/* Disks of a server that is off on their way to another host: out of the old pool into files beside the
 * images, named by the move's id, and from there into the new one. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "flow/move.h"

enum { GIB_SHIFT = 30, PATH_MAX_BYTES = 4096 };

/* Those that carry data; swap is made anew, and so is the config drive. */
static const struct {
	enum hv_part part;
	const char *suffix;
} moved[] = {
	{ HV_ROOT, "" },
	{ HV_EPHEMERAL, ".ephemeral" },
};

static const char *file_of(const char *dir, const char *move_uid, size_t i, char out[PATH_MAX_BYTES])
{
	snprintf(out, PATH_MAX_BYTES, "%s/%s%s", dir, move_uid, moved[i].suffix);
	return out;
}

static bool has(const struct server *s, size_t i)
{
	return moved[i].part != HV_EPHEMERAL || s->ephemeral_gib > 0;
}

void move_files_remove(const char *image_dir, const char *move_uid)
{
	char path[PATH_MAX_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(moved); i++)
		unlink(file_of(image_dir, move_uid, i, path)); /* what stays goes at the next start */
}

static int fetch_all(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, const char *flat,
	struct error *err)
{
	const struct server_facts *f = act->facts;
	char path[PATH_MAX_BYTES], from[HV_VOLUME_NAME];
	struct image_data data;

	for (size_t i = 0; i < ARRAY_LEN(moved); i++) {
		if (!has(&f->s, i))
			continue;
		/* without what it is made over: the image may not be at the other host */
		if (drv->volume_flatten(
			    conn, f->s.uid, hv_server_volume(f->s.uid, moved[i].part, from), flat, err) ||
			act_abandoned(act, err) ||
			image_file_fetch(act, drv, conn, flat, file_of(f->image_dir, f->move->uid, i, path),
				INT64_MAX, &data, err))
			return -1;
	}
	return 0;
}

int move_fetch_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	char flat[HV_VOLUME_NAME];
	struct error ignored;

	hv_server_volume(f->s.uid, HV_SNAPSHOT, flat);
	if (fetch_all(act, drv, conn, flat, err)) {
		/* who does not come back for it leaves nothing */
		if (!flow_error_passes(err->code) && !act_abandoned(act, &ignored))
			(void)drv->volume_remove(conn, flat, &ignored);
		return -1;
	}
	return drv->volume_remove(conn, flat, err) ? -1 : FLOW_NEXT;
}

static int send_one(const struct server_facts *f, size_t i, const struct hv_driver *drv, struct hv_conn *conn,
	struct error *err)
{
	char path[PATH_MAX_BYTES], to[HV_VOLUME_NAME];
	CLEANUP(close_fd)
	int fd = open(file_of(f->image_dir, f->move->uid, i, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int64_t gib = moved[i].part == HV_ROOT ? f->move->other.disk_gib : f->move->other.ephemeral_gib;
	struct stat st;

	hv_server_volume(f->s.uid, moved[i].part, to);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_internal(err, "disk of server %s cannot be read from %.160s: %s", f->s.uid, path,
			strerror(errno));
	if (drv->volume_upload(conn, to, fd, st.st_size, err))
		return -1;
	return gib ? drv->volume_grow(conn, to, gib << GIB_SHIFT, err) : 0;
}

static struct server with_flavor(const struct server *s, const struct move_flavor *f)
{
	struct server copy = *s;

	copy.disk_gib = f->disk_gib;
	copy.ephemeral_gib = f->ephemeral_gib;
	copy.swap_mib = f->swap_mib;
	return copy;
}

/* On the host that it stays on: disks grow; swap has the size that the flavor says. */
static int grow_here(
	const struct server_facts *f, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct move_flavor *to = &f->move->other;
	char name[HV_VOLUME_NAME];

	if (to->disk_gib > f->s.disk_gib && drv->volume_grow(conn, hv_server_volume(f->s.uid, HV_ROOT, name),
						    to->disk_gib << GIB_SHIFT, err))
		return -1;
	if (f->s.ephemeral_gib && to->ephemeral_gib > f->s.ephemeral_gib &&
		drv->volume_grow(conn, hv_server_volume(f->s.uid, HV_EPHEMERAL, name),
			to->ephemeral_gib << GIB_SHIFT, err))
		return -1;
	if (to->swap_mib != f->s.swap_mib &&
		drv->volume_remove(conn, hv_server_volume(f->s.uid, HV_SWAP, name), err))
		return -1;
	return 0;
}

int move_send_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err)
{
	const struct server_facts *f = act->facts;
	struct server now = with_flavor(&f->s, &f->move->other);

	if (f->move->source_host_id == f->move->dest_host_id) {
		if (grow_here(f, drv, conn, err))
			return -1;
		return server_blanks_make(&now, drv, conn, err) ? -1 : FLOW_NEXT;
	}
	for (size_t i = 0; i < ARRAY_LEN(moved); i++)
		if (has(&f->s, i) && (send_one(f, i, drv, conn, err) || act_abandoned(act, err)))
			return -1;
	if (server_blanks_make(&now, drv, conn, err) || act_abandoned(act, err))
		return -1;
	return server_drive_make(f, drv, conn, err) ? -1 : FLOW_NEXT;
}
