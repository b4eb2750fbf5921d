#!/bin/sh
# From a CSV file to answers with curl and jq:  examples/curl.sh http://127.0.0.1:8080 table.csv label
# VERAD_KEY is the API key, where the daemon asks for one.
set -eu
url=$1 table=$2 label=$3

verad() { # PATH [CURL OPTION…]
	path=$1
	shift
	curl --fail-with-body --silent --show-error ${VERAD_KEY:+-H "Authorization: Bearer $VERAD_KEY"} "$@" "$url$path"
}

# Rows whose label is empty are unlabelled; they are learnt from all the same.
dataset=$(verad "/v1/datasets?name=example&label_column=$label" -H 'Content-Type: text/csv' --data-binary "@$table")
echo "$dataset" | jq -r '"uploaded \(.rows) rows, \(.labelled) of them labelled"'

job=$(echo "$dataset" | jq '{type: "train", dataset: .id, params: {seed: 1, steps: 150, evaluation_folds: 2}}' |
	verad /v1/jobs -H 'Content-Type: application/json' --data-binary @- | jq -r .id)
while :; do
	state=$(verad "/v1/jobs/$job")
	case $(echo "$state" | jq -r .state) in
	succeeded) break ;;
	failed | cancelled)
		echo "$state" | jq -r '"the job \(.state): \(.error.message)"' >&2
		exit 1
		;;
	esac
	sleep 0.2
done
model=$(echo "$state" | jq -r .model)
echo "$state" | jq -r '"trained; accuracy on labels it had not seen: \(.metrics.accuracy | . * 1000 | round / 1000)"'

# CSV in, CSV out; a score says how far a row is from all that was trained on.
echo "answers:"
verad "/v1/models/$model/predict" -H 'Content-Type: text/csv' --data-binary "@$table" | head -n 4
