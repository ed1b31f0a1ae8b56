/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/server_state.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"

static const char *const vm_texts[VM_STATE_MAX] = {
	[VM_BUILDING] = "building",
	[VM_ACTIVE] = "active",
	[VM_STOPPED] = "stopped",
	[VM_PAUSED] = "paused",
	[VM_SUSPENDED] = "suspended",
	[VM_RESCUED] = "rescued",
	[VM_RESIZED] = "resized",
	[VM_ERROR] = "error",
	[VM_SHELVED] = "shelved",
	[VM_SHELVED_OFFLOADED] = "shelved_offloaded",
	[VM_SOFT_DELETED] = "soft-delete",
	[VM_DELETED] = "deleted",
};

static const char *const task_texts[TASK_STATE_MAX] = {
	[TASK_SCHEDULING] = "scheduling",
	[TASK_BLOCK_DEVICE_MAPPING] = "block_device_mapping",
	[TASK_NETWORKING] = "networking",
	[TASK_SPAWNING] = "spawning",
	[TASK_IMAGE_SNAPSHOT] = "image_snapshot",
	[TASK_IMAGE_SNAPSHOT_PENDING] = "image_snapshot_pending",
	[TASK_IMAGE_PENDING_UPLOAD] = "image_pending_upload",
	[TASK_IMAGE_UPLOADING] = "image_uploading",
	[TASK_IMAGE_BACKUP] = "image_backup",
	[TASK_UPDATING_PASSWORD] = "updating_password",
	[TASK_RESIZE_PREP] = "resize_prep",
	[TASK_RESIZE_MIGRATING] = "resize_migrating",
	[TASK_RESIZE_MIGRATED] = "resize_migrated",
	[TASK_RESIZE_FINISH] = "resize_finish",
	[TASK_RESIZE_REVERTING] = "resize_reverting",
	[TASK_RESIZE_CONFIRMING] = "resize_confirming",
	[TASK_REBOOTING] = "rebooting",
	[TASK_REBOOT_PENDING] = "reboot_pending",
	[TASK_REBOOT_STARTED] = "reboot_started",
	[TASK_REBOOTING_HARD] = "rebooting_hard",
	[TASK_REBOOT_PENDING_HARD] = "reboot_pending_hard",
	[TASK_REBOOT_STARTED_HARD] = "reboot_started_hard",
	[TASK_PAUSING] = "pausing",
	[TASK_UNPAUSING] = "unpausing",
	[TASK_SUSPENDING] = "suspending",
	[TASK_RESUMING] = "resuming",
	[TASK_POWERING_OFF] = "powering-off",
	[TASK_POWERING_ON] = "powering-on",
	[TASK_RESCUING] = "rescuing",
	[TASK_UNRESCUING] = "unrescuing",
	[TASK_REBUILDING] = "rebuilding",
	[TASK_REBUILD_BLOCK_DEVICE_MAPPING] = "rebuild_block_device_mapping",
	[TASK_REBUILD_SPAWNING] = "rebuild_spawning",
	[TASK_MIGRATING] = "migrating",
	[TASK_DELETING] = "deleting",
	[TASK_SOFT_DELETING] = "soft-deleting",
	[TASK_RESTORING] = "restoring",
	[TASK_SHELVING] = "shelving",
	[TASK_SHELVING_IMAGE_PENDING_UPLOAD] = "shelving_image_pending_upload",
	[TASK_SHELVING_IMAGE_UPLOADING] = "shelving_image_uploading",
	[TASK_SHELVING_OFFLOADING] = "shelving_offloading",
	[TASK_UNSHELVING] = "unshelving",
};

static const char *const status_texts[VM_STATE_MAX] = {
	[VM_BUILDING] = "BUILD",
	[VM_ACTIVE] = "ACTIVE",
	[VM_STOPPED] = "SHUTOFF",
	[VM_PAUSED] = "PAUSED",
	[VM_SUSPENDED] = "SUSPENDED",
	[VM_RESCUED] = "RESCUE",
	[VM_RESIZED] = "VERIFY_RESIZE",
	[VM_ERROR] = "ERROR",
	[VM_SHELVED] = "SHELVED",
	[VM_SHELVED_OFFLOADED] = "SHELVED_OFFLOADED",
	[VM_SOFT_DELETED] = "SOFT_DELETED",
	[VM_DELETED] = "DELETED",
};

#define M(state) (1u << VM_##state)

