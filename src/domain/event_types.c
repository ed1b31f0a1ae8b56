/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/event_types.h"

#include <string.h>

#include "base/util.h"

static const char separators[] = " ,";

/* docs/events.md has the same table; tests/check/docs.sh compares. */
const struct event_type event_types[] = {
	{ "server.created", true, "A server was accepted; it is being built." },
	{ "server.state", true, "A server went from one state to another." },
	{ "server.moved", true, "A server lives on another host now." },
	{ "server.deleted", true, "A server is gone, and what it held was given back." },
	{ "eviction.notice", true, "A server has to leave its host at the time that is told." },
	{ "reservation.state", true, "A capacity block was made, began or ended." },
	{ "maintenance.state", false, "A maintenance window was planned, began or ended." },
	{ "image.active", true, "An image's data is complete and known: servers can be made of it." },
	{ "image.deleted", true, "An image was deleted." },
	{ "budget.threshold", true, "A project has used the percentage of a budget that is told." },
	{ "host.added", false, "A host was added to the cloud." },
	{ "host.removed", false, "A host was removed from the cloud." },
	{ "host.state", false, "A host was enabled, drained, disabled, or declared dead or back." },
	{ "host.drain_begun", false, "A host is being emptied: its servers are moved elsewhere." },
	{ "host.drain_stopped", false, "No more servers leave a host that was being emptied." },
	{ "host.drain_ended", false, "A host that was being emptied is empty, or what is left there stays." },
	{ "host.connected", false, "A host can be heard, and was looked over." },
	{ "host.doubtful", false, "A host that was heard is not heard any more, or has to settle first." },
	{ "host.unreachable", false, "A host was not heard for so long that somebody should look." },
	{ "host.down", false, "A host is proved to be off: by a fence agent, or an operator's word." },
	{ "host.returned", false, "A host that was down answers again; what was found there." },
	{ "host.fencing", false, "A host's power is to be cut." },
	{ "host.fenced", false, "A host's power was cut, and read as off." },
	{ "host.fence_failed", false, "A host's power was not read as it should be in time." },
	{ "host.fence_held", false, "A silent host is not fenced by itself, and why." },
	{ "host.evacuated", false, "A dead host's servers were made anew elsewhere, as far as they can." },
	{ "gpu.added", false, "A GPU was seen for the first time." },
	{ "gpu.present", false, "A GPU is not seen any more, or is seen again." },
	{ "gpu.health", false, "A GPU's health changed." },
	{ "gpu.custody", false,
		"A stage of a GPU's way from one server to the next: released, reset, verified; cleared, "
		"quarantined." },
	{ "flow.stuck", false, "Work has passed its deadline and waits for an operator." },
	{ "backup.made", false, "A backup of the database was made and proved." },
	{ "backup.failed", false, "A backup of the database could not be made." },
	{ "controller.state", false, "A resource of the controller runs short, or is enough again." },
	{ "webhook.test", true, "Somebody asked for a test of a webhook." },
	{ "webhook.given_up", true, "Events could not be delivered for so long that they were given up." },
	{ "events.lost", true, "Events before this one are not kept any more: never a row, only told." },
};
const size_t event_types_n = ARRAY_LEN(event_types);

const struct event_type *event_type_find(const char *name)
{
	for (size_t i = 0; i < event_types_n; i++)
		if (strcmp(event_types[i].name, name) == 0)
			return &event_types[i];
	return NULL;
}

/* n characters of p: the whole name, or all of it before a dot. */
static bool begins(const char *p, size_t n, const char *name)
{
	return strncmp(p, name, n) == 0 && (name[n] == '\0' || name[n] == '.');
}

static bool begins_any(const char *p, size_t n)
{
	for (size_t i = 0; i < event_types_n; i++)
		if (begins(p, n, event_types[i].name))
			return true;
	return false;
}

/* The next entry from *p on: its length, 0 at the end. */
static size_t entry(const char **p)
{
	*p += strspn(*p, separators);
	return strcspn(*p, separators);
}

bool event_wanted_valid(const char *list)
{
	if (strlen(list) > EVENT_WANTED_MAX)
		return false;
	for (size_t n; (n = entry(&list)); list += n)
		if (!begins_any(list, n))
			return false;
	return true;
}

bool event_wanted(const char *list, const char *name)
{
	size_t n = entry(&list);

	if (!n)
		return true;
	for (; n; list += n, n = entry(&list))
		if (begins(list, n, name))
			return true;
	return false;
}
