/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses are out in the world, and which belong to us, our hosts or our guests: nothing that a
 * tenant names may make the controller talk to the latter. */
#ifndef DOMAIN_INET_H
#define DOMAIN_INET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct inet_network {
	int family; /* AF_INET, AF_INET6 */
	unsigned char address[16];
	unsigned bits;
};

/* "10.0.0.0/8", "fd00::/8", or one address. */
bool inet_network_parse(const char *text, struct inet_network *out);
bool inet_network_has(const struct inet_network *n, const struct sockaddr *a);
/* A global unicast address: not private, loopback, link-local, shared (RFC 6598), multicast, documentation or
 * reserved, nor an IPv6 one in which such an IPv4 one is wrapped. */
bool inet_is_public(const struct sockaddr *a);

#endif
