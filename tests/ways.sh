#!/bin/sh
# Does the same row get the same answer by every way in? tests/ways.py, where there is a python3. WAYS_SEEDS=N tries more.
set -u
cd "$(dirname "$0")/.." || exit
command -v python3 >/dev/null || exit 0
verad=${VERAD_BIN:-build/verad}
dir=$(mktemp -d) || exit
daemon=
trap 'kill "$daemon" 2>/dev/null; wait; rm -rf "$dir"' EXIT
"$verad" serve --data "$dir/data" --listen 127.0.0.1:0 2>"$dir/log" &
daemon=$!
for _ in $(seq 500); do
	url=$(sed -n 's/.*listening on \(http:[^ ]*\).*/\1/p' "$dir/log")
	[ -n "$url" ] && break
	sleep 0.02
done
python3 tests/ways.py "$url" "$verad" "$dir" --seeds "${WAYS_SEEDS:-6}"
