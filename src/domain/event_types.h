/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of events that others are told of: names, who hears of them, and what they mean. */
#ifndef DOMAIN_EVENT_TYPES_H
#define DOMAIN_EVENT_TYPES_H

#include <stdbool.h>
#include <stddef.h>

struct event_type {
	const char *name;
	bool tenant; /* the project that it is about hears of it; else the operator alone */
	const char *meaning;
};

extern const struct event_type event_types[];
extern const size_t event_types_n;

/* NULL: there is none of that name. */
const struct event_type *event_type_find(const char *name);

enum { EVENT_WANTED_MAX = 512 };
/* A list of names, or of beginnings of names up to a dot ("server" is all of server.…), with blanks or commas
 * between; "" is all. False when one of them begins no name, or the list is longer than it may be. */
bool event_wanted_valid(const char *list);
bool event_wanted(const char *list, const char *name);

#endif
