/* SPDX-License-Identifier: Apache-2.0 */
/* The deadline of an act: what the configuration says, and as much again for so much more work. */
#include "flow/internal.h"

#include <stddef.h>

enum { MS_MAX = 14 * 24 * 3600 * 1000 }; /* two weeks: the clock of a lane counts in 32 bits */

/* How much of it earns the configured time once more; 0: none of it does. */
static const struct scale {
	size_t base_ms; /* in the configuration */
	int64_t ram_mib, disk_gib, gpus;
	bool pinned; /* memory counts where there are devices only */
} scales[TIMES] = {
	[TIME_CALL] = { offsetof(struct flow_config, call_timeout_ms) },
	[TIME_START] = { offsetof(struct flow_config, call_timeout_ms), .ram_mib = 64 << 10, .gpus = 2,
		.pinned = true },
	[TIME_SAVE] = { offsetof(struct flow_config, call_timeout_ms), .ram_mib = 8 << 10 },
	[TIME_STAGE] = { offsetof(struct flow_config, stage_timeout_ms), .disk_gib = 100 },
	[TIME_MOVE] = { offsetof(struct flow_config, stage_timeout_ms), .ram_mib = 256 << 10,
		.disk_gib = 100 },
};

static int64_t more(int64_t base_ms, int64_t amount, int64_t each)
{
	return each ? base_ms * amount / each : 0;
}

unsigned flow_step_ms(const struct flow_config *cfg, enum flow_time time, const struct step_size *size)
{
	const struct scale *s = &scales[time];
	int64_t base = *(const unsigned *)(const void *)((const char *)cfg + s->base_ms);
	int64_t ram_mib = s->pinned && !size->gpus ? 0 : size->ram_mib;
	int64_t ms = base + more(base, ram_mib, s->ram_mib) + more(base, size->disk_gib, s->disk_gib) +
		     more(base, size->gpus, s->gpus);

	return (unsigned)(ms < MS_MAX ? ms : MS_MAX);
}
