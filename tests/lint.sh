#!/bin/sh
# Is schema/openapi.json sound OpenAPI, by spectral's rules? Where spectral is in the PATH, as in `make thorough`:
#
#   npm install --prefix DIR --ignore-scripts @stoplight/spectral-cli
#   PATH=DIR/node_modules/.bin:$PATH tests/lint.sh
set -u
cd "$(dirname "$0")/.." || exit
command -v spectral >/dev/null || exit 0
spectral lint schema/openapi.json --ruleset tests/spectral.yaml --fail-severity=hint
