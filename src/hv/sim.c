/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated host as a driver. */
#include "hv/sim.h"

#include <stdlib.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/sim_world.h"

/* --- connecting ----------------------------------------------------------------------------------------- */

static int sim_connect(const struct hv_target *target, hv_event_fn *events, void *ctx, struct hv_conn **out,
	struct error *err)
{
	struct sim_world *w = sim_world_open(target->uri, err);
	struct sim_call k = { .w = w };
	struct hv_conn *c;

	if (!w)
		return -1;
	pthread_mutex_lock(&w->lock);
	if (sim_meet(&k, SIM_CONNECT, err) < 0)
		return -1;
	if (k.fault == SIM_NO_FAULT || k.fault == SIM_HANG || k.fault == SIM_DELAY) {
		c = xcalloc(1, sizeof *c);
		*c = (struct hv_conn) { .world = w, .next = w->conns, .events = events, .ctx = ctx };
		w->conns = c;
		*out = c;
	}
	return sim_end(&k, 0, err);
}

static void sim_close(struct hv_conn *c)
{
	struct sim_world *w;

	if (!c)
		return;
	w = c->world;
	pthread_mutex_lock(&w->lock);
	c->closed = c->dead = true;
	pthread_cond_broadcast(&w->changed);
	sim_conn_release(c);
	pthread_mutex_unlock(&w->lock);
}

/* --- the table ---------------------------------------------------------------------------------------- */

const struct hv_driver hv_sim_driver = {
	.scheme = "sim",
	.connect = sim_connect,
	.close = sim_close,
	.inventory = sim_inventory,
	.image_ensure = sim_image_ensure,
	.volume_ensure = sim_volume_ensure,
	.volume_write = sim_volume_write,
	.volume_remove = sim_volume_remove,
	.domain_define = sim_domain_define,
	.domain_start = sim_domain_start,
	.domain_shutdown = sim_domain_shutdown,
	.domain_stop = sim_domain_stop,
	.domain_reboot = sim_domain_reboot,
	.domain_reset = sim_domain_reset,
	.domain_pause = sim_domain_pause,
	.domain_unpause = sim_domain_unpause,
	.domain_read = sim_domain_read,
	.domain_describe = sim_domain_describe,
	.domain_remove = sim_domain_remove,
	.mdev_ensure = sim_mdev_ensure,
	.mdev_remove = sim_mdev_remove,
	.device_reset = sim_device_reset,
	.device_look = sim_device_look,
	.domain_look = sim_domain_look,
	.domain_list = sim_domain_list,
	.console_read = sim_console_read,
	.console_follow = sim_console_follow,
	.console_open = sim_console_open,
	.console_send = sim_console_send,
	.console_close = sim_console_close,
	.domain_save = sim_domain_save,
	.domain_forget = sim_domain_forget,
	.domain_set_password = sim_domain_set_password,
	.domain_nmi = sim_domain_nmi,
	.domain_stats = sim_domain_stats,
	.domains_use = sim_domains_use,
	.volume_grow = sim_volume_grow,
	.volume_flatten = sim_volume_flatten,
	.volume_download = sim_volume_download,
	.volume_upload = sim_volume_upload,
	.volume_list = sim_volume_list,
	.domain_migrate = sim_domain_migrate,
	.migrate_look = sim_migrate_look,
	.migrate_cancel = sim_migrate_cancel,
	.migrate_force = sim_migrate_force,
	.migrate_undo = sim_migrate_undo,
};
