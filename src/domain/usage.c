/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/usage.h"

int64_t usage_clip(const struct usage_interval *i, int64_t from_us, int64_t to_us, int64_t now_us)
{
	int64_t start = i->start_us > from_us ? i->start_us : from_us;
	int64_t end = i->end_us == USAGE_OPEN ? now_us : i->end_us;

	if (end > to_us)
		end = to_us;
	return end > start ? end - start : 0;
}

void usage_add(
	struct usage_sum *sum, const struct usage_interval *i, int64_t from_us, int64_t to_us, int64_t now_us)
{
	usage_wide us = usage_clip(i, from_us, to_us, now_us);

	sum->us += us;
	sum->vcpu_us += us * i->vcpus;
	sum->ram_mib_us += us * i->ram_mib;
	sum->disk_gib_us += us * i->disk_gib;
	sum->gpu_us += us * i->gpus;
}

void usage_sum_add(struct usage_sum *to, const struct usage_sum *more)
{
	to->us += more->us;
	to->vcpu_us += more->vcpu_us;
	to->ram_mib_us += more->ram_mib_us;
	to->disk_gib_us += more->disk_gib_us;
	to->gpu_us += more->gpu_us;
}

double usage_hours(usage_wide us)
{
	const int64_t hour_us = INT64_C(3600000000);
	const usage_wide whole = us / hour_us;

	/* whole hours and the rest apart, so that large sums keep their fraction */
	return (double)whole + (double)(us % hour_us) / (double)hour_us;
}
