/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/flavor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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

int64_t flavor_wants_gpus(const struct flavor_wants *w)
{
	int64_t n = 0;

	for (size_t i = 0; i < w->gpus_n; i++)
		n += w->gpus[i].count;
	return n;
}

static const char aggregate_prefix[] = "aggregate_instance_extra_specs:";
static const char model_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

static int add_gpus(const struct flavor_gpu_want *want, struct flavor_wants *wants, struct error *err)
{
	size_t i = 0;

	while (i < wants->gpus_n && strcmp(wants->gpus[i].model, want->model) != 0)
		i++;
	if (i < wants->gpus_n)
		return error_set(err, ERR_BAD_REQUEST, "pci_passthrough:alias names %s twice", want->model);
	if (i == FLAVOR_GPU_KINDS_MAX)
		return error_set(err, ERR_BAD_REQUEST, "pci_passthrough:alias may name at most %d models",
			FLAVOR_GPU_KINDS_MAX);
	if (flavor_wants_gpus(wants) + want->count > FLAVOR_GPUS_MAX)
		return error_set(err, ERR_BAD_REQUEST, "pci_passthrough:alias may ask for at most %d GPUs",
			FLAVOR_GPUS_MAX);
	wants->gpus[i] = *want;
	wants->gpus_n++;
	return 0;
}

/* "h100:8,l40s:1" */
static int spec_gpus(const char *value, struct flavor_wants *wants, struct error *err)
{
	const char *p = value;

	do {
		struct flavor_gpu_want want = { .count = 0 };
		size_t n;
		int digits = 0;

		p += strspn(p, " ");
		n = strspn(p, model_chars);
		if (n == 0 || n >= sizeof want.model || p[n] != ':')
			break;
		memcpy(want.model, p, n);
		for (p += n + 1; *p >= '0' && *p <= '9' && digits < 4; p++, digits++)
			want.count = want.count * 10 + (*p - '0');
		p += strspn(p, " ");
		if (want.count < 1 || (*p && *p != ','))
			break;
		if (add_gpus(&want, wants, err) < 0)
			return -1;
		if (!*p)
			return 0;
	} while (*p++ == ',');
	return error_set(err, ERR_BAD_REQUEST,
		"pci_passthrough:alias must be MODEL:COUNT[,MODEL:COUNT...], not '%.64s'", value);
}

/* Every guest has a virtio-rng device. */
static int spec_rng(const char *value, struct flavor_wants *wants, struct error *err)
{
	bool on;

	(void)wants;
	if (str_bool(value, &on) && on)
		return 0;
	return error_set(
		err, ERR_BAD_REQUEST, "hw_rng:allowed must be true: every server has a random number device");
}

/* vCPUs float over the host's CPUs. */
static int spec_cpu_policy(const char *value, struct flavor_wants *wants, struct error *err)
{
	(void)wants;
	if (strcmp(value, "shared") == 0)
		return 0;
	return error_set(err, ERR_BAD_REQUEST, "hw:cpu_policy must be shared: hosts here do not pin vCPUs");
}

static int spec_exclusive(const char *value, struct flavor_wants *wants, struct error *err)
{
	if (str_bool(value, &wants->exclusive_host))
		return 0;
	return error_set(
		err, ERR_BAD_REQUEST, FLAVOR_EXCLUSIVE_HOST " must be true or false, not '%.64s'", value);
}

/* Metadata that an aggregate of the host has: the whole value, no operators. */
static int spec_aggregate(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	static const char *const operators[] = { "=", "<", ">", "!=", "s==", "s!=", "s<", "s>" };
	struct flavor_aggregate_want *w = &wants->aggregates[wants->aggregates_n];

	for (size_t i = 0; i < ARRAY_LEN(operators); i++)
		if (str_starts(value, operators[i]))
			return error_set(err, ERR_BAD_REQUEST,
				"%s%.64s is compared as a whole: the operator '%s' is not understood here",
				aggregate_prefix, key, operators[i]);
	if (wants->aggregates_n == FLAVOR_AGGREGATES_MAX)
		return error_set(err, ERR_BAD_REQUEST,
			"a flavor may name metadata of aggregates at most %d times", FLAVOR_AGGREGATES_MAX);
	if (!*key || !str_copy(w->key, sizeof w->key, key) || !str_copy(w->value, sizeof w->value, value))
		return error_set(err, ERR_BAD_REQUEST,
			"%sKEY needs a key of 1 to %zu bytes and a value of at most %zu", aggregate_prefix,
			sizeof w->key - 1, sizeof w->value - 1);
	wants->aggregates_n++;
	return 0;
}

static const struct {
	const char *key;
	int (*parse)(const char *value, struct flavor_wants *wants, struct error *err);
} specs[] = {
	{ "pci_passthrough:alias", spec_gpus },
	{ "hw_rng:allowed", spec_rng },
	{ "hw:cpu_policy", spec_cpu_policy },
	{ FLAVOR_EXCLUSIVE_HOST, spec_exclusive },
};

int flavor_extra_spec(const char *key, const char *value, struct flavor_wants *wants, struct error *err)
{
	struct flavor_wants scratch = { .gpus_n = 0 };
	char known[200] = "";
	size_t n = 0;

	if (name_check(NAME_EXTRA_SPEC_KEY, key, err) < 0 ||
		name_check(NAME_EXTRA_SPEC_VALUE, value, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(specs); i++)
		if (strcmp(specs[i].key, key) == 0)
			return specs[i].parse(value, wants ? wants : &scratch, err);
	if (str_starts(key, aggregate_prefix))
		return spec_aggregate(key + strlen(aggregate_prefix), value, wants ? wants : &scratch, err);
	for (size_t i = 0; i < ARRAY_LEN(specs); i++)
		n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", specs[i].key);
	return error_set(err, ERR_BAD_REQUEST,
		"the extra spec '%.60s' is not understood here and would have no effect; understood are: %s, "
		"%s*",
		key, known, aggregate_prefix);
}
