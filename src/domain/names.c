/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/names.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/util.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

enum { MAY_BE_BLANK = 1 };

static const struct kind {
	const char *what;
	size_t min, max;
	const char *only;  /* the characters allowed; NULL: all but control characters */
	const char * not ; /* characters refused */
	const char *rule;  /* said in the message when only/not is hurt */
	int flags;
} kinds[NAME_KIND_MAX] = {
	/* clang-format off */
	[NAME_SERVER]           = { "server name", 1, 255, NULL, NULL, NULL, 0 },
	[NAME_FLAVOR]           = { "flavor name", 1, 255, NULL, NULL, NULL, 0 },
	[NAME_FLAVOR_ID]        = { "flavor id", 1, 255, LETTERS DIGITS " ._-", NULL,
		"letters, digits, space, '.', '_' and '-'", 0 },
	[NAME_EXTRA_SPEC_KEY]   = { "extra spec key", 1, 255, LETTERS DIGITS " ._-:", NULL,
		"letters, digits, space, '.', '_', '-' and ':'", 0 },
	[NAME_EXTRA_SPEC_VALUE] = { "extra spec value", 0, 255, NULL, NULL, NULL, MAY_BE_BLANK },
	[NAME_KEYPAIR]          = { "keypair name", 1, 255, LETTERS DIGITS " _-", NULL,
		"letters, digits, space, '_' and '-'", 0 },
	[NAME_KEYPAIR_292]      = { "keypair name", 1, 255, LETTERS DIGITS " _-@.", NULL,
		"letters, digits, space, '_', '-', '@' and '.'", 0 },
	[NAME_PROJECT]          = { "project name", 1, 64, NULL, NULL, NULL, 0 },
	[NAME_DOMAIN]           = { "domain name", 1, 64, NULL, NULL, NULL, 0 },
	[NAME_USER]             = { "user name", 1, 255, NULL, NULL, NULL, 0 },
	[NAME_ROLE]             = { "role name", 1, 255, NULL, NULL, NULL, 0 },
	[NAME_APP_CREDENTIAL]   = { "application credential name", 1, 255, NULL, NULL, NULL, 0 },
	[NAME_IMAGE]            = { "image name", 0, 255, NULL, NULL, NULL, MAY_BE_BLANK },
	[NAME_NETWORK]          = { "name", 0, 255, NULL, NULL, NULL, MAY_BE_BLANK },
	[NAME_SERVER_GROUP]     = { "server group name", 1, 255, NULL, NULL, NULL, 0 },
	[NAME_AGGREGATE]        = { "aggregate name", 1, 255, NULL, NULL, NULL, 0 },
	[NAME_AGGREGATE_KEY]    = { "metadata key", 1, 255, LETTERS DIGITS " ._-:", NULL,
		"letters, digits, space, '.', '_', '-' and ':'", 0 },
	[NAME_TAG]              = { "tag", 1, 60, NULL, ",/", "no ',' or '/'", 0 },
	[NAME_METADATA_KEY]     = { "metadata key", 1, 255, NULL, NULL, NULL, 0 },
	[NAME_METADATA_VALUE]   = { "metadata value", 0, 255, NULL, NULL, NULL, MAY_BE_BLANK },
	[NAME_DESCRIPTION]      = { "description", 0, 255, NULL, NULL, NULL, MAY_BE_BLANK },
	[NAME_HOST]             = { "host name", 1, 63, LETTERS DIGITS "._-", NULL,
		"letters, digits, '.', '_' and '-'", 0 },
	[NAME_ZONE]             = { "availability zone", 1, 63, NULL, ":", "no ':'", 0 },
	[NAME_GPU_MODEL]        = { "GPU model", 1, 63, LETTERS DIGITS "._-", NULL,
		"letters, digits, '.', '_' and '-'", 0 },
	/* clang-format on */
};

/* The code point at *s of valid UTF-8, moved over. */
static uint32_t next_char(const char **s)
{
	const unsigned char *p = (const unsigned char *)*s;
	int more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
	uint32_t c = more ? *p & (0x3fu >> more) : *p;

	for (int i = 1; i <= more; i++)
		c = c << 6 | (p[i] & 0x3f);
	*s += more + 1;
	return c;
}

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

static bool is_blank(uint32_t c)
{
	return c == ' ' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200b) || c == 0x202f ||
	       c == 0x205f || c == 0x3000 || c == 0xfeff;
}

int name_check(enum name_kind kind, const char *text, struct error *err)
{
	const struct kind *k = &kinds[kind];
	bool blank = true;
	size_t n = 0;

	if (!text)
		text = "";
	if (!utf8_valid(text, strlen(text)))
		return error_set(err, ERR_BAD_REQUEST, "the %s is not valid UTF-8", k->what);
	for (const char *p = text; *p; n++) {
		uint32_t c = next_char(&p);
		bool ascii = c < 0x80;

		if (is_control(c))
			return error_set(err, ERR_BAD_REQUEST, "the %s has a control character", k->what);
		if ((k->only && !(ascii && strchr(k->only, (int)c))) ||
			(k->not &&ascii && strchr(k->not, (int)c)))
			return error_set(err, ERR_BAD_REQUEST, "the %s '%.64s' may have %s%s", k->what, text,
				k->only ? "only " : "", k->rule);
		if (!is_blank(c))
			blank = false;
	}
	if (n < k->min || n > k->max)
		return error_set(err, ERR_BAD_REQUEST, "the %s must be %zu to %zu characters long", k->what,
			k->min, k->max);
	if (blank && !(k->flags & MAY_BE_BLANK))
		return error_set(err, ERR_BAD_REQUEST, "the %s must not be blank", k->what);
	return 0;
}

