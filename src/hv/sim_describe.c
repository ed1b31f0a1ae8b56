/* SPDX-License-Identifier: Apache-2.0 */
/* What a simulated host tells of a domain to one who has lost everything but the host. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "hv/internal.h"
#include "hv/sim_world.h"

/* --- what the mark says: one line of the world's file --------------------------------------------------- */

static void field(struct buf *b, const char *text)
{
	size_t at = b->len;

	buf_puts(b, text && *text ? text : "-");
	for (; at < b->len; at++)
		if (strchr("\t\r\n", b->data[at]))
			b->data[at] = ' ';
}

char *sim_told_make(const struct hv_domain *d)
{
	CLEANUP(buf_finish) struct buf b = { 0 };

	field(&b, d->project_id);
	buf_puts(&b, "\t");
	field(&b, d->flavor_name);
	buf_puts(&b, "\t");
	field(&b, d->title);
	for (size_t i = 0; i < d->nics_n; i++) {
		buf_printf(&b, "\t%c", d->nics[i].is_bridge ? 'b' : 'n');
		field(&b, d->nics[i].source);
		buf_puts(&b, "/");
		field(&b, d->nics[i].address);
	}
	return xstrdup(buf_text(&b));
}

/* --- telling -------------------------------------------------------------------------------------------- */

static const char *told_next(char **save)
{
	const char *t = strtok_r(NULL, "\t", save);

	return t && strcmp(t, "-") != 0 ? t : NULL;
}

static void nic_told(struct hv_nic *nic, char *text)
{
	char *slash = strrchr(text, '/');

	if (!slash)
		return;
	*slash = '\0';
	nic->is_bridge = *text == 'b';
	nic->source = text + 1;
	nic->address = strcmp(slash + 1, "-") != 0 ? slash + 1 : NULL;
}

static void mark_told(struct arena *a, const struct sim_dom *s, struct hv_domain *d, struct hv_nic *nics)
{
	char *text = arena_printf(a, "-\t%s", s->told), *save = NULL, *t;

	strtok_r(text, "\t", &save);
	d->project_id = told_next(&save);
	d->flavor_name = told_next(&save);
	d->title = told_next(&save);
	for (size_t i = 0; i < s->nics_n && (t = strtok_r(NULL, "\t", &save)); i++)
		nic_told(&nics[i], t);
}

static void describe(struct arena *a, const struct sim_dom *s, struct hv_domain *d)
{
	struct hv_disk *disks = ARENA_ARRAY(a, struct hv_disk, s->disks_n + 1);
	struct hv_nic *nics = ARENA_ARRAY(a, struct hv_nic, s->nics_n + 1);

	for (size_t i = 0; i < s->disks_n; i++) {
		size_t n = strlen(s->disks[i]);
		bool iso = n > 4 && strcmp(s->disks[i] + n - 4, ".iso") == 0;

		disks[i] = (struct hv_disk) { .volume = arena_strdup(a, s->disks[i]),
			.format = iso ? "raw" : "qcow2",
			.readonly = iso };
	}
	for (size_t i = 0; i < s->nics_n; i++)
		nics[i] = (struct hv_nic) { .mac = arena_strdup(a, s->macs[i]), .source = "" };
	d->uuid = arena_strdup(a, s->node.key);
	d->name = arena_strdup(a, s->name);
	d->disks = disks;
	d->disks_n = s->disks_n;
	d->nics = nics;
	d->nics_n = s->nics_n;
	if (!s->cloud[0])
		return;
	d->cloud_id = arena_strdup(a, s->cloud);
	d->epoch = s->epoch;
	if (s->told)
		mark_told(a, s, d, nics);
}

int sim_domain_describe(
	struct hv_conn *c, struct arena *a, const char *uuid, struct hv_domain *out, struct error *err)
{
	const struct sim_dom *d;
	struct sim_call k;
	int rc = 0;

	if (sim_begin(c, SIM_DOMAIN_DESCRIBE, &k, err) < 0)
		return -1;
	if ((d = sim_world_dom(k.w, uuid))) {
		*out = sim_dom_read(a, d);
		describe(a, d, out);
	} else {
		rc = error_set(err, ERR_NOT_FOUND, "the server is not on the host");
	}
	return sim_end(&k, rc, err);
}
