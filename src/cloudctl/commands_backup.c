/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands of backups, and how their answers are shown. */
#include "cloudctl/commands.h"

static const struct view backups_view = { "backups",
	(const struct column[]) {
		{ "name", "name", FORM_TEXT },
		{ "made", "at", FORM_TIME },
		{ "size", "bytes", FORM_BYTES },
		{ "schema", "schema", FORM_TEXT },
		{ "seq", "seq", FORM_TEXT },
		{ "servers", "servers", FORM_TEXT },
		{ 0 },
	},
	NULL, "There is no backup yet." };

const struct command backup_commands[] = {
	{ .path = "backup list",
		.help = "List the backups of the database that are kept",
		.method = "GET",
		.url = OPERATOR "/backups",
		.view = &backups_view },
	{ .path = "backup",
		.help = "Make a backup of the database in the daemon's directory, while it runs, and wait "
			"for it",
		.options =
			OPTIONS { { "out", "FILE",
					  "And write a copy into this file, with its manifest; root on the "
					  "controller alone",
					  0, NULL },
				END },
		.run = cmd_backup },
	{ 0 },
};
