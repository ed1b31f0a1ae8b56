/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fair.h"

#include <assert.h>
#include <stdlib.h>

#include "base/util.h"

enum { AT_FIRST, AT_FRESH, AT_STANDING, AT_NONE };

enum {
	FRESH_RUN = 16,      /* items of fresh classes, to one of those that stand */
	MEAN_OF = 16,        /* means follow a sixteenth of each new value */
	DEBT_SHARES = 100,   /* most rounds that a class has to let pass */
	SHARED_US = 2000000, /* what is `lately` */
};

void fair_init(struct fair *f, int64_t share_us)
{
	*f = (struct fair) { .share_us = share_us };
}

void fair_finish(struct fair *f)
{
	assert(!f->n && !f->classes_n);
	free(f->hash);
	f->hash = NULL;
}

/* ---- the classes ---- */

static size_t bucket(const struct fair *f, uint64_t key)
{
	return (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & (f->hash_n - 1);
}

static struct fair_class *find(const struct fair *f, uint64_t key)
{
	struct fair_class *c = f->hash_n ? f->hash[bucket(f, key)] : NULL;

	while (c && c->key != key)
		c = c->hash_next;
	return c;
}

const struct fair_class *fair_class_find(const struct fair *f, uint64_t key)
{
	return find(f, key);
}

static void hash_grow(struct fair *f)
{
	struct fair_class **old = f->hash;
	size_t old_n = f->hash_n;

	if (f->classes_n < old_n)
		return;
	f->hash_n = old_n ? old_n * 2 : 8;
	f->hash = xcalloc(f->hash_n, sizeof *f->hash);
	for (size_t i = 0; i < old_n; i++)
		for (struct fair_class *c = old[i], *next; c; c = next) {
			struct fair_class **to = &f->hash[bucket(f, c->key)];

			next = c->hash_next;
			c->hash_next = *to;
			*to = c;
		}
	free(old);
}

struct fair_class *fair_class_get(struct fair *f, uint64_t key, unsigned share)
{
	struct fair_class *c = find(f, key), **to;

	if (c)
		return fair_class_ref(c);
	hash_grow(f);
	c = xcalloc(1, sizeof *c);
	to = &f->hash[bucket(f, key)];
	c->key = key;
	c->share = share;
	c->refs = 1;
	c->at = AT_NONE;
	c->items.next = c->items.prev = &c->items;
	c->hash_next = *to;
	*to = c;
	f->classes_n++;
	return c;
}

struct fair_class *fair_class_ref(struct fair_class *c)
{
	c->refs++;
	return c;
}

static void list_out(struct fair *f, struct fair_class *c)
{
	if (c->at == AT_NONE)
		return;
	if (c->prev)
		c->prev->next = c->next;
	else
		f->lists[c->at] = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		f->ends[c->at] = c->prev;
	c->next = c->prev = NULL;
	c->at = AT_NONE;
	f->standing_n--;
}

static void list_in(struct fair *f, struct fair_class *c, unsigned at)
{
	c->at = (uint8_t)at;
	c->prev = f->ends[at];
	c->next = NULL;
	if (c->prev)
		c->prev->next = c;
	else
		f->lists[at] = c;
	f->ends[at] = c;
	f->standing_n++;
}

void fair_class_put(struct fair *f, struct fair_class *c)
{
	struct fair_class **at;

	if (!c || --c->refs)
		return;
	assert(!c->n);
	list_out(f, c);
	at = &f->hash[bucket(f, c->key)];
	while (*at != c)
		at = &(*at)->hash_next;
	*at = c->hash_next;
	f->classes_n--;
	free(c);
}

/* ---- the lines ---- */

static int64_t share_of(const struct fair *f, const struct fair_class *c)
{
	return f->share_us * c->share / FAIR_SHARE + 1;
}

void fair_push(struct fair *f, struct fair_class *c, struct fair_item *item)
{
	assert(!item->class);
	item->class = fair_class_ref(c);
	item->next = &c->items;
	item->prev = c->items.prev;
	item->prev->next = item;
	c->items.prev = item;
	c->n++;
	f->n++;
	if (c->at != AT_NONE)
		return;
	c->served_us = c->gap_us = 0;
	if (c->share == FAIR_FIRST) {
		list_in(f, c, AT_FIRST);
	} else if (c->credit_us < 0) {
		list_in(f, c, AT_STANDING);
	} else {
		c->credit_us = share_of(f, c);
		list_in(f, c, AT_FRESH);
	}
}

static void take(struct fair *f, struct fair_item *item)
{
	struct fair_class *c = item->class;

	item->next->prev = item->prev;
	item->prev->next = item->next;
	*item = (struct fair_item) { 0 };
	c->n--;
	f->n--;
}

void fair_remove(struct fair *f, struct fair_item *item)
{
	struct fair_class *c = item->class;

	if (!c)
		return;
	take(f, item);
	fair_class_put(f, c);
}

/* Its turn has passed: it goes to the end of those that stand, with a share more; or leaves, when its line is
 * empty and it had been standing already. */
static void turn_over(struct fair *f, struct fair_class *c)
{
	bool stands = c->n || (c->at == AT_FRESH && f->lists[AT_STANDING]);

	list_out(f, c);
	if (c->credit_us <= 0)
		c->credit_us += share_of(f, c);
	if (stands)
		list_in(f, c, AT_STANDING);
}

/* The fresh come first, but for a time: however many they are, those that stand get on. */
static struct fair_class *first_of_rest(const struct fair *f)
{
	struct fair_class *fresh = f->lists[AT_FRESH], *standing = f->lists[AT_STANDING];

	return fresh && (!standing || f->fresh_run < FRESH_RUN) ? fresh : standing;
}

struct fair_item *fair_pop(struct fair *f, struct fair_class **out_class)
{
	while (f->n) {
		struct fair_class *c = f->lists[AT_FIRST];
		struct fair_item *item;

		if (c && !c->n) {
			list_out(f, c);
			continue;
		}
		if (!c)
			c = first_of_rest(f);
		if (c->at != AT_FIRST && (!c->n || c->credit_us <= 0)) {
			turn_over(f, c);
			continue;
		}
		item = c->items.next;
		take(f, item);
		c->taken++;
		if (c->at != AT_FIRST)
			f->fresh_run = c->at == AT_FRESH ? f->fresh_run + 1 : 0;
		*out_class = c; /* the item's reference is the caller's until the charge */
		return item;
	}
	return NULL;
}

struct fair_item *fair_last_of_longest(const struct fair *f)
{
	const struct fair_class *longest = NULL;

	for (unsigned at = 0; at < AT_NONE; at++)
		for (const struct fair_class *c = f->lists[at]; c; c = c->next)
			if (!longest || c->n > longest->n)
				longest = c;
	return longest && longest->n ? longest->items.prev : NULL;
}

/* ---- what they cost ---- */

static void mean_add(int64_t *mean, int64_t value)
{
	*mean = *mean ? *mean + (value - *mean) / MEAN_OF : value;
}

void fair_charge(struct fair *f, struct fair_class *c, int64_t cost_us, int64_t now_us)
{
	int64_t least = -DEBT_SHARES * share_of(f, c);

	mean_add(&c->cost_us, cost_us);
	c->credit_us -= cost_us ? cost_us : 1; /* nothing is free */
	if (c->credit_us < least)
		c->credit_us = least;
	if (c->served_us)
		mean_add(&c->gap_us, now_us - c->served_us);
	c->served_us = c->n ? now_us : 0;
	if (c->key && c->key != f->last_key) {
		f->shared_until_us = f->last_key ? now_us + SHARED_US : 0;
		f->last_key = c->key;
	}
	fair_class_put(f, c);
}

int64_t fair_wait_us(const struct fair_class *c)
{
	return c->n * (c->gap_us > c->cost_us ? c->gap_us : c->cost_us);
}

bool fair_above_share(const struct fair *f, const struct fair_class *c)
{
	int64_t all = 0, n = 0;

	for (unsigned at = 0; at < AT_NONE; at++)
		for (const struct fair_class *o = f->lists[at]; o; o = o->next) {
			all += o->n * o->cost_us;
			n += o->n != 0;
		}
	return n < 2 || c->n * c->cost_us * n >= all;
}

bool fair_shared(const struct fair *f, int64_t now_us)
{
	return now_us < f->shared_until_us;
}

uint64_t fair_key(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return h;
}
