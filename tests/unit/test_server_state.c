/* SPDX-License-Identifier: Apache-2.0 */
/* States, statuses and which action is allowed when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/util.h"
#include "domain/server_state.h"

static const char id[] = "5b3e7a6e-0000-4000-8000-000000000001";

static void test_texts(void **state)
{
	enum vm_state vm;
	enum task_state task;

	(void)state;
	for (int i = 0; i < VM_STATE_MAX; i++) {
		assert_true(vm_state_parse(vm_state_text((enum vm_state)i), &vm));
		assert_int_equal(vm, i);
		assert_non_null(server_status((enum vm_state)i, TASK_NONE));
	}
	for (int i = 0; i < TASK_STATE_MAX; i++) {
		assert_int_equal(task_state_text((enum task_state)i) == NULL, i == TASK_NONE);
		assert_true(task_state_parse(task_state_text((enum task_state)i), &task));
		assert_int_equal(task, i);
	}
	assert_true(task_state_parse("", &task));
	assert_int_equal(task, TASK_NONE);
	assert_false(task_state_parse("powering_on", &task));
	assert_false(vm_state_parse("ACTIVE", &vm));
	assert_false(vm_state_parse(NULL, &vm));
	assert_string_equal(vm_state_text(VM_SOFT_DELETED), "soft-delete");
	assert_string_equal(task_state_text(TASK_POWERING_OFF), "powering-off");
}

static void test_power(void **state)
{
	static const int valid[] = { 0, 1, 3, 4, 6, 7 };
	size_t n = 0;

	(void)state;
	for (int i = -2; i < 12; i++)
		n += power_state_valid(i);
	assert_int_equal(n, ARRAY_LEN(valid));
	for (size_t i = 0; i < ARRAY_LEN(valid); i++)
		assert_true(power_state_valid(valid[i]));
	assert_string_equal(power_state_text(POWER_RUNNING), "Running");
	assert_string_equal(power_state_text(2), "NOSTATE");
	assert_string_equal(power_state_text(-1), "NOSTATE");
}

static const struct {
	enum vm_state vm;
	enum task_state task;
	const char *status;
} statuses[] = {
	{ VM_BUILDING, TASK_NONE, "BUILD" },
	{ VM_BUILDING, TASK_SPAWNING, "BUILD" },
	{ VM_ACTIVE, TASK_NONE, "ACTIVE" },
	{ VM_ACTIVE, TASK_REBOOTING, "REBOOT" },
	{ VM_ACTIVE, TASK_REBOOT_STARTED, "REBOOT" },
	{ VM_ACTIVE, TASK_REBOOTING_HARD, "HARD_REBOOT" },
	{ VM_STOPPED, TASK_REBOOTING_HARD, "SHUTOFF" },
	{ VM_ACTIVE, TASK_UPDATING_PASSWORD, "PASSWORD" },
	{ VM_ACTIVE, TASK_POWERING_OFF, "ACTIVE" },
	{ VM_ACTIVE, TASK_DELETING, "ACTIVE" },
	{ VM_ERROR, TASK_DELETING, "ERROR" },
	{ VM_STOPPED, TASK_RESIZE_FINISH, "RESIZE" },
	{ VM_RESIZED, TASK_NONE, "VERIFY_RESIZE" },
	{ VM_RESIZED, TASK_RESIZE_REVERTING, "REVERT_RESIZE" },
	{ VM_RESIZED, TASK_RESIZE_PREP, "VERIFY_RESIZE" },
	{ VM_ERROR, TASK_REBUILDING, "REBUILD" },
	{ VM_PAUSED, TASK_MIGRATING, "MIGRATING" },
	{ VM_SUSPENDED, TASK_MIGRATING, "SUSPENDED" },
	{ VM_RESCUED, TASK_NONE, "RESCUE" },
	{ VM_SHELVED_OFFLOADED, TASK_NONE, "SHELVED_OFFLOADED" },
	{ VM_SOFT_DELETED, TASK_NONE, "SOFT_DELETED" },
};

static void test_status(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		assert_string_equal(server_status(statuses[i].vm, statuses[i].task), statuses[i].status);
		assert_true(server_status_is(statuses[i].status, statuses[i].vm, statuses[i].task));
		assert_true(server_status_known(statuses[i].status));
	}
	assert_true(server_status_is("active", VM_ACTIVE, TASK_NONE));
	assert_false(server_status_is("ACTIVE", VM_ACTIVE, TASK_REBOOTING));
	assert_true(server_status_known("hard_reboot"));
	assert_false(server_status_known("FINE"));
}

static const struct {
	enum server_action action;
	enum vm_state vm;
	enum task_state task;
	bool locked, admin;
	const char *refused; /* NULL: allowed */
} allowed[] = {
	{ ACTION_START, VM_STOPPED, TASK_NONE, false, false, NULL },
	{ ACTION_START, VM_ACTIVE, TASK_NONE, false, false,
		"Cannot 'os-start' instance %s while it is in vm_state active" },
	{ ACTION_STOP, VM_ACTIVE, TASK_NONE, false, false, NULL },
	{ ACTION_STOP, VM_ERROR, TASK_NONE, false, false, NULL },
	{ ACTION_STOP, VM_BUILDING, TASK_SPAWNING, false, false,
		"Cannot 'os-stop' instance %s while it is in vm_state building" },
	{ ACTION_STOP, VM_ACTIVE, TASK_POWERING_OFF, false, false,
		"Cannot 'os-stop' instance %s while it is in task_state powering-off" },
	{ ACTION_STOP, VM_ACTIVE, TASK_NONE, true, false, "Instance %s is locked" },
	{ ACTION_STOP, VM_ACTIVE, TASK_NONE, true, true, NULL },
	{ ACTION_REBOOT_SOFT, VM_STOPPED, TASK_NONE, false, false,
		"Cannot 'reboot' instance %s while it is in vm_state stopped" },
	{ ACTION_REBOOT_HARD, VM_STOPPED, TASK_NONE, false, false, NULL },
	{ ACTION_PAUSE, VM_ACTIVE, TASK_NONE, false, false, NULL },
	{ ACTION_PAUSE, VM_PAUSED, TASK_NONE, false, false,
		"Cannot 'pause' instance %s while it is in vm_state paused" },
	{ ACTION_UNPAUSE, VM_PAUSED, TASK_NONE, false, false, NULL },
	{ ACTION_CONSOLE_OUTPUT, VM_BUILDING, TASK_SPAWNING, true, false, NULL },
	{ ACTION_DELETE, VM_BUILDING, TASK_SPAWNING, false, false, NULL },
	{ ACTION_DELETE, VM_ERROR, TASK_DELETING, false, false, NULL },
	{ ACTION_DELETE, VM_ACTIVE, TASK_NONE, true, false, "Instance %s is locked" },
	{ ACTION_UNLOCK, VM_ACTIVE, TASK_REBOOTING, true, false, NULL },
	{ ACTION_RESTORE, VM_ACTIVE, TASK_NONE, false, false,
		"Cannot 'restore' instance %s while it is in vm_state active" },
	{ ACTION_ATTACH_VOLUME, VM_SHELVED, TASK_NONE, false, false, NULL },
	{ ACTION_RESET_STATE, VM_ERROR, TASK_DELETING, true, true, NULL },
};

