-- SPDX-License-Identifier: Apache-2.0
-- Prices, and what was billed by them. A price book is never changed: a later one takes its place from a month on.
CREATE TABLE price_book (
	version INTEGER NOT NULL PRIMARY KEY,
	from_month INTEGER NOT NULL, -- 202701; of two for a month the later version holds
	currency TEXT NOT NULL,
	body TEXT NOT NULL, -- JSON
	created_us INTEGER NOT NULL
) STRICT;

-- While its invoices are being written closed_us and digest are null.
CREATE TABLE closed_month (
	month INTEGER NOT NULL PRIMARY KEY,
	from_us INTEGER NOT NULL, -- books time
	to_us INTEGER NOT NULL CHECK (to_us >= from_us),
	book_version INTEGER NOT NULL REFERENCES price_book (version),
	begun_us INTEGER NOT NULL,
	closed_us INTEGER,
	digest BLOB, -- SHA-256 of all its invoices' digests
	CHECK ((closed_us IS NULL) = (digest IS NULL))
) STRICT;

CREATE TABLE invoice (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE, -- 2027-01-000042
	month INTEGER NOT NULL REFERENCES closed_month (month),
	project_id INTEGER NOT NULL REFERENCES project (id),
	book_version INTEGER NOT NULL,
	currency TEXT NOT NULL,
	lines INTEGER NOT NULL, -- how many are original, the first ones
	total INTEGER NOT NULL, -- of those
	created_us INTEGER NOT NULL,
	digest BLOB NOT NULL, -- SHA-256 of the invoice with its original lines
	UNIQUE (month, project_id)
) STRICT;
CREATE INDEX invoice_project ON invoice (project_id, month);

-- Never edited. Amounts are in the currency's minor unit.
CREATE TABLE invoice_line (
	invoice_id INTEGER NOT NULL REFERENCES invoice (id),
	line INTEGER NOT NULL, -- from 1 on
	kind TEXT NOT NULL CHECK (kind IN ('usage', 'commitment', 'discount', 'tax', 'correction')),
	text TEXT NOT NULL,
	item TEXT NOT NULL DEFAULT '{}', -- JSON: resource, model, zone, state, as the book names it
	quantity TEXT NOT NULL DEFAULT '', -- exact: 744, or a fraction as 713/1000
	unit TEXT NOT NULL DEFAULT '',
	price TEXT NOT NULL DEFAULT '', -- of one unit, or a percentage as 8%
	amount INTEGER NOT NULL,
	created_us INTEGER NOT NULL,
	user_uid TEXT NOT NULL DEFAULT '', -- of a correction
	PRIMARY KEY (invoice_id, line)
) STRICT, WITHOUT ROWID;

CREATE TABLE budget (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	project_id INTEGER NOT NULL REFERENCES project (id),
	name TEXT NOT NULL,
	currency TEXT NOT NULL,
	amount INTEGER NOT NULL CHECK (amount > 0), -- a month, minor units
	thresholds TEXT NOT NULL, -- percent, ascending, comma between
	told_month INTEGER NOT NULL DEFAULT 0,
	told_percent INTEGER NOT NULL DEFAULT 0, -- the highest threshold that was told in that month
	created_us INTEGER NOT NULL,
	UNIQUE (project_id, name)
) STRICT;
