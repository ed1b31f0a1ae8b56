/* SPDX-License-Identifier: Apache-2.0 */
/* The statuses of servers as bits: what a promise allows. */
#ifndef TESTS_SIM_STATUS_H
#define TESTS_SIM_STATUS_H

enum {
	BIT_ACTIVE = 1,
	BIT_SHUTOFF = 2,
	BIT_PAUSED = 4,
	BIT_SUSPENDED = 8,
	BIT_RESCUE = 16,
	BIT_OFFLOADED = 32,
	BIT_VERIFY = 64,
	BIT_ERROR = 128,
};

#endif
