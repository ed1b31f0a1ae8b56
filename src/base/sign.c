/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/util.h"

struct sign_key {
	EVP_PKEY *pkey;
	unsigned char public_key[SIGN_PUBLIC];
	char id[SIGN_ID_TEXT];
};

static void pkey_done(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}

static void bio_done(BIO **b)
{
	BIO_free(*b);
}

static void ctx_done(EVP_MD_CTX **c)
{
	EVP_MD_CTX_free(*c);
}

static bool public_of(const EVP_PKEY *pkey, unsigned char out[SIGN_PUBLIC])
{
	size_t n = SIGN_PUBLIC;

	return EVP_PKEY_id(pkey) == EVP_PKEY_ED25519 && EVP_PKEY_get_raw_public_key(pkey, out, &n) == 1 &&
	       n == SIGN_PUBLIC;
}

/* NULL when it is no Ed25519 key; takes it in either case. */
static struct sign_key *key_of(EVP_PKEY *pkey)
{
	struct sign_key *k = xcalloc(1, sizeof *k);

	k->pkey = pkey;
	if (!public_of(pkey, k->public_key)) {
		sign_key_free(k);
		return NULL;
	}
	sign_public_id(k->public_key, k->id);
	return k;
}

struct sign_key *sign_key_make(void)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	if (!pkey)
		abort(); /* no entropy, or no memory */
	return key_of(pkey);
}

static int file_error(struct error *err, const char *what, const char *path)
{
	return error_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNAVAILABLE, "cannot %s %s: %s", what,
		path, strerror(errno));
}

/* What a PEM file holds: a private key, or with public_too a public one. */
static EVP_PKEY *pem_read(const char *path, bool public_too, struct error *err)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
	BIO *b CLEANUP(bio_done) = NULL;
	struct stat st;
	EVP_PKEY *pkey;

	if (n < 0 || fstat(fd, &st)) {
		file_error(err, "read", path);
		return NULL;
	}
	if (!public_too && (st.st_mode & 077)) {
		error_set(err, ERR_FORBIDDEN, "%s is a private key and others may read it: chmod 600", path);
		return NULL;
	}
	b = BIO_new_mem_buf(text, (int)n);
	pkey = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	if (!pkey && public_too && BIO_reset(b) == 1)
		pkey = PEM_read_bio_PUBKEY(b, NULL, NULL, NULL);
	OPENSSL_cleanse(text, sizeof text);
	if (!pkey)
		error_set(err, ERR_BAD_REQUEST, "%s holds no key in PEM", path);
	return pkey;
}

int sign_key_load(const char *path, struct sign_key **out, struct error *err)
{
	EVP_PKEY *pkey = pem_read(path, false, err);
	struct sign_key *k;

	if (!pkey)
		return -1;
	k = key_of(pkey);
	if (!k)
		return error_set(err, ERR_BAD_REQUEST, "%s holds a key that is not Ed25519", path);
	*out = k;
	return 0;
}

static int write_all(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, data, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		data += done;
		n -= (size_t)done;
	}
	return fsync(fd);
}

static int sync_dir_of(const char *path)
{
	CLEANUP(free_ptr) char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');
	CLEANUP(close_fd) int fd = -1;

	if (slash)
		*(slash == dir ? slash + 1 : slash) = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : fsync(fd);
}

static int file_write(const char *path, const char *text, size_t n, mode_t mode, struct error *err)
{
	CLEANUP(free_ptr) char *temporary = xasprintf("%s.XXXXXX", path);
	CLEANUP(close_fd) int fd = mkostemp(temporary, O_CLOEXEC);

	if (fd < 0)
		return file_error(err, "write", path);
	if (write_all(fd, text, n) || fchmod(fd, mode) || rename(temporary, path) || sync_dir_of(path)) {
		file_error(err, "write", path);
		unlink(temporary);
		return -1;
	}
	return 0;
}

int sign_key_save(const struct sign_key *k, const char *path, struct error *err)
{
	CLEANUP(free_ptr) char *public_path = xasprintf("%s.pub", path);
	CLEANUP(buf_finish) struct buf pem = { 0 };
	BIO *b CLEANUP(bio_done) = BIO_new(BIO_s_secmem());
	char *text;
	long n;

	if (!b || PEM_write_bio_PKCS8PrivateKey(b, k->pkey, NULL, NULL, 0, NULL, NULL) != 1)
		return error_internal(err, "a key cannot be written as PEM");
	n = BIO_get_mem_data(b, &text);
	sign_public_pem(k->public_key, &pem);
	return file_write(path, text, (size_t)n, 0600, err) ||
			       file_write(public_path, pem.data, pem.len, 0644, err)
		       ? -1
		       : 0;
}

void sign_key_free(struct sign_key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey);
	free(k);
}

const unsigned char *sign_key_public(const struct sign_key *k)
{
	return k->public_key;
}

const char *sign_key_id(const struct sign_key *k)
{
	return k->id;
}

void sign(const struct sign_key *k, const void *data, size_t n, unsigned char out[SIGN_BYTES])
{
	EVP_MD_CTX *ctx CLEANUP(ctx_done) = EVP_MD_CTX_new();
	size_t len = SIGN_BYTES;

	if (!ctx || EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->pkey) != 1 ||
		EVP_DigestSign(ctx, out, &len, data, n) != 1 || len != SIGN_BYTES)
		abort();
}

static EVP_PKEY *public_key_new(const unsigned char public_key[SIGN_PUBLIC])
{
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, SIGN_PUBLIC);
}

bool sign_verify(const unsigned char public_key[SIGN_PUBLIC], const void *data, size_t n,
	const unsigned char signature[SIGN_BYTES])
{
	EVP_PKEY *pkey CLEANUP(pkey_done) = public_key_new(public_key);
	EVP_MD_CTX *ctx CLEANUP(ctx_done) = EVP_MD_CTX_new();

	return pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
	       EVP_DigestVerify(ctx, signature, SIGN_BYTES, data, n) == 1;
}

void sign_public_id(const unsigned char public_key[SIGN_PUBLIC], char out[SIGN_ID_TEXT])
{
	unsigned char md[SHA256_SIZE];

	sha256(public_key, SIGN_PUBLIC, md);
	hex_encode(md, (SIGN_ID_TEXT - 1) / 2, out);
}

void sign_public_pem(const unsigned char public_key[SIGN_PUBLIC], struct buf *out)
{
	EVP_PKEY *pkey CLEANUP(pkey_done) = public_key_new(public_key);
	BIO *b CLEANUP(bio_done) = BIO_new(BIO_s_mem());
	char *text;
	long n;

	if (!pkey || !b || PEM_write_bio_PUBKEY(b, pkey) != 1)
		abort();
	n = BIO_get_mem_data(b, &text);
	buf_append(out, text, (size_t)n);
}

int sign_public_load(const char *path, unsigned char out[SIGN_PUBLIC], struct error *err)
{
	EVP_PKEY *pkey CLEANUP(pkey_done) = pem_read(path, true, err);

	if (!pkey)
		return -1;
	return public_of(pkey, out)
		       ? 0
		       : error_set(err, ERR_BAD_REQUEST, "%s holds a key that is not Ed25519", path);
}
