/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 ranges and which address to give next. Addresses are numbers in host byte order. */
#ifndef DOMAIN_IPAM_H
#define DOMAIN_IPAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { IPAM_TEXT = 16, IPAM_CIDR_TEXT = 19, IPAM_MAC_TEXT = 18, IPAM_POOLS_MAX = 16 };

struct ipam_cidr {
	uint32_t net;
	int prefix; /* 0 to 32 */
};

struct ipam_pool {
	uint32_t first, last; /* both in it */
};

/* Dotted quad without leading zeros, nothing around it. */
bool ipam_parse(const char *text, uint32_t *out);
const char *ipam_format(uint32_t addr, char out[IPAM_TEXT]);

/* "10.0.0.0/24"; ERR_BAD_REQUEST, also for bits set behind the prefix. */
int ipam_cidr_parse(const char *text, struct ipam_cidr *out, struct error *err);
const char *ipam_cidr_format(const struct ipam_cidr *c, char out[IPAM_CIDR_TEXT]);
uint32_t ipam_netmask(const struct ipam_cidr *c);
bool ipam_cidr_has(const struct ipam_cidr *c, uint32_t addr);
bool ipam_cidr_overlap(const struct ipam_cidr *a, const struct ipam_cidr *b);
/* Without network and broadcast address; a /31 and /32 have all of theirs (RFC 3021). */
struct ipam_pool ipam_cidr_hosts(const struct ipam_cidr *c);

/* All hosts but the gateway (0: none) in at most two pools. Returns how many. */
size_t ipam_pools_default(const struct ipam_cidr *c, uint32_t gateway, struct ipam_pool out[2]);
/* In the range, not overlapping, without the gateway: ERR_BAD_REQUEST otherwise. */
int ipam_pools_check(const struct ipam_cidr *c, uint32_t gateway, const struct ipam_pool *pools, size_t n,
	struct error *err);
bool ipam_pools_have(const struct ipam_pool *pools, size_t n, uint32_t addr);
uint64_t ipam_pools_size(const struct ipam_pool *pools, size_t n);

typedef bool ipam_taken(void *ctx, uint32_t addr);

/* The first free address after `cursor` (the address given last; 0: none yet), round the pools, so that one
 * that was just freed is given last: ARP caches and peers of its old owner get time to forget. ERR_CONFLICT
 * when all are taken. */
int ipam_next(const struct ipam_pool *pools, size_t n, uint32_t cursor, ipam_taken *taken, void *ctx,
	uint32_t *out, struct error *err);

/* An ipam_taken over a sorted array. */
struct ipam_sorted {
	const uint32_t *addrs;
	size_t n;
};
bool ipam_taken_sorted(void *sorted, uint32_t addr);

/* fa:16:3e and three bytes, which the caller draws and keeps unique. */
const char *ipam_mac(const unsigned char bytes[3], char out[IPAM_MAC_TEXT]);
/* Six pairs of hex digits and colons, unicast, not all zero; written in lower case. */
bool ipam_mac_parse(const char *text, char out[IPAM_MAC_TEXT]);

#endif
