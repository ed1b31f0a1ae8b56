/* SPDX-License-Identifier: Apache-2.0 */
/* libvirt's errors as ours: what is proved absent, what the host refused, and what is not known. */
#include <libvirt/virterror.h>

#include "hv/libvirt/conn.h"

int conn_last(void)
{
	return virGetLastErrorCode();
}

static enum err code_of(int code, bool alive)
{
	switch (code) {
	case VIR_ERR_NO_DOMAIN:
	case VIR_ERR_NO_STORAGE_VOL:
	case VIR_ERR_NO_STORAGE_POOL:
	case VIR_ERR_NO_DOMAIN_METADATA:
		return ERR_NOT_FOUND;
	case VIR_ERR_OPERATION_TIMEOUT:
		return ERR_TIMEOUT;
	case VIR_ERR_NO_CONNECT:
	case VIR_ERR_INVALID_CONN:
		return ERR_UNREACHABLE;
	default:
		return alive ? ERR_HYPERVISOR : ERR_UNREACHABLE;
	}
}

int conn_fail(struct hv_conn *c, const char *what, struct error *err)
{
	virErrorPtr e = virSaveLastError();
	int code = e ? e->code : VIR_ERR_INTERNAL_ERROR;
	enum err ours;

	if (code == VIR_ERR_NO_STORAGE_POOL)
		memo_pool_forget(&c->memo); /* made anew, it is another */
	ours = code_of(code, !conn_dead(c) && virConnectIsAlive(c->link->conn) == 1);
	if (ours == ERR_UNREACHABLE)
		error_set(err, ours, "the connection to the host was lost");
	else if (ours == ERR_NOT_FOUND)
		error_set(err, ours, "the host could not %s: it is not there", what);
	else if (ours == ERR_TIMEOUT)
		error_set(err, ours, "the host did not %s in time", what);
	else
		error_set(err, ours, "the host could not %s", what);
	error_detail(err, "libvirt %d: %s", code, e && e->message ? e->message : "no reason given");
	virFreeError(e);
	return -1;
}
