/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of `server` and what hangs on them (metadata, tags, actions, allocation, usage). Strings are in the
 * caller's arena. */
#ifndef STORE_SERVERS_H
#define STORE_SERVERS_H

#include "base/arena.h"
#include "base/crypto.h"
#include "domain/server_state.h"
#include "store/db.h"

struct server {
	int64_t id, project_id;
	const char *uid, *user_uid, *name, *description, *hostname;
	enum vm_state vm_state;
	enum task_state task_state;
	int power_state; /* Nova's number: 0 none, 1 running, 3 paused, 4 shut down, 6 crashed, 7 suspended */
	int64_t power_seen_us, power_seen_epoch;
	int64_t host_id; /* 0: none */
	int64_t epoch;
	bool want_delete;
	const char *flavor_uid, *flavor_name;
	int64_t vcpus, ram_mib, disk_gib, ephemeral_gib, swap_mib;
	const char *extra_specs; /* JSON */
	int64_t image_id;        /* 0: none */
	const char *key_name, *key_type, *key_public;
	const char *user_data; /* base64 */
	bool config_drive;
	const char *admin_pass;
	const char *zone, *access_ipv4, *access_ipv6, *disk_config;
	bool locked;
	const char *locked_reason, *reservation_id;
	int64_t launch_index;
	int fault_code; /* 0: none */
	const char *fault_message, *fault_details;
	int64_t fault_us;
	int64_t created_us, updated_us, launched_us, terminated_us, deleted_us; /* 0: not yet */
	int64_t generation;
	int64_t root_image_id;    /* that its root disk is made over, whatever image_id shows; 0: none */
	int64_t rescue_image_id;  /* that its rescue disk is made over; 0: it has none */
	int64_t shelved_image_id; /* made of its disk when it was shelved; 0: none */
	int64_t shelved_us;       /* 0: it is not */
	const char *locked_by;    /* "owner", "admin" or "" */
};

struct server_pair {
	const char *key, *value;
};

/* All of the row as given (id and generation included). */
int store_server_insert(struct db *db, const struct server *s, struct error *err);
/* By row id, deleted ones too. ERR_NOT_FOUND. */
int store_server_load(struct db *db, struct arena *a, int64_t id, struct server *out, struct error *err);
/* By the client's id; live ones only; project_id 0: of any project. ERR_NOT_FOUND "Instance <uid> could not
 * be found." */
int store_server_get(struct db *db, struct arena *a, int64_t project_id, const char *uid, struct server *out,
	struct error *err);
/* Writes vm_state, task_state, power_*, host_id, epoch, want_delete, admin_pass, fault_*,
 * launched/terminated/deleted/updated_us, root_, rescue_ and shelved_image_id, shelved_us and zone of a
 * struct changed since it was loaded, if the row's generation is still s->generation (else ERR_CONFLICT), and
 * counts generation up in both. */
int store_server_save(struct db *db, struct server *s, struct error *err);

/* What a rebuild changes beside what tenants edit: image_id, key_* and user_data. Guarded as above. */
int store_server_remake(struct db *db, struct server *s, struct error *err);

/* Metadata: replaced whole, merged, or one removed (ERR_NOT_FOUND). Ordered by key. */
int store_server_metadata(struct db *db, struct arena *a, int64_t server_id, struct server_pair **out,
	size_t *out_n, struct error *err);
int store_server_metadata_set(struct db *db, int64_t server_id, const struct server_pair *pairs, size_t n,
	bool replace, struct error *err);
int store_server_metadata_remove(struct db *db, int64_t server_id, const char *key, struct error *err);

/* os-instance-actions. */
int store_server_action_start(struct db *db, int64_t server_id, const char *action, const char *request_id,
	const char *user_uid, const char *project_uid, int64_t now_us, int64_t *out_id, struct error *err);
int store_server_action_finish(
	struct db *db, int64_t action_id, int64_t now_us, const char *message, struct error *err);

#endif
