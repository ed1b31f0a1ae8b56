/* SPDX-License-Identifier: Apache-2.0 */
/* A host's URI as libvirt wants it, and whether somebody listens there. */
#ifndef HV_LIBVIRT_ADDRESS_H
#define HV_LIBVIRT_ADDRESS_H

#include "hv/hv.h"

/* The target's URI with pkipath=<pki_dir> (unless it names one), owned by the caller; NULL with the error. */
char *address_uri(const struct hv_target *target, struct error *err);
/* Host and port of an scheme+tls:// URI; the default port is libvirt's 16514. */
int address_host(const char *uri, char *host, size_t host_size, char port[8], struct error *err);
/* Connects by TCP and hangs up: 0 when somebody accepts within timeout_ms, else -1 (ERR_UNREACHABLE). */
int address_probe(const char *uri, unsigned timeout_ms, struct error *err);

#endif
