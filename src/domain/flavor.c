/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/flavor.h"

#include <inttypes.h>
#include <string.h>

#include "base/util.h"
#include "domain/names.h"

static const struct range {
	const char *name;
	size_t offset;
	int64_t min, max;
} ranges[] = {
	{ "vcpus", offsetof(struct flavor_values, vcpus), 1, FLAVOR_VCPUS_MAX },
	{ "ram", offsetof(struct flavor_values, ram_mib), 1, FLAVOR_RAM_MIB_MAX },
	{ "disk", offsetof(struct flavor_values, disk_gib), 0, FLAVOR_DISK_GIB_MAX },
	{ "OS-FLV-EXT-DATA:ephemeral", offsetof(struct flavor_values, ephemeral_gib), 0,
		FLAVOR_DISK_GIB_MAX },
	{ "swap", offsetof(struct flavor_values, swap_mib), 0, FLAVOR_RAM_MIB_MAX },
};

int flavor_check(const struct flavor_values *f, struct error *err)
{
	if (name_check(NAME_FLAVOR, f->name, err) < 0)
		return -1;
	if (f->id && name_check(NAME_FLAVOR_ID, f->id, err) < 0)
		return -1;
	if (f->description && name_check(NAME_DESCRIPTION, f->description, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		const struct range *r = &ranges[i];
		int64_t v = *(const int64_t *)(const void *)((const char *)f + r->offset);

		if (v < r->min || v > r->max)
			return error_set(err, ERR_BAD_REQUEST,
				"flavor.%s must be an integer from %" PRId64 " to %" PRId64, r->name, r->min,
				r->max);
	}
	if (!(f->rxtx_factor > 0 && f->rxtx_factor <= 1e6)) /* also refuses NaN */
		return error_set(err, ERR_BAD_REQUEST, "flavor.rxtx_factor must be a number above 0");
	return 0;
}
