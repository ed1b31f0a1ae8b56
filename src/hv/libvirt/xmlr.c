/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/libvirt/xmlr.h"

#include <errno.h>
#include <libxml/parser.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { XML_MAX = 8 << 20 };

xmlDocPtr xr_parse(const char *text, size_t n, struct error *err)
{
	xmlDocPtr doc = NULL;

	if (text && n <= XML_MAX)
		doc = xmlReadMemory(text, (int)n, "host.xml", NULL,
			XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	/* nothing that libvirt writes has a document type, the only place where entities could hide */
	if (doc && (doc->intSubset || !xmlDocGetRootElement(doc))) {
		xmlFreeDoc(doc);
		doc = NULL;
	}
	if (!doc)
		error_set(err, ERR_HYPERVISOR, "the host sent XML that cannot be read");
	return doc;
}

void xr_free(xmlDocPtr *doc)
{
	if (*doc)
		xmlFreeDoc(*doc);
}

static xmlNodePtr element(xmlNodePtr n, const char *name)
{
	while (n && (n->type != XML_ELEMENT_NODE || (name && strcmp((const char *)n->name, name) != 0)))
		n = n->next;
	return n;
}

xmlNodePtr xr_child(xmlNodePtr parent, const char *name)
{
	return parent ? element(parent->children, name) : NULL;
}

xmlNodePtr xr_next(xmlNodePtr node, const char *name)
{
	return node ? element(node->next, name) : NULL;
}

xmlNodePtr xr_path(xmlNodePtr root, ...)
{
	const char *name;
	va_list ap;

	va_start(ap, root);
	while (root && (name = va_arg(ap, const char *)))
		root = xr_child(root, name);
	va_end(ap);
	return root;
}

static char *taken(struct arena *a, xmlChar *s)
{
	char *copy = arena_strdup(a, (const char *)s);

	xmlFree(s);
	return copy;
}

char *xr_text(struct arena *a, xmlNodePtr node)
{
	return node ? taken(a, xmlNodeGetContent(node)) : NULL;
}

char *xr_attr(struct arena *a, xmlNodePtr node, const char *name)
{
	return node ? taken(a, xmlGetProp(node, (const xmlChar *)name)) : NULL;
}

bool xr_attr_is(xmlNodePtr node, const char *name, const char *value)
{
	xmlChar *s = node ? xmlGetProp(node, (const xmlChar *)name) : NULL;
	bool same = s && strcmp((const char *)s, value) == 0;

	xmlFree(s);
	return same;
}

static int64_t number(xmlChar *s, int64_t fallback)
{
	int64_t v = fallback;
	char *end;

	if (s && *s) {
		errno = 0;
		v = strtoll((const char *)s, &end, 0);
		if (errno || end == (const char *)s || *end)
			v = fallback;
	}
	xmlFree(s);
	return v;
}

int64_t xr_int(xmlNodePtr node, int64_t fallback)
{
	return number(node ? xmlNodeGetContent(node) : NULL, fallback);
}

int64_t xr_attr_int(xmlNodePtr node, const char *name, int64_t fallback)
{
	return number(node ? xmlGetProp(node, (const xmlChar *)name) : NULL, fallback);
}
