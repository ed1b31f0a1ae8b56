-- SPDX-License-Identifier: Apache-2.0
-- Audit records form a chain: hash = SHA-256 of the hash before and of the record's own. Signed heads fix what came before them.
-- What was written before this is taken into the chain, in order, at the first start: store/audit_adopt.c.
ALTER TABLE audit RENAME TO audit_before;
DROP INDEX audit_at;
CREATE TABLE audit (
	seq INTEGER NOT NULL PRIMARY KEY, -- 1, 2, 3 ..
	at_us INTEGER NOT NULL,
	request_id TEXT NOT NULL,
	user_uid TEXT, -- null: nobody was known
	user_name TEXT,
	project_uid TEXT,
	peer TEXT NOT NULL,
	method TEXT NOT NULL,
	path TEXT NOT NULL,
	action TEXT NOT NULL, -- the route's name, with the action's where there is one
	target TEXT,
	status INTEGER NOT NULL,
	reason TEXT,
	hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_at ON audit (at_us);
CREATE INDEX audit_project ON audit (project_uid, seq) WHERE project_uid IS NOT NULL;

-- Where the chain stands, and where what is kept of it begins.
CREATE TABLE audit_chain (
	one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
	seq INTEGER NOT NULL,
	hash BLOB NOT NULL,
	base_seq INTEGER NOT NULL, -- the records up to it are gone, by the retention that is configured
	base_hash BLOB NOT NULL
) STRICT;
INSERT INTO audit_chain VALUES (1, 0, zeroblob(32), 0, zeroblob(32));

CREATE TABLE audit_head (
	seq INTEGER NOT NULL PRIMARY KEY,
	hash BLOB NOT NULL CHECK (length(hash) = 32),
	at_us INTEGER NOT NULL,
	key_id TEXT NOT NULL,
	signature BLOB NOT NULL CHECK (length(signature) = 64) -- Ed25519
) STRICT;

-- The public halves of the keys that signed, in the order in which they began.
CREATE TABLE audit_key (
	id TEXT NOT NULL PRIMARY KEY, -- of its SHA-256
	public_key BLOB NOT NULL CHECK (length(public_key) = 32),
	seq INTEGER NOT NULL -- the record that introduces it
) STRICT;
