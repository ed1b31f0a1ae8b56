/* SPDX-License-Identifier: Apache-2.0 */
/* Lines that are served in turn: one a class (a project, a peer), by what its items are measured to cost.
 * Pure: who uses it brings the time.
 *
 * A class has a credit of time, filled up by a share each round; an item is taken while there is some, and
 * charged when it is known what it took (which may leave a debt: then rounds pass without the class). A class
 * that was empty comes before those that stand in line, once: who asks little is served at once, whoever asks
 * much. But only so many in a row, so that whoever stands gets on. */
#ifndef BASE_FAIR_H
#define BASE_FAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fair_class;

struct fair_item { /* embedded in what waits; all-zero: waits nowhere */
	struct fair_item *next, *prev;
	struct fair_class *class; /* NULL: not in a line */
};

struct fair_class {
	uint64_t key;
	unsigned n;      /* items in line */
	int64_t cost_us; /* mean of what one takes */
	int64_t gap_us; /* mean time from one to the next while they stand in line: how fast the line moves */
	int64_t served_us; /* when the last one was taken; 0: the line was empty since */
	uint64_t taken;
	uint64_t held; /* what it holds of something else, for whom it concerns */
	/* private */
	struct fair_item items; /* head of the ring */
	struct fair_class *next, *prev, *hash_next;
	int64_t credit_us;
	unsigned refs, share;
	uint8_t at; /* which list */
};

struct fair {
	unsigned n;          /* items in all lines */
	unsigned classes_n;  /* that are known */
	unsigned standing_n; /* classes with a line */
	/* private */
	int64_t share_us;
	struct fair_class **hash;
	size_t hash_n;
	struct fair_class *lists[3], *ends[3];
	unsigned fresh_run; /* items of fresh classes in a row, while others stand */
	uint64_t last_key;
	int64_t shared_until_us;
};

enum {
	FAIR_SHARE = 4, /* of most classes; others have more or less of it */
	FAIR_FIRST = 0  /* before all others, as long as there are any */
};

/* share_us: what a class of FAIR_SHARE may take in a round. All-zero but for that is ready. */
void fair_init(struct fair *f, int64_t share_us);
void fair_finish(struct fair *f); /* nothing may wait, or be held, any more */
/* The class of a key, held until put. The first who asks says its share. */
struct fair_class *fair_class_get(struct fair *f, uint64_t key, unsigned share);
struct fair_class *fair_class_ref(struct fair_class *c);
void fair_class_put(struct fair *f, struct fair_class *c); /* NULL is fine */
/* The same without holding it; NULL when it is not known. */
const struct fair_class *fair_class_find(const struct fair *f, uint64_t key);

/* At the end of the class's line. */
void fair_push(struct fair *f, struct fair_class *c, struct fair_item *item);
/* The next item of all, whose class is *out_class; NULL: none waits. It is to be charged; the class lives
 * until the charge at least, when somebody else holds it or it has more in line, and beyond. */
struct fair_item *fair_pop(struct fair *f, struct fair_class **out_class);
void fair_remove(struct fair *f, struct fair_item *item); /* in no line: nothing happens */
/* The last item of the longest line, for whom there is no room. NULL: none waits. Still in line. */
struct fair_item *fair_last_of_longest(const struct fair *f);
/* An item of that class took cost_us until now_us. */
void fair_charge(struct fair *f, struct fair_class *c, int64_t cost_us, int64_t now_us);
/* For how long one that comes now would stand in line. */
int64_t fair_wait_us(const struct fair_class *c);
/* Is its line longer, in time, than the mean of those that stand in line? When it is alone it is. */
bool fair_above_share(const struct fair *f, const struct fair_class *c);
/* Were several classes served lately? The house's own, whose key is 0, does not count. */
bool fair_shared(const struct fair *f, int64_t now_us);

/* Keys: of a text, and of a project by its row, the same wherever the project stands in line. 0 is the
 * house's own. */
uint64_t fair_key(const char *text);
static inline uint64_t fair_project(int64_t id)
{
	return (uint64_t)id << 2 | 1;
}

#endif
