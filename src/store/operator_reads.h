/* SPDX-License-Identifier: Apache-2.0 */
/* Reads that only operators need: across projects, and by row ids. Strings are in the caller's arena. */
#ifndef STORE_OPERATOR_READS_H
#define STORE_OPERATOR_READS_H

#include <stdint.h>

#include "base/arena.h"
#include "store/db.h"

/* The client's id of a flow's subject (an image's for host_image) and the name of its host; NULL: none. */
int store_flow_subject(struct db *db, struct arena *a, const char *subject_kind, int64_t subject_id,
	const char **out_uid, const char **out_host, struct error *err);

struct cloud_counts {
	int64_t hosts, servers, servers_active, servers_error, flows, flows_stuck, projects, users, images;
};
int store_cloud_counts(struct db *db, struct cloud_counts *out, struct error *err);

struct operator_server {
	const char *uid, *name, *project_uid, *project_name, *vm_state, *task_state, *host, *flavor_name,
		*address;
	int64_t vcpus, ram_mib, created_us, power_seen_us, fault_us;
	int power_state;
	const char *fault_message, *fault_details;
	bool preemptible;        /* as it holds room */
	int64_t leave_us;        /* when it has to leave its host; 0: it has not */
	const char *waits_for;   /* the host that is kept for it; NULL */
	const char *reservation; /* whose GPUs it uses; NULL */
};
/* Servers that may be moved live now, by id: they run, are at no task and not locked, and have nothing of
 * their host but amounts of it. */
int store_server_movable(struct db *db, struct arena *a, int64_t **out, size_t *out_n, struct error *err);
/* Live servers of all projects, newest first; uid: only that one (NULL: all). */
int store_operator_servers(struct db *db, struct arena *a, const char *uid, size_t limit,
	struct operator_server **out, size_t *out_n, struct error *err);

struct image_copy {                       /* of an image on a host */
	const char *host, *state, *error; /* error NULL: none */
	int64_t id, host_id;
};
/* Those that are under way or went wrong first; at most limit. */
int store_image_copies(struct db *db, struct arena *a, int64_t image_id, size_t limit,
	struct image_copy **out, size_t *out_n, struct error *err);

#endif
