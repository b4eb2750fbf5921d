#!/bin/sh
# The stream of a job's events as a real browser reads it: tests/browser.py, where there are python3 and chromium
# (`deploy/setup.sh browser`).
set -u
cd "$(dirname "$0")/.." || exit
python=$(command -v python3) && chromium=$(command -v chromium) || exit 0
. tests/serving.sh
serve
HOME=$dir "$python" tests/browser.py "$url" tests/data/penguins.csv label "$chromium" "$dir/profile"
