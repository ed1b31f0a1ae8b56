/* SPDX-License-Identifier: Apache-2.0 */
/* cloudd --recover-from-hosts: a new database of what the hosts have, shown before it is made. */
#ifndef CLOUDD_RECOVER_H
#define CLOUDD_RECOVER_H

#include <stdbool.h>

struct config;

struct offline_recover {
	char *const *hosts; /* NAME=URI each, or one name of a file of lines NAME URI [POOL] */
	int hosts_n;
	const char *cloud; /* NULL: that of the marks */
	bool apply;        /* else it is only shown */
};

/* The process's exit code. */
int offline_recover(const struct config *c, const struct offline_recover *what);

#endif
