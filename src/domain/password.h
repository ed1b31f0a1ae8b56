/* SPDX-License-Identifier: Apache-2.0 */
/* What passwords must be, and how long they hold. */
#ifndef DOMAIN_PASSWORD_H
#define DOMAIN_PASSWORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct password_rules {
	int64_t min_length;     /* characters */
	const char *regex;      /* extended (POSIX.2); NULL or "": none */
	const char *regex_says; /* the same in words, for people */
	int64_t expires_days;   /* 0: never */
	int64_t unique_last;    /* the last so many are not taken again; 0: any is */
	int64_t min_age_days;   /* before a user may change it again; 0: at once */
	bool change_first;      /* one that an administrator has set must be changed at first use */
};

/* Keystone's options of a user that bend the rules, as bits. */
enum user_option {
	USER_IGNORE_CHANGE_FIRST = 1,
	USER_IGNORE_EXPIRY = 2,
	USER_IGNORE_LOCKOUT = 4,
	USER_LOCK_PASSWORD = 8 /* cannot change it themself */
};

bool password_regex_valid(const char *regex);
/* ERR_BAD_REQUEST says what is asked for. */
int password_strength(const struct password_rules *r, const char *password, struct error *err);
/* When a password that is set now expires; 0: never. by_admin: not by its user. */
int64_t password_expiry(const struct password_rules *r, bool by_admin, unsigned options, int64_t now_us);
/* When it does, as the options are now. */
int64_t password_expires(int64_t expires_us, unsigned options);
/* May a user change a password that was set then? ERR_BAD_REQUEST. */
int password_age(const struct password_rules *r, int64_t changed_us, int64_t expires_us, int64_t now_us,
	struct error *err);

#endif
