/* SPDX-License-Identifier: Apache-2.0 */
/* Mediated devices in the XML of libvirt's node devices. Pure: text in, structs out, and back. */
#ifndef HV_LIBVIRT_MDEVXML_H
#define HV_LIBVIRT_MDEVXML_H

#include "hv/hv.h"

enum { MDEVXML_NAME = 32 };

/* libvirt's name of a PCI device: "pci_0000_65_00_0"; "" when the address is none. */
void mdevxml_pci_name(const char *address, char out[MDEVXML_NAME]);
/* Is this libvirt's name of the mediated device with that uuid? */
bool mdevxml_is(const char *name, const char *uuid);
/* What makes one of a type below a parent, both by libvirt's names. */
void mdevxml_write(struct buf *out, const char *parent, const char *type_id, const char *uuid);

struct mdevxml_parent {         /* in the arena */
	const char *type_id;    /* of the type that was asked for; NULL: it does not offer it */
	int64_t available;      /* how many more of it can be made */
	const char **functions; /* its virtual functions: libvirt's names */
	size_t functions_n;
};
/* What a PCI device's XML says; the type by its id or its name. */
int mdevxml_parent(
	struct arena *a, const char *xml, const char *type, struct mdevxml_parent *out, struct error *err);

#endif
