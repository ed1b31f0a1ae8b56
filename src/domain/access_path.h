/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of paths, as Keystone's access rules have them: * or {name} is one segment or a part of one, ** is
 * whatever comes. */
#ifndef DOMAIN_ACCESS_PATH_H
#define DOMAIN_ACCESS_PATH_H

#include <stdbool.h>

enum { ACCESS_PATH_MAX = 128 };

/* Begins with a slash, is short enough, and its braces are closed. */
bool access_path_valid(const char *pattern);
bool access_path_matches(const char *pattern, const char *path);

#endif
