/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers of POST /servers/{id}/action, and the tables of their arguments, by file. */
#ifndef API_COMPUTE_SERVER_ACT_H
#define API_COMPUTE_SERVER_ACT_H

#include "api/compute/compute.h"
#include "flow/server_snapshot.h"

struct server_act {
	struct server *s;
	json_t *args;   /* the key's value */
	const void *in; /* the same as the struct of its table; NULL: null */
	const struct flow_origin *origin;
};

/* Which one a call is. */
enum server_action server_action_of(const struct api_call *c);

/* In the tick, after versions, roles and arguments were checked. c->status is 202 until it says otherwise. */
typedef int server_act_fn(struct api_call *c, const struct server_act *a, struct error *err);

/* server_rebuild.c */
extern const struct bind_table server_rebuild_args, server_rescue_args;
server_act_fn server_act_rebuild, server_act_rescue, server_act_unrescue;
/* server_images.c */
extern const struct bind_table server_create_image_args, server_create_backup_args;
server_act_fn server_act_create_image, server_act_create_backup;
/* server_moves.c */
extern const struct bind_table server_resize_args, server_migrate_args, server_live_old_args,
	server_live_args, server_evacuate_args;
server_act_fn server_act_resize, server_act_confirm_resize, server_act_revert_resize, server_act_migrate,
	server_act_migrate_live, server_act_evacuate;
/* server_shelve.c */
extern const struct bind_table server_unshelve_az_args, server_unshelve_args;
server_act_fn server_act_shelve, server_act_shelve_offload, server_act_unshelve;
/* server_guest.c: they answer by themselves, when the guest has */
extern const struct bind_table server_password_args;
int server_change_password(struct api_call *c, const void *in, struct error *err);
int server_crash_dump(struct api_call *c, const void *in, struct error *err);

/* consoles.c */
extern const struct bind_table server_vnc_console_args, server_spice_console_args, server_serial_console_args,
	server_rdp_console_args;
server_act_fn server_act_console;

/* server_images.c: the row of an image that is made of the server, within its project's limits. `extra`: the
 * tenant's properties. ERR_OVER_QUOTA. */
int server_snapshot_make(struct api_call *c, const struct server *s, int64_t project_id,
	struct server_snapshot *snapshot, struct error *err);

#endif
