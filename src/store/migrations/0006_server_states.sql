-- SPDX-License-Identifier: Apache-2.0
-- What a server is made over, beside the image that it shows: its root disk (after unshelving, the image of that), the disk that a
-- rescued one boots from; the image that a shelved one waits in, and since when.
ALTER TABLE server ADD COLUMN root_image_id INTEGER REFERENCES image (id);
ALTER TABLE server ADD COLUMN rescue_image_id INTEGER REFERENCES image (id);
ALTER TABLE server ADD COLUMN shelved_image_id INTEGER REFERENCES image (id);
ALTER TABLE server ADD COLUMN shelved_us INTEGER NOT NULL DEFAULT 0; -- 0: it is not
-- Whose lock it is: owner or admin ('': none). An owner does not unlock what an administrator locked.
ALTER TABLE server ADD COLUMN locked_by TEXT NOT NULL DEFAULT '' CHECK (locked_by IN ('', 'owner', 'admin'));
UPDATE server SET root_image_id = image_id;
UPDATE server SET locked_by = 'owner' WHERE locked = 1;
CREATE INDEX server_root_image ON server (root_image_id) WHERE deleted_us = 0;
CREATE INDEX server_rescue_image ON server (rescue_image_id) WHERE deleted_us = 0 AND rescue_image_id IS NOT NULL;
CREATE INDEX server_shelved ON server (shelved_us) WHERE deleted_us = 0 AND shelved_us != 0;
