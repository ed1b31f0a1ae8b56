/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/fence.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

const char *fence_power_text(enum fence_power p)
{
	return p == FENCE_OFF ? "off" : p == FENCE_ON ? "on" : "";
}

const struct fence_driver *fence_driver_find(const char *name)
{
	static const struct fence_driver *const drivers[] = { &fence_redfish, &fence_command };

	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		if (strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
	return NULL;
}

void fence_start(void)
{
	static bool ready;

	if (!ready && curl_global_init(CURL_GLOBAL_DEFAULT))
		abort();
	ready = true;
}
