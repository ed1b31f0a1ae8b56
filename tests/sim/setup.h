/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_SETUP_H
#define TESTS_SIM_SETUP_H

/* A thread that fills an empty cloud. */
void setup_start(void);
/* Where a host is. */
void setup_uri(int host, char out[200]);

#endif
