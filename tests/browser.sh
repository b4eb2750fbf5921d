#!/bin/sh
# The stream of a job's events as a real browser reads it: tests/browser.py, where there are python3 and chromium
# (`deploy/setup.sh browser`).
set -u
cd "$(dirname "$0")/.." || exit
python=$(command -v python3) && chromium=$(command -v chromium) || exit 0
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
HOME=$dir "$python" tests/browser.py "$url" tests/data/penguins.csv label "$chromium" "$dir/profile"
