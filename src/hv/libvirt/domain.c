/* SPDX-License-Identifier: Apache-2.0 */
/* Guests: defined, powered, looked at and removed. Each is looked up by its uuid and must carry our mark;
 * what is not ours is never touched. */
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/libvirt/conn.h"
#include "hv/libvirt/domxml.h"
#include "hv/libvirt/treexml.h"
#include "hv/libvirt/xmlr.h"

/* --- states --------------------------------------------------------------------------------------------- */

/* What is not known to be off counts as running: unknown is not stopped. */
static const enum hv_power power_of[] = {
	[VIR_DOMAIN_NOSTATE] = HV_POWER_RUNNING,
	[VIR_DOMAIN_RUNNING] = HV_POWER_RUNNING,
	[VIR_DOMAIN_BLOCKED] = HV_POWER_RUNNING,
	[VIR_DOMAIN_PAUSED] = HV_POWER_PAUSED,
	[VIR_DOMAIN_SHUTDOWN] = HV_POWER_RUNNING, /* on its way, the process is there still */
	[VIR_DOMAIN_SHUTOFF] = HV_POWER_SHUTOFF,
	[VIR_DOMAIN_CRASHED] = HV_POWER_CRASHED,
	[VIR_DOMAIN_PMSUSPENDED] = HV_POWER_PAUSED, /* asleep by its own will, in memory */
};

enum hv_power lv_power(int state)
{
	return state >= 0 && (size_t)state < ARRAY_LEN(power_of) ? power_of[state] : HV_POWER_RUNNING;
}

bool lv_event_power(int event, int detail, enum hv_power *out)
{
	switch (event) {
	case VIR_DOMAIN_EVENT_STARTED: /* a guest on its way hither does not run yet */
		*out = HV_POWER_RUNNING;
		return detail != VIR_DOMAIN_EVENT_STARTED_MIGRATED;
	case VIR_DOMAIN_EVENT_RESUMED:
		*out = HV_POWER_RUNNING;
		return true;
	case VIR_DOMAIN_EVENT_SUSPENDED: /* nor is one paused that goes on elsewhere, or off */
		*out = HV_POWER_PAUSED;
		return detail != VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED;
	case VIR_DOMAIN_EVENT_STOPPED:
		*out = detail == VIR_DOMAIN_EVENT_STOPPED_CRASHED ? HV_POWER_CRASHED
		       : detail == VIR_DOMAIN_EVENT_STOPPED_SAVED ? HV_POWER_SUSPENDED
								  : HV_POWER_SHUTOFF;
		return detail != VIR_DOMAIN_EVENT_STOPPED_MIGRATED;
	case VIR_DOMAIN_EVENT_CRASHED:
		*out = HV_POWER_CRASHED;
		return true;
	case VIR_DOMAIN_EVENT_PMSUSPENDED:
		*out = HV_POWER_PAUSED;
		return true;
	default: /* DEFINED, UNDEFINED (it may run on), SHUTDOWN (STOPPED follows) */
		return false;
	}
}

bool lv_is_active(enum hv_power p)
{
	return p != HV_POWER_ABSENT && p != HV_POWER_SHUTOFF && p != HV_POWER_SUSPENDED;
}

/* --- lookup and mark ------------------------------------------------------------------------------------ */

/* *out stays NULL when no domain has that uuid. */
static int find(struct hv_conn *c, const char *uuid, virDomainPtr *out, struct error *err)
{
	if (!uuid_valid(uuid))
		return error_set(err, ERR_BAD_REQUEST, "not a server's id");
	*out = virDomainLookupByUUIDString(c->link->conn, uuid);
	if (!*out && conn_last() != VIR_ERR_NO_DOMAIN)
		return conn_fail(c, "look for the server", err);
	return 0;
}

