/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/inet.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/util.h"

/* IANA's special-purpose registries; all that is not 2000::/3 is refused as a whole. */
static const char *const special4[] = { "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8",
	"169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4" };
static const char *const special6[] = { "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20" };

bool inet_network_parse(const char *text, struct inet_network *out)
{
	struct inet_network n = { 0 };
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	int64_t bits;

	if (len >= sizeof address)
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	n.family = strchr(address, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(n.family, address, n.address) != 1)
		return false;
	bits = n.family == AF_INET ? 32 : 128;
	if (slash && !str_int64(slash + 1, 0, bits, &bits))
		return false;
	n.bits = (unsigned)bits;
	*out = n;
	return true;
}

static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned char mask = (unsigned char)(0xff00 >> (bits % 8));

	return memcmp(a, b, bits / 8) == 0 && (bits % 8 == 0 || ((a[bits / 8] ^ b[bits / 8]) & mask) == 0);
}

static const unsigned char *bytes_of(const struct sockaddr *a)
{
	return a->sa_family == AF_INET
		       ? (const unsigned char *)&((const struct sockaddr_in *)(const void *)a)->sin_addr
		       : (const unsigned char *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
}

bool inet_network_has(const struct inet_network *n, const struct sockaddr *a)
{
	return n->family == a->sa_family && same_bits(n->address, bytes_of(a), n->bits);
}

static bool among(const struct sockaddr *a, const char *const *networks, size_t n)
{
	struct inet_network net;

	for (size_t i = 0; i < n; i++)
		if (inet_network_parse(networks[i], &net) && inet_network_has(&net, a))
			return true;
	return false;
}

bool inet_is_public(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET)
		return !among(a, special4, ARRAY_LEN(special4));
	return a->sa_family == AF_INET6 && bytes_of(a)[0] >> 5 == 1 &&
	       !among(a, special6, ARRAY_LEN(special6));
}
