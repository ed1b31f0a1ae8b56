/* SPDX-License-Identifier: Apache-2.0 */
/* What an image really is, read from its first bytes. Pure. What refers to another file, or lies about its
 * format, is refused: a host would open the other file with its own rights. */
#ifndef DOMAIN_IMAGE_INSPECT_H
#define DOMAIN_IMAGE_INSPECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { INSPECT_BYTES = 65536 }; /* as much of the start as is looked at */

/* Checks the first n bytes (all of the image if it is shorter than INSPECT_BYTES) against the format that the
 * image was declared to have ("raw" or "qcow2"). *out_virtual_size: qcow2's from its header; 0 for raw, whose
 * size is the file's. ERR_BAD_REQUEST says what is wrong. */
int image_inspect(
	const void *start, size_t n, const char *declared, int64_t *out_virtual_size, struct error *err);

#endif
