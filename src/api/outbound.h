/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that the controller makes because a tenant asked for them: to fetch an image, to deliver
 * events. It must not become anybody's way to what only it can reach: the host has to be on the operator's
 * list, and each address that its name has must be out in the world, or in a network that the operator
 * allows. The connection goes to an address that was looked at, and no redirect leads away from it. */
#ifndef API_OUTBOUND_H
#define API_OUTBOUND_H

#include <stdbool.h>

#include "base/error.h"

struct outbound {
	const char *field;    /* of the request, for those who are refused: "method.uri" */
	const char *unlisted; /* what they are told of a host that is not on the list */
	const char *hosts; /* "host", "host:port", "*.domain", "*", with blanks between; else the port is the
			    * scheme's own */
	const char *networks; /* allowed although private: "10.1.0.0/16 fd00::/8" */
	const char *ca_file;  /* who vouches for them; "": the system's */
	bool plain;           /* http is allowed beside https */
	long timeout_s;       /* for all of it */
	long connect_s;
};

/* Does the URL lead where it may, as far as its text says? ERR_BAD_REQUEST. */
int outbound_check(const struct outbound *o, const char *url, struct error *err);

struct outbound_call {
	void *curl; /* CURL *: for what is sent and taken */
	void *resolved;
};

/* On a thread: looks the host up. o must outlive the call. ERR_BAD_REQUEST, ERR_UNAVAILABLE when cloudd
 * stops. */
int outbound_begin(struct outbound_call *call, const struct outbound *o, const char *url, struct error *err);
void outbound_end(struct outbound_call *call); /* harmless when it has not begun */

/* Before the first, and again after a stop; and: those under way end soon, and none begins. */
void outbound_start_all(void);
void outbound_stop_all(void);

#endif
