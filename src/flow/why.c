/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/why.h"

#include "base/util.h"
#include "flow/internal.h"
#include "store/hosts.h"

static enum why_flow by_row(const struct flow_row *row)
{
	return str_eq(row->state, "stuck")     ? WHY_FLOW_STUCK
	       : str_eq(row->state, "waiting") ? WHY_FLOW_RETRIES
					       : WHY_FLOW_WORKS;
}

/* Behind which flow it stands in line. */
static void behind(const struct flow *f, struct flow_stands *out)
{
	const struct flow *other = CONTAINER_OF(f->list, struct flow, waiters);

	out->other_id = other->id;
	out->other_kind = other->kind->name;
	out->how = other->kind == &kind_image_stage ? WHY_FLOW_IMAGE : WHY_FLOW_OTHER;
}

struct flow_stands flow_stands(const struct flow_engine *e, const struct flow_row *row)
{
	struct flow_stands out = { .how = by_row(row) };
	const struct flow *f = flow_find(e, row->subject_id);

	if (!f || f->id != row->id)
		return out;
	switch (f->phase) {
	case PHASE_STUCK:
		out.how = WHY_FLOW_STUCK;
		break;
	case PHASE_HOST:
		out.how = WHY_FLOW_HOST;
		out.host_id = link_parked_host(f->list);
		break;
	case PHASE_FLOW:
		behind(f, &out);
		break;
	case PHASE_SLEEP:
		out.how = f->waiting ? WHY_FLOW_RETRIES : WHY_FLOW_WORKS;
		break;
	default:
		out.how = WHY_FLOW_WORKS;
	}
	return out;
}

static const struct {
	const char *source; /* of what is known of it: domain/host_evidence.c */
	enum why_link link;
} by_source[] = {
	{ "start", WHY_LINK_OPENING },
	{ "failure", WHY_LINK_DOUBTFUL },
	{ "silence", WHY_LINK_AWAY },
	{ "unsteady", WHY_LINK_UNSTEADY },
	{ "return", WHY_LINK_RETURNS },
};

enum why_link flow_host_stands(struct flow_engine *e, const struct host_row *h)
{
	struct host_link l;

	if (!h)
		return WHY_LINK_NONE;
	if (!flow_host_link(e, h->id, &l)) /* its row was just written */
		return h->forced_down ? WHY_LINK_DEAD : WHY_LINK_OPENING;
	if (h->forced_down)
		return str_eq(l.state, "connected") ? WHY_LINK_DEAD_ANSWERS : WHY_LINK_DEAD;
	if (l.fencing)
		return WHY_LINK_FENCING;
	for (size_t i = 0; i < ARRAY_LEN(by_source); i++)
		if (str_eq(by_source[i].source, l.source))
			return by_source[i].link;
	return WHY_LINK_UP;
}

int64_t flow_resize_confirms_us(const struct flow_engine *e, int64_t finished_us)
{
	return e->cfg.resize_confirm_s ? finished_us + e->cfg.resize_confirm_s * 1000000 : 0;
}
