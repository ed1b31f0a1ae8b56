-- SPDX-License-Identifier: Apache-2.0
-- A deleted project that bills, deleted servers or images still name keeps its row. 0: live.
ALTER TABLE project ADD COLUMN deleted_us INTEGER NOT NULL DEFAULT 0;
