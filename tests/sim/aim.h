/* SPDX-License-Identifier: Apache-2.0 */
/* Which steps of flows there are, which of them the daemon died at, and where it is to die next. */
#ifndef TESTS_SIM_AIM_H
#define TESTS_SIM_AIM_H

#include <stdbool.h>
#include <stddef.h>

#include "run.h"

/* All steps of all flows of the program. */
void aim_begin(struct totals *t);
/* How many deaths can be aimed at; the nth of them. */
size_t aims_n(void);
void aim_set(size_t n);
/* What the deaths of a run are aimed at: the name of a flow's kind; "" at none. */
const char *aim_kind(void);
bool aim_is(const char *kind);
/* A step got to one of its points: does the daemon die here? */
bool aim_hit(const char *step, enum aim_at at);
/* At the daemon's death. */
void cover_death(const char *step, enum aim_at at);
/* It went on from there. */
void cover_done(const char *step);

struct step_cover *cover_of(const char *step);
/* Prints what was covered, and of what was not; returns how many deaths there are. */
void cover_report(const struct totals *t);

#endif
