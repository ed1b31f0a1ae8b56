/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs of type x509: certificates (RFC 5280) that Windows guests let their user in by. Safe on any
 * thread. */
#ifndef API_COMPUTE_X509_KEY_H
#define API_COMPUTE_X509_KEY_H

#include <stdint.h>

#include "base/error.h"

enum { X509_FINGERPRINT = 60 };

/* One certificate as PEM. The fingerprint is SHA-1 over its DER form, with colons, as compute's clients show
 * it. ERR_BAD_REQUEST. */
int x509_key_fingerprint(const char *pem, char out[X509_FINGERPRINT], struct error *err);
/* A private key (PKCS#8) and a certificate of its own for client authentication, valid for ten years from
 * now_us, both as PEM and owned by the caller. `user` is its common name. RSA: never on the loop. */
int x509_key_generate(
	const char *user, int64_t now_us, char **out_private, char **out_public, struct error *err);

#endif
