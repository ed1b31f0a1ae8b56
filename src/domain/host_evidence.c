/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/host_evidence.h"

#include <string.h>

#include "base/util.h"

static const char *const texts[EVIDENCE_STATES] = {
	[EVIDENCE_CONNECTED] = "connected",
	[EVIDENCE_DOUBTFUL] = "doubtful",
	[EVIDENCE_UNREACHABLE] = "unreachable",
	[EVIDENCE_DOWN] = "down",
};

static bool fenced(const struct evidence_facts *f)
{
	return f->fenced;
}

static bool stated(const struct evidence_facts *f)
{
	return f->stated;
}

static bool returned(const struct evidence_facts *f)
{
	return f->connected && f->comes_back;
}

static bool unsteady(const struct evidence_facts *f)
{
	return f->connected && f->unsteady;
}

static bool looked_at(const struct evidence_facts *f)
{
	return f->connected;
}

/* It ends when it is heard, not when the clock of its silence begins anew. */
static bool silent(const struct evidence_facts *f)
{
	return f->was == EVIDENCE_UNREACHABLE || (f->failed && f->silent_us >= f->unreachable_us);
}

static bool failed(const struct evidence_facts *f)
{
	return f->failed;
}

static bool just_started(const struct evidence_facts *f)
{
	(void)f;
	return true;
}

/* The first that holds. */
static const struct {
	bool (*holds)(const struct evidence_facts *f);
	enum host_evidence state;
	const char *source, *says;
	bool tell;
} rules[] = {
	{ fenced, EVIDENCE_DOWN, "fence", "its power was cut, and read as off", true },
	{ stated, EVIDENCE_DOWN, "operator", "an operator said so", true },
	{ returned, EVIDENCE_DOUBTFUL, "return",
		"it was down, and what went elsewhere has to be cleared away first", true },
	{ unsteady, EVIDENCE_DOUBTFUL, "unsteady", "its connection comes and goes", true },
	{ looked_at, EVIDENCE_CONNECTED, "look", "it is connected, and was looked over", true },
	{ silent, EVIDENCE_UNREACHABLE, "silence", "nothing was heard of it for long", true },
	{ failed, EVIDENCE_DOUBTFUL, "failure", "a call, or its connection, failed", true },
	{ just_started, EVIDENCE_DOUBTFUL, "start", "it is being connected since the start", false },
};

struct evidence_verdict evidence_weigh(const struct evidence_facts *f)
{
	size_t i = 0;

	while (!rules[i].holds(f))
		i++;
	return (struct evidence_verdict) { rules[i].state, rules[i].source, rules[i].tell };
}

static const char *const events[EVIDENCE_STATES] = {
	[EVIDENCE_CONNECTED] = "host.connected",
	[EVIDENCE_DOUBTFUL] = "host.doubtful",
	[EVIDENCE_UNREACHABLE] = "host.unreachable",
	[EVIDENCE_DOWN] = "host.down",
};

const char *evidence_event(enum host_evidence s)
{
	return events[s];
}

const char *evidence_text(enum host_evidence s)
{
	return texts[s];
}

bool evidence_parse(const char *text, enum host_evidence *out)
{
	for (int i = 0; i < EVIDENCE_STATES; i++)
		if (str_eq(text, texts[i])) {
			*out = (enum host_evidence)i;
			return true;
		}
	return false;
}

const char *evidence_source_says(const char *source)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (str_eq(source, rules[i].source))
			return rules[i].says;
	return "";
}

void evidence_lost(struct evidence_losses *l, int64_t mono_us)
{
	l->at_us[l->n++ % EVIDENCE_LOSSES] = mono_us;
}

bool evidence_unsteady(const struct evidence_losses *l, int64_t mono_us, int64_t stands_us, int64_t steady_us)
{
	int64_t oldest_us = l->at_us[l->n % EVIDENCE_LOSSES];

	if (l->n < EVIDENCE_LOSSES || stands_us >= steady_us)
		return false;
	/* by the time of the last loss, not of now: else it would end by itself before it stands */
	return mono_us - stands_us - oldest_us <= (int64_t)EVIDENCE_WINDOW_S * 1000000;
}

const char *evidence_holds_fence(const struct evidence_fleet *f)
{
	int64_t share = f->hosts * EVIDENCE_SHARE_PERCENT / 100, most = share < f->most ? share : f->most;

	if (f->silent > (most > 1 ? most : 1))
		return "too many hosts are silent at once: that is a network, not dead hosts";
	if (f->connected * 2 < f->hosts)
		return "less than half of the hosts can be heard: that may be cloudd's own network";
	return NULL;
}
