#!/bin/sh
# Installs the Debian packages that verad needs and this machine lacks. Where nothing is missing it does nothing, and
# neither asks for rights nor touches the network.
#
#   deploy/setup.sh build        what compiles and links the program: beside HTTP, JSON, SQLite, CSV and BLAS, GnuTLS for
#                                HTTPS, libsodium for the hashes of API keys, libsystemd for readiness and watchdog
#   deploy/setup.sh build test   and what `make test` and `make demo` run with
#   deploy/setup.sh bench        and what `make bench-accuracy` and `make bench-ood` run with
#   deploy/setup.sh torch        and what `make bench-train` compares with (large)
#   deploy/setup.sh serve        and what `make bench-serve` compares with: FastAPI on uvicorn, with what makes it fast
#   deploy/setup.sh readers      and what `make bench-ingest` compares with: R's data.table, pandas
#   deploy/setup.sh paper        and what `make paper` tells digits from: Fashion-MNIST
#   deploy/setup.sh bf16         and what `make DNNL=1` builds with, for training in bfloat16
#   deploy/setup.sh browser      and what tests/browser.sh (an EventSource) and tests/export.sh (ONNX) want for `make
#                                thorough`: a browser, the library of ONNX, and npm for what Debian lacks
#   deploy/setup.sh dev          and what `make format`, `make analysis` and `make fuzz` run with
#   deploy/setup.sh run          only what a compiled verad needs
set -eu

packages=
for set in "$@"; do
	case $set in
	build)
		packages="$packages gcc libc6-dev make libmicrohttpd-dev libcjson-dev libsqlite3-dev libcsv-dev"
		packages="$packages libopenblas-pthread-dev zlib1g-dev libzstd-dev libgnutls28-dev libsodium-dev libsystemd-dev"
		;;
	test) packages="$packages libcmocka-dev curl jq" ;;
	bench) packages="$packages python3-sklearn" ;;
	readers) packages="$packages r-cran-data.table python3-pandas" ;;
	torch) packages="$packages python3-torch python3-numpy" ;;
	bf16) packages="$packages libdnnl-dev" ;;
	serve) packages="$packages python3-sklearn python3-fastapi python3-uvicorn python3-uvloop python3-httptools" ;;
	paper) packages="$packages dataset-fashion-mnist" ;;
	browser) packages="$packages chromium python3-onnx nodejs npm" ;;
	dev) packages="$packages clang-format-14 clang-tidy-14 clang-14 libclang-rt-14-dev" ;;
	run)
		packages="$packages libmicrohttpd12 libcjson1 libsqlite3-0 libcsv3 libopenblas0-pthread libgomp1"
		packages="$packages zlib1g libzstd1 libgnutls30 libsodium23 libsystemd0"
		;;
	*)
		echo "setup: \"$set\" is none of build, test, bench, torch, readers, serve, paper, bf16, browser, dev, run" >&2
		exit 2
		;;
	esac
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
	echo "setup: this is not a Debian system, so nothing was installed. verad needs what these packages of Debian 12" >&2
	echo "setup: contain:$packages" >&2
	echo "setup: Once they are here under the names of your system, \`mkdir -p build && touch build/.setup\` skips this step." >&2
	exit 1
fi

missing=
for package in $packages; do
	state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || state=
	[ "$state" = installed ] || missing="$missing $package"
done
missing=${missing# }
[ -n "$missing" ] || exit 0

echo "setup: to be installed from Debian: $missing"
as_root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "setup: installing needs root, and there is no sudo here. As root, run: apt-get install $missing" >&2
		exit 1
	fi
	as_root=sudo
	sudo -n true 2>/dev/null || echo "setup: installing needs root, so sudo may ask for your password"
fi

# env, because sudo passes no environment on. Two tries of each download: mirrors have their moments.
apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=2 -o DPkg::Lock::Timeout=120 "$@"
}
# shellcheck disable=SC2086 # a list of names
if ! apt update || ! apt install -y --no-install-recommends $missing; then
	echo "setup: apt-get could not install: $missing" >&2
	exit 1
fi
