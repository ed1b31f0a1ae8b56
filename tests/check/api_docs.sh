#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The tables of routes in docs/api.md are what scripts/api-docs makes of the daemon's tables.
exec "$(dirname "$0")/../../scripts/api-docs" --check --build "$CLOUDD_BUILD"
