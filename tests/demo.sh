#!/bin/sh
# verad in one run, as a client sees it: a table with ten labels per class goes up, two models come down, and a class
# that nobody showed them is found. Fails when any step does, or when the results are not worth showing.
#
#   tests/demo.sh build/verad
set -eu

verad=$1
data=$(dirname "$0")/data
tmp=$(mktemp -d)
daemon=
began=$(date +%s)

finish() {
	status=$?
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
	if [ "$status" -ne 0 ] && [ -s "$tmp/daemon.log" ]; then
		echo "demo: the daemon's last words:" >&2
		tail -n 20 "$tmp/daemon.log" >&2
	fi
	rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 130' INT TERM

die() {
	echo "demo: $*" >&2
	exit 1
}

say() {
	printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[01]m//g'; fi
}

# call METHOD PATH [curl's options]: the reply's body, which for a refusal says what was wrong.
call() {
	method=$1
	path=$2
	shift 2
	curl -sS --fail-with-body --max-time 60 -X "$method" "$@" "$url$path" >"$tmp/reply" ||
		die "$method $path failed: $(cat "$tmp/reply" 2>/dev/null)"
	cat "$tmp/reply"
}

# train NAME PARAMETERS: queues a job, follows it with one line (or, where there is no terminal, one in five seconds), and
# leaves the model's id in $model.
train() {
	job=$(call POST /v1/jobs -H 'Content-Type: application/json' \
		-d "{\"type\":\"train\",\"dataset\":\"$dataset\",\"params\":$2}" | jq -r .id)
	polls=0
	while :; do
		call GET "/v1/jobs/$job" >"$tmp/job"
		state=$(jq -r .state "$tmp/job")
		if [ -t 1 ] || [ $((polls % 20)) -eq 0 ]; then
			line=$(jq -r --arg name "$1" '
				def places($n): pow(10; $n) as $p | . * $p | round / $p | tostring;
				(.progress * 20 | floor) as $bar |
				"  " + $name + "  [" + "#" * $bar + "." * (20 - $bar) + "]  " + (.phase // .state) +
				(if .steps > 0 then ", step \(.step) of \(.steps)" else "" end) +
				(if .steps > 0 and .metrics.loss then ", loss " + (.metrics.loss | places(3)) else "" end) +
				(if .eta_seconds then ", \(.eta_seconds | ceil) s left" else "" end)' "$tmp/job")
			if [ -t 1 ]; then printf '\r\033[K%s' "$line"; else echo "$line"; fi
		fi
		case $state in
		queued | validating | running) ;;
		succeeded) break ;;
		*) die "the job ended as $state: $(cat "$tmp/job")" ;;
		esac
		polls=$((polls + 1))
		sleep 0.25
	done
	if [ -t 1 ]; then printf '\r\033[K'; fi
	model=$(jq -r .model "$tmp/job")
	echo "  $1  done: $model"
}

# --- The table: digits as 8 x 8 pictures. Ten labels of each class, class 9 not at all, the other labels blanked. ---

say "The table"
[ -r "$data/optdigits_train.csv" ] || die "$data/optdigits_train.csv is missing"
# Which ten of each class: one pass of reservoir sampling with Lehmer's generator, the same rows on every machine.
awk -F, -v OFS=, '
	function draw(n) {
		state = state * 16807 % 2147483647
		return 1 + state % n
	}
	BEGIN { state = 2021 }
	FNR == 1 { pass++ }
	FNR == 1 || $NF == "9" {
		if (pass == 2 && FNR == 1)
			print
		next
	}
	pass == 1 {
		seen[$NF]++
		at = seen[$NF] <= 10 ? seen[$NF] : draw(seen[$NF])
		if (at <= 10)
			row[$NF, at] = FNR
		next
	}
	{
		if (!chosen_known++)
			for (key in row)
				chosen[row[key]] = 1
		if (!(FNR in chosen))
			$NF = ""
		print
	}' "$data/optdigits_train.csv" "$data/optdigits_train.csv" >"$tmp/train.csv"
sed 's/,[^,]*$//' "$data/optdigits_test.csv" >"$tmp/test.csv" # the models get no labels to see

: >"$tmp/daemon.log"
"$verad" serve --data "$tmp/data" --listen 127.0.0.1:0 >"$tmp/daemon.log" 2>&1 &
daemon=$!
url=
for _ in $(seq 100); do
	url=$(sed -n 's|.*verad: listening on \(http://[^ ]*\).*|\1|p' "$tmp/daemon.log")
	[ -z "$url" ] || break
	kill -0 "$daemon" 2>/dev/null || die "the daemon did not start"
	sleep 0.1
