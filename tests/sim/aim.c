/* SPDX-License-Identifier: Apache-2.0 */
/* Where the daemon is to die: the steps come from the program's own table of flows, so that what is added
 * there has to be covered as well. */
#include "aim.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "flow/internal.h"

/* Deaths that can be aimed at: each step's, by where; made once, before the first run. */
static struct {
	uint16_t step;
	uint8_t at;
} aims[STEPS_MAX * AIM_ATS];
static size_t aims_count;
static struct {
	char name[64], kind[64];
} steps[STEPS_MAX];

void aim_begin(struct totals *t)
{
	const struct flow_kind *k;

	aims_count = t->steps_n = 0;
	for (size_t i = 0; (k = flow_kind_at(i)); i++)
		for (size_t n = 0; n < k->steps_n && t->steps_n < STEPS_MAX; n++) {
			struct step_cover *c = &t->steps[t->steps_n];

			snprintf(c->name, sizeof c->name, "%s/%s", k->name, k->steps[n].name);
			c->acts = k->steps[n].act != NULL;
			str_copy(steps[t->steps_n].name, sizeof steps->name, c->name);
			str_copy(steps[t->steps_n].kind, sizeof steps->kind, k->name);
			for (int at = c->acts ? AIM_BEFORE : AIM_AFTER; at < AIM_ATS; at++) {
				aims[aims_count].step = (uint16_t)t->steps_n;
				aims[aims_count++].at = (uint8_t)at;
			}
			t->steps_n++;
		}
}

size_t aims_n(void)
{
	return aims_count;
}

void aim_set(size_t n)
{
	run->death_at = AT_AIM;
	run->aim = (struct aim) { aims[n].step, (enum aim_at)aims[n].at, 1 + (chance(400) ? dice(4) : 0) };
}

const char *aim_kind(void)
{
	return run->death > DEATH_STOP && run->death_at == AT_AIM ? steps[run->aim.step].kind : "";
}

bool aim_is(const char *kind)
{
	return str_eq(aim_kind(), kind);
}

bool aim_hit(const char *step, enum aim_at at)
{
	return run->death > DEATH_STOP && run->death_at == AT_AIM && run->aim.at == at &&
	       str_eq(steps[run->aim.step].name, step) && --run->aim.left == 0;
}

struct step_cover *cover_of(const char *step)
{
	struct totals *t = &run->totals;

	for (size_t i = 0; i < t->steps_n; i++)
		if (!strcmp(t->steps[i].name, step))
			return &t->steps[i];
	return NULL;
}

void cover_death(const char *step, enum aim_at at)
{
	struct step_cover *c = cover_of(step);

	if (c)
		c->died[at]++;
}

void cover_done(const char *step)
{
	struct step_cover *c = cover_of(step);

	if (c)
		c->done++;
}

void cover_report(const struct totals *t)
{
	static const char *const names[AIM_ATS] = { "before", "within", "after" };
	size_t covered = 0, possible = 0, seen = 0;

	for (size_t i = 0; i < t->steps_n; i++) {
		const struct step_cover *s = &t->steps[i];

		printf("step %s: done %u, died before %u, within %u, after %u\n", s->name, s->done,
			s->died[AIM_BEFORE], s->died[AIM_WITHIN], s->died[AIM_AFTER]);
		seen += s->done > 0;
		for (int at = s->acts ? AIM_BEFORE : AIM_AFTER; at < AIM_ATS; at++) {
			possible++;
			covered += s->died[at] > 0;
			if (!s->died[at])
				printf("uncovered %s %s\n", s->name, names[at]);
		}
	}
	printf("steps_seen %zu steps\nsteps_possible %zu steps\n", seen, t->steps_n);
	printf("step_deaths_covered %zu deaths\nstep_deaths_possible %zu deaths\n", covered, possible);
}
