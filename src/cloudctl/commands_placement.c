/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands about where servers go, and what was decided, and how their answers are shown. */
#include "cloudctl/commands.h"

#define DECISION_COLUMNS                                                                            \
	{ "id", "id", FORM_TEXT }, { "at", "at", FORM_TIME }, { "servers", "servers", FORM_COUNT }, \
		{ "vcpus", "vcpus", FORM_COUNT }, { "memory", "ram_mib", FORM_MIB },                \
		{ "gpus", "gpus", FORM_TEXT }, { "hosts", "hosts", FORM_TEXT },                     \
	{                                                                                           \
		"refused", "refused", FORM_TEXT                                                     \
	}

static const struct view decisions_view = { "decisions", (const struct column[]) { DECISION_COLUMNS, { 0 } },
	NULL, "No decision is kept." };

static const struct view decision_view = { "decision",
	(const struct column[]) { DECISION_COLUMNS, { "project", "project_id", FORM_TEXT },
		{ "request", "request_id", FORM_TEXT }, { 0 } },
	NULL, NULL };

static const struct view again_view = { "decision",
	(const struct column[]) { DECISION_COLUMNS, { "project", "project_id", FORM_TEXT },
		{ "request", "request_id", FORM_TEXT }, { "same answer now", "same", FORM_TEXT }, { 0 } },
	NULL, NULL };

static const struct view capacity_parts[] = {
	{ "models",
		(const struct column[]) {
			{ "model", "model", FORM_TEXT },
			{ "hosts", "hosts", FORM_COUNT },
			{ "gpus", "gpus", FORM_COUNT },
			{ "in use", "in_use", FORM_COUNT },
			{ "free", "free", FORM_COUNT },
			{ "reserved", "reserved", FORM_COUNT },
			{ "unfit", "unfit", FORM_COUNT },
			{ "by 8", "by_8", FORM_COUNT },
			{ "by 4", "by_4", FORM_COUNT },
			{ "by 2", "by_2", FORM_COUNT },
			{ "by 1", "by_1", FORM_COUNT },
			{ "stranded for 8", "stranded_8", FORM_COUNT },
			{ "largest", "largest", FORM_COUNT },
			{ 0 },
		},
		NULL, NULL },
	{ "flavors",
		(const struct column[]) {
			{ "flavor", "flavor", FORM_TEXT },
			{ "vcpus", "vcpus", FORM_COUNT },
			{ "memory", "ram_mib", FORM_MIB },
			{ "gpus", "gpus", FORM_COUNT },
			{ "servers that fit", "servers", FORM_COUNT },
			{ 0 },
		},
		NULL, NULL },
	{ 0 },
};

static const struct view capacity_view = { "capacity",
	(const struct column[]) {
		{ "gpus in use", "gpus_in_use/gpus", FORM_USED },
		{ "gpus free", "gpus_free", FORM_TEXT },
		{ 0 },
	},
	capacity_parts, NULL };

static const struct view rebalance_parts[] = {
	{ "moves",
		(const struct column[]) {
			{ "server", "server", FORM_TEXT },
			{ "id", "server_id", FORM_TEXT },
			{ "vcpus", "vcpus", FORM_COUNT },
			{ "memory", "ram_mib", FORM_MIB },
			{ "from", "from", FORM_TEXT },
			{ "to", "to", FORM_TEXT },
			{ 0 },
		},
		NULL, NULL },
	{ 0 },
};

static const struct view rebalance_view = { "plan",
	(const struct column[]) {
		{ "flavor", "flavor", FORM_TEXT },
		{ "more servers that fit then", "servers_won", FORM_TEXT },
		{ 0 },
	},
	rebalance_parts, NULL };

static const struct view simulation_parts[] = {
	{ "reasons",
		(const struct column[]) {
			{ "refused", "servers", FORM_COUNT },
			{ "hosts", "reason", FORM_TEXT },
			{ 0 },
		},
		NULL, NULL },
	{ 0 },
};

static const struct view simulation_view = { "simulation",
	(const struct column[]) {
		{ "hosts", "hosts", FORM_TEXT },
		{ "servers asked for", "asked", FORM_TEXT },
		{ "placed", "placed", FORM_TEXT },
		{ "refused", "refused", FORM_TEXT },
		{ "of these with gpus", "refused_gpu", FORM_TEXT },
		{ "refused then", "then_refused", FORM_TEXT },
		{ "same answer as then", "same", FORM_TEXT },
		{ "on another host", "elsewhere", FORM_TEXT },
		{ "placed only then", "placed_only_then", FORM_TEXT },
		{ "placed only now", "placed_only_now", FORM_TEXT },
		{ "% of gpus in use at the end", "gpus_used_end", FORM_TEXT },
		{ "% of gpus in use, mean", "gpus_used_mean", FORM_TEXT },
		{ "% of vcpus in use at the end", "vcpus_used_end", FORM_TEXT },
		{ "% of vcpus in use, mean", "vcpus_used_mean", FORM_TEXT },
		{ "seconds waited, median", "wait_p50_s", FORM_TEXT },
		{ "seconds waited, p99", "wait_p99_s", FORM_TEXT },
		{ "waiting at most", "waiting_most", FORM_TEXT },
		{ 0 },
	},
	simulation_parts, NULL };

