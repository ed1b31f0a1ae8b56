/* SPDX-License-Identifier: Apache-2.0 */
/* The statuses of servers as bits: what a promise allows. */
#ifndef TESTS_SIM_STATUS_H
#define TESTS_SIM_STATUS_H

#include <stdint.h>

enum {
	BIT_ACTIVE = 1,
	BIT_SHUTOFF = 2,
	BIT_PAUSED = 4,
	BIT_SUSPENDED = 8,
	BIT_RESCUE = 16,
	BIT_OFFLOADED = 32,
	BIT_VERIFY = 64,
	BIT_ERROR = 128,
	BIT_SHELVED = 256, /* and still on its host; to a promise it is the same as OFFLOADED */
};

/* Of a status that servers come to rest in; 0: it is none. */
uint32_t status_bit(const char *status);

#endif
