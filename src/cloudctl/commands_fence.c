/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands on the power of hosts and what follows of it, and how their answers are shown. */
#include "cloudctl/commands.h"

static const struct view agent_view = { "fence_agent",
	(const struct column[]) {
		{ "host", "host", FORM_TEXT },
		{ "kind", "kind", FORM_TEXT },
		{ "url", "url", FORM_TEXT },
		{ "command", "command", FORM_TEXT },
		{ "user", "user", FORM_TEXT },
		{ "password", "has_password", FORM_TEXT },
		{ "ca", "has_ca", FORM_TEXT },
		{ "changed at", "changed_at", FORM_TIME },
		{ 0 },
	},
	NULL, NULL };

static const struct view power_parts[] = {
	{ "attempts",
		(const struct column[]) {
			{ "attempt", "id", FORM_COUNT },
			{ "to", "to", FORM_TEXT },
			{ "state", "state", FORM_TEXT },
			{ "power", "power", FORM_TEXT },
			{ "read at", "power_read_at", FORM_TIME },
			{ "tries", "tries", FORM_COUNT },
			{ "asked by", "asked_by", FORM_TEXT },
			{ "error", "error", FORM_TEXT },
			{ 0 },
		},
		NULL, NULL },
	{ 0 },
};
static const struct view power_view = { "power",
	(const struct column[]) {
		{ "host", "host", FORM_TEXT },
		{ "agent", "agent", FORM_TEXT },
		{ "evidence", "evidence", FORM_TEXT },
		{ "proof", "proof", FORM_TEXT },
		{ 0 },
	},
	power_parts, NULL };

static const struct view evacuation_parts[] = {
	{ "left",
		(const struct column[]) {
			{ "server", "id", FORM_TEXT },
			{ "name", "name", FORM_TEXT },
			{ "state", "state", FORM_TEXT },
			{ "why", "reason", FORM_TEXT },
			{ 0 },
		},
		NULL, NULL },
	{ 0 },
};
static const struct view evacuation_view = { "evacuation",
	(const struct column[]) {
		{ "host", "host", FORM_TEXT },
		{ "state", "state", FORM_TEXT },
		{ "reason", "reason", FORM_TEXT },
		{ "asked by", "asked_by", FORM_TEXT },
		{ "begun at", "created_at", FORM_TIME },
		{ "ended at", "ended_at", FORM_TIME },
		{ "servers begun", "begun", FORM_COUNT },
		{ "under way", "under_way", FORM_COUNT },
		{ "to go", "to_go", FORM_COUNT },
		{ 0 },
	},
	evacuation_parts, NULL };

#define DEADLINE                                                                                     \
	{                                                                                            \
		"deadline", "SECONDS", "Until its power has to be so; else as cloudd is configured", \
			OPT_INT, "deadline_s"                                                        \
	}
#define WAITING(timeout)                                                                                 \
	{ "no-wait", NULL, "Return when it is on its way", OPT_FLAG, NULL },                             \
	{                                                                                                \
		"timeout", "SECONDS", "How long it is waited for, " timeout " where not given", OPT_INT, \
			NULL                                                                             \
	}

const struct command fence_commands[] = {
	{ .path = "host fence-agent",
		.args = "set|show|clear|test HOST",
		.help = "What reads and cuts the host's power: set it, show it, take it away, or let it read "
			"the "
			"power",
		.options = OPTIONS { { "redfish", "URL",
					     "A system of a service processor, as "
					     "https://BMC/redfish/v1/Systems/1",
					     0, NULL },
			{ "user", "USER", "Who signs in there", 0, NULL },
			{ "password-file", "FILE", "The first line of this file is the password", 0, NULL },
			{ "ca", "FILE", "Certificates that vouch for it (PEM); else the system's", 0, NULL },
			{ "command", "NAME",
				"A program in the controller's command_dir, run with off, on or status, and "
				"the "
				"host's name",
				0, NULL },
			END },
		.url = OPERATOR "/hosts/{1}/fence-agent",
		.view = &agent_view,
		.run = cmd_fence_agent },
	{ .path = "host fence",
		.args = "HOST",
		.help = "Cut the host's power, and wait until it was read as off: that proves that it is "
			"down",
		.options = OPTIONS { { "reason", "TEXT", "Kept with the proof", 0, "reason" },
			{ "force", NULL, "Also while the host can be heard: its guests are cut off", OPT_FLAG,
				"force" },
			{ "evacuate", NULL, "Then make its servers anew elsewhere", OPT_FLAG, "evacuate" },
			DEADLINE, WAITING("400"), END },
		.url = OPERATOR "/hosts/{0}/power",
		.view = &power_view,
		.run = cmd_host_power },
	{ .path = "host power",
		.args = "HOST [status|on]",
		.help = "Read the host's power, or switch it on; without a word: what was tried so far",
		.options = OPTIONS { { "reason", "TEXT", "Kept with the attempt", 0, "reason" }, DEADLINE,
			WAITING("400"), END },
		.url = OPERATOR "/hosts/{0}/power",
		.view = &power_view,
		.run = cmd_host_power },
	{ .path = "host evacuate",
		.args = "HOST",
		.help = "Make the servers of a host anew elsewhere, which is proved to be down",
		.options = OPTIONS { { "wait", NULL, "Return when it has ended, with what stays behind",
					     OPT_FLAG, NULL },
			{ "show", NULL, "Only show how far it is", OPT_FLAG, NULL },
			{ "stop", NULL, "No more servers set out", OPT_FLAG, NULL },
			{ "timeout", "SECONDS", "How long --wait waits, 3600 where not given", OPT_INT,
				NULL },
			END },
		.url = OPERATOR "/hosts/{0}/evacuation",
		.view = &evacuation_view,
		.run = cmd_host_evacuate },
	{ 0 },
};
