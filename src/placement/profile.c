/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "placement/state.h"

int placement_profile_slots(const struct placement *p, int64_t host_id, int64_t gpu_id, const char *profile)
{
	const struct host *h = host_by_id(p, host_id);
	const struct gpu *g = h ? host_gpu(h, gpu_id) : NULL;
	const struct placement_geometry *geometry = g ? g->geometry : NULL;

	for (size_t i = 0; geometry && i < geometry->profiles_n; i++)
		if (strcmp(geometry->profiles[i].name, profile) == 0)
			return geometry->profiles[i].slots;
	return 0;
}
