/* SPDX-License-Identifier: Apache-2.0 */
/* Servers as the API shows them: a row with the names of what it refers to, its addresses and tags; lists in
 * the order of their making; and the columns that tenants edit. */
#ifndef STORE_SERVER_LIST_H
#define STORE_SERVER_LIST_H

#include "store/servers.h"

struct server_row {
	/* without power_seen_*, epoch, want_delete, key_type, key_public, admin_pass, and user_data unless
	 * asked for */
	struct server s;
	const char *project_uid;
	const char *image_uid;                            /* NULL: none */
	const char *host_name, *hv_hostname, *host_state; /* NULL: on no host */
	bool host_forced_down;
};

/* By the client's id, live ones only; project_id 0: of any project. ERR_NOT_FOUND as store_server_get. */
int store_server_row(struct db *db, struct arena *a, int64_t project_id, const char *uid, bool with_user_data,
	struct server_row *out, struct error *err);
/* By row id, deleted ones too. ERR_NOT_FOUND. */
int store_server_row_by_id(struct db *db, struct arena *a, int64_t id, bool with_user_data,
	struct server_row *out, struct error *err);
/* Row id and time of making by uid, deleted ones too: 1 found, 0 not, -1. */
int store_server_find(struct db *db, int64_t project_id, const char *uid, int64_t *out_id,
	int64_t *out_created_us, struct error *err);

struct server_scan {
	int64_t project_id;                 /* 0: all projects */
	bool deleted;                       /* the deleted ones too */
	int64_t below_id, below_created_us; /* starts after this one; 0: from the newest */
};

/* Newest first. The row's strings are valid during the call. Returns: 0 go on, 1 enough, -1 with err. */
typedef int server_scan_fn(void *ctx, const struct server_row *r, struct error *err);
int store_server_scan(
	struct db *db, const struct server_scan *scan, server_scan_fn *fn, void *ctx, struct error *err);

struct server_address {
	const char *network; /* its name */
	const char *mac;
	uint32_t address; /* host order */
};
/* Of the server's ports: by network's name, then in the order of the ports' making. */
int store_server_addresses(struct db *db, struct arena *a, int64_t server_id, struct server_address **out,
	size_t *out_n, struct error *err);

/* The uid of the subnet that the port's address is of; NULL: it has none. */
int store_server_port_subnet(
	struct db *db, struct arena *a, int64_t port_id, const char **out, struct error *err);

/* Tags, by text. set: what is there already stays. */
int store_server_tags(struct db *db, struct arena *a, int64_t server_id, const char ***out, size_t *out_n,
	struct error *err);
int store_server_tag_add(struct db *db, int64_t server_id, const char *tag, bool *out_new, struct error *err);
int store_server_tags_remove(
	struct db *db, int64_t server_id, const char *tag, struct error *err); /* NULL: all */

/* Writes name, description, hostname, access_ipv4, access_ipv6, disk_config, locked, locked_reason,
 * locked_by and updated_us, if the row's generation is still s->generation (else ERR_CONFLICT), and counts
 * generation up in both. */
int store_server_edit(struct db *db, struct server *s, struct error *err);
/* Tags or metadata changed: counts generation up and sets updated_us. */
int store_server_touch(struct db *db, int64_t server_id, int64_t now_us, struct error *err);

/* Is a flow under way on it? 1 yes, 0 no, -1. */
int store_server_busy(struct db *db, int64_t server_id, struct error *err);

struct server_action_row {
	int64_t id;
	const char *action, *request_id, *user_uid, *project_uid;
	int64_t start_us, finish_us; /* 0: under way */
	const char *message;         /* NULL: well */
	const char *host_name;       /* where the server is now; NULL: nowhere */
};
/* Newest first; request_id NULL: all. */
int store_server_actions(struct db *db, struct arena *a, int64_t server_id, const char *request_id,
	struct server_action_row **out, size_t *out_n, struct error *err);

#endif
