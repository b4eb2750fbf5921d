# For scripts that talk to a daemon, which read this from the project's folder: `serve [OPTION …]` starts one on an empty
# folder in $dir, which goes with it in the end; $url is where it listens, $dir/log its log.
verad=${VERAD_BIN:-build/verad}
dir=$(mktemp -d) || exit
daemon=
trap 'kill "$daemon" 2>/dev/null; wait; rm -rf "$dir"' EXIT

serve() {
	"$verad" serve --data "$dir/data" --listen 127.0.0.1:0 "$@" 2>"$dir/log" &
	daemon=$!
	for _ in $(seq 500); do
		url=$(sed -n 's/.*listening on \(http:[^ ]*\).*/\1/p' "$dir/log")
		[ -n "$url" ] && break
		sleep 0.02
	done
}