static void test_allowed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		struct error err;
		int rc = server_action_allowed(allowed[i].action, id, allowed[i].vm, allowed[i].task,
			allowed[i].locked, allowed[i].admin, &err);
		CLEANUP(free_ptr) char *text = NULL;

		assert_int_equal(rc, allowed[i].refused ? -1 : 0);
		if (!rc)
			continue;
		text = xstrdup(allowed[i].refused);
		assert_int_equal(err.code, ERR_CONFLICT);
		assert_memory_equal(err.msg, text, (size_t)(strstr(text, "%s") - text));
		assert_non_null(strstr(err.msg, id));
		assert_non_null(strstr(err.msg, strstr(text, "%s") + 2));
	}
}

/* Each action has a name and a state in which it is allowed; none is allowed for what is deleted. */
static void test_every_action(void **state)
{
	(void)state;
	for (int a = 0; a < ACTION_MAX; a++) {
		const struct server_action_rule *r = server_action_rule((enum server_action)a);
		struct error err;

		assert_non_null(r->name);
		assert_true(r->vm_mask != 0);
		assert_int_equal(server_action_allowed(
					 (enum server_action)a, id, VM_DELETED, TASK_NONE, false, true, &err),
			-1);
	}
}

/* What the wire promises, action by action: the states in which it is taken. */
static const struct {
	enum server_action action;
	const char *states; /* NULL: all that are not deleted */
	bool locked, busy;  /* also then */
} promised[] = {
	{ ACTION_REBOOT_SOFT, "active", false, false },
	{ ACTION_REBOOT_HARD, "active stopped paused suspended error", false, false },
	{ ACTION_START, "stopped", false, false },
	{ ACTION_STOP, "active error", false, false },
	{ ACTION_PAUSE, "active", false, false },
	{ ACTION_UNPAUSE, "paused", false, false },
	{ ACTION_SUSPEND, "active", false, false },
	{ ACTION_RESUME, "suspended", false, false },
	{ ACTION_RESIZE, "active stopped", false, false },
	{ ACTION_CONFIRM_RESIZE, "resized", false, false },
	{ ACTION_REVERT_RESIZE, "resized", false, false },
	{ ACTION_REBUILD, "active stopped error", false, false },
	{ ACTION_CREATE_IMAGE, "active stopped paused suspended", true, false },
	{ ACTION_CREATE_BACKUP, "active stopped paused suspended", true, false },
	{ ACTION_LOCK, NULL, true, true },
	{ ACTION_UNLOCK, NULL, true, true },
	{ ACTION_CHANGE_PASSWORD, "active", false, false },
	{ ACTION_CONSOLE_OUTPUT, NULL, true, true },
	{ ACTION_RESCUE, "active stopped error", false, false },
	{ ACTION_UNRESCUE, "rescued", false, false },
	{ ACTION_SHELVE, "active stopped paused suspended", false, false },
	{ ACTION_SHELVE_OFFLOAD, "shelved", false, false },
	{ ACTION_UNSHELVE, "shelved shelved_offloaded", false, false },
	{ ACTION_FORCE_DELETE, NULL, false, true },
	{ ACTION_RESTORE, "soft-delete", false, false },
	{ ACTION_RESET_STATE, NULL, true, true },
	{ ACTION_MIGRATE, "active stopped", false, false },
	{ ACTION_MIGRATE_LIVE, "active paused", false, false },
	{ ACTION_EVACUATE, "building active stopped paused suspended rescued resized error", true, true },
	{ ACTION_CRASH_DUMP, "active paused rescued resized error", false, false },
	{ ACTION_INJECT_NETWORK, NULL, false, false },
	{ ACTION_DELETE, NULL, false, true },
};

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += n)
		if ((at == list || at[-1] == ' ') && (!at[n] || at[n] == ' '))
			return true;
	return false;
}

