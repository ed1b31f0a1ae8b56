/* SPDX-License-Identifier: Apache-2.0 */
/* The libvirt driver's table. Each call is counted, so that a closed connection lives until its last call
 * returns. */
#include "hv/internal.h"
#include "hv/libvirt/conn.h"

void dom_free(virDomainPtr *d)
{
	if (*d)
		virDomainFree(*d);
}

void vol_free(virStorageVolPtr *v)
{
	if (*v)
		virStorageVolFree(*v);
}

void pool_free(virStoragePoolPtr *p)
{
	if (*p)
		virStoragePoolFree(*p);
}

void stream_free(virStreamPtr *s)
{
	if (*s)
		virStreamFree(*s);
}

#define CALL(fn, is_short, params, args)                     \
	static int call_##fn params                          \
	{                                                    \
		int rc = conn_enter(c, err);                 \
		bool turn;                                   \
                                                             \
		if (rc == 0) {                               \
			turn = conn_turn_begin(c, is_short); \
			rc = lv_##fn args;                   \
			if (turn)                            \
				conn_turn_end(c);            \
			conn_leave(c);                       \
		}                                            \
		return rc;                                   \
	}
#define CALL_UUID(fn) \
	CALL(fn, false, (struct hv_conn * c, const char *uuid, struct error *err), (c, uuid, err))

CALL(inventory, false, (struct hv_conn * c, struct arena *a, struct hv_inventory *out, struct error *err),
	(c, a, out, err))
CALL(image_ensure, false,
	(struct hv_conn * c, const char *name, const char *format, int fd, int64_t size, int64_t virtual_size,
		struct error *err),
	(c, name, format, fd, size, virtual_size, err))
CALL(volume_ensure, true,
	(struct hv_conn * c, const char *name, int64_t capacity, const char *backing,
		const char *backing_format, struct error *err),
	(c, name, capacity, backing, backing_format, err))
CALL(volume_write, false,
	(struct hv_conn * c, const char *name, const void *data, size_t n, struct error *err),
	(c, name, data, n, err))
CALL(volume_remove, false, (struct hv_conn * c, const char *name, struct error *err), (c, name, err))
CALL(domain_define, true, (struct hv_conn * c, const struct hv_domain *d, struct error *err), (c, d, err))
CALL_UUID(domain_start)
CALL_UUID(domain_shutdown)
CALL_UUID(domain_stop)
CALL_UUID(domain_reboot)
CALL_UUID(domain_reset)
CALL_UUID(domain_pause)
CALL_UUID(domain_unpause)
CALL(domain_read, false,
	(struct hv_conn * c, struct arena *a, const char *uuid, struct hv_domain *out, struct error *err),
	(c, a, uuid, out, err))
CALL(domain_describe, false,
	(struct hv_conn * c, struct arena *a, const char *uuid, struct hv_domain *out, struct error *err),
	(c, a, uuid, out, err))
CALL_UUID(domain_remove)
CALL(mdev_ensure, false, (struct hv_conn * c, const struct hv_mdev *m, struct error *err), (c, m, err))
CALL_UUID(mdev_remove)
CALL(device_reset, false, (struct hv_conn * c, const char *address, struct error *err), (c, address, err))
CALL(device_look, false,
	(struct hv_conn * c, const char *address, struct hv_device_seen *out, struct error *err),
	(c, address, out, err))
CALL(domain_look, true, (struct hv_conn * c, const char *uuid, struct hv_seen *out, struct error *err),
	(c, uuid, out, err))
CALL(domain_list, true,
	(struct hv_conn * c, struct arena *a, struct hv_seen **out, size_t *out_n, struct error *err),
	(c, a, out, out_n, err))
CALL(console_read, false,
	(struct hv_conn * c, const char *uuid, size_t max, struct buf *out, struct error *err),
	(c, uuid, max, out, err))
CALL(console_follow, false, (struct hv_conn * c, struct hv_log *log, size_t max, struct error *err),
	(c, log, max, err))
