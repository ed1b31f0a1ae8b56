/* SPDX-License-Identifier: Apache-2.0 */
/* Where rows and hosts differ. Each look over a host leaves what it found of domains; a look that is asked
 * for also reads the pool's volumes and, host by host, what guests really have. What is found is kept in
 * memory, so much of it for each host, until a later look does not find it any more. On the loop. */
#ifndef FLOW_DRIFT_H
#define FLOW_DRIFT_H

#include "flow/flow.h"
#include "hv/hv.h"

enum drift_what {
	DRIFT_DOMAIN_UNKNOWN,
	DRIFT_DOMAIN_DELETED,
	DRIFT_DOMAIN_LEFT,
	DRIFT_DOMAIN_OLDER,
	DRIFT_DOMAIN_ELSEWHERE,
	DRIFT_DOMAIN_ABSENT,
	DRIFT_EPOCH,
	DRIFT_POWER,
	DRIFT_POWER_OTHER,
	DRIFT_DEFINITION,
	DRIFT_VOLUME_LEFT,
	DRIFT_VOLUME_UNKNOWN,
	DRIFT_VOLUME_MISSING,
	DRIFT_COPY_LEFT,
	DRIFT_COPY_MISSING,
	DRIFT_GPU_ABSENT,
	DRIFT_WHATS
};

struct drift_kind {
	const char *name;    /* "volume-left" */
	const char *says;    /* what it is */
	const char *policy;  /* "repaired": by itself; "reported": until somebody says so */
	const char *by;      /* what repairs it, or why nothing does */
	const char *command; /* {object}, {host} and {id} are filled in; NULL: none */
	bool deep;           /* only a look that was asked for finds it */
	bool clears;         /* flow_drift_clear can take it away */
};
const struct drift_kind *drift_kind(enum drift_what what);

enum { DRIFT_ID = 17, DRIFT_DETAIL = 160, DRIFT_KEPT = 200, DRIFT_APART_S = 60 };

struct drift {
	enum drift_what what;
	char id[DRIFT_ID];           /* the same as long as it lasts */
	char object[HV_VOLUME_NAME]; /* a server's id, or a volume's name */
	char detail[DRIFT_DETAIL];
	int64_t since_us, seen_us; /* first and last look that found it */
	unsigned looks;
};

struct drift_host {
	int64_t looked_us, deep_us; /* when the last look began; 0: there was none */
	size_t foreign;             /* domains that are not ours: counted, never touched */
	size_t more;                /* found, beyond what is kept */
	const struct drift *found;  /* borrowed until the loop turns */
	size_t n;
};
/* False: there is no such host, or it was never looked at. */
bool flow_drift_host(const struct flow_engine *e, int64_t host_id, struct drift_host *out);

/* Looks now, deeply, at the connected ones of the hosts (a few at a time), and then calls done once.
 * definitions: compares what guests have with what they were promised, too. */
typedef void flow_drift_fn(void *ctx);
void flow_drift_now(struct flow_engine *e, const int64_t *hosts, size_t n, bool definitions,
	flow_drift_fn *done, void *ctx);

/* Inside a unit: a flow takes away what was found left over, after the rows were asked once more.
 * ERR_NOT_FOUND; ERR_CONFLICT: it is not for us to clear, was not seen twice so far apart, or is somebody's
 * by now. */
int flow_drift_clear(struct flow_engine *e, struct db *db, const char *id, const char *request_id,
	int64_t now_us, struct error *err);

#endif