static void walk(enum server_action action, enum vm_state vm, bool in_state, bool locked, bool busy)
{
	const struct server_action_rule *r = server_action_rule(action);
	struct error err;

	for (int t = 0; t < TASK_STATE_MAX; t++)
		for (int l = 0; l < 2; l++)
			for (int admin = 0; admin < 2; admin++) {
				bool want = in_state && (t == TASK_NONE || busy) && (!l || locked || admin);
				int rc = server_action_allowed(
					action, id, vm, (enum task_state)t, l, admin, &err);

				if ((rc == 0) != want)
					fail_msg("%s in %s with task %d, locked %d, admin %d: %d", r->name,
						vm_state_text(vm), t, l, admin, rc);
				/* the refusal says where it could be done */
				if (!in_state && !(l && !locked && !admin))
					assert_non_null(strstr(err.msg, "; it can be done in: "));
			}
}

static void test_whole_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(promised); i++)
		for (int vm = 0; vm < VM_STATE_MAX; vm++)
			walk(promised[i].action, (enum vm_state)vm,
				promised[i].states
					? has_word(promised[i].states, vm_state_text((enum vm_state)vm))
					: vm != VM_DELETED,
				promised[i].locked, promised[i].busy);
}

static void test_find(void **state)
{
	enum server_action a;

	(void)state;
	assert_true(server_action_find("os-start", 1, &a));
	assert_int_equal(a, ACTION_START);
	assert_true(server_action_find("reboot", 96, &a));
	assert_int_equal(a, ACTION_REBOOT_SOFT);
	assert_false(server_action_find("delete", 0, &a)); /* is a method */
	assert_false(server_action_find("explode", 0, &a));
	assert_false(server_action_find("trigger_crash_dump", 16, &a));
	assert_true(server_action_find("trigger_crash_dump", 17, &a));
	assert_true(server_action_find("addFixedIp", 43, &a));
	assert_false(server_action_find("addFixedIp", 44, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_power),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_every_action),
		cmocka_unit_test(test_whole_table),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
