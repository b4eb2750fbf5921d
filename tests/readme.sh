#!/bin/sh
# Is the README complete? Every training parameter with its default, every option of the daemon, every path of the API,
# and every room must be in it.
set -u
cd "$(dirname "$0")/.." || exit
verad=${VERAD_BIN:-build/verad}
missing=0

lacks() {
	echo "README.md lacks $*"
	missing=$((missing + 1))
}

parameters=$("$verad" help fit | sed -n '/^Training parameters/,$ s/^  \([a-z_]\{1,\}\) .*\[\(.*\)\]$/\1 \2/p')
[ -n "$parameters" ] || lacks "a check: \`verad help fit\` lists no parameters"
while read -r name default; do
	grep -qF "| \`$name\` | $default |" README.md || lacks "the parameter $name with its default $default"
done <<END
$parameters
END

options=$("$verad" help serve | sed -n 's/^ .*--\([a-z-]\{1,\}\).*/\1/p')
[ -n "$options" ] || lacks "a check: \`verad help serve\` lists no options"
for option in $options; do
	grep -qF "\`--$option" README.md || lacks "the option --$option of verad serve"
done

for path in $(jq -r '.paths | keys[]' schema/openapi.json); do
	grep -qF "$path" README.md || lacks "the path $path"
done

for file in engine/*.[ch] schema/*.[ch] server/*.[ch]; do
	room=${file##*/}
	room=${room%.?}
	# api_jobs belongs to the room api, store_query to the room store.
	grep -qF "\`$room\`" README.md || grep -qF "\`${room%%_*}\`" README.md || lacks "the room $file"
done
[ "$missing" -eq 0 ]
