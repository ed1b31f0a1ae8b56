/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator says of GPUs: how one is cut, and whether it may be given. */
#include <string.h>

#include "base/util.h"
#include "domain/gpu_products.h"
#include "flow/custody.h"
#include "flow/preempt.h"
#include "flow/topology.h"

enum { REASON_MAX = 255 };

static int cut_check(const struct device_row *d, const char *cut, struct error *err)
{
	const struct gpu_product *p = gpu_product_find(d->vendor_id, d->product_id);
	const struct gpu_geometry *g = gpu_geometry_find(cut);
	bool mdev = strcmp(cut, GPU_CUT_MDEV) == 0;

	if (strcmp(cut, GPU_CUT_WHOLE) == 0)
		return 0;
	if (!g && !mdev)
		return error_set(err, ERR_BAD_REQUEST,
			"'%.60s' is no way to cut a GPU: whole, mdev, or a geometry", cut);
	if (g && p && (!p->geometry || strcmp(p->geometry, cut) != 0))
		return error_set(err, ERR_BAD_REQUEST, "%s can be cut as %s, not as %s", p->model,
			p->geometry ? p->geometry : "mdev at most", cut);
	if (mdev ? !*d->mdev_types : !gpu_geometry_offered(g, d->mdev_types))
		return error_set(err, ERR_BAD_REQUEST,
			"the host offers no mediated devices of GPU %s that are cut so: its driver, MIG and "
			"virtual functions are set up there first",
			d->address);
	return 0;
}

/* ---- each change: 0, or -1; `to` is the row as it will be ---- */

struct change {
	struct flow_engine *e;
	struct db *db;
	const struct device_row *d;
	struct device_row *to;
	const char *text; /* "" none */
	int64_t now_us;
};

static int cut(struct change *c, struct error *err)
{
	if (cut_check(c->d, c->text, err))
		return -1;
	if (c->d->server_id || c->d->parts)
		return error_set(err, ERR_CONFLICT, "GPU %s is in use; it can be cut when nothing of it is",
			c->d->address);
	if (strcmp(c->d->custody, "reset") == 0)
		return error_set(
			err, ERR_CONFLICT, "GPU %s is being reset; it can be cut after that", c->d->address);
	c->to->cut = c->text;
	return 0;
}

static int quarantine(struct change *c, struct error *err)
{
	c->to->custody = "quarantined";
	c->to->custody_reason = c->text;
	return custody_cut_short(c->e, c->db, c->d, CUSTODY_QUARANTINED,
		c->text[0] ? c->text : "an operator's word", c->now_us, err);
}

static int fault(struct change *c, struct error *err)
{
	(void)err;
	c->to->health = "faulty";
	c->to->custody_reason = c->text;
	return 0;
}

static int clear(struct change *c, struct error *err)
{
	c->to->health = "ok";
	c->to->custody = "clean";
	c->to->custody_reason = "";
	if (strcmp(c->d->custody, "quarantined") == 0 && !c->d->server_id && !c->d->parts)
		return store_custody_cleared(c->db, c->d->id, c->now_us, err);
	return custody_cut_short(c->e, c->db, c->d, CUSTODY_CLEARED, "an operator's word", c->now_us, err);
}

static int reset(struct change *c, struct error *err)
{
	c->to->custody = "reset";
	c->to->custody_reason = "";
	return custody_reset(c->e, c->db, c->d, c->now_us, err);
}

static int (*const changes[])(struct change *c, struct error *err) = {
	[GPU_CUT] = cut,
	[GPU_QUARANTINE] = quarantine,
	[GPU_FAULT] = fault,
	[GPU_CLEAR] = clear,
	[GPU_RESET] = reset,
};

int flow_gpu_change(struct flow_engine *e, struct db *db, const struct device_row *d, enum gpu_change what,
	const char *text, struct error *err)
{
	const struct link *l = link_find(e, d->host_id);
	struct device_row to = *d;
	struct change c = {
		.e = e, .db = db, .d = d, .to = &to, .text = text ? text : "", .now_us = engine_now(e)
	};

	if (strlen(c.text) > REASON_MAX)
		return error_set(err, ERR_BAD_REQUEST, "a reason has at most %d bytes", REASON_MAX);
	if (changes[what](&c, err) || store_device_set_state(db, &to, err) ||
		capacity_host_set(e, db, d->host_id, l && link_placed(l), err))
		return -1;
	return what == GPU_CLEAR ? waiter_room(e, db, d->host_id, err) : 0;
}
