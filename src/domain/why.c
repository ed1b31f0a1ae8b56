/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/why.h"

#include <string.h>

#include "base/util.h"

/* ---- causes ---- */

static bool flow_is(const struct why_facts *f, enum why_flow how)
{
	return f->flow == how;
}

static bool stuck(const struct why_facts *f)
{
	return flow_is(f, WHY_FLOW_STUCK);
}

static bool needs_host(const struct why_facts *f)
{
	return flow_is(f, WHY_FLOW_HOST) || (flow_is(f, WHY_FLOW_RETRIES) && f->link >= WHY_LINK_OPENING &&
						    f->link <= WHY_LINK_DEAD && f->link != WHY_LINK_UNSTEADY);
}

static bool flow_host_dead(const struct why_facts *f)
{
	return needs_host(f) && f->link == WHY_LINK_DEAD;
}

static bool flow_host_fenced(const struct why_facts *f)
{
	return needs_host(f) && f->link == WHY_LINK_FENCING;
}

static bool flow_host_away(const struct why_facts *f)
{
	return needs_host(f);
}

static bool flow_image(const struct why_facts *f)
{
	return flow_is(f, WHY_FLOW_IMAGE);
}

static bool flow_other(const struct why_facts *f)
{
	return flow_is(f, WHY_FLOW_OTHER);
}

static bool flow_retries(const struct why_facts *f)
{
	return flow_is(f, WHY_FLOW_RETRIES);
}

static bool flow_works(const struct why_facts *f)
{
	return flow_is(f, WHY_FLOW_WORKS);
}

static bool waits_for_room(const struct why_facts *f)
{
	return f->waits_for_room;
}

static bool has_to_leave(const struct why_facts *f)
{
	return f->has_to_leave;
}

static bool task_alone(const struct why_facts *f)
{
	return f->subject == WHY_SERVER && f->task != TASK_NONE;
}

static bool building_alone(const struct why_facts *f)
{
	return f->vm == VM_BUILDING;
}

static bool resized(const struct why_facts *f)
{
	return f->vm == VM_RESIZED;
}

static bool host_dead(const struct why_facts *f)
{
	return f->link == WHY_LINK_DEAD;
}

static bool host_away(const struct why_facts *f)
{
	return f->link == WHY_LINK_AWAY;
}

static bool host_doubtful(const struct why_facts *f)
{
	return f->link == WHY_LINK_DOUBTFUL;
}

static bool host_unsteady(const struct why_facts *f)
{
	return f->link == WHY_LINK_UNSTEADY;
}

static bool host_fenced(const struct why_facts *f)
{
	return f->link == WHY_LINK_FENCING;
}

static bool host_dead_answers(const struct why_facts *f)
{
	return f->link == WHY_LINK_DEAD_ANSWERS;
}

static bool host_returns(const struct why_facts *f)
{
	return f->link == WHY_LINK_RETURNS;
}

static bool host_opening(const struct why_facts *f)
{
	return f->link == WHY_LINK_OPENING;
}

static bool gpu_lost(const struct why_facts *f)
{
	return f->gpu_lost;
}

static bool failed(const struct why_facts *f)
{
	return f->vm == VM_ERROR;
}

static bool drained(const struct why_facts *f)
{
	return f->drained;
}

static bool left_over(const struct why_facts *f)
{
	return f->left_over;
}

static bool state_is(const struct why_facts *f, const char *state)
{
	return f->state && strcmp(f->state, state) == 0;
}

static bool draining(const struct why_facts *f)
{
	return state_is(f, "draining");
}

static bool disabled(const struct why_facts *f)
{
	return state_is(f, "disabled");
}

static bool data_awaited(const struct why_facts *f)
{
	return state_is(f, "queued");
}

static bool data_comes(const struct why_facts *f)
{
	return state_is(f, "uploading") || state_is(f, "importing");
}

static bool data_made(const struct why_facts *f)
{
	return state_is(f, "saving");
}

static bool deactivated(const struct why_facts *f)
{
	return state_is(f, "deactivated");
}

static bool killed(const struct why_facts *f)
{
	return state_is(f, "killed");
}

