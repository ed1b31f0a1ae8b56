/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's PCI Express tree as libvirt XML: its ports, and the host's devices behind them, each below the
 * cell of the guest that it is close to; written for a definition, and read back from what runs. Pure.
 *
 *	pcie-root ──── a port for each other device, and free ones
 *	   └────────── an expander for each cell that has devices of the host ──── a port for each of them
 */
#ifndef HV_LIBVIRT_TREEXML_H
#define HV_LIBVIRT_TREEXML_H

#include <libxml/tree.h>

#include "hv/hv.h"
#include "hv/libvirt/xmlw.h"

/* The controllers, then the devices of the host. `tree`: the machine has such a tree; else libvirt finds the
 * devices a place. */
void treexml_write_ports(struct xmlw *w, const struct hv_domain *d);
void treexml_write_devices(struct xmlw *w, const struct hv_domain *d, bool tree);

/* Fills hostdevs and mdevs from a domain's <devices>. */
int treexml_read(struct arena *a, xmlNodePtr devices, struct hv_domain *out, struct error *err);

/* Is it a PCI address? Its parts into out (domain, bus, slot, function), which may be NULL. */
bool treexml_address(const char *text, unsigned out[4]);

#endif