/* Where a task changes the status: for the states of the mask; elsewhere the state's own status stays. */
static const struct {
	enum task_state task;
	unsigned vm_mask;
	const char *status;
} status_by_task[] = {
	{ TASK_REBOOTING, M(ACTIVE), "REBOOT" },
	{ TASK_REBOOT_PENDING, M(ACTIVE), "REBOOT" },
	{ TASK_REBOOT_STARTED, M(ACTIVE), "REBOOT" },
	{ TASK_REBOOTING_HARD, M(ACTIVE), "HARD_REBOOT" },
	{ TASK_REBOOT_PENDING_HARD, M(ACTIVE), "HARD_REBOOT" },
	{ TASK_REBOOT_STARTED_HARD, M(ACTIVE), "HARD_REBOOT" },
	{ TASK_UPDATING_PASSWORD, M(ACTIVE), "PASSWORD" },
	{ TASK_REBUILDING, M(ACTIVE) | M(STOPPED) | M(ERROR), "REBUILD" },
	{ TASK_REBUILD_BLOCK_DEVICE_MAPPING, M(ACTIVE) | M(STOPPED) | M(ERROR), "REBUILD" },
	{ TASK_REBUILD_SPAWNING, M(ACTIVE) | M(STOPPED) | M(ERROR), "REBUILD" },
	{ TASK_MIGRATING, M(ACTIVE) | M(PAUSED), "MIGRATING" },
	{ TASK_RESIZE_PREP, M(ACTIVE) | M(STOPPED), "RESIZE" },
	{ TASK_RESIZE_MIGRATING, M(ACTIVE) | M(STOPPED), "RESIZE" },
	{ TASK_RESIZE_MIGRATED, M(ACTIVE) | M(STOPPED), "RESIZE" },
	{ TASK_RESIZE_FINISH, M(ACTIVE) | M(STOPPED), "RESIZE" },
	{ TASK_RESIZE_REVERTING, M(RESIZED), "REVERT_RESIZE" },
};

const char *vm_state_text(enum vm_state s)
{
	return vm_texts[s];
}

const char *task_state_text(enum task_state t)
{
	return task_texts[t];
}

bool vm_state_parse(const char *text, enum vm_state *out)
{
	for (int i = 0; text && i < VM_STATE_MAX; i++)
		if (strcmp(vm_texts[i], text) == 0) {
			*out = (enum vm_state)i;
			return true;
		}
	return false;
}

bool task_state_parse(const char *text, enum task_state *out)
{
	if (!text || !*text) {
		*out = TASK_NONE;
		return true;
	}
	for (int i = TASK_NONE + 1; i < TASK_STATE_MAX; i++)
		if (strcmp(task_texts[i], text) == 0) {
			*out = (enum task_state)i;
			return true;
		}
	return false;
}

static const char *const power_texts[] = {
	[POWER_NOSTATE] = "NOSTATE",
	[POWER_RUNNING] = "Running",
	[POWER_PAUSED] = "Paused",
	[POWER_SHUTDOWN] = "Shutdown",
	[POWER_CRASHED] = "Crashed",
	[POWER_SUSPENDED] = "Suspended",
};

bool power_state_valid(int n)
{
	return n >= 0 && n < (int)ARRAY_LEN(power_texts) && power_texts[n];
}

const char *power_state_text(int n)
{
	return power_texts[power_state_valid(n) ? n : POWER_NOSTATE];
}

const char *server_status(enum vm_state vm, enum task_state task)
{
	for (size_t i = 0; task != TASK_NONE && i < ARRAY_LEN(status_by_task); i++)
		if (status_by_task[i].task == task && (status_by_task[i].vm_mask >> vm & 1))
			return status_by_task[i].status;
	return status_texts[vm];
}

bool server_status_is(const char *status, enum vm_state vm, enum task_state task)
{
	return strcasecmp(status, server_status(vm, task)) == 0;
}

bool server_status_known(const char *status)
{
	for (size_t i = 0; i < VM_STATE_MAX; i++)
		if (strcasecmp(status, status_texts[i]) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_LEN(status_by_task); i++)
		if (strcasecmp(status, status_by_task[i].status) == 0)
			return true;
	return false;
}

/* All but deleted: a deleted server is "not found" before anyone asks what it may do. */
#define ANY ((1u << VM_DELETED) - 1)
#define ASIDE (ACTION_ANY_TASK | ACTION_WHEN_LOCKED)
#define LIVE (M(ACTIVE) | M(STOPPED) | M(PAUSED) | M(SUSPENDED))
#define ATTACH (M(ACTIVE) | M(PAUSED) | M(STOPPED) | M(RESIZED) | M(SOFT_DELETED) | M(SUSPENDED))

