/* SPDX-License-Identifier: Apache-2.0 */
/* Traits of hosts: those that follow from the features of a CPU, by their names in OpenStack, and those that
 * an operator gives. */
#ifndef DOMAIN_CPU_TRAITS_H
#define DOMAIN_CPU_TRAITS_H

#include <stddef.h>

#include "base/error.h"

enum { TRAIT_NAME = 64 }; /* with its NUL */

/* "HW_CPU_X86_AVX2" of libvirt's "avx2"; NULL: none belongs to it. */
const char *cpu_trait(const char *feature);
/* All of them by number; NULL behind the last. */
const char *cpu_trait_at(size_t i);

/* CUSTOM_ and capital letters, digits, underscores. ERR_BAD_REQUEST. */
int trait_check_custom(const char *name, struct error *err);

#endif
