/* SPDX-License-Identifier: Apache-2.0 */
/* What the tables of commands are written with, and the tables. A new one is named here and in commands.c. */
#ifndef CLOUDCTL_COMMANDS_H
#define CLOUDCTL_COMMANDS_H

#include "cloudctl/ctl.h"

/* where the services are */
#define OPERATOR "/cloud/v1"
#define IDENTITY "/identity/v3"
#define COMPUTE "/compute/v2.1"

/* .options = OPTIONS { { ... }, END } */
#define OPTIONS (const struct option[])
#define END                               \
	{                                 \
		NULL, NULL, NULL, 0, NULL \
	}

/* each ends with a row without a path */
extern const struct command cloud_commands[];
extern const struct command backup_commands[];
extern const struct command recovery_commands[];
extern const struct command host_commands[];
extern const struct command fence_commands[];
extern const struct command gpu_commands[];
extern const struct command identity_commands[];
extern const struct command flavor_commands[];
extern const struct command quota_commands[];
extern const struct command server_commands[];
extern const struct command sample_commands[];
extern const struct command usage_commands[];
extern const struct command placement_commands[];
extern const struct command calendar_commands[];
extern const struct command flow_commands[];
extern const struct command why_commands[];
extern const struct command event_commands[];
extern const struct command price_commands[];
extern const struct command invoice_commands[];
extern const struct command audit_commands[];
extern const struct command pki_commands[];

#endif
