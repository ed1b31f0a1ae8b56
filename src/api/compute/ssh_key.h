/* SPDX-License-Identifier: Apache-2.0 */
/* SSH public keys as text: reading them, and making pairs. No state, safe on any thread. */
#ifndef API_COMPUTE_SSH_KEY_H
#define API_COMPUTE_SSH_KEY_H

#include "base/error.h"

enum { SSH_FINGERPRINT = 48 };

/* One line "type base64 [comment]" whose blob says the same type. The fingerprint is MD5 with colons (RFC
 * 4716), as compute's clients show it. ERR_BAD_REQUEST. */
int ssh_key_fingerprint(const char *public_key, char out[SSH_FINGERPRINT], struct error *err);

/* An RSA pair of 2048 bits, as clients of this API expect one: PEM (PKCS#1) and OpenSSH's line. Takes 50 to
 * 500 ms of CPU: never on the loop. Both are owned by the caller. */
int ssh_key_generate(char **out_private, char **out_public, struct error *err);

#endif