static bool always(const struct why_facts *f)
{
	(void)f;
	return true;
}

enum { FLOWS = WHY_SERVER | WHY_FLOW | WHY_IMAGE };

static const struct why_cause causes[] = {
	{ "flow-stuck", FLOWS, stuck,
		"Flow {flow} ({kind}) is stuck at its step {step}: its deadline passed {until}. {error}",
		"The operation could not be finished in time; the operator has been told.",
		{ "cloudctl flow retry {flow}", "cloudctl host show {host}",
			"openstack server delete {id}" } },
	{ "flow-host-dead", FLOWS, flow_host_dead,
		"Flow {flow} ({kind}, step {step}) waits for host {host}, which is down: {proof}, {down}.",
		"The server's host is down.",
		{ "cloudctl host evacuate {host}", "openstack server evacuate {id}",
			"openstack server delete {id}", "cloudctl host revive {host}" } },
	{ "flow-host-fenced", FLOWS, flow_host_fenced,
		"Flow {flow} ({kind}, step {step}) waits for host {host}, whose power is being cut.",
		"The server's host is down.",
		{ "cloudctl host power {host}", "openstack server delete {id}" } },
	{ "flow-host-away", FLOWS, flow_host_away,
		"Flow {flow} ({kind}, step {step}) waits for host {host}, which is {evidence} since {since}: "
		"{error}. What is there is unknown, and stays as it was.",
		"The server's host cannot be heard now; the operation goes on when it can.",
		{ "cloudctl host refresh {host}", "cloudctl host show {host}", "cloudctl host fence {host}",
			"cloudctl host down {host} --confirm-dead" } },
	{ "flow-image", FLOWS, flow_image,
		"Flow {flow} ({kind}) waits for image {image}, which is copied to host {host} by flow "
		"{other}.",
		"The image is being brought to the server's host.",
		{ "cloudctl why {other}", "cloudctl flow retry {other}" } },
	{ "flow-other", FLOWS, flow_other,
		"Flow {flow} ({kind}) waits until flow {other} ({other_kind}) has ended.",
		"Another operation has to end first.",
		{ "cloudctl why {other}", "cloudctl flow retry {other}" } },
	{ "flow-retries", FLOWS, flow_retries,
		"Flow {flow} ({kind}) failed at its step {step} {tries} times and tries again at {due}: "
		"{error}",
		"A step went wrong in a way that may pass; it is tried again.",
		{ "cloudctl flow retry {flow}", "cloudctl host show {host}" } },
	{ "flow-works", FLOWS, flow_works,
		"Flow {flow} ({kind}) is at its step {step}, until {until} at most.",
		"An operation is under way.", { NULL } },
	{ "waits-for-room", WHY_SERVER, waits_for_room,
		"It waits for room on host {host}, until {until} at most, while others leave ({leavers} "
		"still "
		"have to).",
		"It waits for room, while others leave.",
		{ "cloudctl eviction list", "cloudctl decision list --server {id}",
			"openstack server delete {id}" } },
	{ "task-alone", WHY_SERVER, task_alone,
		"Its task {task} has no flow that would end it. That must not be.",
		"Its task was lost; the operator can set the server right.",
		{ "cloudctl check", "openstack server set --state active {id}" } },
	{ "building-alone", WHY_SERVER, building_alone, "It is being made, but by no flow. That must not be.",
		"Its making was lost; the operator can set the server right.",
		{ "cloudctl check", "openstack server delete {id}" } },
	{ "host-dead", WHY_SERVER | WHY_HOST, host_dead,
		"Host {host} is down: {proof}, {down}. Servers there may be made anew elsewhere, and are "
		"cleared away when it returns.",
		"The server's host is down.",
		{ "cloudctl host evacuate {host}", "openstack server evacuate {id}",
			"cloudctl host power {host} on", "cloudctl host revive {host}" } },
	{ "host-dead-answers", WHY_SERVER | WHY_HOST, host_dead_answers,
		"Host {host} was down ({proof}, {down}) and answers again since {since}. What went elsewhere "
		"is "
		"cleared away there; it gets no servers, and its own are as they were seen, until it is "
		"revived.",
		"The server's host was down, and is being looked over.",
		{ "cloudctl host revive {host}", "cloudctl drift", "cloudctl host show {host}" } },
	{ "host-fenced", WHY_SERVER | WHY_HOST, host_fenced,
		"The power of host {host} is being cut: nothing is sent to it until it was read as off, or "
		"that "
		"failed.",
		"The server's host cannot be heard now: what is shown was seen last {seen}.",
		{ "cloudctl host power {host}" } },
	{ "host-away", WHY_SERVER | WHY_HOST, host_away,
		"Host {host} is unreachable, not connected since {since}: {error}. What runs there is "
		"unknown, and "
		"stays as it was last seen. Its servers go elsewhere only when it is proved to be down.",
		"The server's host cannot be heard now: what is shown was seen last {seen}.",
		{ "cloudctl host refresh {host}", "cloudctl host fence {host} --evacuate",
			"cloudctl host down {host} --confirm-dead", "cloudctl host evacuate {host}" } },
	{ "host-doubtful", WHY_SERVER | WHY_HOST, host_doubtful,
		"Host {host} is doubtful, not connected since {since}: {error}. It is tried again by itself; "
		"what "
		"runs there stays as it was last seen.",
		"The server's host cannot be heard now: what is shown was seen last {seen}.",
		{ "cloudctl host refresh {host}", "cloudctl host show {host}",
			"cloudctl host down {host} --confirm-dead" } },
	{ "host-unsteady", WHY_HOST, host_unsteady,
		"The connection of host {host} comes and goes, and stands since {since}: no new servers "
		"until it has "
		"stood for a while.",
		NULL, { "cloudctl host show {host}" } },
	{ "host-returns", WHY_HOST, host_returns,
		"Host {host} was down, and is connected since {since}: no new servers until a look finds "
		"nothing left "
		"there of servers that went elsewhere.",
		NULL, { "cloudctl drift", "cloudctl flow list", "cloudctl host refresh {host}" } },
	{ "host-opening", WHY_SERVER | WHY_HOST, host_opening,
		"Host {host} is being connected since {since}.", "The server's host is being connected.",
		{ "cloudctl host show {host}" } },
	{ "gpu-lost", WHY_SERVER, gpu_lost,
		"Its GPU {gpu} is not on host {host}. When it is there again the server can be started.",
		"A GPU of the server is gone from its host; when it is back the server can be started.",
		{ "cloudctl gpu show {gpu}", "cloudctl host refresh {host}",
			"openstack server reboot --hard {id}", "openstack server delete {id}" } },
	{ "failed", WHY_SERVER, failed, "It failed: {fault}", "It failed: {fault}",
		{ "openstack server reboot --hard {id}", "openstack server rebuild {id}",
			"openstack server set --state active {id}", "openstack server delete {id}" } },
	{ "resize-waits", WHY_SERVER, resized, "Its resize waits to be confirmed or reverted{confirm}.",
		"Its resize waits to be confirmed or reverted{confirm}.",
		{ "openstack server resize confirm {id}", "openstack server resize revert {id}" } },
	{ "has-to-leave", WHY_SERVER, has_to_leave, "It has to leave host {host} at {until}, for {for}.",
		"It has to leave its host at {until}.",
		{ "openstack server shelve {id}", "cloudctl eviction list" } },
	{ "drain-waits", WHY_SERVER, drained, "Host {host} is being emptied; the server {drain}.",
		"Its host is being emptied; it will be moved to another one.",
		{ "cloudctl host drain --show {host}", "cloudctl host drain --stop {host}" } },
	{ "left-over", WHY_SERVER, left_over,
		"It is well; what it left on host {other_host} is still to be cleared away by flow "
		"{other}{left_waits}.",
		"It is well.", { "cloudctl why {other}", "cloudctl flow retry {other}" } },
	{ "emptied", WHY_HOST, drained, "Host {host} is being emptied: {drain}. {reason}", NULL,
		{ "cloudctl host drain --show {host}", "cloudctl host drain --stop {host}",
			"cloudctl host enable {host}" } },
	{ "draining", WHY_HOST, draining, "Host {host} gets no new servers: {reason}", NULL,
		{ "cloudctl host enable {host}" } },
	{ "disabled", WHY_HOST, disabled, "Host {host} is taken out of service: {reason}", NULL,
		{ "cloudctl host enable {host}" } },
	{ "data-awaited", WHY_IMAGE, data_awaited, "It waits for its data.", "It waits for its data.",
		{ "openstack image save", "openstack image delete {id}" } },
	{ "data-comes", WHY_IMAGE, data_comes, "Its data is coming; when that ends, so does this state.",
		"Its data is coming.", { "openstack image delete {id}" } },
	{ "data-made", WHY_IMAGE, data_made, "It is being made of a server's disk, by that server's flow.",
		"It is being made of a server's disk.",
		{ "cloudctl flow list", "openstack image delete {id}" } },
	{ "deactivated", WHY_IMAGE, deactivated, "An administrator has deactivated it.",
		"An administrator has deactivated it.", { "openstack image set --activate {id}" } },
	{ "killed", WHY_IMAGE, killed, "Its data could not be stored.", "Its data could not be stored.",
		{ "openstack image delete {id}" } },
	{ "nothing", WHY_SERVER | WHY_HOST | WHY_IMAGE | WHY_FLOW, always, "It waits for nothing.",
		"It waits for nothing.", { NULL } },
};

