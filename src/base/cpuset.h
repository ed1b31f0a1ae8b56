/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of a host's logical CPUs (or of its NUMA cells), as the kernel and libvirt write them: "0-3,8,10-11".
 */
#ifndef BASE_CPUSET_H
#define BASE_CPUSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { CPUSET_MAX = 1024 };

struct cpuset { /* all 0: empty */
	uint64_t bits[CPUSET_MAX / 64];
};

/* "" is the empty set. -1: not such a text, a number from CPUSET_MAX on; *out is untouched. */
int cpuset_parse(const char *text, struct cpuset *out);
/* In its shortest form; nothing for the empty set. */
void cpuset_write(const struct cpuset *s, struct buf *out);

/* False, and nothing is added: no such CPU. */
bool cpuset_add(struct cpuset *s, int cpu);
bool cpuset_has(const struct cpuset *s, int cpu);
bool cpuset_empty(const struct cpuset *s);
bool cpuset_same(const struct cpuset *a, const struct cpuset *b);
void cpuset_join(struct cpuset *s, const struct cpuset *more);
void cpuset_without(struct cpuset *s, const struct cpuset *less);
void cpuset_common(struct cpuset *s, const struct cpuset *other);
/* The first member from `from` on; -1: none. */
int cpuset_next(const struct cpuset *s, int from);

#endif
