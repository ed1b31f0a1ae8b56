/* SPDX-License-Identifier: Apache-2.0 */
/* What a domain was promised against what it has. Pure. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "hv/hv.h"

static const char message[] = "The host did not give the server what it was promised.";

bool hv_domain_broken(const struct error *why)
{
	return why->code == ERR_CONFLICT && strcmp(why->msg, message) == 0;
}

static bool broken(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool broken(struct error *err, const char *fmt, ...)
{
	char text[sizeof err->detail];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	error_set(err, ERR_CONFLICT, "%s", message);
	error_detail(err, "%s", text);
	return false;
}

static bool same_number(
	struct error *err, const char *what, long long promised, long long has, const char *unit)
{
	return promised == has ? true : broken(err, "%s %lld%s, not %lld", what, has, unit, promised);
}

static const char *cell_text(int cell, char out[32])
{
	if (cell < 0)
		return "no cell";
	snprintf(out, 32, "cell %d", cell);
	return out;
}

static bool same_cells(const struct hv_domain *promised, const struct hv_domain *has, struct error *err)
{
	if (promised->cells_n && !same_number(err, "the number of NUMA cells is",
					 (long long)promised->cells_n, (long long)has->cells_n, ""))
		return false;
	for (size_t i = 0; i < promised->cells_n; i++) {
		const struct hv_guest_cell *p = &promised->cells[i], *h = &has->cells[i];
		char what[64], there[32];

		if (p->cell != h->cell)
			return broken(err, "cell %zu lies in %s of the host, not in cell %d", i,
				cell_text(h->cell, there), p->cell);
		snprintf(what, sizeof what, "cell %zu has", i);
		if (!same_number(err, what, p->vcpus, h->vcpus, " vCPUs") ||
			!same_number(err, what, p->ram_mib, h->ram_mib, " MiB of memory") ||
			!same_number(err, what, p->page_kib, h->page_kib, " KiB a page"))
			return false;
	}
	return true;
}

static bool same_set(
	struct error *err, const char *who, const struct cpuset *promised, const struct cpuset *has)
{
	CLEANUP(buf_finish) struct buf p = { 0 }, h = { 0 };

	if (cpuset_same(promised, has))
		return true;
	cpuset_write(promised, &p);
	cpuset_write(has, &h);
	return broken(
		err, "%s may run on %.80s, not on %.80s", who, h.len ? buf_text(&h) : "any", buf_text(&p));
}

static bool same_pins(const struct hv_domain *promised, const struct hv_domain *has, struct error *err)
{
	static const struct cpuset any = { 0 };

	for (size_t i = 0; i < promised->pins_n; i++) {
		char who[32];

		snprintf(who, sizeof who, "vCPU %zu", i);
		if (!same_set(err, who, &promised->pins[i], i < has->pins_n ? &has->pins[i] : &any))
			return false;
	}
	return cpuset_empty(&promised->emulator) ||
	       same_set(err, "the emulator", &promised->emulator, &has->emulator);
}

/* A device of either kind, by its name. */
struct device {
	const char *name;
	int guest_cell;
};

static size_t devices(const struct hv_domain *d)
{
	return d->hostdevs_n + d->mdevs_n;
}

static struct device device_at(const struct hv_domain *d, size_t i)
{
	if (i < d->hostdevs_n)
		return (struct device) { d->hostdevs[i].address, d->hostdevs[i].guest_cell };
	i -= d->hostdevs_n;
	return (struct device) { d->mdevs[i].uuid, d->mdevs[i].guest_cell };
}

static bool find(const struct hv_domain *d, const char *name, struct device *out)
{
	for (size_t i = 0; i < devices(d); i++) {
		*out = device_at(d, i);
		if (strcmp(out->name, name) == 0)
			return true;
	}
	return false;
}

static bool same_devices(const struct hv_domain *promised, const struct hv_domain *has, struct error *err)
{
	struct device p, h;
	char there[32], here[32];

	for (size_t i = 0; i < devices(promised); i++) {
		p = device_at(promised, i);
		if (!find(has, p.name, &h))
			return broken(err, "it has no device %s", p.name);
		if (p.guest_cell >= 0 && p.guest_cell != h.guest_cell)
			return broken(err, "device %s is at %s, not at %s", p.name,
				cell_text(h.guest_cell, there), cell_text(p.guest_cell, here));
	}
	for (size_t i = 0; i < devices(has); i++) {
		h = device_at(has, i);
		if (!find(promised, h.name, &p))
			return broken(err, "it has device %s, which is not its own", h.name);
	}
	return true;
}

bool hv_domain_kept(const struct hv_domain *promised, const struct hv_domain *has, struct error *err)
{
	return same_number(err, "it has", promised->vcpus, has->vcpus, " vCPUs") &&
	       same_number(err, "it has", promised->ram_mib, has->ram_mib, " MiB of memory") &&
	       same_cells(promised, has, err) && same_pins(promised, has, err) &&
	       same_devices(promised, has, err);
}
