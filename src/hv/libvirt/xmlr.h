/* SPDX-License-Identifier: Apache-2.0 */
/* Reading XML that a host sent: bounded, no network, no entities, no DTD. */
#ifndef HV_LIBVIRT_XMLR_H
#define HV_LIBVIRT_XMLR_H

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/* The document, or NULL with ERR_HYPERVISOR. Free with xmlFreeDoc, or CLEANUP(xr_free). */
xmlDocPtr xr_parse(const char *text, size_t n, struct error *err);
void xr_free(xmlDocPtr *doc);

/* The first child element of that name (NULL: any), and the next one after it. NULL parents and siblings give
 * NULL. */
xmlNodePtr xr_child(xmlNodePtr parent, const char *name);
xmlNodePtr xr_next(xmlNodePtr node, const char *name);
/* A path of names, the first of each: xr_path(root, "host", "cpu", NULL). */
xmlNodePtr xr_path(xmlNodePtr root, ...) __attribute__((sentinel));

/* Text of an element, value of an attribute: copied into the arena; NULL when absent. */
char *xr_text(struct arena *a, xmlNodePtr node);
char *xr_attr(struct arena *a, xmlNodePtr node, const char *name);
bool xr_attr_is(xmlNodePtr node, const char *name, const char *value);
/* Numbers, decimal or 0x...; fallback when absent or not a number. */
int64_t xr_int(xmlNodePtr node, int64_t fallback);
int64_t xr_attr_int(xmlNodePtr node, const char *name, int64_t fallback);

#endif
