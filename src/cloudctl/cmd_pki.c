/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the certificate authority. They work on files and need no daemon. */
#include "cloudctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/util.h"
#include "cloudctl/pki.h"
#include "cloudctl/pki_file.h"
#include "cloudd/operator.h"

enum { DAYS_DEFAULT = 397, DAYS_MAX = 3650, EXPIRES_SOON_DAYS = 30 };
static const int64_t DAY_US = 86400LL * 1000000;

int cmd_pki_init(struct ctl *ctl)
{
	const char *dir = ctl->args.positional[0], *name = args_option(&ctl->args, "name");

	if (pki_init(dir, name ? name : "cloudd CA", args_flag(&ctl->args, "force"), &ctl->err)) {
		if (ctl->err.code == ERR_CONFLICT)
			error_set(&ctl->err, ERR_CONFLICT,
				"there is a CA in %s already; --force replaces it, and all its certificates "
				"become worthless",
				dir);
		return ctl_failed(ctl);
	}
	ctl_say(ctl,
		"Made %s/cacert.pem. Its key %s/private/cakey.pem signs for the whole cloud: keep it safe.",
		dir, dir);
	return CLOUDCTL_OK;
}

static int kind_of(const struct args *args, enum pki_kind *out)
{
	static const enum pki_kind all[] = { PKI_SERVER, PKI_CLIENT, PKI_NODE };
	int given = 0;

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (args_flag(args, pki_kind_name(all[i]))) {
			*out = all[i];
			given++;
		}
	return given == 1 ? 0 : -1;
}

int cmd_pki_issue(struct ctl *ctl)
{
	const char *sans[ARGS_MAX], *days = args_option(&ctl->args, "days"), *made;
	struct pki_request req = { .name = args_option(&ctl->args, "name"),
		.sans = sans,
		.days = days ? atoi(days) : DAYS_DEFAULT,
		.force = args_flag(&ctl->args, "force") };

	while (req.n_sans < ARGS_MAX && (sans[req.n_sans] = args_option_at(&ctl->args, "san", req.n_sans)))
		req.n_sans++;
	if (kind_of(&ctl->args, &req.kind))
		error_set(&ctl->err, ERR_BAD_REQUEST, "give one of --server, --client and --node");
	else if (req.days < 1 || req.days > DAYS_MAX)
		error_set(&ctl->err, ERR_BAD_REQUEST, "--days must be from 1 to %d", DAYS_MAX);
	else if (pki_issue(ctl->args.positional[0], &req, &ctl->arena, &made, &ctl->err) == 0) {
		ctl_say(ctl, "Made the certificate of %s %s in %s, for %d days.", pki_kind_name(req.kind),
			req.name, made, req.days);
		return CLOUDCTL_OK;
	} else if (ctl->err.code == ERR_CONFLICT)
		error_set(&ctl->err, ERR_CONFLICT, "%s has a certificate already; --force replaces it",
			req.name);
	else if (ctl->err.code == ERR_NOT_FOUND)
		error_set(&ctl->err, ERR_NOT_FOUND, "there is no CA in %s; 'cloudctl pki init %s' makes one",
			ctl->args.positional[0], ctl->args.positional[0]);
	return ctl_failed(ctl);
}

static const char *validity(int64_t left_us)
{
	return left_us < 0 ? "expired" : left_us < EXPIRES_SOON_DAYS * DAY_US ? "expires soon" : "valid";
}

static json_t *record_json(const struct pki_record *r, int64_t now_us)
{
	char when[TIME_TEXT];

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name", r->name, "kind", r->kind, "not_after",
		time_iso(r->not_after_us, when), "state", validity(r->not_after_us - now_us), "names",
		r->sans, "serial", r->serial, "sha256", r->fingerprint);
}

static const struct view list_view = { "certificates",
	(const struct column[]) {
		{ "name", "name", FORM_TEXT },
		{ "kind", "kind", FORM_TEXT },
		{ "expires", "not_after", FORM_TEXT },
		{ "state", "state", FORM_TEXT },
		{ "good for", "names", FORM_TEXT },
		{ "serial", "serial", FORM_TEXT },
		{ 0 },
	},
	NULL, "The CA has issued nothing yet." };

int cmd_pki_list(struct ctl *ctl)
{
	int64_t now_us = clock_wall(&clock_system);
	struct pki_record *records;
	json_t *list;
	size_t n;

	if (pki_list(ctl->args.positional[0], &ctl->arena, &records, &n, &ctl->err))
		return ctl_failed(ctl);
	ctl->answers = json_pack("{s:[]}", "certificates");
	list = json_object_get(ctl->answers, "certificates");
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, record_json(&records[i], now_us));
	return ctl_show(ctl, &list_view, ctl->answers);
}

int cmd_pki_bundle(struct ctl *ctl)
{
	const char *name = args_option(&ctl->args, "name"), *out = args_option(&ctl->args, "out");
	CLEANUP(buf_finish) struct buf text = { 0 };

	if (pki_bundle(ctl->args.positional[0], name, &text, &ctl->err))
		return ctl_failed(ctl);
	if (!out) {
		fwrite(text.data, 1, text.len, stdout);
		return CLOUDCTL_OK;
	}
	if (pki_file_write(out, text.data, text.len, 0600, args_flag(&ctl->args, "force"), &ctl->err)) {
		if (ctl->err.code == ERR_CONFLICT)
			error_set(&ctl->err, ERR_CONFLICT, "%s exists; --force replaces it", out);
		return ctl_failed(ctl);
	}
	ctl_say(ctl, "Wrote %s. It holds a private key: hand it to %s alone, and delete it afterwards.", out,
		name);
	return CLOUDCTL_OK;
}
