/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's memory kept on its host by libvirt ("managed save"), from which its next start goes on. The file
 * holds the definition that the guest ran with; one that is defined meanwhile counts from the next cold
 * start. */
#include <libvirt/virterror.h>
#include <stdlib.h>

#include "base/util.h"
#include "hv/libvirt/conn.h"
#include "hv/libvirt/guestxml.h"

/* The state of a device of the host cannot be kept; libvirt's own code for that is one of many things. */
static bool has_hostdevs(virDomainPtr dom)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(free_ptr) char *xml = virDomainGetXMLDesc(dom, 0);
	struct error ignored;
	struct guest guest = { 0 };

	return xml && guestxml_read(&a, xml, &guest, &ignored) == 0 && guest.hostdevs;
}

int lv_domain_save(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	struct hv_seen seen;

	if (lv_find_present(c, uuid, &dom, &seen, err) < 0)
		return -1;
	/* RUNNING: a guest that was paused is to run when it goes on */
	if (!lv_is_active(seen.power) || virDomainManagedSave(dom, VIR_DOMAIN_SAVE_RUNNING) == 0)
		return 0;
	conn_fail(c, "keep the server's memory", err);
	if (err->code != ERR_HYPERVISOR)
		return -1;
	if (virDomainIsActive(dom) == 0)
		return 0; /* it went off meanwhile */
	if (has_hostdevs(dom))
		err->code = ERR_CONFLICT;
	return -1;
}

int lv_domain_forget(struct hv_conn *c, const char *uuid, struct error *err)
{
	CLEANUP(dom_free) virDomainPtr dom = NULL;
	struct hv_seen seen;

	if (lv_find_ours(c, uuid, &dom, &seen, err) < 0)
		return -1;
	if (!dom || virDomainHasManagedSaveImage(dom, 0) == 0 || virDomainManagedSaveRemove(dom, 0) == 0 ||
		virDomainHasManagedSaveImage(dom, 0) == 0)
		return 0;
	return conn_fail(c, "forget the server's memory", err);
}
