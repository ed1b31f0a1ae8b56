/* SPDX-License-Identifier: Apache-2.0 */
#include "placement/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* Where the key belongs if nothing is in its way. */
static size_t home(const struct map *m, int64_t key)
{
	uint64_t h = (uint64_t)key * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(h >> 32) & (m->cap - 1);
}

/* The entry of the key, or the free one where it would go. */
static struct map_entry *seek(const struct map *m, int64_t key)
{
	size_t i = home(m, key);

	while (m->entries[i].value != MAP_NONE && m->entries[i].key != key)
		i = (i + 1) & (m->cap - 1);
	return &m->entries[i];
}

void map_finish(struct map *m)
{
	free(m->entries);
	*m = (struct map) { 0 };
}

struct map map_copy(const struct map *m)
{
	struct map to = *m;

	if (m->cap) {
		to.entries = xmalloc(m->cap * sizeof *to.entries);
		memcpy(to.entries, m->entries, m->cap * sizeof *to.entries);
	}
	return to;
}

int64_t map_get(const struct map *m, int64_t key)
{
	return m->cap ? seek(m, key)->value : MAP_NONE;
}

static void grow(struct map *m)
{
	struct map old = *m;

	m->cap = old.cap ? 2 * old.cap : 16;
	m->entries = xmalloc(m->cap * sizeof *m->entries);
	for (size_t i = 0; i < m->cap; i++)
		m->entries[i].value = MAP_NONE;
	for (size_t i = 0; i < old.cap; i++)
		if (old.entries[i].value != MAP_NONE)
			*seek(m, old.entries[i].key) = old.entries[i];
	free(old.entries);
}

void map_set(struct map *m, int64_t key, int64_t value)
{
	struct map_entry *e;

	if (2 * (m->n + 1) > m->cap)
		grow(m);
	e = seek(m, key);
	m->n += e->value == MAP_NONE;
	*e = (struct map_entry) { key, value };
}

void map_remove(struct map *m, int64_t key)
{
	size_t hole, i;

	if (map_get(m, key) == MAP_NONE)
		return;
	hole = i = (size_t)(seek(m, key) - m->entries);
	/* close the gap: what was pushed past the hole moves back, so that no key is cut off from its home */
	for (;;) {
		size_t at;

		i = (i + 1) & (m->cap - 1);
		if (m->entries[i].value == MAP_NONE)
			break;
		at = home(m, m->entries[i].key);
		if (((i - at) & (m->cap - 1)) < ((i - hole) & (m->cap - 1)))
			continue; /* its home lies behind the hole */
		m->entries[hole] = m->entries[i];
		hole = i;
	}
	m->entries[hole].value = MAP_NONE;
	m->n--;
}