const struct why_cause *why_cause_at(size_t i)
{
	return i < ARRAY_LEN(causes) ? &causes[i] : NULL;
}

const struct why_cause *why_find(const struct why_facts *f)
{
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(causes) && !((causes[i].subjects & f->subject) && causes[i].holds(f)))
		i++;
	return &causes[i];
}

static const char *word(const char *name, size_t len, const struct why_word *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(words[i].name) == len && memcmp(words[i].name, name, len) == 0)
			return words[i].value ? words[i].value : "?";
	return "?";
}

void why_fill(struct buf *out, const char *text, const struct why_word *words, size_t n)
{
	const char *open, *end;

	while ((open = strchr(text, '{')) && (end = strchr(open, '}'))) {
		buf_append(out, text, (size_t)(open - text));
		buf_puts(out, word(open + 1, (size_t)(end - open - 1), words, n));
		text = end + 1;
	}
	buf_puts(out, text);
}

/* ---- servers at rest ---- */

static const struct why_step steps[VM_STATE_MAX][WHY_COMMANDS] = {
	[VM_BUILDING] = { { ACTION_DELETE, "openstack server delete {id}" } },
	[VM_ACTIVE] = { { ACTION_STOP, "openstack server stop {id}" } },
	[VM_STOPPED] = { { ACTION_START, "openstack server start {id}" } },
	[VM_PAUSED] = { { ACTION_UNPAUSE, "openstack server unpause {id}" } },
	[VM_SUSPENDED] = { { ACTION_RESUME, "openstack server resume {id}" } },
	[VM_RESCUED] = { { ACTION_UNRESCUE, "openstack server unrescue {id}" } },
	[VM_RESIZED] = { { ACTION_CONFIRM_RESIZE, "openstack server resize confirm {id}" },
		{ ACTION_REVERT_RESIZE, "openstack server resize revert {id}" } },
	[VM_ERROR] = { { ACTION_REBOOT_HARD, "openstack server reboot --hard {id}" },
		{ ACTION_REBUILD, "openstack server rebuild {id}" },
		{ ACTION_DELETE, "openstack server delete {id}" } },
	[VM_SHELVED] = { { ACTION_UNSHELVE, "openstack server unshelve {id}" },
		{ ACTION_SHELVE_OFFLOAD, "openstack server shelve --offload {id}" } },
	[VM_SHELVED_OFFLOADED] = { { ACTION_UNSHELVE, "openstack server unshelve {id}" } },
	[VM_SOFT_DELETED] = { { ACTION_RESTORE, "openstack server restore {id}" },
		{ ACTION_FORCE_DELETE, "openstack server delete --force {id}" } },
};

