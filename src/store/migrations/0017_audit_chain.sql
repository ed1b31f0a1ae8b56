-- SPDX-License-Identifier: Apache-2.0
-- Audit records form a chain: hash = SHA-256 of the hash before and of the record's own. Signed heads fix what came before them.
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
	hash BLOB NOT NULL,
	at_us INTEGER NOT NULL,
	key_id TEXT NOT NULL,
	signature BLOB NOT NULL -- Ed25519
) STRICT;