int lv_read_mark(struct hv_conn *c, virDomainPtr dom, struct hv_seen *seen, struct error *err)
{
	CLEANUP(free_ptr) char *xml = virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, DOMXML_NS, 0);
	struct domxml_mark mark;

	seen->ours = false;
	seen->epoch = 0;
	if (!xml && conn_last() == VIR_ERR_NO_DOMAIN_METADATA)
		return 0;
	if (!xml)
		return conn_fail(c, "describe the server", err);
	if (domxml_mark_read(xml, &mark) == 0 && str_eq(mark.cloud_id, hv_cloud_id())) {
		seen->ours = true;
		seen->epoch = mark.epoch;
	}
	return 0;
}

static bool halted(int state, int reason)
{
	return state == VIR_DOMAIN_PAUSED &&
	       (reason == VIR_DOMAIN_PAUSED_MIGRATION || reason == VIR_DOMAIN_PAUSED_POSTCOPY ||
		       reason == VIR_DOMAIN_PAUSED_POSTCOPY_FAILED);
}

static int read_power(struct hv_conn *c, virDomainPtr dom, struct hv_seen *seen, struct error *err)
{
	int state;

	if (virDomainGetState(dom, &state, &seen->reason, 0) < 0)
		return conn_fail(c, "tell the server's state", err);
	seen->power = lv_power(state);
	seen->halted = halted(state, seen->reason);
	return 0;
}

static int not_ours(struct error *err)
{
	return error_set(err, ERR_CONFLICT, "a domain with this id on the host is not ours");
}

int lv_find_ours(
	struct hv_conn *c, const char *uuid, virDomainPtr *out, struct hv_seen *seen, struct error *err)
{
	struct error why;

	memset(seen, 0, sizeof *seen);
	if (find(c, uuid, out, err) < 0)
		return -1;
	if (!*out)
		return 0;
	if (lv_read_mark(c, *out, seen, &why) == 0 && read_power(c, *out, seen, &why) == 0)
		return seen->ours ? 0 : not_ours(err);
	if (why.code != ERR_NOT_FOUND) {
		*err = why;
		return -1;
	}
	/* undefined between the calls */
	dom_free(out);
	*out = NULL;
	memset(seen, 0, sizeof *seen);
	return 0;
}

int lv_find_present(
	struct hv_conn *c, const char *uuid, virDomainPtr *out, struct hv_seen *seen, struct error *err)
{
	if (lv_find_ours(c, uuid, out, seen, err) < 0)
		return -1;
	return *out ? 0 : error_set(err, ERR_NOT_FOUND, "the server is not on the host");
}

/* --- define --------------------------------------------------------------------------------------------- */

static int check(const struct hv_domain *d, struct error *err)
{
	if (!uuid_valid(d->uuid) || !d->name || !*d->name)
		return error_set(err, ERR_BAD_REQUEST, "the server's id or name is not valid");
	if (d->vcpus < 1 || d->ram_mib < 1)
		return error_set(err, ERR_BAD_REQUEST, "a server needs a processor and memory");
	for (size_t i = 0; i < d->disks_n; i++)
		if (!str_eq(d->disks[i].format, "qcow2") && !str_eq(d->disks[i].format, "raw"))
			return error_set(err, ERR_BAD_REQUEST, "a disk's format must be qcow2 or raw");
	for (size_t i = 0; i < d->hostdevs_n; i++)
		if (!treexml_address(d->hostdevs[i].address, NULL))
			return error_set(
				err, ERR_BAD_REQUEST, "not a PCI address: %.32s", d->hostdevs[i].address);
	for (size_t i = 0; i < d->mdevs_n; i++)
		if (!uuid_valid(d->mdevs[i].uuid))
			return error_set(err, ERR_BAD_REQUEST, "not the id of a mediated device");
	return 0;
}

