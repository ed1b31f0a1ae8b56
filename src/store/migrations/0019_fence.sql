-- SPDX-License-Identifier: Apache-2.0
-- How a host's power is read and cut, and how it is known that it is down.

-- What is known of the host as a whole, since when and by what; written when it changes.
ALTER TABLE host ADD COLUMN evidence TEXT NOT NULL DEFAULT 'connected' CHECK (evidence IN ('connected', 'doubtful', 'unreachable', 'down'));
ALTER TABLE host ADD COLUMN evidence_source TEXT NOT NULL DEFAULT '';
ALTER TABLE host ADD COLUMN evidence_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE host ADD COLUMN link_epoch INTEGER NOT NULL DEFAULT 0; -- counts its connections
-- Of a host with forced_down: what proves it, who said or asked for it, and why.
ALTER TABLE host ADD COLUMN down_proof TEXT NOT NULL DEFAULT '' CHECK (down_proof IN ('', 'fence', 'operator'));
ALTER TABLE host ADD COLUMN down_us INTEGER NOT NULL DEFAULT 0; -- 0 again once it was heard: then it is no proof any more
ALTER TABLE host ADD COLUMN down_by TEXT NOT NULL DEFAULT '';
ALTER TABLE host ADD COLUMN down_reason TEXT NOT NULL DEFAULT '';
-- It was down: no servers before a look found nothing left of those that went elsewhere.
ALTER TABLE host ADD COLUMN comes_back INTEGER NOT NULL DEFAULT 0 CHECK (comes_back IN (0, 1));
UPDATE host SET evidence = 'doubtful' WHERE inventory_us = 0;
UPDATE host SET evidence = 'down', evidence_source = 'operator', down_proof = 'operator', down_us = 1 WHERE forced_down = 1;

CREATE TABLE fence_agent (
	host_id INTEGER NOT NULL PRIMARY KEY REFERENCES host (id),
	kind TEXT NOT NULL CHECK (kind IN ('redfish', 'command')),
	target TEXT NOT NULL, -- the system's URL; or the program's name
	user TEXT NOT NULL DEFAULT '',
	password BLOB NOT NULL DEFAULT x'', -- sealed
	ca TEXT NOT NULL DEFAULT '', -- PEM: who vouches for it; '': the system's
	changed_us INTEGER NOT NULL
) STRICT;

-- Each time that somebody, or cloudd itself, wanted a host's power read or changed.
CREATE TABLE fence_attempt (
	id INTEGER NOT NULL PRIMARY KEY,
	host_id INTEGER NOT NULL REFERENCES host (id),
	verb TEXT NOT NULL CHECK (verb IN ('off', 'on', 'status')),
	state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
	asked_by TEXT NOT NULL DEFAULT '', -- '': cloudd itself
	reason TEXT NOT NULL DEFAULT '',
	request_id TEXT NOT NULL DEFAULT '',
	answered INTEGER NOT NULL DEFAULT 0 CHECK (answered IN (0, 1)), -- the host itself, when it was asked for
	evacuate INTEGER NOT NULL DEFAULT 0 CHECK (evacuate IN (0, 1)), -- when it is off
	power TEXT NOT NULL DEFAULT '' CHECK (power IN ('', 'off', 'on')), -- as it was read last
	power_us INTEGER NOT NULL DEFAULT 0,
	tries INTEGER NOT NULL DEFAULT 0,
	last_error TEXT NOT NULL DEFAULT '',
	created_us INTEGER NOT NULL,
	deadline_us INTEGER NOT NULL,
	ended_us INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX fence_attempt_host ON fence_attempt (host_id, id);
CREATE UNIQUE INDEX fence_attempt_running ON fence_attempt (host_id) WHERE state = 'running';

-- The servers of a dead host are made anew elsewhere.
CREATE TABLE host_evacuation (
	host_id INTEGER NOT NULL PRIMARY KEY REFERENCES host (id),
	state TEXT NOT NULL CHECK (state IN ('running', 'done', 'stopped')),
	asked_by TEXT NOT NULL DEFAULT '',
	request_id TEXT NOT NULL DEFAULT '',
	user_uid TEXT NOT NULL DEFAULT '',
	project_uid TEXT NOT NULL DEFAULT '',
	begun INTEGER NOT NULL DEFAULT 0, -- servers that went elsewhere, or are on their way
	why TEXT NOT NULL DEFAULT '', -- stopped
	created_us INTEGER NOT NULL,
	ended_us INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE host_evacuation_left (
	host_id INTEGER NOT NULL REFERENCES host_evacuation (host_id),
	server_id INTEGER NOT NULL REFERENCES server (id),
	why TEXT NOT NULL,
	PRIMARY KEY (host_id, server_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX host_evacuation_left_server ON host_evacuation_left (server_id);