static const struct server_action_rule rules[ACTION_MAX] = {
	/* clang-format off */
	[ACTION_REBOOT_SOFT]     = { "reboot", "reboot", M(ACTIVE), 0, 0, 0 },
	[ACTION_REBOOT_HARD]     = { "reboot", "reboot", LIVE | M(ERROR), 0, 0, 0 },
	[ACTION_START]           = { "os-start", "start", M(STOPPED), 0, 0, 0 },
	[ACTION_STOP]            = { "os-stop", "stop", M(ACTIVE) | M(ERROR), 0, 0, 0 },
	[ACTION_PAUSE]           = { "pause", "pause", M(ACTIVE), 0, 0, 0 },
	[ACTION_UNPAUSE]         = { "unpause", "unpause", M(PAUSED), 0, 0, 0 },
	[ACTION_SUSPEND]         = { "suspend", "suspend", M(ACTIVE), 0, 0, 0 },
	[ACTION_RESUME]          = { "resume", "resume", M(SUSPENDED), 0, 0, 0 },
	[ACTION_RESIZE]          = { "resize", "resize", M(ACTIVE) | M(STOPPED), 0, 0, 0 },
	[ACTION_CONFIRM_RESIZE]  = { "confirmResize", "confirmResize", M(RESIZED), 0, 0, 0 },
	[ACTION_REVERT_RESIZE]   = { "revertResize", "revertResize", M(RESIZED), 0, 0, 0 },
	[ACTION_REBUILD]         = { "rebuild", "rebuild", M(ACTIVE) | M(STOPPED) | M(ERROR), 0, 0, 0 },
	[ACTION_CREATE_IMAGE]    = { "createImage", "createImage", LIVE, ACTION_WHEN_LOCKED, 0, 0 },
	[ACTION_CREATE_BACKUP]   = { "createBackup", "createBackup", LIVE, ACTION_WHEN_LOCKED, 0, 0 },
	[ACTION_LOCK]            = { "lock", "lock", ANY, ASIDE, 0, 0 },
	[ACTION_UNLOCK]          = { "unlock", "unlock", ANY, ASIDE, 0, 0 },
	[ACTION_CHANGE_PASSWORD] = { "changePassword", "changePassword", M(ACTIVE), 0, 0, 0 },
	[ACTION_CONSOLE_OUTPUT]  = { "os-getConsoleOutput", NULL, ANY, ASIDE, 0, 0 },
	[ACTION_RESCUE]          = { "rescue", "rescue", M(ACTIVE) | M(STOPPED) | M(ERROR), 0, 0, 0 },
	[ACTION_UNRESCUE]        = { "unrescue", "unrescue", M(RESCUED), 0, 0, 0 },
	[ACTION_SHELVE]          = { "shelve", "shelve", LIVE, 0, 0, 0 },
	[ACTION_SHELVE_OFFLOAD]  = { "shelveOffload", "shelveOffload", M(SHELVED), 0, 0, 0 },
	[ACTION_UNSHELVE]        = { "unshelve", "unshelve", M(SHELVED) | M(SHELVED_OFFLOADED), 0, 0, 0 },
	[ACTION_FORCE_DELETE]    = { "forceDelete", "forceDelete", ANY, ACTION_ANY_TASK, 0, 0 },
	[ACTION_RESTORE]         = { "restore", "restore", M(SOFT_DELETED), 0, 0, 0 },
	[ACTION_ADD_SECURITY_GROUP]    = { "addSecurityGroup", NULL, ANY, 0, 0, 0 },
	[ACTION_REMOVE_SECURITY_GROUP] = { "removeSecurityGroup", NULL, ANY, 0, 0, 0 },
	[ACTION_ADD_FIXED_IP]    = { "addFixedIp", NULL, ANY, 0, 0, 43 },
	[ACTION_REMOVE_FIXED_IP] = { "removeFixedIp", NULL, ANY, 0, 0, 43 },
	[ACTION_ADD_FLOATING_IP]    = { "addFloatingIp", NULL, ANY, 0, 0, 43 },
	[ACTION_REMOVE_FLOATING_IP] = { "removeFloatingIp", NULL, ANY, 0, 0, 43 },
	[ACTION_VNC_CONSOLE]     = { "os-getVNCConsole", NULL, M(ACTIVE), ASIDE, 0, 5 },
	[ACTION_SPICE_CONSOLE]   = { "os-getSPICEConsole", NULL, M(ACTIVE), ASIDE, 0, 5 },
	[ACTION_SERIAL_CONSOLE]  = { "os-getSerialConsole", NULL,
		M(ACTIVE) | M(PAUSED) | M(RESCUED) | M(RESIZED), ASIDE, 0, 5 },
	[ACTION_RDP_CONSOLE]     = { "os-getRDPConsole", NULL, M(ACTIVE), ASIDE, 0, 5 },
	[ACTION_RESET_STATE]     = { "os-resetState", NULL, ANY, ASIDE | ACTION_ADMIN, 0, 0 },
	[ACTION_MIGRATE]         = { "migrate", "migrate", M(ACTIVE) | M(STOPPED), ACTION_ADMIN, 0, 0 },
	[ACTION_MIGRATE_LIVE]    = { "os-migrateLive", "live-migration", M(ACTIVE) | M(PAUSED), ACTION_ADMIN, 0, 0 },
	[ACTION_EVACUATE]        = { "evacuate", "evacuate",
		LIVE | M(BUILDING) | M(RESCUED) | M(RESIZED) | M(ERROR),
		ACTION_ADMIN | ACTION_WHEN_LOCKED | ACTION_ANY_TASK, 0, 0 },
	[ACTION_CRASH_DUMP]      = { "trigger_crash_dump", "trigger_crash_dump",
		M(ACTIVE) | M(PAUSED) | M(RESCUED) | M(RESIZED) | M(ERROR), 0, 17, 0 },
	[ACTION_INJECT_NETWORK]  = { "injectNetworkInfo", NULL, ANY, ACTION_ADMIN, 0, 0 },
	[ACTION_RESET_NETWORK]   = { "resetNetwork", NULL, ANY, ACTION_ADMIN, 0, 0 },
	[ACTION_DELETE]          = { "delete", "delete", ANY, ACTION_ANY_TASK | ACTION_METHOD, 0, 0 },
	[ACTION_ATTACH_VOLUME]   = { "attach_volume", "attach_volume", ATTACH | M(SHELVED) | M(SHELVED_OFFLOADED),
		ACTION_METHOD, 0, 0 },
	[ACTION_DETACH_VOLUME]   = { "detach_volume", "detach_volume", ATTACH | M(SHELVED) | M(SHELVED_OFFLOADED),
		ACTION_METHOD, 0, 0 },
	[ACTION_ATTACH_INTERFACE] = { "attach_interface", "attach_interface", M(ACTIVE) | M(PAUSED) | M(STOPPED),
		ACTION_METHOD, 0, 0 },
	[ACTION_DETACH_INTERFACE] = { "detach_interface", "detach_interface", M(ACTIVE) | M(PAUSED) | M(STOPPED),
		ACTION_METHOD, 0, 0 },
	/* clang-format on */
};

