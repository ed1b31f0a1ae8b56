-- SPDX-License-Identifier: Apache-2.0
-- What the operator adds to the catalog, beside cloudd's own services, which are made of the configuration and have no rows: object
-- storage, another region. What names a service or a region may name one of those, so these are no references.
CREATE TABLE catalog_region (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	parent_uid TEXT, -- null: none
	extra TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE TABLE catalog_service (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	type TEXT NOT NULL,
	name TEXT,
	description TEXT,
	enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
	extra TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE TABLE catalog_endpoint (
	id INTEGER NOT NULL PRIMARY KEY,
	uid TEXT NOT NULL UNIQUE,
	service_uid TEXT NOT NULL,
	region_uid TEXT, -- null: none
	interface TEXT NOT NULL CHECK (interface IN ('public', 'internal', 'admin')),
	url TEXT NOT NULL,
	enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
	extra TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX catalog_endpoint_service ON catalog_endpoint (service_uid);
CREATE INDEX catalog_endpoint_region ON catalog_endpoint (region_uid);
