/* SPDX-License-Identifier: Apache-2.0 */
/* Servers of all projects as an operator wants to see them: where, how, and what went wrong. */
#include "api/operator/operator.h"
#include "base/util.h"
#include "domain/server_state.h"
#include "store/operator_reads.h"

static void write_server(struct api_call *c, const struct operator_server *s)
{
	struct buf *b = &c->out;
	enum vm_state vm = VM_ERROR;
	enum task_state task = TASK_NONE;

	vm_state_parse(s->vm_state, &vm);
	if (s->task_state)
		task_state_parse(s->task_state, &task);
	jw_object(b);
	jw_kv_str(b, "id", s->uid);
	jw_kv_str(b, "name", s->name);
	jw_kv_str(b, "status", server_status(vm, task));
	jw_kv_str(b, "task_state", s->task_state);
	jw_kv_int(b, "power_state", s->power_state);
	operator_kv_time(c, "power_seen_at", s->power_seen_us);
	jw_kv_str(b, "host", s->host);
	jw_kv_str(b, "project", s->project_name);
	jw_kv_str(b, "project_id", s->project_uid);
	jw_kv_str(b, "flavor", s->flavor_name);
	jw_kv_int(b, "vcpus", s->vcpus);
	jw_kv_int(b, "ram_mib", s->ram_mib);
	jw_kv_str(b, "addresses", s->address);
	operator_kv_time(c, "created_at", s->created_us);
	jw_kv_str(b, "fault", s->fault_message);
	jw_kv_str(b, "fault_details", s->fault_details);
	operator_kv_time(c, "fault_at", s->fault_us);
	jw_kv_bool(b, "preemptible", s->preemptible);
	operator_kv_time(c, "leave_at", s->leave_us);
	jw_kv_str(b, "waits_for_host", s->waits_for);
	jw_kv_str(b, "reservation_id", s->reservation);
	jw_end_object(b);
}

int operator_server_list(struct api_call *c, struct error *err)
{
	struct operator_server *all;
	size_t n;

	if (store_operator_servers(c->db, c->arena, NULL, c->api->config.list_max, &all, &n, err) < 0)
		return -1;
	jw_object(&c->out);
	jw_key(&c->out, "servers");
	jw_array(&c->out);
	for (size_t i = 0; i < n; i++)
		write_server(c, &all[i]);
	jw_end_array(&c->out);
	jw_end_object(&c->out);
	return 0;
}

int operator_server_show(struct api_call *c, struct error *err)
{
	const char *uid = api_param(c, "server");
	struct operator_server *s;
	size_t n;

	if (store_operator_servers(c->db, c->arena, uid, 1, &s, &n, err) < 0)
		return -1;
	if (!n)
		return error_set(err, ERR_NOT_FOUND, "there is no server %.64s", uid);
	jw_object(&c->out);
	jw_key(&c->out, "server");
	write_server(c, s);
	jw_end_object(&c->out);
	return 0;
}
