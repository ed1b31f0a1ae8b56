-- SPDX-License-Identifier: Apache-2.0
-- The scheduler's journal: what it was asked, what it answered, and all that changed between, in order: an engine fed with
-- them from a checkpoint on is the engine of that moment.

CREATE TABLE decision (
	id INTEGER NOT NULL PRIMARY KEY, -- grows with time
	at_us INTEGER NOT NULL,
	kind TEXT NOT NULL CHECK (kind IN ('checkpoint', 'host', 'host_gone', 'mix', 'hold', 'choose', 'take', 'release')),
	subject_id INTEGER NOT NULL, -- host, or allocation; of choose: the server or 0
	request_id TEXT NOT NULL DEFAULT '',
	project_uid TEXT NOT NULL DEFAULT '',
	input TEXT NOT NULL, -- JSON
	answer TEXT NOT NULL DEFAULT '' -- JSON; of choose
) STRICT;
CREATE INDEX decision_choose ON decision (at_us) WHERE kind = 'choose';
CREATE INDEX decision_subject ON decision (subject_id, id) WHERE kind = 'choose';
CREATE INDEX decision_checkpoint ON decision (id) WHERE kind = 'checkpoint';
