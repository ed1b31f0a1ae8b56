/* SPDX-License-Identifier: Apache-2.0 */
#include "cloudctl/pki.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/util.h"
#include "cloudctl/pki_file.h"

enum { CA_DAYS = 3650, SKEW_S = 300, SANS_MAX = 64, SERIAL_BYTES = 20 };

/* keyEncipherment means nothing to ECDSA, but libvirt warns of each connection without it. */
static const struct kind {
	const char *name, *usage;
	const char *stems[3]; /* of the files below issued/NAME: STEMcert.pem and STEMkey.pem */
} kinds[] = {
	[PKI_SERVER] = { "server", "serverAuth", { "server" } },
	[PKI_CLIENT] = { "client", "clientAuth", { "client" } },
	[PKI_NODE] = { "node", "serverAuth,clientAuth", { "server", "client" } },
};

const char *pki_kind_name(enum pki_kind kind)
{
	return kinds[kind].name;
}

static void pkey_free(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void cert_free(X509 **cert)
{
	X509_free(*cert);
}

static void bio_free(BIO **bio)
{
	BIO_free(*bio);
}

static void bn_free(BIGNUM **bn)
{
	BN_free(*bn);
}

static int ssl_error(struct error *err, const char *what)
{
	char text[160];

	ERR_error_string_n(ERR_get_error(), text, sizeof text);
	ERR_clear_error();
	return error_set(err, ERR_INTERNAL, "cannot %s: %s", what, text);
}

/* A path below the CA's directory, in the arena. */
#define PKI_PATH(a, ...) arena_printf((a), __VA_ARGS__)

static int name_check(const char *name, struct error *err)
{
	size_t n = strlen(name);

	if (n == 0 || n > 64 || name[0] == '.' ||
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "0123456789.-_") != n)
		return error_set(err, ERR_BAD_REQUEST,
			"name '%s' is not usable: 1 to 64 letters, digits, '.', '-', '_', not starting with "
			"'.'",
			name);
	return 0;
}

/* The part of a certificate that CA and leaf share. The caller adds extensions and signs. */
static X509 *cert_make(const char *common_name, X509_NAME *issuer, EVP_PKEY *key, int days)
{
	CLEANUP(cert_free) X509 *cert = X509_new();
	CLEANUP(bn_free) BIGNUM *serial = BN_new();
	unsigned char random[SERIAL_BYTES];
	X509_NAME *subject;
	X509 *out;

	if (!cert || !serial || RAND_bytes(random, sizeof random) != 1)
		return NULL;
	random[0] = (random[0] & 0x7f) | 0x40; /* positive, and always of the same length */
	subject = X509_get_subject_name(cert);
	if (!BN_bin2bn(random, sizeof random, serial) ||
		!BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) ||
		!X509_set_version(cert, X509_VERSION_3) ||
		!X509_gmtime_adj(X509_getm_notBefore(cert), -SKEW_S) ||
		!X509_time_adj_ex(X509_getm_notAfter(cert), days, 0, NULL) ||
		!X509_NAME_add_entry_by_txt(
			subject, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) ||
		!X509_set_issuer_name(cert, issuer ? issuer : subject) || !X509_set_pubkey(cert, key))
		return NULL;
	out = cert;
	cert = NULL;
	return out;
}

static int cert_extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;
	int ok;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (!extension)
		return -1;
	ok = X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
	return ok ? 0 : -1;
}

static int pem_text(X509 *cert, EVP_PKEY *key, struct buf *out)
{
	CLEANUP(bio_free) BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	long n;

	if (!bio || (cert && !PEM_write_bio_X509(bio, cert)) ||
		(key && !PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)))
		return -1;
	n = BIO_get_mem_data(bio, &data);
	buf_append(out, data, (size_t)n);
	return 0;
}

/* The buffers hold private keys. */
static void secret_buf_finish(struct buf *b)
{
	if (b->data)
		OPENSSL_cleanse(b->data, b->cap);
	buf_finish(b);
}

