/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands on flavors, and how their answers are shown. */
#include "cloudctl/commands.h"

#define FLAVOR_COLUMNS                                                                                      \
	(const struct column[])                                                                             \
	{                                                                                                   \
		{ "id", "id", FORM_TEXT }, { "name", "name", FORM_TEXT }, { "vcpus", "vcpus", FORM_COUNT }, \
			{ "memory", "ram", FORM_MIB }, { "disk gib", "disk", FORM_COUNT },                  \
			{ "public", "os-flavor-access:is_public", FORM_TEXT },                              \
			{ "extra specs", "extra_specs", FORM_TEXT },                                        \
		{                                                                                           \
			0                                                                                   \
		}                                                                                           \
	}
static const struct view flavors_view = { "flavors", FLAVOR_COLUMNS, NULL,
	"No flavors yet: cloudctl flavor create NAME --vcpus N --ram SIZE --disk GIB" };
static const struct view flavor_view = { "flavor", FLAVOR_COLUMNS, NULL, NULL };

const struct command flavor_commands[] = {
	{ .path = "flavor create",
		.args = "NAME",
		.help = "Make a flavor: the size of a server",
		.options = OPTIONS { { "vcpus", "N", "Virtual CPUs", OPT_REQUIRED | OPT_INT, "vcpus" },
			{ "ram", "SIZE", "Memory, as 4096 (MiB) or 4G", OPT_REQUIRED | OPT_MIB, "ram" },
			{ "disk", "GIB", "Root disk", OPT_REQUIRED | OPT_INT, "disk" },
			{ "id", "ID", "Its id, made where not given", 0, "id" },
			{ "gpus", "MODEL:N", "Whole GPUs of this model for each server", OPT_MANY, NULL },
			END },
		.method = "POST",
		.url = COMPUTE "/flavors",
		.wrap = "flavor",
		.fields = "name",
		.view = &flavor_view,
		.run = cmd_flavor_create },
	{ .path = "flavor list",
		.help = "List flavors",
		.method = "GET",
		.url = COMPUTE "/flavors/detail?is_public=None",
		.view = &flavors_view },
	{ 0 },
};
