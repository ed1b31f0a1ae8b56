-- SPDX-License-Identifier: Apache-2.0
-- What a project and all below it may use at all; a project's own rows only narrow what its parents leave.
CREATE TABLE guardrail (
	project_id INTEGER NOT NULL REFERENCES project (id),
	rule TEXT NOT NULL, -- flavor, zone, image_visibility: what is allowed, a row each; preemptible, reserved: value no
	value TEXT NOT NULL,
	PRIMARY KEY (project_id, rule, value)
) STRICT, WITHOUT ROWID;
