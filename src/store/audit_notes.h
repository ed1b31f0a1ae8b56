/* SPDX-License-Identifier: Apache-2.0 */
/* Audit records of what cloudd decides and does by itself about servers, blocks and GPUs: nobody's request,
 * or the consequence of one. All in the savepoint of what they tell of. */
#ifndef STORE_AUDIT_NOTES_H
#define STORE_AUDIT_NOTES_H

#include "store/audit.h"

/* target and project_uid are the server's. */
int store_audit_server(struct db *db, int64_t server_id, const struct audit_note *n, struct error *err);
/* The same of a capacity block or a maintenance window. */
int store_audit_block(struct db *db, int64_t block_id, const struct audit_note *n, struct error *err);

/* The same of a GPU, which is no project's. */
int store_audit_device(struct db *db, int64_t device_id, const struct audit_note *n, struct error *err);

struct audit_choice {
	int64_t server_id;
	int64_t host_id;        /* 0: none */
	int64_t waits_for_host; /* which others leave for it; 0: none */
	const char *why;        /* there is none */
	const char *request_id;
	int64_t now_us;
};
/* What placement chose for a server. The host is named as the server's project knows it. */
int store_audit_choice(struct db *db, const struct audit_choice *c, struct error *err);

#endif
