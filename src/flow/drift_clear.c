/* SPDX-License-Identifier: Apache-2.0 */
/* What was found left over goes by the flows that clear such things away, and only on the operator's word: it
 * was seen in two looks some time apart, and the rows, asked once more, still say that it is nobody's. */
#include <string.h>

#include "base/util.h"
#include "flow/drift_set.h"
#include "flow/move.h"
#include "store/drift.h"

static const struct drift *find(const struct flow_engine *e, const char *id, int64_t *out_host_id)
{
	for (size_t i = 0; i < e->links.cap; i++) {
		const struct link *l = e->links.entries[i].value == MAP_NONE
					       ? NULL
					       : (struct link *)(intptr_t)e->links.entries[i].value;

		for (size_t k = 0; l && l->drift && k < l->drift->n; k++)
			if (strcmp(l->drift->found[k].id, id) == 0) {
				*out_host_id = l->host_id;
				return &l->drift->found[k];
			}
	}
	return NULL;
}

static int somebodys(const struct drift *x, struct error *err)
{
	return error_set(err, ERR_CONFLICT, "%s belongs to somebody by now; look again", x->object);
}

static int clear_volume(struct flow_engine *e, struct db *db, const struct drift *x, int64_t host_id,
	int64_t now_us, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	char uid[UUID_TEXT];
	struct drift_owner o;
	int rc;

	str_copy(uid, sizeof uid, x->object);
	rc = store_drift_owner(db, &a, uid, host_id, &o, err);
	if (rc < 0)
		return -1;
	if (rc == 0 || o.has_flow || o.holds || (!o.deleted_us && o.host_id == host_id))
		return somebodys(x, err);
	return leftover_seen(e, db, o.id, host_id, now_us, err);
}

static int clear_copy(struct flow_engine *e, struct db *db, const struct drift *x, int64_t host_id,
	const char *request_id, int64_t now_us, struct error *err)
{
	char uid[UUID_TEXT];
	bool deleted;
	int64_t id;
	int rc;

	str_copy(uid, sizeof uid, x->object + strlen("image-"));
	rc = store_drift_image(db, uid, &id, &deleted, err);
	if (rc < 0)
		return -1;
	if (rc == 0 || !deleted)
		return somebodys(x, err);
	return image_copy_seen(e, db, host_id, id, request_id, now_us, err);
}

int flow_drift_clear(struct flow_engine *e, struct db *db, const char *id, const char *request_id,
	int64_t now_us, struct error *err)
{
	const struct drift_kind *kind;
	const struct drift *x;
	int64_t host_id;

	x = find(e, id, &host_id);
	if (!x)
		return error_set(err, ERR_NOT_FOUND, "there is no difference %.32s (any more)", id);
	kind = drift_kind(x->what);
	if (!kind->clears)
		return error_set(err, ERR_CONFLICT, "%s is not cleared by command: %s", kind->name, kind->by);
	if (x->looks < 2 || x->seen_us - x->since_us < (int64_t)DRIFT_APART_S * 1000000)
		return error_set(err, ERR_CONFLICT,
			"%s was not yet seen in two looks %d s apart: it may be on its way; look again later",
			x->object, DRIFT_APART_S);
	return x->what == DRIFT_COPY_LEFT ? clear_copy(e, db, x, host_id, request_id, now_us, err)
					  : clear_volume(e, db, x, host_id, now_us, err);
}
