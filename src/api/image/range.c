/* SPDX-License-Identifier: Apache-2.0 */
#include "api/image/range.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Digits at *p; more than int64_t holds counts as its largest. */
static bool number(const char **p, int64_t *out)
{
	int64_t v = 0;

	if (!isdigit((unsigned char)**p))
		return false;
	for (; isdigit((unsigned char)**p); (*p)++)
		v = v > (INT64_MAX - 9) / 10 ? INT64_MAX / 10 : v * 10 + (**p - '0');
	*out = v;
	return true;
}

static struct byte_range part(int64_t first, int64_t last, int64_t size)
{
	if (last >= size)
		last = size - 1;
	return (struct byte_range) { RANGE_PART, first, last - first + 1 };
}

struct byte_range range_parse(const char *header, int64_t size)
{
	const struct byte_range all = { RANGE_ALL, 0, size }, none = { RANGE_UNSATISFIABLE, 0, 0 };
	const char *p = header;
	int64_t first, last = INT64_MAX;

	if (!p || strncasecmp(p, "bytes=", 6) != 0)
		return all;
	p += 6;
	if (*p == '-') { /* the last bytes */
		p++;
		if (!number(&p, &last) || *p)
			return all;
		if (!last || !size)
			return none;
		return part(last < size ? size - last : 0, size - 1, size);
	}
	if (!number(&p, &first) || *p++ != '-')
		return all;
	if (*p && (!number(&p, &last) || *p || last < first))
		return all;
	return first < size ? part(first, last, size) : none;
}
