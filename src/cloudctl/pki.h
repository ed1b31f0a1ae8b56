/* SPDX-License-Identifier: Apache-2.0 */
/* The cloud's own certificate authority in a directory: cacert.pem, private/cakey.pem, index.tsv (what was
 * issued) and issued/NAME/ with the files as libvirt names them, so that such a directory is a ready
 * `pkipath`. */
#ifndef CLOUDCTL_PKI_H
#define CLOUDCTL_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

enum pki_kind {
	PKI_SERVER, /* the API's listener */
	PKI_CLIENT, /* the controller towards its hosts */
	PKI_NODE    /* a hypervisor host: server, and client towards other hosts (migration) */
};

struct pki_request {
	const char *name; /* common name, and the directory below issued/ */
	enum pki_kind kind;
	const char *const *sans; /* "DNS:name", "IP:address", or without the prefix */
	size_t n_sans;
	int days;
	bool force; /* replaces what exists */
};

struct pki_record { /* a line of index.tsv */
	const char *serial, *kind, *name, *sans, *fingerprint;
	int64_t not_after_us;
};

/* Makes the CA, valid for ten years. ERR_CONFLICT when there is one and force is not given. */
int pki_init(const char *dir, const char *ca_name, bool force, struct error *err);
/* Makes key and certificate below issued/; *out_dir is that directory, in the arena. */
int pki_issue(const char *dir, const struct pki_request *req, struct arena *a, const char **out_dir,
	struct error *err);
/* What was issued, oldest first, in the arena. */
int pki_list(const char *dir, struct arena *a, struct pki_record **out, size_t *out_n, struct error *err);
/* Certificate, key and CA of an issued name as one PEM text. */
int pki_bundle(const char *dir, const char *name, struct buf *out, struct error *err);
const char *pki_kind_name(enum pki_kind kind);

#endif
