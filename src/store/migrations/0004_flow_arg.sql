-- SPDX-License-Identifier: Apache-2.0
-- The other thing that a flow is about, beside its subject: the image that is made of a server, the move that it makes. 0: none.
ALTER TABLE flow ADD COLUMN arg_id INTEGER NOT NULL DEFAULT 0;
