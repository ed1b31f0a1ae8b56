/* SPDX-License-Identifier: Apache-2.0 */
/* The PCI devices of a host: each as its own XML tells, and what they are to each other. Pure: text in,
 * structs out. */
#ifndef HV_LIBVIRT_NODEXML_H
#define HV_LIBVIRT_NODEXML_H

#include "hv/hv.h"

struct pci {                     /* a device of any class */
	struct hv_device device; /* without companions; mdev_types of its own */
	uint8_t class;           /* base class: 0x03 display */
	bool bridge;             /* to another bus, or to the processors' own: never a guest's */
	char physical[16];       /* of a virtual function: the device that it is one of; else "" */
};

/* 1 a PCI device, 0 none, -1 unreadable. */
int nodexml_read(struct arena *a, const char *xml, struct pci *out, struct error *err);
/* Of all PCI devices the GPUs and accelerators, with what belongs to them: companions, types of mediated
 * devices of their virtual functions. These are no devices of their own. By address, in the arena. */
void nodexml_devices(
	struct arena *a, const struct pci *all, size_t n, const struct hv_device **out, size_t *out_n);

#endif
