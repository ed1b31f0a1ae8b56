/* SPDX-License-Identifier: Apache-2.0 */
/* What was told of things must be how they are, and who is told must be there. */
#include "base/util.h"
#include "store/check_rules.h"

const struct check_rule check_event_rules[] = {
	{ "event-state",
		"SELECT uid, 'is ' || vm_state || ' and the last that was told of it is ' || told FROM "
		"(SELECT s.uid, s.vm_state, (SELECT coalesce(json_extract(e.data, '$.new'), "
		"json_extract(e.data, '$.state')) FROM event e WHERE e.subject = s.uid AND e.type IN "
		"('server.created', 'server.state', 'server.deleted') ORDER BY e.id DESC LIMIT 1) AS told "
		"FROM server s WHERE s.deleted_us = 0) WHERE told != vm_state" },
	{ "event-kept", "SELECT 'event ' || e.id, 'is there though it was purged' FROM event e WHERE e.id <= "
			"(SELECT value FROM counter WHERE name = 'events_purged')" },
	{ "webhook-project",
		"SELECT w.uid, 'belongs to a project that is gone' FROM webhook w WHERE w.project_uid != '' "
		"AND NOT EXISTS (SELECT 1 FROM project p WHERE p.uid = w.project_uid AND p.deleted_us = "
		"0)" },
	{ "webhook-done", "SELECT w.uid, 'was told of events that there are not yet' FROM webhook w WHERE "
			  "w.done_id > (SELECT value FROM counter WHERE name = 'id')" },
};
const size_t check_event_rules_n = ARRAY_LEN(check_event_rules);