int lv_domain_define(struct hv_conn *c, const struct hv_domain *d, struct error *err)
{
	CLEANUP(buf_finish) struct buf xml = { 0 };
	CLEANUP(free_ptr) char *log = NULL;
	CLEANUP(dom_free) virDomainPtr old = NULL, dom = NULL;
	const struct host_facts *facts;
	struct hv_seen seen;

	if (check(d, err) < 0 || conn_facts(c, &facts, err) < 0 ||
		lv_find_ours(c, d->uuid, &old, &seen, err) < 0)
		return -1;
	if (facts->pool_path && !c->link->test) {
		if (lv_console_prepare(c, d->uuid, err) < 0)
			return -1;
		log = lv_console_path(facts, d->uuid);
	}
	domxml_write(&xml, d,
		&(struct domxml_host) { .type = facts->domain,
			.arch = facts->arch,
			.emulator = facts->emulator,
			.pool = c->pool,
			.log_path = log });
	dom = virDomainDefineXMLFlags(
		c->link->conn, buf_text(&xml), c->link->test ? 0 : VIR_DOMAIN_DEFINE_VALIDATE);
	if (!dom)
		return conn_fail(c, "define the server", err);
	memo_own_put(c->link->uri, d->uuid, d->epoch);
	if (!old)
		memo_fresh_put(&c->memo, d->uuid, dom);
	return 0;
}

/* --- power ---------------------------------------------------------------------------------------------- */

/* A call that failed has still succeeded when the domain is where it should be. */
static int arrived(
	struct hv_conn *c, virDomainPtr dom, enum hv_power wanted, const char *what, struct error *err)
{
	struct hv_seen now = { 0 };
	struct error ignored;

	conn_fail(c, what, err);
	if (err->code == ERR_HYPERVISOR && read_power(c, dom, &now, &ignored) == 0 && now.power == wanted)
		return 0;
	return -1;
}

int lv_domain_start(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr fresh = memo_fresh_take(&c->memo, uuid), dom = NULL;
	struct hv_seen seen;

	if (fresh && virDomainCreate(fresh) == 0)
		return 0;
	if (lv_find_present(c, uuid, &dom, &seen, err) < 0)
		return -1;
	if (seen.power == HV_POWER_CRASHED && virDomainDestroy(dom) < 0)
		return conn_fail(c, "clear the crashed server", err);
	if (seen.power != HV_POWER_CRASHED && lv_is_active(seen.power))
		return 0;
	return virDomainCreate(dom) < 0 ? arrived(c, dom, HV_POWER_RUNNING, "start the server", err) : 0;
}

int lv_domain_shutdown(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	struct hv_seen seen;

	if (lv_find_ours(c, uuid, &dom, &seen, err) < 0)
		return -1;
	if (!lv_is_active(seen.power))
		return 0;
	return virDomainShutdown(dom) < 0 ? arrived(c, dom, HV_POWER_SHUTOFF, "shut the server down", err)
					  : 0;
}

int lv_domain_stop(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	struct hv_seen seen;

	if (lv_find_ours(c, uuid, &dom, &seen, err) < 0)
		return -1;
	if (!lv_is_active(seen.power) || virDomainDestroy(dom) == 0 || conn_last() == VIR_ERR_NO_DOMAIN)
		return 0;
	return arrived(c, dom, HV_POWER_SHUTOFF, "stop the server", err);
}

int lv_domain_reboot(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	struct hv_seen seen;

	if (lv_find_present(c, uuid, &dom, &seen, err) < 0)
		return -1;
	return virDomainReboot(dom, 0) < 0 ? conn_fail(c, "reboot the server", err) : 0;
}

int lv_domain_reset(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	struct hv_seen seen;
	int rc;

	if (lv_find_present(c, uuid, &dom, &seen, err) < 0)
		return -1;
	rc = c->link->test ? virDomainReboot(dom, 0)
			   : virDomainReset(dom, 0); /* the test driver has no reset */
	return rc < 0 ? conn_fail(c, "reset the server", err) : 0;
}

