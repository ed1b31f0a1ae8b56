/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/access_path.h"

#include <stddef.h>
#include <string.h>

enum token_kind { LITERAL, PART, REST };

struct token {
	enum token_kind kind;
	char c; /* LITERAL */
};

/* The tokens of a pattern; -1 when it is none. */
static int tokens(const char *p, struct token out[ACCESS_PATH_MAX])
{
	int n = 0;

	while (*p) {
		size_t len = 1;
		struct token t = { LITERAL, *p };

		if (n == ACCESS_PATH_MAX)
			return -1;
		if (p[0] == '*' && p[1] == '*') {
			t.kind = REST;
			len = 2;
		} else if (*p == '*') {
			t.kind = PART;
		} else if (*p == '{') {
			const char *end = strpbrk(p, "}/");

			if (!end || *end == '/')
				return -1;
			t.kind = PART;
			len = (size_t)(end - p) + 1;
		}
		out[n++] = t;
		p += len;
	}
	return n;
}

bool access_path_valid(const char *pattern)
{
	struct token t[ACCESS_PATH_MAX];

	return pattern[0] == '/' && strlen(pattern) <= ACCESS_PATH_MAX && tokens(pattern, t) > 0;
}

/* All places in the pattern that what was read may have led to, at once: no pattern takes long. */
bool access_path_matches(const char *pattern, const char *path)
{
	bool here[ACCESS_PATH_MAX + 1] = { true }, next[ACCESS_PATH_MAX + 1];
	struct token t[ACCESS_PATH_MAX];
	int n = tokens(pattern, t);

	if (n < 0)
		return false;
	for (;; path++) {
		for (int i = 0; i < n; i++) /* REST may be nothing */
			if (here[i] && t[i].kind == REST)
				here[i + 1] = true;
		if (!*path)
			return here[n];
		memset(next, 0, sizeof next);
		for (int i = 0; i < n; i++) {
			bool fits = t[i].kind == REST || (t[i].kind == PART ? *path != '/' : *path == t[i].c);

			if (!here[i] || !fits)
				continue;
			next[i] |= t[i].kind != LITERAL;
			next[i + 1] |= t[i].kind != REST;
		}
		memcpy(here, next, sizeof here);
	}
}
