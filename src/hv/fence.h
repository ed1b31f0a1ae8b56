/* SPDX-License-Identifier: Apache-2.0 */
/* What can read a host's power and change it from outside: a service processor that speaks Redfish, or a
 * program of the operator's. Calls block, for a thread. Nothing here decides anything: that a host is off is
 * only ever what was read. */
#ifndef HV_FENCE_H
#define HV_FENCE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/error.h"

enum fence_power { FENCE_UNKNOWN, FENCE_OFF, FENCE_ON };
const char *fence_power_text(enum fence_power p); /* "", off, on */

struct fence_agent {        /* texts are the caller's, and are not NULL */
	const char *host;   /* its name */
	const char *target; /* https://bmc/redfish/v1/Systems/1; or the program's name */
	const char *user, *password;
	const char *ca;          /* PEM: who vouches for it; "": the system's */
	const char *command_dir; /* where programs are; "": there are none */
	long timeout_s;          /* of one call */
	const atomic_bool *stop; /* ends what is under way soon */
};

struct fence_driver {
	const char *name;
	/* Is the target one, as far as its text says? ERR_BAD_REQUEST. */
	int (*check)(const struct fence_agent *a, struct error *err);
	/* FENCE_UNKNOWN: it is between the two, or says nothing that is known. */
	int (*read)(const struct fence_agent *a, enum fence_power *out, struct error *err);
	/* Asks for it; whether it came is for `read` to say. Off is at once, without the guest system's help.
	 */
	int (*set)(const struct fence_agent *a, bool on, struct error *err);
};

extern const struct fence_driver fence_redfish, fence_command;
/* NULL: there is none of that name. */
const struct fence_driver *fence_driver_find(const char *name);
/* Before the first call, on the main thread. */
void fence_start(void);

#endif
