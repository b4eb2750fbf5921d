#!/bin/sh
# Do exported models answer as verad does? Models of random tables, each with other settings, are exported; where
# python3-onnx is here, ONNX's own library checks the graphs, where python3-numpy is, the tensors are calculated with
# (tests/export.py); and where node finds onnxruntime-node (NODE_PATH), it answers the rows (tests/export.cjs):
#
#   npm install --prefix DIR --ignore-scripts onnxruntime-node
#   NODE_PATH=DIR/node_modules tests/export.sh
#
# Without any of them there is nothing to compare with, and nothing is done. EXPORT_VERBOSE=1 says what was found.
set -u
cd "$(dirname "$0")/.." || exit
verad=${VERAD_BIN:-build/verad}
python=$(command -v python3 || true)
"${python:-false}" -c 'import numpy' 2>/dev/null || "${python:-false}" -c 'import onnx' 2>/dev/null || python=
node=$(command -v node || true)
"${node:-false}" -e 'require("onnxruntime-node")' 2>/dev/null || node=
[ -n "$python$node" ] || exit 0
wrong=0
dir=$(mktemp -d) || exit
trap 'rm -rf "$dir"' EXIT

table() { # ROWS SEED WIDE FOREIGN
	awk -v ROWS="$1" -v SEED="$2" -v WIDE="$3" -v FOREIGN="$4" -f tests/export.awk
}

compare() { # LABEL WIDE SETTING…
	label=$1
	inputs=$((13 + $2))
	shift 2
	if [ -n "$label" ]; then
		"$verad" fit "$dir/train.csv" --label "$label" -o "$dir/model" -q --steps 60 --evaluation-folds 0 \
			--hidden-layers 16,8 "$@" || return
		"$verad" predict "$dir/model" "$dir/rows.csv" >"$dir/answers.csv" || return
	else
		cut -d, -f"1-$inputs" "$dir/train.csv" |
			"$verad" fit - -o "$dir/model" -q --steps 60 --hidden-layers 16,8 "$@" || return
		"$verad" predict "$dir/model" "$dir/rows.csv" --ood >"$dir/answers.csv" || return
	fi
	"$verad" export "$dir/model" "$dir/model.onnx" --format onnx || return
	"$verad" export "$dir/model" "$dir/model.safetensors" --format safetensors || return
	if [ -n "$python" ]; then
		"$python" tests/export.py "$dir/model.onnx" "$dir/model.safetensors" "$dir/rows.csv" "$dir/answers.csv" || return
	fi
	[ -z "$node" ] || "$node" tests/export.cjs "$dir/model.onnx" "$dir/rows.csv" "$dir/answers.csv"
}

# LABEL "": a model without classes. WIDE: how many more columns the table has.
try() { # LABEL WIDE SETTING…
	table 600 "$(($2 + 1))" "$2" 0 >"$dir/train.csv"
	table 500 "$(($2 + 2))" "$2" 1 >"$dir/rows.csv"
	if ! compare "$@" >"$dir/out" 2>&1; then
		echo "export: label, further columns and settings \"$*\":"
		grep -v 'verad: predict: warning' "$dir/out"
		wrong=$((wrong + 1))
	elif [ -n "${EXPORT_VERBOSE:-}" ]; then
		echo "label, further columns and settings \"$*\":"
		grep ok: "$dir/out"
	fi
}

try kind 0
try kind 0 --method vera --scaling minmax --max-categories 3
try kind 70 --scaling standard # more columns than covariances are full of
try kind 0 --scaling by_column --ood-score max_probability --base-measure none
try kind 0 --na-values "3,5,red,yes1" # cells that come, and are missing
try kind 0 --ood-score gradient_norm
try kind 70 --ood-score gradient_norm --max-categories 3
try "" 0
try "" 0 --base-measure none --ood-score gradient_norm
try "" 0 --method density --family ppca
try "" 3 --method density --family mixture
try "" 0 --method density --family nice
try "" 0 --method density --family ppca --ood-score gradient_norm
try "" 0 --method density --family mixture --ood-score gradient_norm
try "" 3 --method density --family nice --ood-score gradient_norm
[ "$wrong" -eq 0 ]
