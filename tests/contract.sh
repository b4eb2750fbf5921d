#!/bin/sh
# The document of the API against a live daemon: tests/contract.py, where there is a python3.
# CONTRACT_REQUESTS and CONTRACT_SEED make the fuzzer longer and other.
set -u
cd "$(dirname "$0")/.." || exit
command -v python3 >/dev/null || exit 0
verad=${VERAD_BIN:-build/verad}
dir=$(mktemp -d) || exit
daemon=
trap 'kill "$daemon" 2>/dev/null; wait; rm -rf "$dir"' EXIT
mkdir "$dir/backups"
"$verad" serve --data "$dir/data" --listen 127.0.0.1:0 --backup-dir "$dir/backups" --max-queued 20 2>"$dir/log" &
daemon=$!
for _ in $(seq 500); do
	url=$(sed -n 's/.*listening on \(http:[^ ]*\).*/\1/p' "$dir/log")
	[ -n "$url" ] && break
	sleep 0.02
done
python3 tests/contract.py "$url" --requests "${CONTRACT_REQUESTS:-1500}" --seed "${CONTRACT_SEED:-1}"
status=$?
if [ $status -ne 0 ]; then
	grep -v 'verad: request method' "$dir/log" | tail -n 20
fi
exit $status
