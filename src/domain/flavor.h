/* SPDX-License-Identifier: Apache-2.0 */
/* Flavors: what values are valid, and what their extra specs ask for. An extra spec that would not be
 * honoured is refused when it is set: nothing is silently ignored. */
#ifndef DOMAIN_FLAVOR_H
#define DOMAIN_FLAVOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
	FLAVOR_MODEL = 256, /* a GPU model's name, or several with '|' between, with its NUL */
	FLAVOR_PROFILE = 64,
	FLAVOR_TRAIT = 128,
	FLAVOR_TRAITS_MAX = 16,
	FLAVOR_CELLS_MAX = 8,
	FLAVOR_PINS_MAX = 512, /* dedicated vCPUs */
	FLAVOR_GPU_KINDS_MAX = 4,
	FLAVOR_GPUS_MAX = 64, /* in one server */
	FLAVOR_AGGREGATES_MAX = 8,
	FLAVOR_VCPUS_MAX = 4096,
	FLAVOR_RAM_MIB_MAX = 64 << 20, /* 64 TiB */
	FLAVOR_DISK_GIB_MAX = 1 << 20, /* 1 PiB */
	FLAVOR_EXTRA_SPECS_MAX = 64
};

/* The extra spec, and the metadata of an aggregate, by which a host takes one server. */
#define FLAVOR_EXCLUSIVE_HOST "cloudd:exclusive_host"

struct flavor_values {
	const char *id, *name, *description; /* id and description may be NULL: made, none */
	int64_t vcpus, ram_mib, disk_gib, ephemeral_gib, swap_mib;
	double rxtx_factor;
};

/* ERR_BAD_REQUEST naming the field and its range. rxtx_factor is kept for clients that read it back; as with
 * OpenStack's libvirt hosts it has no effect. */
int flavor_check(const struct flavor_values *f, struct error *err);

struct flavor_gpu_want {
	char model[FLAVOR_MODEL];     /* "h100", or "h100|h200": any of them; "": any that can be cut so */
	char profile[FLAVOR_PROFILE]; /* a partition; "": whole */
	int count;
};

struct flavor_aggregate_want { /* metadata that an aggregate of the host must have */
	char key[128], value[256];
};

struct flavor_trait {
	char name[FLAVOR_TRAIT];
	bool forbidden; /* else required */
};

struct flavor_cell { /* a NUMA cell of the server: vCPUs in a row */
	int first, vcpus;
	int64_t ram_mib;
};

enum flavor_wish { FLAVOR_WHATEVER, FLAVOR_PREFERRED, FLAVOR_REQUIRED };
enum flavor_threads { FLAVOR_THREADS_PREFER, FLAVOR_THREADS_ISOLATE, FLAVOR_THREADS_REQUIRE };
enum flavor_pci { FLAVOR_PCI_LEGACY, FLAVOR_PCI_REQUIRED, FLAVOR_PCI_PREFERRED, FLAVOR_PCI_SOCKET };
enum flavor_scope { FLAVOR_ANYWHERE, FLAVOR_ONE_HOST, FLAVOR_ONE_RACK, FLAVOR_ONE_FABRIC };
/* hw:mem_page_size, in KiB where it is a size. */
enum { FLAVOR_PAGE_ANY = 0, FLAVOR_PAGE_LARGE = -1 };

/* What a flavor's extra specs ask of a host. */
struct flavor_wants {
	struct flavor_gpu_want gpus[FLAVOR_GPU_KINDS_MAX];
	size_t gpus_n;
	struct flavor_gpu_want part; /* resources:VGPU and what says which partition */
	struct flavor_aggregate_want aggregates[FLAVOR_AGGREGATES_MAX];
	size_t aggregates_n;
	struct flavor_trait traits[FLAVOR_TRAITS_MAX];
	size_t traits_n;
	bool exclusive_host; /* no other server there */
	bool preemptible;    /* leaves when others need its room */
	int cells_n;         /* hw:numa_nodes; 0: not said */
	struct flavor_cell cells[FLAVOR_CELLS_MAX];
	uint32_t cells_cpus, cells_ram; /* bit: hw:numa_cpus.N, hw:numa_mem.N was said */
	bool dedicated;
	int pcpus; /* resources:PCPU; 0: not said */
	bool threads_said, scope_wish_said;
	enum flavor_threads threads;
	int page_kib;
	enum flavor_pci pci;
	enum flavor_wish link, scope_wish;
	enum flavor_scope scope;
};

/* Whether the model is one of "h100|h200". */
bool flavor_model_among(const char *models, const char *model);
/* The number of GPUs of all kinds, a partition as one: what quota and usage count. */
int64_t flavor_wants_gpus(const struct flavor_wants *w);

/* Checks one extra spec by the table of those that are understood and adds what it asks for to wants (NULL:
 * only check). ERR_BAD_REQUEST otherwise; the message names those of the same name space. */
int flavor_extra_spec(const char *key, const char *value, struct flavor_wants *wants, struct error *err);
/* Whether all that was added makes sense together, for a flavor of that size. ERR_BAD_REQUEST. */
int flavor_wants_check(const struct flavor_wants *w, int64_t vcpus, int64_t ram_mib, struct error *err);
/* The NUMA cells of a server of that size, equal ones unless said otherwise. Returns their number; 0: the
 * flavor says nothing of them. */
int flavor_wants_cells(const struct flavor_wants *w, int64_t vcpus, int64_t ram_mib,
	struct flavor_cell out[FLAVOR_CELLS_MAX]);

/* The table, for documents: key ("hw:numa_cpus.N" where a part varies), the values, what it does. NULL at the
 * end. */
struct flavor_spec_doc {
	const char *key, *values, *what;
};
const struct flavor_spec_doc *flavor_spec_doc(size_t i);

#endif