done
[ -n "$url" ] || die "the daemon did not say where it listens within 10 s"

call POST '/v1/datasets?name=optdigits&label_column=label' -H 'Content-Type: text/csv' -T "$tmp/train.csv" >"$tmp/dataset"
dataset=$(jq -r .id "$tmp/dataset")
jq -r '"  \(.rows) rows, \(.columns | length - 1) features, \(.labelled) labels: " +
	(.classes | map("\(.count) x \"\(.label)\"") | join(", "))' "$tmp/dataset"

# --- Two models of it: with the unlabelled rows, and without. ---

say "Training"
for name in auto supervised; do
	# No cross-fitting, which a table without test rows would need: it trains everything three times more.
	train $name "{\"method\":\"$name\",\"seed\":1,\"evaluation_folds\":0}"
	echo "$model" >"$tmp/$name.model"
done

# --- What they make of 1,797 digits by people whose hand they never saw, the nines among them. ---

for name in auto supervised; do
	model=$(cat "$tmp/$name.model")
	call POST "/v1/models/$model/predict" -H 'Content-Type: text/csv' --data-binary "@$tmp/test.csv" >"$tmp/$name.csv"
	"$verad" measure "$tmp/$name.csv" "$data/optdigits_test.csv" --label label --json >"$tmp/$name.json"
done

say "Test rows (the models never saw a 9)"
# Pictures of the first two digits that they know and the first two that they do not.
paste -d, "$data/optdigits_test.csv" "$tmp/auto.csv" | tr -d '\r' | awk -F, '
	NR == 1 {
		for (i = 66; i <= NF; i++)
			column[$i] = i
		next
	}
	{
		foreign = $65 == "9"
		if (taken[foreign]++ >= 2)
			next
		n++
		shown[n] = $0
	}
	END {
		ink = " .:-=+*#%@"
		for (y = 0; y < 8; y++) {
			line = "  "
			for (k = 1; k <= n; k++) {
				split(shown[k], cell, ",")
				for (x = 1; x <= 8; x++) {
					c = substr(ink, 1 + int(cell[8 * y + x] * 9 / 16), 1)
					line = line c c
				}
				line = line "   "
			}
			print line
		}
		for (k = 1; k <= n; k++) {
			split(shown[k], cell, ",")
			label = cell[column["label"]]
			truth = truth sprintf("%-19s", "is a " cell[65])
			said = said sprintf("%-19s", sprintf("label %s, p %.2f", label, cell[column["probability." label]]))
			p = p sprintf("%-19s", sprintf("ood p-value %.3f", cell[column["ood.p_value"]]))
			flag = flag sprintf("%-19s", cell[column["ood.is_ood"]] == "true" ? "FOREIGN" : "as trained on")
		}
		printf "\n  %s\n  %s\n  %s\n  %s\n", truth, said, p, flag
	}' | sed 's/ *$//'

say "Results on the test rows"
jq -rn --slurpfile v "$tmp/auto.json" --slurpfile s "$tmp/supervised.json" '
	def percent: . * 1000 | round | "\(. / 10 | floor).\(. % 10)%";
	def three: . * 1000 | round / 1000 | tostring;
	$v[0] as $v | $s[0] as $s |
	"  accuracy on digits 0 to 8         verad \($v.accuracy | percent), supervised baseline \($s.accuracy | percent)",
	"  OOD AUROC, 9s against the others  verad \($v.ood.auroc | three), supervised baseline \($s.ood.auroc | three)"'
jq -en --slurpfile v "$tmp/auto.json" --slurpfile s "$tmp/supervised.json" \
	'$v[0].accuracy > $s[0].accuracy' >/dev/null || die "verad is not above the supervised baseline"
jq -e '.accuracy >= 0.9' "$tmp/auto.json" >/dev/null || die "verad's accuracy is below 90%"
jq -e '.ood.auroc >= 0.9' "$tmp/auto.json" >/dev/null || die "the AUROC of the unseen class is below 0.9"

# --- The daemon goes when told to, in good order. ---

(sleep 20 && kill -9 "$daemon") >/dev/null 2>&1 &
watchdog=$!
kill -TERM "$daemon"
status=0
wait "$daemon" || status=$?
daemon=
kill "$watchdog" 2>/dev/null || true
[ "$status" -eq 0 ] || die "the daemon stopped with status $status"

printf '\nThe whole demo took %d s.\n' $(($(date +%s) - began))
