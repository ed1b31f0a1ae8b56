/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/password.h"

#include <regex.h>

#include "base/util.h"

static const int64_t DAY_US = INT64_C(24) * 3600 * 1000000;

static bool compile(regex_t *re, const char *text)
{
	return regcomp(re, text, REG_EXTENDED | REG_NOSUB) == 0;
}

bool password_regex_valid(const char *regex)
{
	regex_t re;

	if (!compile(&re, regex))
		return false;
	regfree(&re);
	return true;
}

static bool matches(const char *regex, const char *password)
{
	regex_t re;
	bool yes;

	if (!compile(&re, regex))
		return false; /* the configuration was checked: memory is short */
	yes = regexec(&re, password, 0, NULL, 0) == 0;
	regfree(&re);
	return yes;
}

int password_strength(const struct password_rules *r, const char *password, struct error *err)
{
	if ((int64_t)utf8_length(password) < r->min_length)
		return error_set(err, ERR_BAD_REQUEST,
			"The password does not match the requirements: it needs at least %lld characters.",
			(long long)r->min_length);
	if (r->regex && r->regex[0] && !matches(r->regex, password))
		return error_set(err, ERR_BAD_REQUEST,
			"The password does not match the requirements: %.160s.",
			r->regex_says && r->regex_says[0] ? r->regex_says : r->regex);
	return 0;
}

int64_t password_expiry(const struct password_rules *r, bool by_admin, unsigned options, int64_t now_us)
{
	if (by_admin && r->change_first && !(options & USER_IGNORE_CHANGE_FIRST))
		return now_us;
	return r->expires_days ? now_us + r->expires_days * DAY_US : 0;
}

int64_t password_expires(int64_t expires_us, unsigned options)
{
	return options & USER_IGNORE_EXPIRY ? 0 : expires_us;
}

int password_age(const struct password_rules *r, int64_t changed_us, int64_t expires_us, int64_t now_us,
	struct error *err)
{
	int64_t days = r->min_age_days;

	if (!days || now_us >= changed_us + days * DAY_US || (expires_us && expires_us <= now_us))
		return 0;
	return error_set(err, ERR_BAD_REQUEST,
		"The password cannot be changed yet: it must be %lld days old, or be set by an "
		"administrator.",
		(long long)days);
}
