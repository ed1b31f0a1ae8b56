/* SPDX-License-Identifier: Apache-2.0 */
/* Heads that were kept apart from the audit, and keys that are trusted: what no one who has the database can
 * change. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "cloudctl/audit_source.h"
#include "domain/audit_json.h"

enum { HEADS_MAX = 10000000 };

static int add(struct audit_heads *h, const json_t *j, struct error *err)
{
	const json_t *inner = json_object_get(j, "head");
	struct audit_head head;

	if (audit_head_read(inner ? inner : j, &head, err))
		return -1;
	if (h->n == HEADS_MAX)
		return error_set(err, ERR_TOO_LARGE, "more than %d heads", HEADS_MAX);
	if ((h->n & (h->n - 1)) == 0)
		h->all = xrealloc(h->all, (h->n ? 2 * h->n : 1) * sizeof *h->all);
	h->all[h->n++] = head;
	return 0;
}

int audit_heads_read(struct audit_heads *h, const char *path, struct error *err)
{
	FILE *f = fopen(path, "re");
	json_error_t where;
	json_t *j;
	int rc = 0;

	if (!f)
		return error_set(err, ERR_BAD_REQUEST, "cannot read %s: %s", path, strerror(errno));
	while (!rc && (j = json_loadf(f, JSON_DISABLE_EOF_CHECK, &where))) {
		rc = add(h, j, err);
		json_decref(j);
	}
	fclose(f);
	if (rc)
		return error_wrap(err, "%s", path);
	/* behind the last one there is nothing, or one that was broken off */
	return h->n ? 0 : error_set(err, ERR_BAD_REQUEST, "%s has no heads", path);
}

static int by_seq(const void *a, const void *b)
{
	const struct audit_head *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

void audit_heads_sort(struct audit_heads *h)
{
	if (h->n)
		qsort(h->all, h->n, sizeof *h->all, by_seq);
}

void audit_heads_finish(struct audit_heads *h)
{
	free(h->all);
	*h = (struct audit_heads) { 0 };
}

void audit_trust_begin(struct audit_trust *trust, struct audit_result *out, int64_t base_seq,
	const unsigned char base_hash[SHA256_SIZE])
{
	out->first = base_seq + 1;
	audit_walk_begin(&out->walk, out->cloud_id, base_seq, base_seq ? base_hash : NULL);
	for (size_t i = 0; i < trust->keys_n; i++)
		audit_walk_key(&out->walk, trust->keys[i], true);
	audit_heads_sort(&trust->heads);
	trust->heads.at = 0;
}

void audit_trust_heads(struct audit_trust *trust, struct audit_walk *w, bool end)
{
	struct audit_heads *h = &trust->heads;

	while (h->at < h->n && (end || h->all[h->at].seq <= w->seq))
		audit_walk_head(w, &h->all[h->at++]);
}

void audit_result_finish(struct audit_result *r)
{
	audit_walk_finish(&r->walk);
}