int lv_domain_pause(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	struct hv_seen seen;

	if (lv_find_present(c, uuid, &dom, &seen, err) < 0)
		return -1;
	if (seen.power == HV_POWER_PAUSED || virDomainSuspend(dom) == 0)
		return 0;
	return arrived(c, dom, HV_POWER_PAUSED, "pause the server", err);
}

int lv_domain_unpause(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	struct hv_seen seen;

	if (lv_find_present(c, uuid, &dom, &seen, err) < 0)
		return -1;
	if (seen.power == HV_POWER_RUNNING || virDomainResume(dom) == 0 || virDomainPMWakeup(dom, 0) == 0)
		return 0;
	return arrived(c, dom, HV_POWER_RUNNING, "unpause the server", err);
}

/* --- remove --------------------------------------------------------------------------------------------- */

/* Not every driver knows every flag: from all that may be left behind by a guest down to none. */
static int undefine(virDomainPtr dom)
{
	static const unsigned flags[] = {
		VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
			VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | VIR_DOMAIN_UNDEFINE_NVRAM,
		VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA,
		0,
	};
	int rc = -1;

	for (size_t i = 0; rc < 0 && i < ARRAY_LEN(flags); i++) {
		rc = virDomainUndefineFlags(dom, flags[i]);
		if (rc < 0 && conn_last() != VIR_ERR_INVALID_ARG && conn_last() != VIR_ERR_NO_SUPPORT &&
			conn_last() != VIR_ERR_ARGUMENT_UNSUPPORTED)
			break;
	}
	return rc;
}

/* The definition goes after the mediated devices that it names: as long as one is there, it says which. */
static int remove_mdevs(struct hv_conn *c, virDomainPtr dom, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(free_ptr) char *xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE);
	CLEANUP(xr_free) xmlDocPtr doc = NULL;
	struct hv_domain d = { 0 };

	if (!xml)
		return conn_last() == VIR_ERR_NO_DOMAIN ? 0 : conn_fail(c, "describe the server", err);
	if (!strstr(xml, "<hostdev "))
		return 0;
	if (!(doc = xr_parse(xml, strlen(xml), err)) ||
		treexml_read(&a, xr_child(xmlDocGetRootElement(doc), "devices"), &d, err) < 0)
		return -1;
	for (size_t i = 0; i < d.mdevs_n; i++)
		if (lv_mdev_remove(c, d.mdevs[i].uuid, err) < 0)
			return -1;
	return 0;
}

int lv_domain_remove(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	struct hv_seen seen;

	if (lv_find_ours(c, uuid, &dom, &seen, err) < 0)
		return -1;
	memo_own_drop(c->link->uri, uuid);
	if (dom) {
		if (lv_is_active(seen.power) && virDomainDestroy(dom) < 0 &&
			conn_last() != VIR_ERR_NO_DOMAIN &&
			arrived(c, dom, HV_POWER_SHUTOFF, "stop the server", err) < 0)
			return -1;
		if (remove_mdevs(c, dom, err) < 0)
			return -1;
		if (undefine(dom) < 0 && conn_last() != VIR_ERR_NO_DOMAIN)
			return conn_fail(c, "remove the server", err);
	}
	return lv_console_remove(c, uuid, err) || lv_move_forget(c, uuid, err) ? -1 : 0;
}

/* --- looking -------------------------------------------------------------------------------------------- */

static int look(struct hv_conn *c, virDomainPtr dom, struct hv_seen *out, struct error *err)
{
	if (virDomainGetUUIDString(dom, out->uuid) < 0)
		return conn_fail(c, "tell the server's id", err);
	if (read_power(c, dom, out, err) < 0 || lv_read_mark(c, dom, out, err) < 0)
		return -1;
	if (out->power == HV_POWER_SHUTOFF && virDomainHasManagedSaveImage(dom, 0) == 1)
		out->power = HV_POWER_SUSPENDED;
	return 0;
}