#undef M
#undef ANY
#undef ASIDE
#undef LIVE
#undef ATTACH

const struct server_action_rule *server_action_rule(enum server_action action)
{
	return &rules[action];
}

bool server_action_find(const char *name, int version, enum server_action *out)
{
	for (int i = 0; i < ACTION_MAX; i++) {
		const struct server_action_rule *r = &rules[i];

		if ((r->flags & ACTION_METHOD) || strcmp(r->name, name) != 0)
			continue;
		if (version && (version < r->since || (r->until && version > r->until)))
			continue;
		*out = (enum server_action)i;
		return true;
	}
	return false;
}

/* "active, stopped" */
static const char *allowed_states(unsigned vm_mask, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (int i = 0; i < VM_STATE_MAX; i++)
		if ((vm_mask >> i & 1) && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", vm_texts[i]);
	return out;
}

int server_action_allowed(enum server_action action, const char *server_id, enum vm_state vm,
	enum task_state task, bool locked, bool is_admin, struct error *err)
{
	const struct server_action_rule *r = &rules[action];
	char states[160];

	if (locked && !is_admin && !(r->flags & ACTION_WHEN_LOCKED))
		return error_set(err, ERR_CONFLICT, "Instance %s is locked", server_id);
	if (!(r->vm_mask >> vm & 1))
		return error_set(err, ERR_CONFLICT,
			"Cannot '%s' instance %s while it is in vm_state %s; it can be done in: %s", r->name,
			server_id, vm_texts[vm], allowed_states(r->vm_mask, states, sizeof states));
	if (task != TASK_NONE && !(r->flags & ACTION_ANY_TASK))
		return error_set(err, ERR_CONFLICT, "Cannot '%s' instance %s while it is in task_state %s",
			r->name, server_id, task_texts[task]);
	return 0;
}