/* Latin letters with marks, by code point; a range stands for one plain letter, whatever the case. */
static const struct {
	uint16_t first, last;
	char plain;
} folds[] = {
	/* clang-format off */
	{ 0x00c0, 0x00c6, 'a' }, { 0x00c7, 0x00c7, 'c' }, { 0x00c8, 0x00cb, 'e' }, { 0x00cc, 0x00cf, 'i' },
	{ 0x00d0, 0x00d0, 'd' }, { 0x00d1, 0x00d1, 'n' }, { 0x00d2, 0x00d6, 'o' }, { 0x00d8, 0x00d8, 'o' },
	{ 0x00d9, 0x00dc, 'u' }, { 0x00dd, 0x00dd, 'y' }, { 0x00df, 0x00df, 's' }, { 0x00e0, 0x00e6, 'a' },
	{ 0x00e7, 0x00e7, 'c' }, { 0x00e8, 0x00eb, 'e' }, { 0x00ec, 0x00ef, 'i' }, { 0x00f0, 0x00f0, 'd' },
	{ 0x00f1, 0x00f1, 'n' }, { 0x00f2, 0x00f6, 'o' }, { 0x00f8, 0x00f8, 'o' }, { 0x00f9, 0x00fc, 'u' },
	{ 0x00fd, 0x00fd, 'y' }, { 0x00ff, 0x00ff, 'y' }, { 0x0100, 0x0105, 'a' }, { 0x0106, 0x010d, 'c' },
	{ 0x010e, 0x0111, 'd' }, { 0x0112, 0x011b, 'e' }, { 0x011c, 0x0123, 'g' }, { 0x0124, 0x0127, 'h' },
	{ 0x0128, 0x0131, 'i' }, { 0x0134, 0x0135, 'j' }, { 0x0136, 0x0138, 'k' }, { 0x0139, 0x0142, 'l' },
	{ 0x0143, 0x014b, 'n' }, { 0x014c, 0x0153, 'o' }, { 0x0154, 0x0159, 'r' }, { 0x015a, 0x0161, 's' },
	{ 0x0162, 0x0167, 't' }, { 0x0168, 0x0173, 'u' }, { 0x0174, 0x0175, 'w' }, { 0x0176, 0x0178, 'y' },
	{ 0x0179, 0x017e, 'z' }, { 0x01a0, 0x01a1, 'o' }, { 0x01af, 0x01b0, 'u' },
	/* the Vietnamese block */
	{ 0x1ea0, 0x1eb7, 'a' }, { 0x1eb8, 0x1ec7, 'e' }, { 0x1ec8, 0x1ecb, 'i' }, { 0x1ecc, 0x1ee3, 'o' },
	{ 0x1ee4, 0x1ef1, 'u' }, { 0x1ef2, 0x1ef9, 'y' },
	/* clang-format on */
};

/* The plain lower-case character for c; '-' when there is none. */
static char fold(uint32_t c)
{
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
		return (char)c;
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	for (size_t i = 0; i < ARRAY_LEN(folds); i++)
		if (c >= folds[i].first && c <= folds[i].last)
			return folds[i].plain;
	return '-';
}

static bool is_combining(uint32_t c)
{
	return c >= 0x300 && c <= 0x36f;
}

bool hostname_valid(const char *s)
{
	size_t n = strlen(s);

	return n >= 1 && n < HOSTNAME_TEXT && strspn(s, LETTERS DIGITS "-") == n && s[0] != '-' &&
	       s[n - 1] != '-';
}

void hostname_make(const char *server_name, const char *server_id, char out[HOSTNAME_TEXT])
{
	const char *p = server_name ? server_name : "";
	size_t n = 0;

	if (!utf8_valid(p, strlen(p)))
		p = "";
	while (*p && n < HOSTNAME_TEXT - 1) {
		uint32_t c = next_char(&p);
		char plain = fold(c);

		if (is_combining(c)) /* the mark of a decomposed letter */
			continue;
		if (plain == '-' && (n == 0 || (c != '-' && out[n - 1] == '-')))
			continue; /* one '-' for a run of odd characters; those of the name itself stay */
		out[n++] = plain;
	}
	while (n && out[n - 1] == '-')
		n--;
	out[n] = '\0';
	if (!n)
		snprintf(out, HOSTNAME_TEXT, "server-%.8s", server_id);
}

void host_id_make(const char *project_uid, const char *host_name, char out[HOST_ID_TEXT])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	char text[256];
	int n;

	out[0] = '\0';
	if (!host_name)
		return;
	n = snprintf(text, sizeof text, "%s%s", project_uid, host_name);
	if (n > 0 && (size_t)n < sizeof text && EVP_Digest(text, (size_t)n, sum, NULL, EVP_sha224(), NULL))
		hex_encode(sum, 28, out);
}
