/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/ipam.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* A number of at most 3 digits without leading zeros at *s, moved over. -1: none. */
static int number(const char **s, int max)
{
	const char *p = *s;
	int v = 0, n = 0;

	for (; n < 3 && *p >= '0' && *p <= '9'; p++, n++)
		v = v * 10 + (*p - '0');
	if (n == 0 || v > max || (n > 1 && **s == '0'))
		return -1;
	*s = p;
	return v;
}

static bool quad(const char **s, uint32_t *out)
{
	uint32_t addr = 0;

	for (int i = 0; i < 4; i++) {
		int v;

		if (i && *(*s)++ != '.')
			return false;
		if ((v = number(s, 255)) < 0)
			return false;
		addr = addr << 8 | (uint32_t)v;
	}
	*out = addr;
	return true;
}

bool ipam_parse(const char *text, uint32_t *out)
{
	uint32_t addr;

	if (!quad(&text, &addr) || *text)
		return false;
	*out = addr;
	return true;
}

const char *ipam_format(uint32_t a, char out[IPAM_TEXT])
{
	snprintf(out, IPAM_TEXT, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
	return out;
}

uint32_t ipam_netmask(const struct ipam_cidr *c)
{
	return c->prefix ? UINT32_MAX << (32 - c->prefix) : 0;
}

int ipam_cidr_parse(const char *text, struct ipam_cidr *out, struct error *err)
{
	const char *p = text;
	struct ipam_cidr c, right;
	char fixed[IPAM_CIDR_TEXT];

	if (!quad(&p, &c.net) || *p++ != '/' || (c.prefix = number(&p, 32)) < 0 || *p)
		return error_set(
			err, ERR_BAD_REQUEST, "'%.64s' is not an IPv4 range such as 10.0.0.0/24", text);
	right = c;
	right.net &= ipam_netmask(&c);
	if (right.net != c.net)
		return error_set(err, ERR_BAD_REQUEST,
			"'%.64s' isn't a recognized IP subnet cidr, '%s' is recommended", text,
			ipam_cidr_format(&right, fixed));
	*out = c;
	return 0;
}

const char *ipam_cidr_format(const struct ipam_cidr *c, char out[IPAM_CIDR_TEXT])
{
	char net[IPAM_TEXT];

	snprintf(out, IPAM_CIDR_TEXT, "%s/%u", ipam_format(c->net, net), (unsigned)c->prefix & 63);
	return out;
}

bool ipam_cidr_has(const struct ipam_cidr *c, uint32_t addr)
{
	return (addr & ipam_netmask(c)) == c->net;
}

bool ipam_cidr_overlap(const struct ipam_cidr *a, const struct ipam_cidr *b)
{
	return ipam_cidr_has(a, b->net) || ipam_cidr_has(b, a->net);
}

struct ipam_pool ipam_cidr_hosts(const struct ipam_cidr *c)
{
	struct ipam_pool p = { c->net, c->net | ~ipam_netmask(c) };

	if (c->prefix < 31) {
		p.first++;
		p.last--;
	}
	return p;
}

size_t ipam_pools_default(const struct ipam_cidr *c, uint32_t gateway, struct ipam_pool out[2])
{
	struct ipam_pool all = ipam_cidr_hosts(c);
	size_t n = 0;

	if (!gateway || gateway < all.first || gateway > all.last) {
		out[n++] = all;
		return n;
	}
	if (gateway > all.first)
		out[n++] = (struct ipam_pool) { all.first, gateway - 1 };
	if (gateway < all.last)
		out[n++] = (struct ipam_pool) { gateway + 1, all.last };
	return n;
}

int ipam_pools_check(const struct ipam_cidr *c, uint32_t gateway, const struct ipam_pool *pools, size_t n,
	struct error *err)
{
	struct ipam_pool all = ipam_cidr_hosts(c);
	char a[IPAM_TEXT], b[IPAM_TEXT], cidr[IPAM_CIDR_TEXT];

	if (n > IPAM_POOLS_MAX)
		return error_set(
			err, ERR_BAD_REQUEST, "allocation_pools may have at most %d pools", IPAM_POOLS_MAX);
	for (size_t i = 0; i < n; i++) {
		const struct ipam_pool *p = &pools[i];

		ipam_format(p->first, a);
		ipam_format(p->last, b);
		if (p->first > p->last || p->first < all.first || p->last > all.last)
			return error_set(err, ERR_BAD_REQUEST,
				"The allocation pool %s-%s spans beyond the subnet cidr %s or ends before it "
				"starts",
				a, b, ipam_cidr_format(c, cidr));
		if (gateway && gateway >= p->first && gateway <= p->last)
			return error_set(
				err, ERR_CONFLICT, "The gateway is in the allocation pool %s-%s", a, b);
		for (size_t j = 0; j < i; j++)
			if (p->first <= pools[j].last && pools[j].first <= p->last)
				return error_set(err, ERR_CONFLICT,
					"The allocation pool %s-%s overlaps with another one", a, b);
	}
	return 0;
}

bool ipam_pools_have(const struct ipam_pool *pools, size_t n, uint32_t addr)
{
	for (size_t i = 0; i < n; i++)
		if (addr >= pools[i].first && addr <= pools[i].last)
			return true;
	return false;
}

uint64_t ipam_pools_size(const struct ipam_pool *pools, size_t n)
{
	uint64_t size = 0;

	for (size_t i = 0; i < n; i++)
		size += (uint64_t)pools[i].last - pools[i].first + 1;
	return size;
}

/* The lowest address of the pools that is `from` or above. False: none. */
static bool lowest_from(const struct ipam_pool *pools, size_t n, uint64_t from, uint32_t *out)
{
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		uint64_t a = pools[i].first > from ? pools[i].first : from;

		if (a <= pools[i].last && (!found || a < *out)) {
			*out = (uint32_t)a;
			found = true;
		}
	}
	return found;
}

