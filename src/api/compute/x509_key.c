/* SPDX-License-Identifier: Apache-2.0 */
#include "api/compute/x509_key.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

enum { PEM_MAX = 16384, BITS = 2048, YEARS = 10, SERIAL_BYTES = 16 };

static void BIO_free_all_ptr(BIO **p)
{
	BIO_free_all(*p);
}

static void X509_free_ptr(X509 **p)
{
	X509_free(*p);
}

static void EVP_PKEY_free_ptr(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}

/* One that is encrypted is refused: OpenSSL itself would ask for its password, on the daemon's terminal. */
static int no_password(char *out, int size, int writing, void *ctx)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

int x509_key_fingerprint(const char *pem, char out[X509_FINGERPRINT], struct error *err)
{
	CLEANUP(BIO_free_all_ptr) BIO *in = BIO_new_mem_buf(pem, -1);
	CLEANUP(X509_free_ptr) X509 *cert = NULL;
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (strlen(pem) <= PEM_MAX)
		cert = PEM_read_bio_X509(in, NULL, no_password, NULL);
	if (!cert || X509_digest(cert, EVP_sha1(), hash, &n) != 1)
		return error_set(err, ERR_BAD_REQUEST,
			"Keypair data is invalid: public_key must be one certificate as PEM");
	for (unsigned i = 0; i < n; i++)
		snprintf(out + 3 * i, 4, "%02x%s", hash[i], i + 1 < n ? ":" : "");
	return 0;
}

/* --- making one --- */

static bool add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	bool good;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	good = ext && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return good;
}

static bool set_serial(X509 *cert)
{
	unsigned char bytes[SERIAL_BYTES];
	BIGNUM *n;
	bool good;

	if (RAND_bytes(bytes, sizeof bytes) != 1)
		return false;
	bytes[0] &= 0x7f;
	n = BN_bin2bn(bytes, sizeof bytes, NULL);
	good = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
	BN_free(n);
	return good;
}

static bool fill(X509 *cert, EVP_PKEY *key, const char *user, int64_t now_us)
{
	time_t now = (time_t)(now_us / 1000000);
	X509_NAME *name = X509_get_subject_name(cert);

	return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
	       X509_time_adj_ex(X509_getm_notBefore(cert), 0, 0, &now) &&
	       X509_time_adj_ex(X509_getm_notAfter(cert), YEARS * 365, 0, &now) &&
	       X509_NAME_add_entry_by_txt(
		       name, "CN", MBSTRING_UTF8, (const unsigned char *)user, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, key) == 1 &&
	       add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(cert, NID_key_usage, "critical,digitalSignature,keyEncipherment") &&
	       add_extension(cert, NID_ext_key_usage, "clientAuth") && X509_sign(cert, key, EVP_sha256()) > 0;
}

static char *text_of(BIO *out)
{
	char *data, *text;
	long n = BIO_get_mem_data(out, &data);

	text = xcalloc(1, (size_t)n + 1);
	memcpy(text, data, (size_t)n);
	return text;
}

int x509_key_generate(
	const char *user, int64_t now_us, char **out_private, char **out_public, struct error *err)
{
	CLEANUP(EVP_PKEY_free_ptr) EVP_PKEY *key = EVP_RSA_gen(BITS);
	CLEANUP(X509_free_ptr) X509 *cert = X509_new();
	CLEANUP(BIO_free_all_ptr) BIO *private = BIO_new(BIO_s_secmem());
	CLEANUP(BIO_free_all_ptr) BIO *public = BIO_new(BIO_s_mem());

	if (!key || !cert || !private || !public || !fill(cert, key, user, now_us) ||
		PEM_write_bio_PKCS8PrivateKey(private, key, NULL, NULL, 0, NULL, NULL) != 1 ||
		PEM_write_bio_X509(public, cert) != 1)
		return error_internal(err, "no certificate could be made");
	*out_private = text_of(private);
	*out_public = text_of(public);
	return 0;
}