static const struct view explain_parts[] = {
	{ "change",
		(const struct column[]) {
			{ "smallest change", "text", FORM_TEXT },
			{ 0 },
		},
		NULL, NULL },
	{ "totals",
		(const struct column[]) {
			{ "hosts", "hosts", FORM_COUNT },
			{ "rule", "rule", FORM_TEXT },
			{ "reason", "reason", FORM_TEXT },
			{ 0 },
		},
		NULL, NULL },
	{ "hosts",
		(const struct column[]) {
			{ "host", "host", FORM_TEXT },
			{ "chosen", "chosen", FORM_COUNT },
			{ "reason", "reason", FORM_TEXT },
			{ "wanted", "want", FORM_COUNT },
			{ "there", "have", FORM_COUNT },
			{ "score", "score", FORM_COUNT },
			{ 0 },
		},
		NULL, NULL },
	{ 0 },
};

static const struct view explain_view = { "explanation",
	(const struct column[]) {
		{ "fits", "fits", FORM_TEXT },
		{ "servers", "count", FORM_TEXT },
		{ "why not", "message", FORM_TEXT },
		{ "servers that leave for it", "preempts", FORM_TEXT },
		{ "quota", "quota", FORM_TEXT },
		{ 0 },
	},
	explain_parts, NULL };

const struct command placement_commands[] = {
	{ .path = "explain",
		.args = "FLAVOR",
		.help = "Say where a server of this flavor would go now, and why not elsewhere",
		.options = OPTIONS { { "image", "IMAGE",
					     "Of this image's id; without: a disk of the flavor's size", 0,
					     NULL },
			{ "count", "N", "So many servers at once, all or none", OPT_INT, NULL },
			{ "zone", "ZONE", "In this availability zone", 0, NULL },
			{ "host", "HOST", "On this host", 0, NULL },
			{ "project", "PROJECT", "With the limits of this project", 0, NULL },
			{ "group", "GROUP", "In this server group's id", 0, NULL },
			{ "same-host", "SERVER", "On the host of this server's id", 0, NULL },
			{ "different-host", "SERVER", "Not on the host of this server's id", 0, NULL },
			{ "reservation", "RESERVATION", "With the GPUs of this reservation's id", 0, NULL },
			END },
		.view = &explain_view,
		.run = cmd_explain },
	{ .path = "simulate",
		.help = "Replay what was asked with another policy or more hosts; changes nothing",
		.options = OPTIONS { { "journal", NULL, "What this cloud was asked, as far as it is kept",
					     OPT_FLAG, NULL },
			{ "trace", "FILE",
				"Tasks in CSV: cpu_milli, memory_mib, num_gpu, gpu_milli and, where known, "
				"gpu_spec, creation_time, deletion_time",
				0, NULL },
			{ "nodes", "FILE", "The trace's hosts in CSV: sn, cpu_milli, memory_mib, gpu, model",
				0, NULL },
			{ "policy", "mix|best-fit|first-fit|spread",
				"How the best host is found; mix, as cloudd does, where not given", 0, NULL },
			{ "hosts-more", "N", "With so many hosts more", OPT_INT, NULL },
			{ "like", "HOST", "They are like this one; like any where not given", 0, NULL },
			{ "stay", NULL, "Tasks of the trace stay, though it says when they left", OPT_FLAG,
				NULL },
			{ "wait", "SECONDS", "So long who finds no place waits for one; 0 where not given",
				OPT_INT, NULL },
			END },
		.view = &simulation_view,
		.run = cmd_simulate },
	{ .path = "capacity",
		.help = "Show free and stranded GPUs by shape, and how many servers of each flavor fit",
		.method = "GET",
		.url = OPERATOR "/capacity",
		.view = &capacity_view },
	{ .path = "rebalance",
		.args = "FLAVOR",
		.help = "Say which servers would have to move so that more of a flavor fit, or move them",
		.options = OPTIONS { { "count", "N", "So many more, 1 where not given", OPT_INT, NULL },
			{ "max-moves", "N", "By at most so many moves", OPT_INT, NULL },
			{ "plan", NULL, "Only say it, as is done without --apply", OPT_FLAG, NULL },
			{ "apply", NULL, "Move them live, one after the other", OPT_FLAG, NULL },
			{ "timeout", "SECONDS", "Wait so long for each move, 600 where not given", OPT_INT,
				NULL },
			END },
		.view = &rebalance_view,
		.run = cmd_rebalance },
	{ .path = "decision list",
		.help = "List what was asked of placement, and what it answered",
		.options = OPTIONS { { "limit", "N", "At most so many, the latest", OPT_INT, "?limit" },
			{ "server", "SERVER", "About this server's id", 0, "?server_id" }, END },
		.method = "GET",
		.url = OPERATOR "/placement/decisions",
		.view = &decisions_view },
	{ .path = "decision show",
		.args = "DECISION",
		.help = "Show one decision; -o json has the whole question and answer",
		.method = "GET",
		.url = OPERATOR "/placement/decisions/{0}",
		.view = &decision_view },
	{ .path = "decision again",
		.args = "DECISION",
		.help = "Ask the same question again, of the cloud as it was then",
		.method = "GET",
		.url = OPERATOR "/placement/decisions/{0}/again",
		.view = &again_view },
	{ 0 },
};
