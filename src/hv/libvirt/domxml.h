/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's definition as libvirt XML, and our mark in it. Pure: structs in, text out; compared with golden
 * files. */
#ifndef HV_LIBVIRT_DOMXML_H
#define HV_LIBVIRT_DOMXML_H

#include "hv/hv.h"

#define DOMXML_NS "https://cloudd.dev/ns/1"

struct domxml_host {
	const char *type;     /* kvm, qemu or test */
	const char *arch;     /* x86_64 */
	const char *emulator; /* NULL: libvirt's default */
	const char *pool;     /* where the disks are */
	const char *log_path; /* file for the serial console; NULL: none */
};

void domxml_write(struct buf *out, const struct hv_domain *d, const struct domxml_host *host);

struct domxml_mark {
	char cloud_id[80];
	int64_t epoch;
};

/* Reads our mark, the text of the element itself. -1 when it is not one. */
int domxml_mark_read(const char *xml, struct domxml_mark *out);

#endif