const struct why_step *why_server_steps(enum vm_state vm)
{
	return steps[vm];
}

const char *why_task_of(enum task_state task)
{
	switch (task) {
	case TASK_SCHEDULING: /* it waits for room */
	case TASK_RESIZE_PREP:
		return "the waiter's row, until its deadline";
	default:
		return NULL;
	}
}

/* ---- ways out of rows' states ---- */

static const struct why_way ways[] = {
	{ "host", "state", "up", WHY_END_REST, NULL, NULL },
	{ "host", "state", "draining", WHY_END_COMMAND, "host enable", "cloudctl host enable {host}" },
	{ "host", "state", "disabled", WHY_END_COMMAND, "host enable", "cloudctl host enable {host}" },
	{ "host", "evidence", "connected", WHY_END_REST, NULL, NULL },
	{ "host", "evidence", "doubtful", WHY_END_LOOK,
		"the next connection, or the time until it is unreachable", "cloudctl host refresh {host}" },
	{ "host", "evidence", "unreachable", WHY_END_LOOK, "the next connection, or a proof that it is down",
		"cloudctl host fence {host}" },
	{ "host", "evidence", "down", WHY_END_COMMAND, "host revive", "cloudctl host revive {host}" },
	{ "host", "down_proof", "", WHY_END_REST, NULL, NULL },
	{ "host", "down_proof", "fence", WHY_END_COMMAND, "host revive", "cloudctl host revive {host}" },
	{ "host", "down_proof", "operator", WHY_END_COMMAND, "host revive", "cloudctl host revive {host}" },
	{ "fence_attempt", "state", "running", WHY_END_TIME, "its deadline", NULL },
	{ "fence_attempt", "state", "done", WHY_END_REST, NULL, NULL },
	{ "fence_attempt", "state", "failed", WHY_END_REST, NULL, NULL },
	{ "host_evacuation", "state", "running", WHY_END_REQUEST, "each of its servers, which goes or stays",
		"cloudctl host evacuate {host} --stop" },
	{ "host_evacuation", "state", "done", WHY_END_REST, NULL, NULL },
	{ "host_evacuation", "state", "stopped", WHY_END_REST, NULL, NULL },
	{ "drain", "state", "running", WHY_END_TIME, "the end of its moves, or when they are tried again",
		"cloudctl host drain --stop {host}" },
	{ "drain", "state", "stopped", WHY_END_COMMAND, "host drain", "cloudctl host drain {host}" },
	{ "drain", "state", "partial", WHY_END_COMMAND, "host drain", "cloudctl host drain {host}" },
	{ "drain", "state", "done", WHY_END_REST, NULL, "cloudctl host enable {host}" },
	{ "drain_server", "state", "waiting", WHY_END_TIME, "its turn, room, or the time of the next try",
		"cloudctl host drain {host}" },
	{ "drain_server", "state", "moving", WHY_END_FLOW, "server_migrate_live", "cloudctl why {id}" },
	{ "drain_server", "state", "moved", WHY_END_REST, NULL, NULL },
	{ "drain_server", "state", "stays", WHY_END_COMMAND, "host drain", "cloudctl host drain {host}" },
	{ "host_image", "state", "staging", WHY_END_FLOW, "image_stage", "cloudctl flow retry {flow}" },
	{ "host_image", "state", "ready", WHY_END_REST, NULL, NULL },
	{ "host_image", "state", "error", WHY_END_REQUEST, "the next server that needs it there", NULL },
	{ "image", "status", "queued", WHY_END_REQUEST, "its data, or its deletion",
		"openstack image delete {id}" },
	{ "image", "status", "saving", WHY_END_FLOW, "server_create_image", "openstack image delete {id}" },
	{ "image", "status", "uploading", WHY_END_REQUEST, "the end of the upload, also when it breaks off",
		"openstack image delete {id}" },
	{ "image", "status", "importing", WHY_END_REQUEST, "the end of the import, also after a restart",
		"openstack image delete {id}" },
	{ "image", "status", "active", WHY_END_REST, NULL, NULL },
	{ "image", "status", "deactivated", WHY_END_REQUEST, "an administrator's word",
		"openstack image set --activate {id}" },
	{ "image", "status", "killed", WHY_END_REQUEST, "its deletion", "openstack image delete {id}" },
	{ "image_member", "status", "pending", WHY_END_REQUEST, "the member's word", NULL },
	{ "image_member", "status", "accepted", WHY_END_REST, NULL, NULL },
	{ "image_member", "status", "rejected", WHY_END_REST, NULL, NULL },
	{ "image_task", "status", "pending", WHY_END_REQUEST, "the import's beginning", NULL },
	{ "image_task", "status", "processing", WHY_END_REQUEST, "the import's end, also after a restart",
		NULL },
	{ "image_task", "status", "success", WHY_END_REST, NULL, NULL },
	{ "image_task", "status", "failure", WHY_END_REST, NULL, NULL },
	{ "flow", "state", "ready", WHY_END_TIME, "its deadline", "cloudctl flow retry {flow}" },
	{ "flow", "state", "waiting", WHY_END_TIME, "its deadline", "cloudctl flow retry {flow}" },
	{ "flow", "state", "stuck", WHY_END_COMMAND, "flow retry", "cloudctl flow retry {flow}" },
	{ "device", "health", "ok", WHY_END_REST, NULL, NULL },
	{ "device", "health", "faulty", WHY_END_COMMAND, "gpu clear", "cloudctl gpu clear {gpu}" },
	{ "device", "custody", "clean", WHY_END_REST, NULL, NULL },
	{ "device", "custody", "reset", WHY_END_FLOW, "gpu_reset", "cloudctl gpu clear {gpu}" },
	{ "device", "custody", "quarantined", WHY_END_COMMAND, "gpu clear", "cloudctl gpu clear {gpu}" },
	{ "block", "state", "planned", WHY_END_TIME, "its beginning", "cloudctl reservation cancel {block}" },
	{ "block", "state", "clearing", WHY_END_TIME, "its end", "cloudctl reservation cancel {block}" },
	{ "block", "state", "active", WHY_END_TIME, "its end", "cloudctl reservation cancel {block}" },
	{ "block", "state", "ended", WHY_END_REST, NULL, NULL },
	{ "block", "state", "cancelled", WHY_END_REST, NULL, NULL },
	{ "webhook", "state", "active", WHY_END_REST, NULL, NULL },
	{ "webhook", "state", "paused", WHY_END_COMMAND, "webhook resume", NULL },
	/* moves, which the schema does not list */
	{ "migration", "status", "pre-migrating", WHY_END_FLOW, "server_resize", "cloudctl why {id}" },
	{ "migration", "status", "migrating", WHY_END_FLOW, "server_resize", "cloudctl why {id}" },
	{ "migration", "status", "finished", WHY_END_REQUEST, "its confirmation, or the time for it",
		"openstack server resize confirm {id}" },
	{ "migration", "status", "reverting", WHY_END_FLOW, "server_resize_revert", "cloudctl why {id}" },
	{ "migration", "status", "preparing", WHY_END_FLOW, "server_migrate_live",
		"openstack server migration abort {id} {move}" },
	{ "migration", "status", "running", WHY_END_FLOW, "server_migrate_live",
		"openstack server migration abort {id} {move}" },
	{ "migration", "status", "post-migrating", WHY_END_FLOW, "server_migrate_live", "cloudctl why {id}" },
	{ "migration", "status", "error", WHY_END_FLOW, "server_resize", "cloudctl why {id}" },
	{ "migration", "status", "completed", WHY_END_REST, NULL, NULL },
	{ "migration", "status", "cancelled", WHY_END_REST, NULL, NULL },
	{ "migration", "status", "confirmed", WHY_END_REST, NULL, NULL },
	{ "migration", "status", "reverted", WHY_END_REST, NULL, NULL },
	{ "migration", "status", "done", WHY_END_REST, NULL, NULL },
};

const struct why_way *why_way_at(size_t i)
{
	return i < ARRAY_LEN(ways) ? &ways[i] : NULL;
}

const struct why_way *why_way_find(const char *table, const char *column, const char *value)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		if (strcmp(ways[i].table, table) == 0 && strcmp(ways[i].column, column) == 0 &&
			strcmp(ways[i].value, value) == 0)
			return &ways[i];
	return NULL;
}
