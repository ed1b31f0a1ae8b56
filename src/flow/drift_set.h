/* SPDX-License-Identifier: Apache-2.0 */
/* What the files on drift share: drift.c keeps and judges domains, drift_volumes.c judges the pool,
 * drift_look.c looks when it is asked to, drift_clear.c takes away. */
#ifndef FLOW_DRIFT_SET_H
#define FLOW_DRIFT_SET_H

#include "flow/drift.h"
#include "flow/link.h"

struct drift_set { /* of one host */
	int64_t host_id, looked_us, deep_us;
	size_t foreign, more;
	struct drift *found;
	size_t n;
	bool looking; /* one that was asked for is under way */
	/* the look that is being judged */
	struct drift *next;
	size_t next_n, next_cap;
	int64_t at_us;
};

struct drift_set *drift_set_of(struct link *l);
void drift_set_free(struct drift_set *d); /* NULL is fine */

/* Between begin and end: what this look found. End forgets what it did not find again; without `deep` what
 * only deep looks find stays. A second one of a kind and object is the same. */
void drift_begin(struct drift_set *d, int64_t at_us);
void drift_add(struct drift_set *d, enum drift_what what, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void drift_end(struct drift_set *d, bool deep);

/* What an ordinary look says, all of it. */
void drift_look(struct link *l, const struct host_look *look);
/* Of the domains of a look, between begin and end. */
int drift_domains(struct drift_set *d, struct db *ro, const struct host_look *look, struct error *err);
/* Of the pool's volumes, sorted. */
void drift_volumes_sort(struct hv_volume *volumes, size_t n);
int drift_volumes(struct drift_set *d, struct db *ro, const struct host_look *look,
	const struct hv_volume *volumes, size_t n, struct error *err);

#endif
