/* SPDX-License-Identifier: Apache-2.0 */
/* The engine as a whole: taking and giving back, and the journal by which that is undone. */
#include "placement/placement.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "placement/claims.h"
#include "placement/index.h"
#include "placement/score.h"

enum { LOG_KEEP = 4096 }; /* changes */

struct placement *placement_create(void)
{
	return xcalloc(1, sizeof(struct placement));
}

void placement_destroy(struct placement *p)
{
	if (!p)
		return;
	placement_forget(p);
	for (size_t i = 0; i < p->hosts_n; i++)
		host_destroy(p->hosts[i]);
	for (size_t i = 0; i < p->holdings_n; i++)
		holding_finish(&p->holdings[i]);
	free(p->hosts);
	free(p->hot);
	free(p->holdings);
	words_finish(&p->models);
	words_finish(&p->labels);
	words_finish(&p->traits);
	words_finish(&p->profiles);
	map_finish(&p->by_id);
	map_finish(&p->by_name);
	map_finish(&p->by_server);
	index_destroy(p->index);
	mix_destroy(p->mix);
	free(p->log);
	free(p);
}

struct placement *placement_copy(const struct placement *p)
{
	struct placement *to = xmalloc(sizeof *to);

	*to = *p;
	to->hosts_cap = p->hosts_n;
	to->hosts = xmalloc((p->hosts_n + 1) * sizeof(struct host *));
	to->hot = xmalloc((p->hosts_n + 1) * sizeof *to->hot);
	for (size_t i = 0; i < p->hosts_n; i++) {
		to->hosts[i] = host_copy(p->hosts[i]);
		to->hot[i] = p->hot[i];
	}
	to->holdings_cap = p->holdings_n;
	to->holdings = xmalloc((p->holdings_n + 1) * sizeof *to->holdings);
	for (size_t i = 0; i < p->holdings_n; i++)
		to->holdings[i] = holding_copy(&p->holdings[i]);
	to->models = words_copy(&p->models);
	to->labels = words_copy(&p->labels);
	to->traits = words_copy(&p->traits);
	to->profiles = words_copy(&p->profiles);
	to->by_id = map_copy(&p->by_id);
	to->by_name = map_copy(&p->by_name);
	to->by_server = map_copy(&p->by_server);
	to->index = NULL;
	to->log = NULL;
	to->log_n = to->log_cap = 0;
	to->mix = p->mix ? mix_copy(p->mix) : NULL;
	return to;
}

/* ---- the journal ---- */

struct change *journal_add(struct placement *p, enum change_kind kind, int64_t id)
{
	struct change *c;

	if (p->log_n == p->log_cap) {
		p->log_cap = p->log_cap ? 2 * p->log_cap : 64;
		p->log = xrealloc(p->log, p->log_cap * sizeof *p->log);
	}
	c = &p->log[p->log_n++];
	*c = (struct change) { .kind = kind, .id = id };
	return c;
}

static void change_finish(struct change *c)
{
	holding_finish(&c->holding);
	host_destroy(c->host);
	mix_destroy(c->mix);
}

size_t placement_mark(const struct placement *p)
{
	return p->log_n;
}

void placement_forget(struct placement *p)
{
	while (p->log_n)
		change_finish(&p->log[--p->log_n]);
	if (p->log_cap > LOG_KEEP) { /* a tick is small; loading all servers at start is not */
		free(p->log);
		p->log = NULL;
		p->log_cap = 0;
	}
}

/* ---- taking and giving back ---- */

/* Charges its host with it (sign 1), or gives it back. */
static void charge(struct placement *p, int sign, const struct holding *held)
{
	size_t slot = (size_t)map_get(&p->by_id, held->host);

	host_charge(p, p->hosts[slot], sign, held);
	host_changed(p, slot);
}

int placement_take(struct placement *p, int64_t server_id, const struct placement_request *req,
	const struct placement_choice *choice, bool force, struct error *err)
{
	struct host *h = host_by_id(p, choice->host_id);
	struct holding held;
	int rc;

	if (!h)
		return error_set(err, ERR_CONFLICT, "host %" PRId64 " is not known", choice->host_id);
	if (map_get(&p->by_server, server_id) != MAP_NONE)
		return error_set(err, ERR_CONFLICT, "server %" PRId64 " holds something already", server_id);
	for (size_t i = 0; i < choice->gpus_n; i++)
		if (*choice->gpus[i].profile)
			words_have(&p->profiles, choice->gpus[i].profile);
	held = holding_make(p, h, server_id, req, choice, force);
	rc = force ? claim_force(p, h, req, &held, err) : claim_check(p, h, req, &held, err);
	if (rc < 0) {
		holding_finish(&held);
		return -1;
	}
	charge(p, 1, &held);
	holding_add(p, &held);
	journal_add(p, CHANGE_TAKE, server_id);
	return 0;
}

void placement_release(struct placement *p, int64_t server_id)
{
	struct holding held;

	if (!holding_pull(p, server_id, &held))
		return;
	charge(p, -1, &held);
	journal_add(p, CHANGE_RELEASE, server_id)->holding = held;
}

static void undo_take(struct placement *p, int64_t server_id)
{
	struct holding held;

	if (!holding_pull(p, server_id, &held))
		return;
	charge(p, -1, &held);
	holding_finish(&held);
}

static void undo_release(struct placement *p, struct change *c)
{
	charge(p, 1, &c->holding);
	holding_add(p, &c->holding);
	c->holding.claim = NULL; /* it is the book's again */
}

static void undo_hold(struct placement *p, const struct change *c)
{
	size_t slot = (size_t)map_get(&p->by_id, c->id);

	p->hosts[slot]->held_for = c->held_for;
	host_changed(p, slot);
}

static void undo_mix(struct placement *p, struct change *c)
{
	mix_destroy(p->mix);
	p->mix = c->mix;
	c->mix = NULL;
	index_reset(p->index);
}

static void undo_one(struct placement *p, struct change *c)
{
	switch (c->kind) {
	case CHANGE_TAKE:
		undo_take(p, c->id);
		break;
	case CHANGE_RELEASE:
		undo_release(p, c);
		break;
	case CHANGE_HOST_ADD:
		host_destroy(host_pull(p, (size_t)map_get(&p->by_id, c->id)));
		break;
	case CHANGE_HOST_SET:
	case CHANGE_HOST_REMOVE:
		c->host = host_put(p, c->host);
		break;
	case CHANGE_HOST_HOLD:
		undo_hold(p, c);
		break;
	case CHANGE_MIX:
		undo_mix(p, c);
		break;
	}
}

void placement_undo(struct placement *p, size_t mark)
{
	while (p->log_n > mark) {
		struct change *c = &p->log[--p->log_n];

		undo_one(p, c);
		change_finish(c);
	}
}