int ipam_next(const struct ipam_pool *pools, size_t n, uint32_t cursor, ipam_taken *taken, void *ctx,
	uint32_t *out, struct error *err)
{
	uint64_t left = ipam_pools_size(pools, n), from = (uint64_t)cursor + 1;
	uint32_t addr = 0;

	for (; left; left--, from = (uint64_t)addr + 1) {
		if (!lowest_from(pools, n, from, &addr))
			lowest_from(pools, n, 0, &addr); /* round: there is one, since left counts them */
		if (taken(ctx, addr))
			continue;
		*out = addr;
		return 0;
	}
	return error_set(err, ERR_CONFLICT, "No more IP addresses available on the subnet");
}

static int by_addr(const void *key, const void *entry)
{
	uint32_t a = *(const uint32_t *)key, b = *(const uint32_t *)entry;

	return (a > b) - (a < b);
}

bool ipam_taken_sorted(void *sorted, uint32_t addr)
{
	const struct ipam_sorted *s = sorted;

	return s->n && bsearch(&addr, s->addrs, s->n, sizeof addr, by_addr);
}

const char *ipam_mac(const unsigned char b[3], char out[IPAM_MAC_TEXT])
{
	snprintf(out, IPAM_MAC_TEXT, "fa:16:3e:%02x:%02x:%02x", b[0], b[1], b[2]);
	return out;
}

bool ipam_mac_parse(const char *text, char out[IPAM_MAC_TEXT])
{
	char mac[IPAM_MAC_TEXT];
	bool zero = true;

	for (int i = 0; i < IPAM_MAC_TEXT - 1; i++) {
		unsigned char c = (unsigned char)text[i];

		if (i % 3 == 2 ? c != ':' : !isxdigit(c))
			return false;
		mac[i] = (char)tolower(c);
		zero = zero && (c == '0' || c == ':');
	}
	mac[IPAM_MAC_TEXT - 1] = '\0';
	/* the lowest bit of the first byte marks a group address */
	if (text[IPAM_MAC_TEXT - 1] || zero || strchr("13579bdf", mac[1]))
		return false;
	memcpy(out, mac, sizeof mac);
	return true;
}
