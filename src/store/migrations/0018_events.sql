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

CREATE TABLE webhook (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	project_uid TEXT NOT NULL DEFAULT '', -- '' the operator's: of all projects
	url TEXT NOT NULL,
	types TEXT NOT NULL DEFAULT '', -- prefixes of types, blanks between; '' all
	secret BLOB NOT NULL, -- sealed
	state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused')),
	done_id INTEGER NOT NULL, -- the last event that was delivered, or given up
	tries INTEGER NOT NULL DEFAULT 0, -- of the next one
	due_us INTEGER NOT NULL DEFAULT 0,
	last_error TEXT NOT NULL DEFAULT '',
	created_us INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_project ON webhook (project_uid);
