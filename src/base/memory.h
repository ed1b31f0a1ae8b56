/* SPDX-License-Identifier: Apache-2.0 */
/* A reserve of address space for the day when an allocation fails: it is given back, the allocation is tried
 * again, and whoever begins new work asks memory_low first. What fails even then aborts (util.h): the next
 * start goes on from the database, and no answered write is lost. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Sets n bytes aside; they are not touched, and so take no memory. */
void memory_reserve(size_t n);
/* The reserve is used up. */
bool memory_low(void);
/* Tries to have it again. */
void memory_regain(void);

#endif
