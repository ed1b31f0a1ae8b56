/* SPDX-License-Identifier: Apache-2.0 */
/* What the program does while no cloudd serves: putting a backup back. */
#ifndef CLOUDD_OFFLINE_H
#define CLOUDD_OFFLINE_H

struct config;

struct offline_restore { /* one of them */
	const char *file;
	const char *at; /* a time: the newest backup of backup_dir that is not younger */
};

/* Says on standard output what it does. The process's exit code. */
int offline_restore(const struct config *c, const struct offline_restore *what);

#endif