int lv_domain_look(struct hv_conn *c, const char *uuid, struct hv_seen *out, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	struct hv_seen seen = { .power = HV_POWER_ABSENT };
	struct error why;

	if (find(c, uuid, &dom, err) < 0)
		return -1;
	if (dom && look(c, dom, &seen, &why) < 0) {
		if (why.code != ERR_NOT_FOUND) {
			*err = why;
			return -1;
		}
		seen = (struct hv_seen) { .power = HV_POWER_ABSENT };
	}
	str_copy(seen.uuid, sizeof seen.uuid, uuid);
	*out = seen;
	return 0;
}

static int record_power(const virDomainStatsRecord *r, struct hv_seen *out)
{
	int state;

	if (virTypedParamsGetInt(r->params, r->nparams, "state.state", &state) != 1)
		return -1;
	out->power = lv_power(state);
	virTypedParamsGetInt(r->params, r->nparams, "state.reason", &out->reason);
	out->halted = halted(state, out->reason);
	return virDomainGetUUIDString(r->dom, out->uuid);
}

/* One record of the list; a mark that was read once is not read again while the domain stays. */
static int list_one(struct hv_conn *c, const virDomainStatsRecord *r, const struct hv_seen *marks, size_t n,
	struct hv_seen *out, struct error *err)
{
	const struct hv_seen *known;

	*out = (struct hv_seen) { 0 };
	if (record_power(r, out) < 0)
		return look(c, r->dom, out, err);
	if ((known = memo_mark_find(marks, n, out->uuid))) {
		out->ours = true;
		out->epoch = known->epoch;
	}
	if (memo_own_get(c->link->uri, out->uuid, &out->epoch)) /* since the last list, perhaps */
		out->ours = true;
	return out->ours ? 0 : lv_read_mark(c, r->dom, out, err);
}

/* Those that are off, but have their memory kept: one question more, and only where something is off. */
static int list_saved(struct hv_conn *c, struct hv_seen *list, size_t n, struct error *err)
{
	virDomainPtr *saved = NULL;
	char uuid[UUID_TEXT];
	size_t off = 0;
	int total;

	for (size_t i = 0; i < n; i++)
		off += list[i].power == HV_POWER_SHUTOFF;
	if (!off)
		return 0;
	total = virConnectListAllDomains(c->link->conn, &saved, VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE);
	if (total < 0)
		return conn_fail(c, "list its servers", err);
	for (int k = 0; k < total; k++) {
		if (virDomainGetUUIDString(saved[k], uuid) == 0)
			for (size_t i = 0; i < n; i++)
				if (list[i].power == HV_POWER_SHUTOFF && str_eq(list[i].uuid, uuid))
					list[i].power = HV_POWER_SUSPENDED;
		virDomainFree(saved[k]);
	}
	free(saved);
	return 0;
}

int lv_domain_list(struct hv_conn *c, struct arena *a, struct hv_seen **out, size_t *out_n, struct error *err)
{
	CLEANUP(free_ptr) struct hv_seen *marks = NULL;
	virDomainStatsRecordPtr *records = NULL;
	struct hv_seen *list;
	size_t n = 0, marks_n;
	int rc = 0, total = virConnectGetAllDomainStats(c->link->conn, VIR_DOMAIN_STATS_STATE, &records, 0);

	if (total < 0)
		return conn_fail(c, "list its servers", err);
	marks = memo_marks_take(&c->memo, &marks_n);
	list = ARENA_ARRAY(a, struct hv_seen, (size_t)total);
	for (int i = 0; i < total && rc == 0; i++) {
		struct error why;

		if (list_one(c, records[i], marks, marks_n, &list[n], &why) == 0) {
			n++;
		} else if (why.code != ERR_NOT_FOUND) {
			*err = why;
			rc = -1;
		} /* else it is gone since */
	}
	virDomainStatsRecordListFree(records);
	if (rc == 0)
		rc = list_saved(c, list, n, err);
	if (rc == 0) {
		memo_marks_set(&c->memo, list, n);
		*out = list;
		*out_n = n;
	}
	return rc;
}
