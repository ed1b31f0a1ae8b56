/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands on projects, users and roles, and how their answers are shown. */
#include "cloudctl/commands.h"

#define NAMED_COLUMNS                                                                              \
	(const struct column[])                                                                    \
	{                                                                                          \
		{ "id", "id", FORM_TEXT }, { "name", "name", FORM_TEXT },                          \
			{ "domain", "domain_id", FORM_TEXT }, { "enabled", "enabled", FORM_TEXT }, \
			{ "description", "description", FORM_TEXT },                               \
		{                                                                                  \
			0                                                                          \
		}                                                                                  \
	}

static const struct view projects_view = { "projects", NAMED_COLUMNS, NULL,
	"No projects yet. The first: cloudctl bootstrap --password-stdin" };
static const struct view project_view = { "project", NAMED_COLUMNS, NULL, NULL };
static const struct column user_columns[] = {
	{ "id", "id", FORM_TEXT },
	{ "name", "name", FORM_TEXT },
	{ "domain", "domain_id", FORM_TEXT },
	{ "enabled", "enabled", FORM_TEXT },
	{ 0 },
};
static const struct view users_view = { "users", user_columns, NULL,
	"No users yet. The first: cloudctl bootstrap --password-stdin" };
static const struct view user_view = { "user", user_columns, NULL, NULL };
static const struct view roles_view = { "roles",
	(const struct column[]) {
		{ "id", "id", FORM_TEXT },
		{ "name", "name", FORM_TEXT },
		{ "description", "description", FORM_TEXT },
		{ 0 },
	},
	NULL, NULL };

const struct command identity_commands[] = {
	{ .path = "project create",
		.args = "NAME",
		.help = "Make a project",
		.options = OPTIONS { { "description", "TEXT", "What it is for", 0, "description" }, END },
		.method = "POST",
		.url = IDENTITY "/projects",
		.wrap = "project",
		.fields = "name",
		.view = &project_view },
	{ .path = "project list",
		.help = "List projects",
		.method = "GET",
		.url = IDENTITY "/projects",
		.view = &projects_view },
	{ .path = "project show",
		.args = "PROJECT",
		.help = "Show one project",
		.method = "GET",
		.url = IDENTITY "/projects/{projects:0}",
		.view = &project_view },
	{ .path = "project delete",
		.args = "PROJECT",
		.help = "Delete a project that holds nothing any more",
		.method = "DELETE",
		.url = IDENTITY "/projects/{projects:0}",
		.done = "Project {0} is deleted." },
	{ .path = "user create",
		.args = "NAME",
		.help = "Make a user, with a role in a project where both are given",
		.options = OPTIONS { { "password-stdin", NULL,
					     "Read the password from standard input, one line", OPT_FLAG,
					     NULL },
			{ "password", "PASSWORD",
				"The password; other users of this machine can see it while cloudctl runs", 0,
				NULL },
			{ "project", "PROJECT", "Default project, where the role is granted", 0, NULL },
			{ "role", "ROLE", "Role in the project, member where not given", 0, NULL }, END },
		.view = &user_view,
		.run = cmd_user_create },
	{ .path = "user password",
		.args = "NAME",
		.help = "Give a user a new password; the user's tokens end",
		.options = OPTIONS { { "password-stdin", NULL,
					     "Read the password from standard input, one line", OPT_FLAG,
					     NULL },
			{ "password", "PASSWORD",
				"The password; other users of this machine can see it while cloudctl runs", 0,
				NULL },
			END },
		.run = cmd_user_password },
	{ .path = "user list",
		.help = "List users",
		.method = "GET",
		.url = IDENTITY "/users",
		.view = &users_view },
	{ .path = "role list",
		.help = "List roles",
		.method = "GET",
		.url = IDENTITY "/roles",
		.view = &roles_view },
	{ .path = "role grant",
		.args = "ROLE",
		.help = "Give a user a role in a project",
		.options = OPTIONS { { "user", "USER", "Who gets it", OPT_REQUIRED, NULL },
			{ "project", "PROJECT", "Where", OPT_REQUIRED, NULL }, END },
		.method = "PUT",
		.url = IDENTITY "/projects/{projects:--project}/users/{users:--user}/roles/{roles:0}",
		.done = "Role {0} is granted." },
	{ 0 },
};
