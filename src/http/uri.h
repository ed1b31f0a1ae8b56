/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding (RFC 3986 section 2.1), decoded to text. */
#ifndef HTTP_URI_H
#define HTTP_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* n bytes decoded into the arena; plus: '+' is a blank, as in forms and queries. NULL when an escape is
 * malformed or the result is not UTF-8 without NUL. */
char *uri_decode(struct arena *a, const char *s, size_t n, bool plus);

#endif
