#!/bin/sh
# The document of the API against a live daemon: tests/contract.py, where there is a python3.
# CONTRACT_REQUESTS and CONTRACT_SEED make the fuzzer longer and other.
set -u
cd "$(dirname "$0")/.." || exit
command -v python3 >/dev/null || exit 0
. tests/serving.sh
mkdir "$dir/backups"
serve --backup-dir "$dir/backups" --max-queued 20
python3 tests/contract.py "$url" --requests "${CONTRACT_REQUESTS:-1500}" --seed "${CONTRACT_SEED:-1}"
status=$?
if [ $status -ne 0 ]; then
	grep -v 'verad: request method' "$dir/log" | tail -n 20
fi
exit $status
