-- SPDX-License-Identifier: Apache-2.0
-- What is public is found without reading other projects' images.
CREATE INDEX image_visibility ON image (visibility) WHERE deleted_us = 0;
