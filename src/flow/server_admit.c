/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/server_admit.h"

#include "base/util.h"
#include "flow/internal.h"
#include "store/guardrails.h"
#include "store/host_images.h"
#include "store/quotas.h"

/* What is limited by itself: a server's metadata, a group's members. */
static int check_each(struct db *db, const struct server_create *w, struct error *err)
{
	int64_t limit = 0, members = 0;

	if (w->metadata_n &&
		(store_quota_limit(db, w->base.project_id, "metadata_items", &limit, err) ||
			quota_check(QUOTA_METADATA_ITEMS, limit, 0, (int64_t)w->metadata_n, err)))
		return -1;
	if (!w->group_id)
		return 0;
	if (store_server_group_count(db, w->group_id, &members, err) ||
		store_quota_limit(db, w->base.project_id, "server_group_members", &limit, err))
		return -1;
	return quota_check(QUOTA_SERVER_GROUP_MEMBERS, limit, members, w->count, err);
}

/* What one of them counts. */
static void amounts_of(struct flow_engine *e, const struct server_create *w, struct quota_amounts *out)
{
	struct capacity_size size = capacity_size_of(&w->base);
	int64_t new_ports = 0;

	for (size_t i = 0; i < w->nics_n; i++)
		new_ports += w->nics[i].port_id == 0;
	capacity_amounts(e->quota, &size, out);
	quota_amounts_add(out, QUOTA_PORTS, new_ports);
	quota_amounts_add(out, QUOTA_ADDRESSES, new_ports);
}

int server_quota_check(
	struct flow_engine *e, struct db *db, const struct server_create *want, struct error *err)
{
	CLEANUP(quota_amounts_finish) struct quota_amounts all = { .at = NULL };

	amounts_of(e, want, &all);
	for (size_t i = 0; i < all.n; i++)
		all.at[i].n *= want->count;
	return store_quota_admit(db, e->quota, want->base.project_id, &all, err) || check_each(db, want, err)
		       ? -1
		       : 0;
}

int flow_server_room(struct flow_engine *e, struct db *db, const struct server_create *want, int64_t max,
	int64_t *out, struct error *err)
{
	CLEANUP(quota_amounts_finish) struct quota_amounts each = { .at = NULL };

	amounts_of(e, want, &each);
	return store_quota_room(db, e->quota, want->base.project_id, &each, max, out, err);
}

int server_guardrail_check(struct db *db, struct arena *a, const struct server_create *want,
	const struct flavor_wants *wants, struct error *err)
{
	struct image_facts image = { .visibility = NULL };
	struct guardrail_ask ask = {
		.flavor_uid = want->base.flavor_uid, .zone = want->zone, .preemptible = wants->preemptible
	};

	if (want->base.image_id && store_image_facts(db, a, want->base.image_id, &image, err) < 0)
		return -1;
	ask.visibility = image.visibility;
	for (size_t i = 0; i < want->hints_n; i++)
		ask.reserved |= want->hints[i].kind == HINT_RESERVATION;
	return store_guardrail_check(db, want->base.project_id, &ask, err);
}
