/* SPDX-License-Identifier: Apache-2.0 */
/* Where a guest's processors and memory lie, as libvirt XML: pins, NUMA cells, huge pages; written for a
 * definition, and read back from what runs. Pure. */
#ifndef HV_LIBVIRT_NUMAXML_H
#define HV_LIBVIRT_NUMAXML_H

#include <libxml/tree.h>

#include "hv/hv.h"
#include "hv/libvirt/xmlw.h"

/* <memoryBacking>, <cputune> and <numatune>, as far as the domain has them. */
void numaxml_write(struct xmlw *w, const struct hv_domain *d);
/* Inside of <cpu>: <numa>. */
void numaxml_write_cells(struct xmlw *w, const struct hv_domain *d);
/* How many sockets the guest sees. */
int numaxml_sockets(const struct hv_domain *d);

/* Fills vcpus, ram_mib, cells, pins and emulator from a domain's root element. */
int numaxml_read(struct arena *a, xmlNodePtr root, struct hv_domain *out, struct error *err);

#endif
