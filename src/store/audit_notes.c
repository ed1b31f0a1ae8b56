/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_notes.h"

#include <stdio.h>

#include "base/util.h"
#include "domain/names.h"

static int note_of(struct db *db, const char *sql, int64_t id, const struct audit_note *n, struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	struct audit_note note = *n;
	int rc;

	if (db_query(db, err, &st, sql, "i", id) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc <= 0)
		return rc; /* its row was not made yet, or is gone */
	note.target = db_text(st, 0);
	note.project_uid = db_text(st, 1);
	return store_audit_note(db, &note, err);
}

int store_audit_server(struct db *db, int64_t server_id, const struct audit_note *n, struct error *err)
{
	return note_of(db,
		"SELECT s.uid, p.uid FROM server s JOIN project p ON p.id = s.project_id WHERE s.id = ?",
		server_id, n, err);
}

int store_audit_block(struct db *db, int64_t block_id, const struct audit_note *n, struct error *err)
{
	return note_of(db,
		"SELECT b.uid, p.uid FROM block b LEFT JOIN project p ON p.id = b.project_id WHERE b.id = ?",
		block_id, n, err);
}

int store_audit_device(struct db *db, int64_t device_id, const struct audit_note *n, struct error *err)
{
	return note_of(db, "SELECT uid, NULL FROM device WHERE id = ?", device_id, n, err);
}

static int host_name(struct db *db, const struct audit_choice *c, char out[HOST_ID_TEXT], struct error *err)
{
	sqlite3_stmt *st CLEANUP(db_done) = NULL;
	int rc;

	if (db_query(db, err, &st,
		    "SELECT p.uid, h.name FROM server s JOIN project p ON p.id = s.project_id JOIN host h ON "
		    "h.id = ?2 WHERE s.id = ?1",
		    "ii", c->server_id, c->host_id ? c->host_id : c->waits_for_host) < 0)
		return -1;
	rc = db_row(st, err);
	if (rc > 0)
		host_id_make(db_text(st, 0), db_text(st, 1), out);
	return rc < 0 ? -1 : 0;
}

int store_audit_choice(struct db *db, const struct audit_choice *c, struct error *err)
{
	char host[HOST_ID_TEXT] = "", reason[320];
	struct audit_note note = { .at_us = c->now_us,
		.request_id = c->request_id,
		.action = "placement.choose",
		.reason = reason };

	if ((c->host_id || c->waits_for_host) && host_name(db, c, host, err))
		return -1;
	note.status = c->host_id ? 200 : c->waits_for_host ? 202 : 409;
	if (c->host_id)
		snprintf(reason, sizeof reason, "host %s", host);
	else if (c->waits_for_host)
		snprintf(reason, sizeof reason, "waits until others have left host %s", host);
	else
		snprintf(reason, sizeof reason, "%s", c->why);
	return store_audit_server(db, c->server_id, &note, err);
}
