#!/bin/sh
# Does the same row get the same answer by every way in? tests/ways.py, where there is a python3. WAYS_SEEDS=N tries more.
set -u
cd "$(dirname "$0")/.." || exit
command -v python3 >/dev/null || exit 0
. tests/serving.sh
serve
python3 tests/ways.py "$url" "$verad" "$dir" --seeds "${WAYS_SEEDS:-6}"
