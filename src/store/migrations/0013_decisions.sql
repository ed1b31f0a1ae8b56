-- SPDX-License-Identifier: Apache-2.0
-- The scheduler's journal: what it was asked and answered, and all that changed between, in order. Each change carries what undoes
-- it, so the engine of any moment is today's, walked back.

CREATE TABLE decision (
	id INTEGER NOT NULL PRIMARY KEY, -- grows with time
	at_us INTEGER NOT NULL,
	kind TEXT NOT NULL CHECK (kind IN ('choose', 'take', 'release', 'host', 'hold', 'mix')),
	subject_id INTEGER NOT NULL, -- an allocation's key; a host; of choose: the server that asked, 0 for a new one
	request_id TEXT NOT NULL DEFAULT '',
	project_uid TEXT NOT NULL DEFAULT '',
	input TEXT NOT NULL, -- JSON: what was asked, taken or set; '' gone
	before TEXT NOT NULL DEFAULT '', -- JSON: what was there before; '' nothing
	answer TEXT NOT NULL DEFAULT '' -- JSON: of choose
) STRICT;
CREATE INDEX decision_choose ON decision (at_us) WHERE kind = 'choose';
CREATE INDEX decision_request ON decision (request_id) WHERE kind = 'choose';
CREATE INDEX decision_told ON decision (kind, subject_id, id) WHERE kind IN ('host', 'mix');
