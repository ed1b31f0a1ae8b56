-- SPDX-License-Identifier: Apache-2.0
-- What a POST with an Idempotency-Key was answered, until expires_us. The key is not kept, and the reply can be read with it alone.
CREATE TABLE request (
	id INTEGER NOT NULL PRIMARY KEY,
	owner_id INTEGER NOT NULL,     -- the project's row, or the user's
	key_hash BLOB NOT NULL UNIQUE, -- SHA-256 of the project (or user) and the key
	fingerprint BLOB NOT NULL,     -- SHA-256 of who asked for what
	reply BLOB NOT NULL,           -- sealed: status, headers, body
	expires_us INTEGER NOT NULL
) STRICT;
CREATE INDEX request_expires ON request (expires_us);
CREATE INDEX request_owner ON request (owner_id);

-- Keystone's user options, a JSON object.
ALTER TABLE user ADD COLUMN options TEXT NOT NULL DEFAULT '{}';

-- Passwords that a user had before, so that they are not taken again.
CREATE TABLE user_password (
	id INTEGER NOT NULL PRIMARY KEY,
	user_id INTEGER NOT NULL REFERENCES user (id),
	hash TEXT NOT NULL
) STRICT;
CREATE INDEX user_password_user ON user_password (user_id);

-- What application credentials may be restricted to.
CREATE TABLE access_rule (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	user_id INTEGER NOT NULL REFERENCES user (id),
	service TEXT NOT NULL,
	method TEXT NOT NULL,
	path TEXT NOT NULL,
	UNIQUE (user_id, service, method, path)
) STRICT;

CREATE TABLE application_credential_rule (
	credential_id INTEGER NOT NULL REFERENCES application_credential (id),
	rule_id INTEGER NOT NULL REFERENCES access_rule (id),
	PRIMARY KEY (credential_id, rule_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX application_credential_rule_rule ON application_credential_rule (rule_id);

-- An import of image data. pending and processing: the image is importing.
CREATE TABLE image_task (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	image_id INTEGER NOT NULL REFERENCES image (id),
	user_uid TEXT NOT NULL,
	request_id TEXT NOT NULL,
	method TEXT NOT NULL CHECK (method IN ('glance-direct', 'web-download')),
	uri TEXT NOT NULL DEFAULT '',
	status TEXT NOT NULL CHECK (status IN ('pending', 'processing', 'success', 'failure')),
	message TEXT NOT NULL DEFAULT '',
	created_us INTEGER NOT NULL,
	updated_us INTEGER NOT NULL,
	expires_us INTEGER NOT NULL
) STRICT;
CREATE INDEX image_task_image ON image_task (image_id);
CREATE INDEX image_task_expires ON image_task (expires_us);
CREATE INDEX image_task_open ON image_task (status) WHERE status IN ('pending', 'processing');
