-- SPDX-License-Identifier: Apache-2.0
-- What happened, for those who want to be told: read as a stream, or sent to where a webhook says.
CREATE TABLE event (
	id INTEGER NOT NULL PRIMARY KEY, -- grows by time
	at_us INTEGER NOT NULL,
	type TEXT NOT NULL, -- server.state
	project_uid TEXT NOT NULL DEFAULT '', -- '' the operator's alone
	subject TEXT NOT NULL DEFAULT '', -- id of what it is about
	data TEXT NOT NULL DEFAULT '{}', -- JSON; the project sees it
	inside TEXT NOT NULL DEFAULT '{}' -- JSON; operators alone
) STRICT;
CREATE INDEX event_project ON event (project_uid, id);
CREATE INDEX event_subject ON event (subject, id);

CREATE TABLE webhook (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL,
	project_uid TEXT NOT NULL, -- whose it is
	everything INTEGER NOT NULL CHECK (everything IN (0, 1)), -- an operator's: of all projects, and what operators alone see
	url TEXT NOT NULL,
	types TEXT NOT NULL DEFAULT '', -- types, or beginnings of them up to a dot, with blanks between; '' all
	secret BLOB NOT NULL, -- sealed
	state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused')),
	round INTEGER NOT NULL DEFAULT 0, -- counted by each request to deliver again: what was under way then counts no more
	done_id INTEGER NOT NULL, -- the last event that was delivered, was not for it, or was given up
	delivered_us INTEGER NOT NULL DEFAULT 0, -- when one was, the last time
	tries INTEGER NOT NULL DEFAULT 0, -- failed, of the next one
	due_us INTEGER NOT NULL DEFAULT 0, -- when it is tried again
	last_error TEXT NOT NULL DEFAULT '',
	given_up INTEGER NOT NULL DEFAULT 0, -- events
	created_us INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_project ON webhook (project_uid);