static int write_cert(const char *path, X509 *cert, bool replace, struct error *err)
{
	CLEANUP(buf_finish) struct buf text = { 0 };

	if (pem_text(cert, NULL, &text))
		return ssl_error(err, "encode the certificate");
	return pki_file_write(path, text.data, text.len, 0644, replace, err);
}

static int write_key(const char *path, EVP_PKEY *key, bool replace, struct error *err)
{
	CLEANUP(secret_buf_finish) struct buf text = { 0 };

	if (pem_text(NULL, key, &text))
		return ssl_error(err, "encode the key");
	return pki_file_write(path, text.data, text.len, 0600, replace, err);
}

int pki_init(const char *dir, const char *ca_name, bool force, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	CLEANUP(pkey_free) EVP_PKEY *key = NULL;
	CLEANUP(cert_free) X509 *cert = NULL;
	const char *cert_path = PKI_PATH(&a, "%s/cacert.pem", dir);
	const char *key_path = PKI_PATH(&a, "%s/private/cakey.pem", dir);

	if (strlen(ca_name) == 0 || utf8_length(ca_name) > 64)
		return error_set(err, ERR_BAD_REQUEST, "the CA's name must have 1 to 64 characters");
	if (!force && (access(cert_path, F_OK) == 0 || access(key_path, F_OK) == 0))
		return error_set(err, ERR_CONFLICT, "there is a CA in %s already", dir);
	key = EVP_EC_gen("P-256");
	cert = key ? cert_make(ca_name, NULL, key, CA_DAYS) : NULL;
	if (!cert || cert_extend(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
		cert_extend(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") ||
		cert_extend(cert, cert, NID_subject_key_identifier, "hash") ||
		!X509_sign(cert, key, EVP_sha256()))
		return ssl_error(err, "make the CA's certificate");
	if (pki_dir_make(dir, 0755, err) || pki_dir_make(PKI_PATH(&a, "%s/private", dir), 0700, err) ||
		pki_dir_make(PKI_PATH(&a, "%s/issued", dir), 0700, err))
		return -1;
	if (write_key(key_path, key, force, err))
		return -1;
	return write_cert(cert_path, cert, force, err);
}

static int ca_load(struct arena *a, const char *dir, X509 **out_cert, EVP_PKEY **out_key, struct error *err)
{
	CLEANUP(secret_buf_finish) struct buf cert_text = { 0 };
	CLEANUP(secret_buf_finish) struct buf key_text = { 0 };
	CLEANUP(bio_free) BIO *cert_bio = NULL;
	CLEANUP(bio_free) BIO *key_bio = NULL;

	if (pki_file_read(PKI_PATH(a, "%s/cacert.pem", dir), &cert_text, err) ||
		pki_file_read(PKI_PATH(a, "%s/private/cakey.pem", dir), &key_text, err))
		return -1;
	cert_bio = BIO_new_mem_buf(cert_text.data, (int)cert_text.len);
	key_bio = BIO_new_mem_buf(key_text.data, (int)key_text.len);
	*out_cert = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
	*out_key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
	if (!*out_cert || !*out_key)
		return ssl_error(err, "read the CA");
	if (!X509_check_private_key(*out_cert, *out_key))
		return error_set(err, ERR_INTERNAL, "the key in %s/private does not belong to %s/cacert.pem",
			dir, dir);
	return 0;
}

/* One name as OpenSSL's configuration syntax wants it. Characters with a meaning there are refused. */
static int san_add(struct buf *out, const char *san, struct error *err)
{
	const char *value = str_starts(san, "DNS:") ? san + 4 : str_starts(san, "IP:") ? san + 3 : san;
	unsigned char address[16];
	bool is_ip = inet_pton(AF_INET, value, address) == 1 || inet_pton(AF_INET6, value, address) == 1;
	size_t n = strlen(value);

	if (str_starts(san, "IP:") && !is_ip)
		return error_set(err, ERR_BAD_REQUEST, "'%s' is not an IP address", value);
	if (!is_ip &&
		(n == 0 || n > 253 ||
			strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_*") !=
				n))
		return error_set(
			err, ERR_BAD_REQUEST, "'%s' is neither a host name nor an IP address", value);
	buf_printf(
		out, "%s%s:%s", out->len ? "," : "", is_ip && !str_starts(san, "DNS:") ? "IP" : "DNS", value);
	return 0;
}

/* The names that the certificate is good for. A server's own name is one of them. */
static int sans_text(const struct pki_request *req, struct buf *out, struct error *err)
{
	bool own = req->kind != PKI_CLIENT;

	for (size_t i = 0; i < req->n_sans; i++) {
		const char *san = req->sans[i];

		if (i >= SANS_MAX)
			return error_set(err, ERR_BAD_REQUEST, "at most %d names", SANS_MAX);
		if (san_add(out, san, err))
			return -1;
		if (str_eq(san, req->name) || (str_starts(san, "DNS:") && str_eq(san + 4, req->name)))
			own = false;
	}
	return own ? san_add(out, req->name, err) : 0;
}

static X509 *leaf_make(const struct pki_request *req, struct buf *sans, X509 *ca, EVP_PKEY *ca_key,
	EVP_PKEY *key, struct error *err)
{
	CLEANUP(cert_free) X509 *cert = cert_make(req->name, X509_get_subject_name(ca), key, req->days);
	X509 *out;

	if (!cert || cert_extend(cert, ca, NID_basic_constraints, "critical,CA:FALSE") ||
		cert_extend(cert, ca, NID_key_usage, "critical,digitalSignature,keyEncipherment") ||
		cert_extend(cert, ca, NID_ext_key_usage, kinds[req->kind].usage) ||
		cert_extend(cert, ca, NID_subject_key_identifier, "hash") ||
		cert_extend(cert, ca, NID_authority_key_identifier, "keyid") ||
		(sans->len && cert_extend(cert, ca, NID_subject_alt_name, buf_text(sans)))) {
		ssl_error(err, "make the certificate");
		return NULL;
	}
	if (ASN1_TIME_compare(X509_get0_notAfter(cert), X509_get0_notAfter(ca)) > 0) {
		error_set(err, ERR_BAD_REQUEST, "the certificate would outlive the CA; choose fewer days");
		return NULL;
	}
	if (!X509_sign(cert, ca_key, EVP_sha256())) {
		ssl_error(err, "sign the certificate");
		return NULL;
	}
	out = cert;
	cert = NULL;
	return out;
}

static int index_add(struct arena *a, const char *dir, const struct pki_request *req, X509 *cert,
	const char *sans, struct error *err)
{
	CLEANUP(bn_free) BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	const char *path = PKI_PATH(a, "%s/index.tsv", dir);
	unsigned char digest[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1], when[TIME_TEXT];
	unsigned n = sizeof digest;
	char *serial_hex = serial ? BN_bn2hex(serial) : NULL;
	struct tm tm;
	int rc;

	if (!serial_hex || !X509_digest(cert, EVP_sha256(), digest, &n) ||
		!ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm)) {
		OPENSSL_free(serial_hex);
		return ssl_error(err, "read back the certificate");
	}
	hex_encode(digest, sizeof digest, hex);
	time_iso((int64_t)timegm(&tm) * 1000000, when);
	if (access(path, F_OK) &&
		pki_file_append(path, "serial\tkind\tname\tnot_after\tnames\tsha256\n", err))
		rc = -1;
	else
		rc = pki_file_append(path,
			arena_printf(a, "%s\t%s\t%s\t%s\t%s\t%s\n", serial_hex, kinds[req->kind].name,
				req->name, when, *sans ? sans : "-", hex),
			err);
	OPENSSL_free(serial_hex);
	return rc;
}

static int files_write(struct arena *a, const char *dir, const struct pki_request *req, X509 *cert,
	EVP_PKEY *key, X509 *ca, struct error *err)
{
	for (const char *const *stem = kinds[req->kind].stems; *stem; stem++)
		if (write_key(PKI_PATH(a, "%s/%skey.pem", dir, *stem), key, req->force, err) ||
			write_cert(PKI_PATH(a, "%s/%scert.pem", dir, *stem), cert, req->force, err))
			return -1;
	return write_cert(PKI_PATH(a, "%s/cacert.pem", dir), ca, true, err);
}

int pki_issue(const char *dir, const struct pki_request *req, struct arena *a, const char **out_dir,
	struct error *err)
{
	CLEANUP(pkey_free) EVP_PKEY *ca_key = NULL;
	CLEANUP(pkey_free) EVP_PKEY *key = NULL;
	CLEANUP(cert_free) X509 *ca = NULL;
	CLEANUP(cert_free) X509 *cert = NULL;
	CLEANUP(buf_finish) struct buf sans = { 0 };
	const char *target = PKI_PATH(a, "%s/issued/%s", dir, req->name);

	if (name_check(req->name, err) || sans_text(req, &sans, err))
		return -1;
	if (!req->force && access(target, F_OK) == 0)
		return error_set(err, ERR_CONFLICT, "%s exists already", target);
	if (ca_load(a, dir, &ca, &ca_key, err))
		return -1;
	key = EVP_EC_gen("P-256");
	if (!key)
		return ssl_error(err, "make a key");
	cert = leaf_make(req, &sans, ca, ca_key, key, err);
	if (!cert)
		return -1;
	/* first the index: a certificate that exists and is not listed could not be found again */
	if (index_add(a, dir, req, cert, buf_text(&sans), err) || pki_dir_make(target, 0700, err) ||
		files_write(a, target, req, cert, key, ca, err))
		return -1;
	*out_dir = target;
	return 0;
}

static char *next_field(char **at)
{
	return *at ? strsep(at, "\t") : NULL;
}

static bool record_parse(char *line, struct pki_record *r)
{
	const char *when;

	r->serial = next_field(&line);
	r->kind = next_field(&line);
	r->name = next_field(&line);
	when = next_field(&line);
	r->sans = next_field(&line);
	r->fingerprint = next_field(&line);
	return r->fingerprint && !time_parse(when, &r->not_after_us);
}

int pki_list(const char *dir, struct arena *a, struct pki_record **out, size_t *out_n, struct error *err)
{
	CLEANUP(buf_finish) struct buf text = { 0 };
	struct pki_record *records;
	size_t lines = 0, n = 0, at = 0;
	char *copy, *line;

	if (access(PKI_PATH(a, "%s/cacert.pem", dir), F_OK))
		return error_set(err, ERR_NOT_FOUND, "there is no CA in %s", dir);
	if (access(PKI_PATH(a, "%s/index.tsv", dir), F_OK) == 0 &&
		pki_file_read(PKI_PATH(a, "%s/index.tsv", dir), &text, err))
		return -1;
	copy = arena_strndup(a, buf_text(&text), text.len);
	for (size_t i = 0; i < text.len; i++)
		lines += text.data[i] == '\n';
	records = ARENA_ARRAY(a, struct pki_record, lines + 1);
	while ((line = strsep(&copy, "\n")) && *line) {
		if (at++ == 0)
			continue; /* the heading */
		if (!record_parse(line, &records[n++]))
			return error_set(
				err, ERR_BAD_REQUEST, "line %zu of %s/index.tsv is damaged", at, dir);
	}
	*out = records;
	*out_n = n;
	return 0;
}

int pki_bundle(const char *dir, const char *name, struct buf *out, struct error *err)
{
	CLEANUP(arena_finish) struct arena a = { 0 };
	const char *at = PKI_PATH(&a, "%s/issued/%s", dir, name), *stem = "server";

	if (name_check(name, err))
		return -1;
	if (access(PKI_PATH(&a, "%s/servercert.pem", at), F_OK))
		stem = "client";
	if (pki_file_read(PKI_PATH(&a, "%s/%scert.pem", at, stem), out, err) ||
		pki_file_read(PKI_PATH(&a, "%s/%skey.pem", at, stem), out, err))
		return -1;
	return pki_file_read(PKI_PATH(&a, "%s/cacert.pem", at), out, err);
}
