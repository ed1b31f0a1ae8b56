/* SPDX-License-Identifier: Apache-2.0 */
/* A config drive: an ISO 9660 image labelled config-2 with
 * openstack/latest/{meta_data,network_data,vendor_data, vendor_data2}.json and user_data, as cloud-init's
 * ConfigDrive data source reads it. */
#ifndef HV_CONFIG_DRIVE_H
#define HV_CONFIG_DRIVE_H

#include "base/buf.h"
#include "base/error.h"

struct config_drive {
	struct buf meta_data, network_data; /* JSON text */
	const void *user_data;              /* NULL: no file */
	size_t user_data_n;
};

/* Makes the image in memory (libisofs); reproducible for the same input apart from time stamps. Blocks: on a
 * lane. */
int config_drive_make(const struct config_drive *cd, struct buf *out, struct error *err);

#endif
