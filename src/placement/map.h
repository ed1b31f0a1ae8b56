/* SPDX-License-Identifier: Apache-2.0 */
/* Row ids to array positions: a hash with open addressing and linear probing. */
#ifndef PLACEMENT_MAP_H
#define PLACEMENT_MAP_H

#include <stddef.h>
#include <stdint.h>

enum { MAP_NONE = -1 };

struct map_entry {
	int64_t key;
	int64_t value; /* 0 or more; MAP_NONE: the place is free */
};

struct map {
	struct map_entry *entries;
	size_t n, cap; /* cap: 0 or a power of two */
};

/* An all-zero map is ready; map_finish leaves it ready again. */
void map_finish(struct map *m);
struct map map_copy(const struct map *m);
int64_t map_get(const struct map *m, int64_t key); /* MAP_NONE: not there */
void map_set(struct map *m, int64_t key, int64_t value);
void map_remove(struct map *m, int64_t key);

#endif
