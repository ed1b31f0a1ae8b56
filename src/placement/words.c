/* SPDX-License-Identifier: Apache-2.0 */
#include "placement/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

int64_t text_hash(const char *text)
{
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return (int64_t)h;
}

void words_finish(struct words *w)
{
	free(w->texts);
	map_finish(&w->by_hash);
	*w = (struct words) { 0 };
}

struct words words_copy(const struct words *w)
{
	struct words to = { .n = w->n, .cap = w->n, .by_hash = map_copy(&w->by_hash) };

	if (w->n) {
		to.texts = xmalloc(w->n * sizeof *to.texts);
		memcpy(to.texts, w->texts, w->n * sizeof *to.texts);
	}
	return to;
}

uint32_t words_find(const struct words *w, const char *text)
{
	int64_t at = map_get(&w->by_hash, text_hash(text));

	if (at == MAP_NONE || strcmp(w->texts[at], text) == 0)
		return at == MAP_NONE ? WORD_NONE : (uint32_t)at;
	for (uint32_t i = 0; i < w->n; i++) /* another text with this hash was there first */
		if (strcmp(w->texts[i], text) == 0)
			return i;
	return WORD_NONE;
}

uint32_t words_have(struct words *w, const char *text)
{
	uint32_t i = words_find(w, text);
	int64_t hash = text_hash(text);

	if (i != WORD_NONE || w->n == WORD_NONE) /* a cloud with 65,535 models or zones: the rest are alike */
		return i;
	if (w->n == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 8;
		w->texts = xrealloc(w->texts, w->cap * sizeof *w->texts);
	}
	str_copy(w->texts[w->n], sizeof *w->texts, text);
	if (map_get(&w->by_hash, hash) == MAP_NONE)
		map_set(&w->by_hash, hash, (int64_t)w->n);
	return w->n++;
}
