/* SPDX-License-Identifier: Apache-2.0 */
/* Texts by small numbers. */
#ifndef PLACEMENT_WORDS_H
#define PLACEMENT_WORDS_H

#include "placement/map.h"
#include "placement/placement.h"

enum { WORD_NONE = UINT16_MAX };

struct words { /* never removed; an all-zero one is ready */
	char (*texts)[PLACEMENT_NAME];
	uint32_t n, cap;
	struct map by_hash;
};

void words_finish(struct words *w);
struct words words_copy(const struct words *w);
uint32_t words_find(const struct words *w, const char *text); /* WORD_NONE: not there */
uint32_t words_have(struct words *w, const char *text);
/* Of a text; for maps. */
int64_t text_hash(const char *text);

#endif
