/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the tables of server states, actions and extra specs, tabs between, for scripts/api-docs:
 *
 *	state   vm_state  status  STATUS=task,task;STATUS=…
 *	action  name  admin|member  since  until  vm_states (comma between, * for all)  locked|-  busy|-
 *here|-
 *	spec    key  values  what */
#include <stdio.h>
#include <string.h>

#include "api/compute/compute.h"
#include "base/util.h"
#include "domain/flavor.h"
#include "domain/server_state.h"

/* Statuses that tasks give a state, each with its tasks. */
static void print_tasks(enum vm_state vm)
{
	const char *own = server_status(vm, TASK_NONE), *last = own;

	for (int t = TASK_NONE + 1; t < TASK_STATE_MAX; t++) {
		const char *status = server_status(vm, (enum task_state)t);

		if (strcmp(status, own) == 0)
			continue;
		if (strcmp(status, last) == 0)
			printf(",%s", task_state_text((enum task_state)t));
		else
			printf("%s%s=%s", last == own ? "" : ";", status,
				task_state_text((enum task_state)t));
		last = status;
	}
}

static bool is_here(const char *name)
{
	for (size_t i = 0; i < compute_action_body.n; i++)
		if (str_eq(bind_field_at(&compute_action_body, i)->name, name))
			return true;
	return false;
}

static void print_states(unsigned mask)
{
	bool all = true, first = true;

	for (int i = 0; i < VM_DELETED; i++)
		all = all && (mask >> i & 1);
	if (all) {
		putchar('*');
		return;
	}
	for (int i = 0; i < VM_STATE_MAX; i++) {
		if (!(mask >> i & 1))
			continue;
		printf("%s%s", first ? "" : ",", vm_state_text((enum vm_state)i));
		first = false;
	}
}

static void print_action(enum server_action action)
{
	const struct server_action_rule *r = server_action_rule(action);
	const char *type = action == ACTION_REBOOT_SOFT   ? " SOFT"
			   : action == ACTION_REBOOT_HARD ? " HARD"
							  : "";

	if ((r->flags & ACTION_METHOD) && action != ACTION_DELETE)
		return;
	printf("action\t%s%s\t%s\t%d\t%d\t", r->name, type, r->flags & ACTION_ADMIN ? "admin" : "member",
		r->since, r->until);
	print_states(r->vm_mask);
	printf("\t%s\t%s\t%s\n", r->flags & ACTION_WHEN_LOCKED ? "locked" : "-",
		r->flags & ACTION_ANY_TASK ? "busy" : "-",
		action == ACTION_DELETE || is_here(r->name) ? "here" : "-");
}

int main(void)
{
	for (int i = 0; i < VM_STATE_MAX; i++) {
		printf("state\t%s\t%s\t", vm_state_text((enum vm_state)i),
			server_status((enum vm_state)i, TASK_NONE));
		print_tasks((enum vm_state)i);
		putchar('\n');
	}
	for (int i = 0; i < ACTION_MAX; i++)
		print_action((enum server_action)i);
	for (size_t i = 0; flavor_spec_doc(i); i++) {
		const struct flavor_spec_doc *d = flavor_spec_doc(i);

		printf("spec\t%s\t%s\t%s\n", d->key, d->values, d->what);
	}
	return 0;
}
