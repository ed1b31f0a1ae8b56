/* SPDX-License-Identifier: Apache-2.0 */
/* What a record of libvirt's bulk statistics says of a guest's use. Pure: parameters in, struct out. */
#ifndef HV_LIBVIRT_USEPARAMS_H
#define HV_LIBVIRT_USEPARAMS_H

#include <libvirt/libvirt.h>

#include "hv/hv.h"

/* Fills counters and memory; each group of parameters may be missing, whole or in part. */
void useparams_read(const virTypedParameter *params, int n, struct hv_use *out);

#endif
