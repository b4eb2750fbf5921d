#!/bin/sh
# Runs every test program given, each under a time limit, and ends with one line: `N passed, N failed`.
#
# A program that writes TAP (cmocka's do) counts with each of its tests; any other counts as one, by its exit status.
# A skipped test counts neither way, but is named. A program that crashes, runs out of time, or stops before it has run
# all that it planned counts as one failure more. Output is shown only where something failed.
#
# TEST_TIMEOUT=SECONDS  for each program (default 900, for machines with other work)
set -u

limit=${TEST_TIMEOUT:-900}
log=$(mktemp) || exit 1
running=
trap 'rm -f "$log"' EXIT
trap 'kill "$running" 2>/dev/null; exit 130' INT TERM
export CMOCKA_MESSAGE_OUTPUT=TAP

passed=0
failed=0
for program in "$@"; do
	began=$(date +%s)
	# In the background, because a shell that waits for a foreground program does not hear an interrupt.
	timeout -k 10 "$limit" "$program" >"$log" 2>&1 </dev/null &
	running=$!
	wait "$running" 2>/dev/null
	status=$?
	seconds=$(($(date +%s) - began))

	# "ok", "not ok" and the plans "1..N" of the program's groups; `lost` is what they promised and nothing reported.
	counts=$(awk '
		/^1\.\.[0-9]+$/ { planned += substr($0, 4); tap = 1 }
		/^ok [0-9]+/ { ok++ }
		/^not ok [0-9]+ # SKIP/ { skipped++; next }
		/^not ok [0-9]+/ { not_ok++ }
		END { print ok + 0, not_ok + 0, tap ? planned - ok - not_ok - skipped : -1 }' "$log")
	read -r ok not_ok lost <<-END
		$counts
	END

	why=
	if [ "$lost" -lt 0 ]; then # no TAP
		ok=$((status == 0))
		not_ok=$((status != 0))
	elif [ "$lost" -gt 0 ]; then
		why="$lost tests did not run, "
		not_ok=$((not_ok + 1))
	elif [ $status -ne 0 ] && [ "$not_ok" -eq 0 ]; then
		why="all its tests passed, yet it failed: "
		not_ok=1
	fi
	passed=$((passed + ok))
	failed=$((failed + not_ok))
	printf '%-44s %4d passed, %d failed %4d s\n' "$program" "$ok" "$not_ok" "$seconds"
	sed -n 's/^not ok [0-9]* # SKIP /    skipped: /p' "$log"

	if [ "$not_ok" -gt 0 ]; then
		case $status in
		124 | 137) echo "    ${why}stopped after $limit s" ;;
		12[89] | 1[3-9]?) echo "    ${why}signal $((status - 128))" ;;
		*) echo "    ${why}exit status $status" ;;
		esac
		grep -v '^ok [0-9]' "$log" | tail -n 200 | sed 's/^/    | /' # the tests that passed are not what one looks for
	fi
done

[ $((passed + failed)) -gt 0 ] || failed=1 # nothing ran: that is no success
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
