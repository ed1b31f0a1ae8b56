/* SPDX-License-Identifier: Apache-2.0 */
/* The network service (Neutron v2.0): the provider's networks, their subnets, and the ports of servers. */
#ifndef API_NETWORK_NETWORK_H
#define API_NETWORK_NETWORK_H

#include "api/api.h"

int network_versions(struct api_call *c, struct error *err); /* GET /network */

/* Lists: drops an item that a query parameter excludes, keeps only the attributes that `fields` names. Both
 * by the attribute's own name, as Neutron does it for every resource; repeated parameters mean any of them.
 */
bool network_filter(const struct api_call *c, const json_t *item);
void network_fields(const struct api_call *c, json_t *item);
/* Writes {"<collection>": [items]} of those that pass the filter, sorted and paged; items is consumed. */
int network_reply_list(struct api_call *c, const char *collection, json_t *items, struct error *err);
/* Writes {"<name>": item}; item is consumed. */
int network_reply_one(struct api_call *c, const char *name, json_t *item);

int network_list(struct api_call *c, struct error *err);
int network_show(struct api_call *c, struct error *err);
int subnet_list(struct api_call *c, struct error *err);
int subnet_show(struct api_call *c, struct error *err);
int port_list(struct api_call *c, struct error *err);
int port_show(struct api_call *c, struct error *err);

int network_quota_show(struct api_call *c, struct error *err);
int network_quota_details(struct api_call *c, struct error *err);
int network_quota_default(struct api_call *c, struct error *err);
int network_quota_update(struct api_call *c, struct error *err);
int network_quota_reset(struct api_call *c, struct error *err);

extern const struct bind_table network_quota_body;

#endif
