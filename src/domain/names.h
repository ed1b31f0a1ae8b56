/* SPDX-License-Identifier: Apache-2.0 */
/* Which names and short texts are valid, by kind; and host names made of server names. */
#ifndef DOMAIN_NAMES_H
#define DOMAIN_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Lengths are in characters, all are UTF-8 without control characters. */
enum name_kind {
	NAME_SERVER,
	NAME_FLAVOR,
	NAME_FLAVOR_ID,
	NAME_EXTRA_SPEC_KEY,
	NAME_EXTRA_SPEC_VALUE,
	NAME_KEYPAIR,     /* letters, digits, space _ - */
	NAME_KEYPAIR_292, /* also @ . (compute 2.92) */
	NAME_PROJECT,
	NAME_DOMAIN,
	NAME_USER,
	NAME_ROLE,
	NAME_APP_CREDENTIAL,
	NAME_IMAGE,   /* may be empty, as network's */
	NAME_NETWORK, /* networks, subnets, ports */
	NAME_SERVER_GROUP,
	NAME_AGGREGATE,
	NAME_AGGREGATE_KEY, /* of its metadata */
	NAME_TAG,
	NAME_METADATA_KEY,
	NAME_METADATA_VALUE,
	NAME_DESCRIPTION,
	NAME_HOST, /* the operator's name of a hypervisor host */
	NAME_ZONE,
	NAME_GPU_MODEL,
	NAME_KIND_MAX
};

/* 0, or ERR_BAD_REQUEST saying which kind it is and what would be right. NULL counts as empty. */
int name_check(enum name_kind kind, const char *text, struct error *err);

enum { HOSTNAME_TEXT = 64 }; /* a label of 63 and NUL */

/* An RFC 1123 label. */
bool hostname_valid(const char *s);
/* A label out of a server's name: lower case, accents taken off ("Máy chủ Đà Nẵng" gives "may-chu-da-nang"),
 * else '-'; cut to fit. When nothing is left: "server-" and the first 8 characters of the id. */
void hostname_make(const char *server_name, const char *server_id, char out[HOSTNAME_TEXT]);

enum { HOST_ID_TEXT = 57 };
/* The 56 hex digits by which a project tells hosts apart without knowing them; "" on no host. */
void host_id_make(const char *project_uid, const char *host_name, char out[HOST_ID_TEXT]);

#endif
