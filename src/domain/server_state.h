/* SPDX-License-Identifier: Apache-2.0 */
/* What a server is (vm_state), what is being done with it (task_state), what was seen of it (power_state);
 * the status that tenants read, and which action is allowed when. Pure tables. */
#ifndef DOMAIN_SERVER_STATE_H
#define DOMAIN_SERVER_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* The texts are what the database and the API carry; the numbers are not stored. */
enum vm_state {
	VM_BUILDING,
	VM_ACTIVE,
	VM_STOPPED,
	VM_PAUSED,
	VM_SUSPENDED,
	VM_RESCUED,
	VM_RESIZED,
	VM_ERROR,
	VM_SHELVED,
	VM_SHELVED_OFFLOADED,
	VM_SOFT_DELETED,
	VM_DELETED,
	VM_STATE_MAX
};

enum task_state {
	TASK_NONE,
	TASK_SCHEDULING,
	TASK_BLOCK_DEVICE_MAPPING,
	TASK_NETWORKING,
	TASK_SPAWNING,
	TASK_IMAGE_SNAPSHOT,
	TASK_IMAGE_SNAPSHOT_PENDING,
	TASK_IMAGE_PENDING_UPLOAD,
	TASK_IMAGE_UPLOADING,
	TASK_IMAGE_BACKUP,
	TASK_UPDATING_PASSWORD,
	TASK_RESIZE_PREP,
	TASK_RESIZE_MIGRATING,
	TASK_RESIZE_MIGRATED,
	TASK_RESIZE_FINISH,
	TASK_RESIZE_REVERTING,
	TASK_RESIZE_CONFIRMING,
	TASK_REBOOTING,
	TASK_REBOOT_PENDING,
	TASK_REBOOT_STARTED,
	TASK_REBOOTING_HARD,
	TASK_REBOOT_PENDING_HARD,
	TASK_REBOOT_STARTED_HARD,
	TASK_PAUSING,
	TASK_UNPAUSING,
	TASK_SUSPENDING,
	TASK_RESUMING,
	TASK_POWERING_OFF,
	TASK_POWERING_ON,
	TASK_RESCUING,
	TASK_UNRESCUING,
	TASK_REBUILDING,
	TASK_REBUILD_BLOCK_DEVICE_MAPPING,
	TASK_REBUILD_SPAWNING,
	TASK_MIGRATING,
	TASK_DELETING,
	TASK_SOFT_DELETING,
	TASK_RESTORING,
	TASK_SHELVING,
	TASK_SHELVING_IMAGE_PENDING_UPLOAD,
	TASK_SHELVING_IMAGE_UPLOADING,
	TASK_SHELVING_OFFLOADING,
	TASK_UNSHELVING,
	TASK_STATE_MAX
};

enum power_state { /* the numbers are the API's */
	POWER_NOSTATE = 0,
	POWER_RUNNING = 1,
	POWER_PAUSED = 3,
	POWER_SHUTDOWN = 4,
	POWER_CRASHED = 6,
	POWER_SUSPENDED = 7
};

const char *vm_state_text(enum vm_state s);     /* "active" */
const char *task_state_text(enum task_state t); /* "powering-on"; NULL for TASK_NONE */
/* False when the text is none of them. task_state_parse takes NULL and "" as TASK_NONE. */
bool vm_state_parse(const char *text, enum vm_state *out);
bool task_state_parse(const char *text, enum task_state *out);
bool power_state_valid(int n);
const char *power_state_text(int n); /* "Running", as clients show it; "NOSTATE" for unknown numbers */

/* "ACTIVE", "REBOOT": the server's status. */
const char *server_status(enum vm_state vm, enum task_state task);
/* For the list filter `status`: can the status (any case) come of this vm_state? False for all: unknown
 * status. */
bool server_status_is(const char *status, enum vm_state vm, enum task_state task);
bool server_status_known(const char *status);

enum server_action {
	ACTION_REBOOT_SOFT,
	ACTION_REBOOT_HARD,
	ACTION_START,
	ACTION_STOP,
	ACTION_PAUSE,
	ACTION_UNPAUSE,
	ACTION_SUSPEND,
	ACTION_RESUME,
	ACTION_RESIZE,
	ACTION_CONFIRM_RESIZE,
	ACTION_REVERT_RESIZE,
	ACTION_REBUILD,
	ACTION_CREATE_IMAGE,
	ACTION_CREATE_BACKUP,
	ACTION_LOCK,
	ACTION_UNLOCK,
	ACTION_CHANGE_PASSWORD,
	ACTION_CONSOLE_OUTPUT,
	ACTION_RESCUE,
	ACTION_UNRESCUE,
	ACTION_SHELVE,
	ACTION_SHELVE_OFFLOAD,
	ACTION_UNSHELVE,
	ACTION_FORCE_DELETE,
	ACTION_RESTORE,
	ACTION_ADD_SECURITY_GROUP,
	ACTION_REMOVE_SECURITY_GROUP,
	ACTION_ADD_FIXED_IP,
	ACTION_REMOVE_FIXED_IP,
	ACTION_ADD_FLOATING_IP,
	ACTION_REMOVE_FLOATING_IP,
	ACTION_VNC_CONSOLE,
	ACTION_SPICE_CONSOLE,
	ACTION_SERIAL_CONSOLE,
	ACTION_RDP_CONSOLE,
	ACTION_RESET_STATE,
	ACTION_MIGRATE,
	ACTION_MIGRATE_LIVE,
	ACTION_EVACUATE,
	ACTION_CRASH_DUMP,
	ACTION_INJECT_NETWORK,
	ACTION_RESET_NETWORK,
	ACTION_DELETE, /* the method, not a key of /action */
	ACTION_ATTACH_VOLUME,
	ACTION_DETACH_VOLUME,
	ACTION_ATTACH_INTERFACE,
	ACTION_DETACH_INTERFACE,
	ACTION_MAX
};

struct server_action_rule {
	const char *name;  /* the key in the body of /action; Nova's method name for those that are not one */
	const char *event; /* as os-instance-actions lists it; NULL: not listed */
	unsigned vm_mask;  /* 1 << enum vm_state: allowed in these */
	unsigned flags;    /* enum server_action_flags */
	int since, until;  /* API minor versions; 0: no bound */
};

enum server_action_flags {
	ACTION_ANY_TASK = 1,    /* also while something else is going on */
	ACTION_WHEN_LOCKED = 2, /* a lock does not stop it */
	ACTION_ADMIN = 4,
	ACTION_METHOD = 8 /* not a key of /action */
};

const struct server_action_rule *server_action_rule(enum server_action action);
/* By the key of the body ("reboot" gives ACTION_REBOOT_SOFT; the type picks). False: no such action in this
 * API version (0: any). */
bool server_action_find(const char *name, int version, enum server_action *out);
/* 0, or ERR_CONFLICT with Nova's text: "Cannot 'os-stop' instance <id> while it is in vm_state building". */
int server_action_allowed(enum server_action action, const char *server_id, enum vm_state vm,
	enum task_state task, bool locked, bool is_admin, struct error *err);

#endif
