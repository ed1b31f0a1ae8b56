/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "placement/state.h"

int placement_profile_slots(const struct placement *p, int64_t host_id, int64_t gpu_id, const char *profile)
{
	int64_t slot = map_get(&p->by_id, host_id);
	const struct gpu *g = slot == MAP_NONE ? NULL : host_gpu(&p->hosts[slot], gpu_id);
	const struct placement_geometry *geometry = g ? g->geometry : NULL;

	for (size_t i = 0; geometry && i < geometry->profiles_n; i++)
		if (strcmp(geometry->profiles[i].name, profile) == 0)
			return geometry->profiles[i].slots;
	return 0;
}
