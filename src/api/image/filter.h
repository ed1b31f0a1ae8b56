/* SPDX-License-Identifier: Apache-2.0 */
/* Which images a list shows, and in which order: the query of GET /v2/images as a value. */
#ifndef API_IMAGE_FILTER_H
#define API_IMAGE_FILTER_H

#include "http/http.h"
#include "store/images.h"

enum { IMAGE_SORT_KEYS_MAX = 8 };

struct image_test; /* one filter */

struct image_filter {
	struct arena *arena;
	struct image_scan scan; /* what may be listed at all */
	const char *visibility; /* NULL: what is listed by default */
	bool hidden_given;
	struct image_test *tests;
	size_t tests_n;
	struct image_sort {
		const struct image_sort_key *key;
		bool descending;
	} sort[IMAGE_SORT_KEYS_MAX + 2];
	size_t sort_n;
};

/* ERR_BAD_REQUEST for what is no filter value or sort key. limit and marker are the caller's. */
int image_filter_init(struct image_filter *f, struct arena *a, struct image_viewer viewer,
	const struct http_pair *query, size_t n, struct error *err);
/* Does the image pass? 1, 0, -1. Properties and tags are looked up last. */
int image_filter_pass(const struct image_filter *f, struct db *db, const struct image *i, struct error *err);
/* Below 0: a comes first. Never 0 for two images. */
int image_filter_compare(const struct image_filter *f, const struct image *a, const struct image *b);

#endif
