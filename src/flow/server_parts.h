/* SPDX-License-Identifier: Apache-2.0 */
/* What the flows of servers share. */
#ifndef FLOW_SERVER_PARTS_H
#define FLOW_SERVER_PARTS_H

#include "flow/internal.h"
#include "store/host_images.h"
#include "store/server_ports.h"
#include "store/servers.h"

struct server_facts { /* read before an act, in its arena */
	struct server s;
	struct server_port *ports;
	size_t ports_n;
	const char **gpus; /* PCI addresses */
	size_t gpus_n;
	struct server_pair *metadata;
	size_t metadata_n;
	bool has_image;
	struct host_image_row image;
	const char *project_uid, *cloud_id;
	unsigned char seed[32];
	bool late; /* its patience with the guest is over */
};

/* The server's row and where its acts run; with a step's own needs added. err set: ERR_NOT_FOUND when the row
 * is gone. */
enum flow_verdict server_load_row(struct flow_engine *e, struct db *ro, struct act *act, struct error *err);
/* And all that a domain is made of. */
enum flow_verdict server_load_domain(
	struct flow_engine *e, struct db *ro, struct act *act, struct error *err);

/* The image's copy on the server's host, of which a disk will be made: parks until it is there. */
enum flow_verdict server_image_wait(struct db *ro, struct act *act, int64_t image_id, struct error *err);

/* "building", "active", "paused", "stopped", "error" */
const char *server_usage_state(enum vm_state vm);
/* The flow's end: state, power seen over the act's connection, usage. In a unit. */
int server_settle(struct flow_engine *e, struct db *db, struct act *act, enum vm_state vm, struct error *err);
/* ERROR with the fault, usage too: the `fail` of server kinds. */
int server_fail(
	struct flow_engine *e, struct db *db, struct flow *f, const struct error *why, struct error *err);

/* ---- server_disks.c: the volumes of a server ---- */

/* Those that its guest sees, in their order; in the arena. */
const struct hv_disk *server_disks(struct arena *a, const struct server *s, size_t *out_n);
/* GiB of a host that ephemeral and swap disks take, beside the root disk. */
int64_t server_blanks_gib(const struct server *s);
/* On a lane: the root disk over the image; empty ephemeral and swap disks; the config drive. There already:
 * fine, but the config drive is written anew. */
int server_root_make(
	const struct server_facts *f, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
int server_blanks_make(
	const struct server *s, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
int server_drive_make(
	const struct server_facts *f, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
/* On a lane: those that the row says it has; all that a server of this id could have. */
int server_disks_remove(
	const struct server *s, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
int server_parts_remove(
	const char *uid, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);

/* Defines the domain and starts it: the act of create, start and reboot. */
int server_spawn_act(struct act *act, const struct hv_driver *drv, struct hv_conn *conn, struct error *err);
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
