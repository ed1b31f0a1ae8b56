/* SPDX-License-Identifier: Apache-2.0 */
/* Which item of a book prices a thing. */
#include <string.h>

#include "base/util.h"
#include "domain/price_book.h"

#define F(field) (1u << PRICE_##field)
#define SERVER_FIELDS (F(FLAVOR) | F(ZONE) | F(STATE) | F(PREEMPTIBLE))

const struct price_resource_info price_resources[PRICE_RESOURCES] = {
	[PRICE_SERVER] = { "server", "server", RATING_SERVER, 0, 1, SERVER_FIELDS },
	[PRICE_VCPU] = { "vcpu", "vCPU", RATING_SERVER, 1, 1, SERVER_FIELDS },
	[PRICE_RAM] = { "ram_gib", "GiB", RATING_SERVER, 2, 1024, SERVER_FIELDS },
	[PRICE_DISK] = { "disk_gib", "GiB", RATING_SERVER, 3, 1, SERVER_FIELDS },
	[PRICE_GPU] = { "gpu", "GPU", RATING_GPU, 0, 1000,
		F(MODEL) | F(PROFILE) | F(ZONE) | F(STATE) | F(PREEMPTIBLE) | F(BLOCK) },
	[PRICE_GPU_RESERVED] = { "gpu_reserved", "GPU", RATING_GPU_RESERVED, 0, 1000, F(MODEL) | F(ZONE) },
	[PRICE_IMAGE] = { "image_gib", "GiB", RATING_IMAGE, 0, INT64_C(1) << 30, F(STATE) },
	[PRICE_ADDRESS] = { "address", "address", RATING_ADDRESS, 0, 1, F(NETWORK) },
};

const char *const price_field_names[PRICE_FIELDS] = { "flavor", "network", "model", "profile", "zone",
	"state", "preemptible", "block" };

bool price_state_free(const char *state)
{
	static const char *const free_states[] = { "building", "error", "held", "shelved_offloaded" };

	for (size_t i = 0; i < ARRAY_LEN(free_states); i++)
		if (strcmp(state, free_states[i]) == 0)
			return true;
	return false;
}

bool price_has_value(const struct price_values *v, const char *text)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->list[i], text) == 0)
			return true;
	return false;
}

bool price_matches(const struct price_match *m, enum price_resource r, const struct price_thing *t)
{
	if (m->resource != r)
		return false;
	for (size_t i = 0; i < PRICE_FIELDS; i++)
		if (m->values[i].n && !price_has_value(&m->values[i], t->fields[i]))
			return false;
	return m->values[PRICE_STATE].n || !price_state_free(t->fields[PRICE_STATE]);
}

unsigned price_weight(const struct price_match *m)
{
	unsigned w = 0;

	for (size_t i = 0; i < PRICE_FIELDS; i++)
		w = w << 1 | (m->values[i].n > 0);
	return w;
}

int price_item_of(const struct price_book *b, enum price_resource r, const struct price_thing *t)
{
	int best = -1;

	for (size_t i = 0; i < b->items_n; i++)
		if (price_matches(&b->items[i].match, r, t) &&
			(best < 0 || price_weight(&b->items[i].match) > price_weight(&b->items[best].match)))
			best = (int)i;
	return best;
}

int price_commitment_of(
	const struct price_book *b, const char *project, enum price_resource r, const struct price_thing *t)
{
	int best = -1;

	for (size_t i = 0; i < b->commitments_n; i++)
		if (strcmp(b->commitments[i].project, project) == 0 &&
			price_matches(&b->commitments[i].match, r, t) &&
			(best < 0 || price_weight(&b->commitments[i].match) >
					     price_weight(&b->commitments[best].match)))
			best = (int)i;
	return best;
}
