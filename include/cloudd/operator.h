/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon and its command line share: where they meet, and the exit codes that scripts rely on. */
#ifndef CLOUDD_OPERATOR_H
#define CLOUDD_OPERATOR_H

#define CLOUDD_SOCKET_PATH "/run/cloudd/cloudd.sock"
#define CLOUDD_OPERATOR_PREFIX "/cloud/v1"

enum cloudctl_exit {
	CLOUDCTL_OK = 0,
	CLOUDCTL_REFUSED = 1,     /* the API refused, or a check found something */
	CLOUDCTL_USAGE = 2,       /* the command line is wrong */
	CLOUDCTL_UNREACHABLE = 3, /* no answer from cloudd */
};

#endif