CALL(console_open, false,
	(struct hv_conn * c, const char *uuid, const struct hv_console_events *events, void *ctx,
		struct hv_console **out, struct error *err),
	(c, uuid, events, ctx, out, err))
CALL_UUID(domain_save)
CALL_UUID(domain_forget)
CALL(domain_set_password, false,
	(struct hv_conn * c, const char *uuid, const char *user, const char *password, struct error *err),
	(c, uuid, user, password, err))
CALL_UUID(domain_nmi)
CALL(domain_stats, false,
	(struct hv_conn * c, struct arena *a, const char *uuid, struct hv_stats *out, struct error *err),
	(c, a, uuid, out, err))
CALL(domains_use, false,
	(struct hv_conn * c, struct arena *a, const char *only, struct hv_use **out, size_t *out_n,
		struct error *err),
	(c, a, only, out, out_n, err))
CALL(volume_grow, false, (struct hv_conn * c, const char *name, int64_t capacity, struct error *err),
	(c, name, capacity, err))
CALL(volume_flatten, false,
	(struct hv_conn * c, const char *uuid, const char *from, const char *to, struct error *err),
	(c, uuid, from, to, err))
CALL(volume_download, false,
	(struct hv_conn * c, const char *name, int fd, int64_t max, int64_t *out_size, struct error *err),
	(c, name, fd, max, out_size, err))
CALL(volume_upload, false, (struct hv_conn * c, const char *name, int fd, int64_t size, struct error *err),
	(c, name, fd, size, err))
CALL(volume_list, false,
	(struct hv_conn * c, struct arena *a, struct hv_volume **out, size_t *out_n, struct error *err),
	(c, a, out, out_n, err))
CALL(domain_migrate, false,
	(struct hv_conn * c, const char *uuid, const struct hv_migrate *how, struct error *err),
	(c, uuid, how, err))
CALL(migrate_look, false, (struct hv_conn * c, const char *uuid, struct hv_progress *out, struct error *err),
	(c, uuid, out, err))
CALL_UUID(migrate_cancel)
CALL_UUID(migrate_force)
CALL_UUID(migrate_undo)
#undef CALL
#undef CALL_UUID

const struct hv_driver hv_libvirt_driver = {
	.scheme = "libvirt",
	.connect = lv_connect,
	.close = lv_close,
	.inventory = call_inventory,
	.image_ensure = call_image_ensure,
	.volume_ensure = call_volume_ensure,
	.volume_write = call_volume_write,
	.volume_remove = call_volume_remove,
	.domain_define = call_domain_define,
	.domain_start = call_domain_start,
	.domain_shutdown = call_domain_shutdown,
	.domain_stop = call_domain_stop,
	.domain_reboot = call_domain_reboot,
	.domain_reset = call_domain_reset,
	.domain_pause = call_domain_pause,
	.domain_unpause = call_domain_unpause,
	.domain_read = call_domain_read,
	.domain_describe = call_domain_describe,
	.domain_remove = call_domain_remove,
	.mdev_ensure = call_mdev_ensure,
	.mdev_remove = call_mdev_remove,
	.device_reset = call_device_reset,
	.device_look = call_device_look,
	.domain_look = call_domain_look,
	.domain_list = call_domain_list,
	.console_read = call_console_read,
	.console_follow = call_console_follow,
	.console_open = call_console_open,
	.console_send = lv_console_send,
	.console_close = lv_console_close,
	.domain_save = call_domain_save,
	.domain_forget = call_domain_forget,
	.domain_set_password = call_domain_set_password,
	.domain_nmi = call_domain_nmi,
	.domain_stats = call_domain_stats,
	.domains_use = call_domains_use,
	.volume_grow = call_volume_grow,
	.volume_flatten = call_volume_flatten,
	.volume_download = call_volume_download,
	.volume_upload = call_volume_upload,
	.volume_list = call_volume_list,
	.domain_migrate = call_domain_migrate,
	.migrate_look = call_migrate_look,
	.migrate_cancel = call_migrate_cancel,
	.migrate_force = call_migrate_force,
	.migrate_undo = call_migrate_undo,
};
