/* SPDX-License-Identifier: Apache-2.0 */
/* What the flows of servers share. */
#ifndef FLOW_SERVER_PARTS_H
#define FLOW_SERVER_PARTS_H

#include "flow/image_file.h"
#include "flow/internal.h"
#include "flow/server.h"
#include "store/host_images.h"
#include "store/server_ports.h"
#include "store/servers.h"

struct image_made { /* an image that is made of a server's root disk */
	struct image_facts image;
	bool wanted;      /* it was not deleted meanwhile */
	const char *path; /* of its file */
	int64_t max;      /* bytes that it may have */
	struct image_data data;
};

struct live;
struct move;

struct server_facts { /* read before an act, in its arena */
	struct server s;
	struct server_port *ports;
	size_t ports_n;
	struct hv_domain promise; /* what its host owes it, and nothing else */
	const char **mdevs;       /* those that its allocation has, where it is to be removed */
	size_t mdevs_n;
	struct server_pair *metadata;
	size_t metadata_n;
	bool has_image;
	struct host_image_row image;
	const char *project_uid, *cloud_id;
	unsigned char seed[32];
	bool late;               /* its patience with the guest is over */
	struct image_made *made; /* the flow's argument, where server_image_load read it */
	struct move *move;       /* the same, where a step of a move read it */
	struct live *live;       /* a live one's */
	const char *image_dir;
};

/* The server's row and where its acts run; with a step's own needs added. err set: ERR_NOT_FOUND when the row
 * is gone. */
enum flow_verdict server_load_row(struct flow_engine *e, struct db *ro, struct act *act, struct error *err);
/* And all that a domain is made of. */
enum flow_verdict server_load_domain(
	struct flow_engine *e, struct db *ro, struct act *act, struct error *err);

/* The image's copy on the server's host, of which a disk will be made: parks until it is there. */
enum flow_verdict server_image_wait(struct db *ro, struct act *act, int64_t image_id, struct error *err);

/* And what the config drive is made of. After server_load_domain. */
enum flow_verdict server_drive_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err);
/* The flow's end: state, power seen over the act's connection, usage. In a unit. */
int server_settle(struct flow_engine *e, struct db *db, struct act *act, enum vm_state vm, struct error *err);
/* ERROR with the fault, usage too: the `fail` of server kinds. */
int server_fail(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err);
/* And when the host has lost its copy of the image, the next server that needs it there brings a new one. */
int server_fail_disks(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err);
/* The server stays what it is; only the action log says why. */
int server_fail_kept(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err);

/* ---- a request's beginning, in its unit ---- */

/* Does the table allow it now, and is the server on a host? ERR_CONFLICT. */
int server_may(const struct server *s, enum server_action action, bool is_admin, struct error *err);
struct server_start {
	enum server_action action;
	const struct flow_kind *kind;
	int64_t arg_id;
	int64_t action_id; /* in the server's log; 0: made here */
};
/* Writes the server with the task of the kind's first step, the action's log and the flow. */
int server_start(struct flow_engine *e, struct db *db, struct server *s, const struct server_start *start,
	const struct flow_origin *origin, struct error *err);

/* ---- acts that several kinds use; on a lane ---- */

/* Off at once, and its saved memory is forgotten. */
int server_cut(const struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
/* Asks the guest to go off; sees that it does, and in the end pulls the plug. */
int server_shutdown_act(
	struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
int server_off_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);

/* The image that it was shelved in goes, unless it is protected; the row is the caller's to save. */
int server_shelved_forget(struct flow_engine *e, struct db *db, struct server *s, struct error *err);

/* ---- server_image.c: a root disk on its way into the image that the flow names ---- */

enum flow_verdict server_image_load(struct flow_engine *e, struct db *ro, struct act *act, struct error *err);
int server_snapshot_act(
	struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
int server_upload_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
/* In the unit after the upload: the image is active, or, when it may not be, gone, and the action's log says
 * why. */
int server_image_finish(
	struct flow_engine *e, struct db *db, struct act *act, bool *out_made, struct error *err);
/* The image goes, its file and its copies too; 0: none. */
int server_image_drop(struct flow_engine *e, struct db *db, int64_t image_id, struct error *err);

/* ---- server_disks.c: the volumes of a server ---- */

/* Those that its guest sees, in their order; in the arena. */
const struct hv_disk *server_disks(struct arena *a, const struct server *s, size_t *out_n);
/* GiB of a host that ephemeral and swap disks take, beside the root disk. */
int64_t server_blanks_gib(const struct server *s);
/* On a lane: the root disk over the image; empty ephemeral and swap disks; the config drive. There already:
 * fine, but the config drive is written anew. */
int server_root_make(
	const struct server_facts *f, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
/* A fresh one over the image that was waited for. */
int server_rescue_make(
	const struct server_facts *f, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
int server_blanks_make(
	const struct server *s, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
int server_drive_make(
	const struct server_facts *f, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
/* All of them: the act of create, unshelve and evacuate. */
int server_disks_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
/* On a lane: those that the row says it has; all that a server of this id could have. */
int server_disks_remove(
	const struct server *s, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
int server_parts_remove(
	const char *uid, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);

/* ---- server_spawn.c: the domain ---- */

/* What a host owes the server by one of its allocations: processors, memory, cells, pins, devices. */
int server_promise_load(struct db *db, struct arena *a, const struct server *s, int64_t allocation_id,
	struct hv_domain *out, struct error *err);
/* The domain as it is to be, which does not start it. */
int server_define(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
/* Defines the domain, starts it, and sees that it has what it was promised: the act of create, start and
 * reboot. If not, it is stopped again, and the error is that of hv_domain_broken. */
int server_spawn_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
/* For a step that removes all there is of it on its host: what server_remove wants. A dead host: FLOW_DONE.
 */
enum flow_verdict server_load_removal(
	struct flow_engine *e, struct db *ro, struct act *act, struct error *err);
/* The domain goes, with what the rows say of its mediated devices, and all volumes. */
int server_remove(const char *uid, const char *const *mdevs, size_t mdevs_n, const struct hv_driver *drv,
	struct hv_conn *conn, struct error *err);
/* The config drive's bytes. On a lane. */
int server_config_make(const struct server_facts *f, struct buf *out, struct error *err);

/* Gives back all that the server holds, and ends it: after proof that nothing of it is on a host. In a unit.
 */
int server_delete_finish(struct flow_engine *e, struct db *db, const struct server *s, const char *request_id,
	int64_t now_us, struct error *err);
/* A deletion takes the place of the flow that gave way. In a unit. */
int server_delete_takeover(struct flow_engine *e, struct db *db, int64_t server_id, struct error *err);

/* An event came for the server while its flow was busy. */
void flow_note_event(struct flow *f, int64_t host_id, const struct hv_seen *seen);

#endif
