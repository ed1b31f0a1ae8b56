/* SPDX-License-Identifier: Apache-2.0 */
/* SSH public keys as text: reading them, and making pairs. No state, safe on any thread. */
#ifndef API_COMPUTE_SSH_KEY_H
#define API_COMPUTE_SSH_KEY_H

#include "base/error.h"

enum { SSH_FINGERPRINT = 48 };

/* One line "type base64 [comment]" whose blob says the same type. The fingerprint is MD5 with colons (RFC
 * 4716), as compute's clients show it. ERR_BAD_REQUEST. */
int ssh_key_fingerprint(const char *public_key, char out[SSH_FINGERPRINT], struct error *err);

/* A private key as PEM and OpenSSH's public line, both owned by the caller. RSA: 2048 bits, as old clients of
 * this API expect one (PKCS#1); takes 50 to 500 ms of CPU: never on the loop. Ed25519: in OpenSSH's own form.
 */
enum ssh_key_type { SSH_KEY_RSA, SSH_KEY_ED25519 };
int ssh_key_generate(enum ssh_key_type type, char **out_private, char **out_public, struct error *err);

#endif
