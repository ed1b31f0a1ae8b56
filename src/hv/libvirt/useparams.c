/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/libvirt/useparams.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* Of devices: "block.0.rd.bytes" is added to what ends like it. */
static const struct {
	const char *group, *field;
	enum sample_counter counter;
} device_fields[] = {
	{ "block.", "rd.bytes", SAMPLE_DISK_READ_BYTES },
	{ "block.", "rd.reqs", SAMPLE_DISK_READS },
	{ "block.", "wr.bytes", SAMPLE_DISK_WRITE_BYTES },
	{ "block.", "wr.reqs", SAMPLE_DISK_WRITES },
	{ "net.", "rx.bytes", SAMPLE_NET_RX_BYTES },
	{ "net.", "rx.pkts", SAMPLE_NET_RX_PACKETS },
	{ "net.", "tx.bytes", SAMPLE_NET_TX_BYTES },
	{ "net.", "tx.pkts", SAMPLE_NET_TX_PACKETS },
};

/* In KiB. */
static const char *const memory_fields[] = { "balloon.available", "balloon.usable", "balloon.unused",
	"balloon.rss", "balloon.current" };
enum { AVAILABLE, USABLE, UNUSED, RSS, CURRENT, MEMORY_FIELDS };

struct tally { /* of one counter */
	int64_t sum, devices;
};

/* Its value as a number that is not negative, or SAMPLE_UNKNOWN. */
static int64_t number(const virTypedParameter *p)
{
	switch (p->type) {
	case VIR_TYPED_PARAM_INT:
		return p->value.i < 0 ? SAMPLE_UNKNOWN : p->value.i;
	case VIR_TYPED_PARAM_UINT:
		return p->value.ui;
	case VIR_TYPED_PARAM_LLONG:
		return p->value.l < 0 ? SAMPLE_UNKNOWN : p->value.l;
	case VIR_TYPED_PARAM_ULLONG:
		return p->value.ul > INT64_MAX ? SAMPLE_UNKNOWN : (int64_t)p->value.ul;
	default:
		return SAMPLE_UNKNOWN;
	}
}

/* "block.12.rd.bytes" in group "block." gives "rd.bytes"; NULL when it is not of a device there. */
static const char *device_field(const char *name, const char *group)
{
	const char *p = name + strlen(group);

	if (!str_starts(name, group) || !isdigit((unsigned char)*p))
		return NULL;
	while (isdigit((unsigned char)*p))
		p++;
	return *p == '.' ? p + 1 : NULL;
}

static void device_add(const virTypedParameter *p, struct tally *tallies)
{
	for (size_t i = 0; i < ARRAY_LEN(device_fields); i++) {
		const char *field = device_field(p->field, device_fields[i].group);
		struct tally *t = &tallies[device_fields[i].counter];
		int64_t v = number(p);

		if (!field || strcmp(field, device_fields[i].field) != 0 || v < 0)
			continue;
		if (!__builtin_add_overflow(t->sum, v, &t->sum))
			t->devices++;
	}
}

/* The sum of some devices is none: a counter that shrinks would count as begun anew. */
static void devices_sum(struct hv_use *out, const struct tally *tallies, int64_t disks, int64_t nics)
{
	for (size_t i = 0; i < ARRAY_LEN(device_fields); i++) {
		const struct tally *t = &tallies[device_fields[i].counter];
		int64_t want = strcmp(device_fields[i].group, "net.") == 0 ? nics : disks;

		if (want >= 0 && t->devices == want)
			out->counter[device_fields[i].counter] = t->sum;
	}
}

/* As the guest sees it, when its balloon driver tells; else what its process has; else what it was given. */
static int64_t memory_mib(const int64_t *kib)
{
	int64_t free_kib = kib[USABLE] >= 0 ? kib[USABLE] : kib[UNUSED];

	if (kib[AVAILABLE] > 0 && free_kib >= 0 && free_kib <= kib[AVAILABLE])
		return (kib[AVAILABLE] - free_kib) / 1024;
	if (kib[RSS] > 0)
		return kib[RSS] / 1024;
	return kib[CURRENT] < 0 ? SAMPLE_UNKNOWN : kib[CURRENT] / 1024;
}

void useparams_read(const virTypedParameter *params, int n, struct hv_use *out)
{
	struct tally tallies[SAMPLE_COUNTERS] = { { 0 } };
	int64_t disks = SAMPLE_UNKNOWN, nics = SAMPLE_UNKNOWN, kib[MEMORY_FIELDS];

	for (int i = 0; i < SAMPLE_COUNTERS; i++)
		out->counter[i] = SAMPLE_UNKNOWN;
	for (int k = 0; k < MEMORY_FIELDS; k++)
		kib[k] = SAMPLE_UNKNOWN;
	for (int i = 0; i < n; i++) {
		const virTypedParameter *p = &params[i];

		if (strcmp(p->field, "cpu.time") == 0)
			out->counter[SAMPLE_CPU_NS] = number(p);
		else if (strcmp(p->field, "block.count") == 0)
			disks = number(p);
		else if (strcmp(p->field, "net.count") == 0)
			nics = number(p);
		else
			device_add(p, tallies);
		for (int k = 0; k < MEMORY_FIELDS; k++)
			if (strcmp(p->field, memory_fields[k]) == 0)
				kib[k] = number(p);
	}
	devices_sum(out, tallies, disks, nics);
	out->ram_mib = memory_mib(kib);
}
