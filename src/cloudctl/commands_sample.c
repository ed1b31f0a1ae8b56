/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands on what servers use, and how their answers are shown. */
#include "cloudctl/commands.h"

#define FIGURES                                                                                         \
	{ "covered", "covered_s", FORM_SECONDS }, { "cpu", "cpu_s", FORM_SECONDS },                     \
		{ "cpu %", "cpu_percent", FORM_COUNT }, { "disk read", "disk_read_bytes", FORM_BYTES }, \
		{ "disk written", "disk_write_bytes", FORM_BYTES },                                     \
		{ "net in", "net_rx_bytes", FORM_BYTES }, { "net out", "net_tx_bytes", FORM_BYTES },    \
		{ "ram", "ram_mib", FORM_MIB }, { "ram max", "ram_max_mib", FORM_MIB },                 \
	{                                                                                               \
		0                                                                                       \
	}

static const struct view samples_view = { "samples",
	(const struct column[]) { { "at", "at", FORM_TIME }, FIGURES }, NULL, "No samples." };
static const struct view servers_view = { "servers",
	(const struct column[]) {
		{ "server", "server_id", FORM_TEXT }, { "project", "project_id", FORM_TEXT }, FIGURES },
	NULL, "No samples." };
static const struct view top_view = { "servers",
	(const struct column[]) {
		{ "server", "server_id", FORM_TEXT },
		{ "name", "name", FORM_TEXT },
		{ "project", "project", FORM_TEXT },
		{ "host", "host", FORM_TEXT },
		{ "cpu %", "cpu_percent", FORM_COUNT },
		{ "ram", "ram_mib", FORM_MIB },
		{ "read/s", "disk_read_bytes_s", FORM_BYTES },
		{ "written/s", "disk_write_bytes_s", FORM_BYTES },
		{ "in/s", "net_rx_bytes_s", FORM_BYTES },
		{ "out/s", "net_tx_bytes_s", FORM_BYTES },
		{ 0 },
	},
	NULL, "No samples." };

const struct command sample_commands[] = {
	{ .path = "sample show",
		.args = "SERVER",
		.help = "Show what a server used, by step of time",
		.options = OPTIONS { { "from", "TIME", "From here; default: as long ago as suits the step", 0,
					     "?from" },
			{ "to", "TIME", "And up to here; default: now", 0, "?to" },
			{ "step", "raw|hour|day|total", "Step of time; raw: by the minute, of the last days",
				0, "?step" },
			END },
		.method = "GET",
		.url = OPERATOR "/servers/{0}/samples",
		.view = &samples_view },
	{ .path = "sample list",
		.help = "List servers with what they used in a period",
		.options = OPTIONS { { "project", "PROJECT", "Of this project; default: of all", OPT_PROJECT,
					     "?project" },
			{ "from", "TIME", "From here; default: a day ago", 0, "?from" },
			{ "to", "TIME", "And up to here; default: now", 0, "?to" },
			{ "limit", "N", "At most so many", OPT_INT, "?limit" },
			{ "marker", "SERVER", "Those behind this one", 0, "?marker" }, END },
		.method = "GET",
		.url = OPERATOR "/samples",
		.view = &servers_view },
	{ .path = "top",
		.help = "Show the servers that use most now; a processor is 100 %",
		.options = OPTIONS { { "by", "cpu|disk|net|ram", "In this order; default: cpu", 0, "?by" },
			{ "project", "PROJECT", "Of this project; default: of all", OPT_PROJECT, "?project" },
			{ "limit", "N", "At most so many; default: 20", OPT_INT, "?limit" }, END },
		.method = "GET",
		.url = OPERATOR "/samples/top",
		.view = &top_view },
	{ 0 },
};
