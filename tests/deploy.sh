#!/bin/sh
# deploy/ against the program: the manual page has its commands and options and no others; every metric that the
# dashboard and the alerts name is one of /metrics; what is JSON or YAML can be read.
set -u
cd "$(dirname "$0")/.." || exit
verad=${VERAD_BIN:-build/verad}
page=deploy/verad.8
wrong=0

complain() {
	echo "deploy: $*"
	wrong=$((wrong + 1))
}

# The manual page -------------------------------------------------------------------------------------------------------

known=
for command in $("$verad" help | sed -n '/^Commands:/,/^$/ s/^  \([a-z-]\{1,\}\) .*/\1/p'); do
	grep -qw -- "$command" $page || complain "$page lacks the command $command"
	options=$("$verad" help "$command" | sed -n '/^Options:/,/^$/ s/^ .*--\([a-z-]\{1,\}\).*/\1/p')
	known="$known $options"
	case $command in serve | key | backup)
		for option in $options; do
			grep -qE "Fl (.*Fl )?-$option( |$)" $page || complain "$page lacks --$option of verad $command"
		done
		;;
	esac
done
[ -n "$known" ] || complain "a check: \`verad help\` lists no commands"
for option in $(grep -oE -- '(Fl -|--)[a-z][a-z-]+' $page | sed 's/^Fl -//; s/^--//' | sort -u); do
	case " $(echo $known) " in *" $option "*) ;; *) complain "$page has --$option, which is no option" ;; esac
done
if command -v groff >/dev/null; then
	said=$(groff -mandoc -Tascii -ww $page 2>&1 >/dev/null)
	[ -z "$said" ] || complain "$page: $said"
fi

# Metrics ---------------------------------------------------------------------------------------------------------------

dir=$(mktemp -d) || exit
daemon=
trap 'kill "$daemon" 2>/dev/null; wait; rm -rf "$dir"' EXIT
"$verad" serve --data "$dir/data" --listen "unix:$dir/socket" 2>"$dir/log" &
daemon=$!
for _ in $(seq 500); do
	grep -q listening "$dir/log" && break
	sleep 0.02
done
metrics=$(curl -sS --unix-socket "$dir/socket" http://verad/metrics | sed -n 's/^# TYPE \([^ ]*\) .*/\1/p')
[ -n "$metrics" ] || complain "a check: there are no metrics"
metrics=" up verad_tls_certificate_expires_timestamp_seconds $(echo $metrics) " # the latter comes with TLS alone
named=$(jq -r '.. | .expr? // empty' deploy/grafana/verad.json | grep -oE '\b(verad|process)_[a-z_]+')
[ -n "$named" ] || complain "a check: the dashboard names no metrics"
named="$named $(grep -oE '\b(verad|process)_[a-z_]+' deploy/prometheus/verad.rules.yml)"
for name in $(printf '%s\n' $named | sed 's/_bucket$//' | sort -u); do
	case $metrics in *" $name "*) ;; *) complain "the dashboard or an alert uses $name, which is no metric" ;; esac
done

# Files -----------------------------------------------------------------------------------------------------------------

for file in $(find deploy -name '*.json'); do
	jq -e . "$file" >/dev/null || complain "$file is no JSON"
done
if python3 -c 'import yaml' 2>/dev/null; then
	for file in $(find deploy -name '*.yml'); do
		python3 -c 'import sys, yaml; list(yaml.safe_load_all(open(sys.argv[1])))' "$file" || complain "$file is no YAML"
	done
fi
for variable in $(grep -ohE 'VERAD_[A-Z_]+' deploy/compose.yml deploy/kubernetes/*.yml deploy/*.service Dockerfile | sort -u); do
	"$verad" help serve | grep -q "\[$variable\]" || complain "$variable is set in deploy/ and means nothing"
done
[ "$wrong" -eq 0 ]
