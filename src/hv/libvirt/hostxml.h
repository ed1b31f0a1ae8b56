/* SPDX-License-Identifier: Apache-2.0 */
/* What a host's own XML says: capabilities, its pool. Pure: text in, structs out. */
#ifndef HV_LIBVIRT_HOSTXML_H
#define HV_LIBVIRT_HOSTXML_H

#include "hv/hv.h"

struct host_caps {            /* strings and arrays in the caller's arena */
	char uuid[UUID_TEXT]; /* "" when the host names none */
	const char *arch, *cpu_model;
	int sockets, cores, threads; /* 0 unknown */
	const struct hv_cell *cells;
	size_t cells_n;
	/* guests */
	const char *guest_arch, *emulator;
	bool offers_kvm;
};

int hostxml_caps(struct arena *a, const char *xml, struct host_caps *out, struct error *err);
/* Does this <cpu> (with its features expanded) have one of the x86 virtualization extensions? */
bool hostxml_cpu_virtualizes(const char *xml);
/* The names of such a <cpu>'s features that are there, sorted, blanks between. */
char *hostxml_cpu_features(struct arena *a, const char *xml);
/* The <cpu> element of the host in capabilities, as text in the arena; NULL when there is none. */
char *hostxml_cpu_text(struct arena *a, const char *caps_xml);
/* A pool's directory, in the arena; NULL when it is not one of files in a directory. */
char *hostxml_pool_path(struct arena *a, const char *pool_xml);

#endif
