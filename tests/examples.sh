#!/bin/sh
# Runs examples/ against a daemon that asks for keys, those whose interpreter is here, and looks at what they say.
set -u
cd "$(dirname "$0")/.." || exit
. tests/serving.sh
wrong=0

VERAD_KEY=$("$verad" key create --data "$dir/data" --scopes read,predict,write 2>/dev/null) || exit
export VERAD_KEY
serve --auth keys
# All labels but one in eight go, as in the README.
awk -F, -v OFS=, 'NR > 1 && NR % 8 != 3 { $NF = "" } 1' tests/data/penguins.csv >"$dir/table.csv"

try() { # INTERPRETER FILE LINE… that it must say
	command -v "$1" >/dev/null || return 0
	interpreter=$1 file=$2
	shift 2
	if ! "$interpreter" "$file" "$url" "$dir/table.csv" label >"$dir/out" 2>&1; then
		echo "examples: $file fails:"
		cat "$dir/out"
		wrong=$((wrong + 1))
		return
	fi
	for line in "uploaded 344 rows, 43 of them labelled" "trained; accuracy on labels it had not seen: [01]" "$@"; do
		grep -q "^$line" "$dir/out" && continue
		echo "examples: $file does not say \"$line\" but:"
		cat "$dir/out"
		wrong=$((wrong + 1))
	done
}

csv="label,probability.Adelie,probability.Chinstrap,probability.Gentoo,ood.score,ood.p_value,ood.is_ood"
try sh examples/curl.sh "answers:" "$csv" "[A-Z][a-z]*,[0-9]"
try python3 examples/client.py "[A-Z][a-z]*  p [01]\.[0-9]* " "refused: ragged_row in line 3"
try node examples/client.mjs "$csv" "[A-Z][a-z]*,[0-9]" "refused: ragged_row in line 3"
[ "$wrong" -eq 0 ]
