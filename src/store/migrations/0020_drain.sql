-- SPDX-License-Identifier: Apache-2.0
-- Hosts that are being emptied, and what became of each server on them.

CREATE TABLE drain (
	host_id INTEGER NOT NULL PRIMARY KEY REFERENCES host (id),
	-- running: servers are on their way, or wait; stopped: no more set out; done: nothing is there; partial: some servers stay
	state TEXT NOT NULL CHECK (state IN ('running', 'stopped', 'done', 'partial')),
	parallel INTEGER NOT NULL CHECK (parallel > 0), -- moves at once
	cold INTEGER NOT NULL CHECK (cold IN (0, 1)), -- what cannot move live is stopped, moved and started again
	request_id TEXT NOT NULL, -- who asked for it last
	begun_us INTEGER NOT NULL,
	ended_us INTEGER -- null: it is not over
) STRICT;

CREATE TABLE drain_server (
	host_id INTEGER NOT NULL REFERENCES drain (host_id),
	server_id INTEGER NOT NULL REFERENCES server (id),
	state TEXT NOT NULL CHECK (state IN ('waiting', 'moving', 'moved', 'stays')),
	way TEXT NOT NULL DEFAULT '', -- how it leaves: live, cold, offload, shelve
	reason TEXT NOT NULL DEFAULT '', -- why it waits, or stays
	to_host TEXT NOT NULL DEFAULT '',
	tries INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0), -- moves that failed
	due_us INTEGER NOT NULL DEFAULT 0, -- it is not tried again before
	for_room INTEGER NOT NULL DEFAULT 0 CHECK (for_room IN (0, 1)), -- unless room comes
	PRIMARY KEY (host_id, server_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX drain_server_server ON drain_server (server_id);

-- A cold migration that nobody has to confirm.
ALTER TABLE migration ADD COLUMN direct INTEGER NOT NULL DEFAULT 0 CHECK (direct IN (0, 1));
-- A maintenance window that empties its hosts when it begins.
ALTER TABLE block ADD COLUMN empties INTEGER NOT NULL DEFAULT 0 CHECK (empties IN (0, 1));

-- A server may have to leave because its host is being emptied: then it leaves for nobody.
ALTER TABLE eviction RENAME TO eviction_before;
CREATE TABLE eviction (
	server_id INTEGER NOT NULL PRIMARY KEY REFERENCES server (id),
	host_id INTEGER NOT NULL REFERENCES host (id),
	for_server_id INTEGER REFERENCES server (id), -- who waits for its room
	for_block_id INTEGER REFERENCES block (id),
	action_id INTEGER NOT NULL, -- "preempt" in the server's log, open until it has left
	notice_us INTEGER NOT NULL,
	leave_us INTEGER NOT NULL, -- when it is made to, or made to again
	begun INTEGER NOT NULL DEFAULT 0 CHECK (begun IN (0, 1)), -- it is being made to
	tries INTEGER NOT NULL DEFAULT 0, -- that failed
	CHECK (for_server_id IS NULL OR for_block_id IS NULL)
) STRICT;
INSERT INTO eviction SELECT server_id, host_id, for_server_id, for_block_id, action_id, notice_us, leave_us, begun, tries
	FROM eviction_before;
DROP TABLE eviction_before;
CREATE INDEX eviction_for ON eviction (for_server_id);
CREATE INDEX eviction_block ON eviction (for_block_id);
CREATE INDEX eviction_host ON eviction (host_id);
CREATE INDEX eviction_due ON eviction (leave_us) WHERE begun = 0;
