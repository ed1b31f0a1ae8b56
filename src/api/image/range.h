/* SPDX-License-Identifier: Apache-2.0 */
/* The Range header (RFC 9110 section 14) as far as single ranges of bytes go. Pure. */
#ifndef API_IMAGE_RANGE_H
#define API_IMAGE_RANGE_H

#include <stdint.h>

struct byte_range {
	enum { RANGE_ALL, RANGE_PART, RANGE_UNSATISFIABLE } kind;
	int64_t first, count;
};

/* header NULL, malformed, or with several ranges: all, as the RFC lets a server do. */
struct byte_range range_parse(const char *header, int64_t size);

#endif
