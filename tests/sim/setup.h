/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_SETUP_H
#define TESTS_SIM_SETUP_H

#include <stddef.h>

/* A thread that fills an empty cloud. */
void setup_start(void);
/* Where a host is. */
void setup_uri(int host, char out[200]);
/* The body of the request that adds it. */
void setup_host_body(int host, char *out, size_t size);

#endif
