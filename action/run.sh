#!/usr/bin/env bash
# What action.yml runs: gets the program, as the input `install` says, and hands
# over to `keyquench action`, whose exit code is that of the step.
#
# Nothing of the event or of the scanned repository is read here. Two inputs are,
# and they are compared with what is allowed, never run. It keeps to bash 3.2,
# which macOS has.
set -euo pipefail
unset CDPATH

readonly releases=https://github.com/keyquench/keyquench/releases/download

# stop CODE WHAT NEXT: says why it ends and what to do, in the log and on the run.
# What goes in is a text of this file or went through `shown`: it starts no command.
stop() {
	printf 'keyquench: %s\nkeyquench: try: %s\n' "$2" "$3" >&2
	if [ "${GITHUB_ACTIONS-}" = true ]; then
		printf '::error title=keyquench::%s (%s)\n' "$2" "$3"
	fi
	if [ -n "${GITHUB_OUTPUT-}" ]; then
		printf 'exit-code=%s\n' "$1" >>"$GITHUB_OUTPUT" || true
	fi
	exit "$1"
}

# shown TEXT: prints so much of an input as a message may repeat.
shown() {
	local text=${1:0:40}
	printf '%s' "${text//[^A-Za-z0-9._-]/?}"
}

# unixly PATH: prints it as bash on Windows writes it, where it runs there.
unixly() {
	case $1 in
	*\\* | [A-Za-z]:*) if type -P cygpath >/dev/null; then cygpath -u -- "$1" && return; fi ;;
	esac
	printf '%s\n' "$1"
}

# physical PATH: prints where it is without links; of what is not there yet, where
# it would be.
physical() {
	local path left=''
	path=$(unixly "$1")
	while [ ! -d "$path" ]; do
		case $path in
		*/..) return 1 ;; # leads elsewhere once there is something before it
		*/*) left=/${path##*/}$left path=${path%/*} ;;
		*) return 1 ;; # relative
		esac
		path=${path:-/}
	done
	case $path in
	/*) path=$(cd -P -- "$path" 2>/dev/null && pwd -P) || return 1 ;;
	*) return 1 ;;
	esac
	printf '%s\n' "${path%/}$left"
}

# foreign PATH: whether the scanned repository can decide what lies there. What is
# relative to the workspace can, too.
foreign() {
	local path
	path=$(physical "$1") || return 0
	case $path/ in
	"$workspace"/*) return 0 ;;
	esac
	return 1
}

# A repository can bring a `go`, a `git` or a `keyquench` of its own, and earlier
# steps put directories of it into PATH (node_modules/.bin). Neither this script nor
# the program calls those.
own_path() {
	local entries entry kept=''
	IFS=: read -r -d '' -a entries < <(printf '%s:\0' "$PATH")
	for entry in ${entries[@]+"${entries[@]}"}; do
		foreign "$entry" || kept=$kept:$entry
	done
	printf '%s\n' "${kept#:}"
}

# Runs apart, so that what it sets ends with it.
install_source() (
	type -P go >/dev/null || stop 3 "no Go outside of the workspace to build the program with" \
		"run actions/setup-go before this step, or say install: binary"
	cd "$dir" # not where a go.mod of others has a say in how Go behaves
	export GOFLAGS=-mod=readonly GOWORK=off CGO_ENABLED=0
	unset GOROOT GOEXPERIMENT GO111MODULE GOCACHEPROG GOAMD64 GOARM64
	go=$(GOTOOLCHAIN=local go env GOVERSION) || stop 3 "go env does not work" "see the lines above"
	case $go in
	go1.[0-9] | go1.[0-9].* | go1.1[0-9]* | go1.20*)
		stop 3 "$(shown "$go") is too old: it cannot fetch the Go that go.mod asks for" \
			"run actions/setup-go with a newer Go before this step"
		;;
	esac
	# Jobs for an old Go hold GOTOOLCHAIN at local, where auto gets what go.mod wants.
	# GOPROXY stays as it is: go.sum decides what is right.
	export GOTOOLCHAIN=auto
	if foreign "$(go env GOENV)"; then export GOENV=off; fi
	# Caches in the workspace can have come with the repository, and hold other code.
	for name in GOCACHE GOMODCACHE GOTMPDIR; do
		value=$(go env "$name")
		if [ -n "$value" ] && foreign "$value"; then
			mkdir "$dir/$name"
			export "$name=$dir/$name"
		fi
	done
	# Jobs that build for other systems set these.
	GOOS=$(go env GOHOSTOS) GOARCH=$(go env GOHOSTARCH)
	export GOOS GOARCH
	echo "keyquench: building the program with $(shown "$go")" >&2
	cd "$here/.."
	go build -trimpath -buildvcs=false -ldflags='-s -w -buildid=' -o "$program" ./cmd/keyquench >&2 ||
		stop 3 "go build failed" "see the lines above; where modules cannot be fetched, say install: binary"
)

# listed NAME: prints the checksum of an asset from the table; the names themselves,
# one a line, when asked for none.
listed() {
	local sum name rest line=0
	while read -r sum name rest || [ -n "$sum" ]; do
		line=$((line + 1))
		case $sum in '' | '#'*) continue ;; esac
		if [[ ! $sum =~ ^[0-9a-f]{64}$ || ! $name =~ ^keyquench_v[0-9][0-9A-Za-z.-]*_[a-z0-9]+_[a-z0-9]+(\.exe)?$ || -n $rest ]]; then
			stop 3 "line $line of action/checksums.txt is broken" "use an unchanged commit of keyquench/keyquench" >&2
		fi
		if [ -z "${1-}" ]; then
			printf '%s\n' "$name"
		elif [ "$name" = "$1" ]; then
			printf '%s\n' "$sum"
		fi
	done <"$here/checksums.txt"
}

# platform: prints OS_ARCH and how a program's name ends, as releases call them.
platform() {
	local os arch end=''
	case $(uname -s) in
	Linux) os=linux ;;
	Darwin) os=darwin ;;
	MINGW* | MSYS* | CYGWIN*) os=windows end=.exe ;;
	*) return 1 ;;
	esac
	case $(uname -m) in
	x86_64 | amd64) arch=amd64 ;;
	aarch64 | arm64) arch=arm64 ;;
	*) return 1 ;;
	esac
	printf '%s_%s%s\n' "$os" "$arch" "$end"
}

# sha256 FILE: prints its checksum, with what this system has.
sha256() {
	local out
	if type -P sha256sum >/dev/null; then
		out=$(sha256sum <"$1")
	elif type -P shasum >/dev/null; then
		out=$(shasum -a 256 <"$1")
	else
		out=$(openssl dgst -sha256 -r <"$1")
	fi
	printf '%s\n' "${out%% *}"
}

install_binary() {
	local names asset want got
	names=$(listed) || exit
	[ -n "$names" ] || stop 3 "action/checksums.txt lists no release yet" "say install: source"
	if [ -z "$version" ]; then
		version=${names%%$'\n'*} # the newest is the first
		version=${version#keyquench_} version=${version%%_*}
	elif [[ ! $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
		stop 2 "$(shown "$version") is no version" "give it as v0.1.0, or leave it out"
	fi
	asset=$(platform) || stop 3 "there are no releases for $(shown "$(uname -s)") on $(shown "$(uname -m)")" "say install: source"
	asset=keyquench_${version}_$asset
	want=$(listed "$asset") || exit
	case $want in
	'') stop 3 "action/checksums.txt has no $asset" "leave version out, say install: source, or use the Action of that release" ;;
	*$'\n'*) stop 3 "action/checksums.txt has $asset twice" "use an unchanged commit of keyquench/keyquench" ;;
	esac
	type -P curl >/dev/null || stop 3 "no curl outside of the workspace to fetch $asset with" "say install: source"
	echo "keyquench: fetching $asset" >&2
	# -q: no .curlrc has a say. The bound on size is a hundred times what is expected.
	curl -q --fail --silent --show-error --location --proto =https --proto-redir =https --tlsv1.2 \
		--retry 4 --retry-connrefused --connect-timeout 20 --max-time 300 --max-filesize 4294967296 \
		--output "$dir/fetched" -- "$releases/$version/$asset" >&2 ||
		stop 3 "$asset could not be fetched" "run the job again, or say install: source"
	got=$(sha256 "$dir/fetched") || stop 3 "the checksum of $asset could not be made" "say install: source"
	if [ "$got" != "$want" ]; then
		rm -f "$dir/fetched"
		stop 3 "$asset has the checksum $(shown "${got:0:12}") and not ${want:0:12}: it was not run" \
			"tell the people of keyquench/keyquench (SECURITY.md), and say install: source"
	fi
	mv "$dir/fetched" "$program"
	chmod 0755 "$program"
}

install_none() {
	local link next count=0
	program=$(type -P keyquench) || stop 3 "no keyquench on the PATH outside of the workspace" \
		"install it in an earlier step, or say install: source"
	link=$program
	while [ -L "$link" ] && [ "$count" -lt 40 ]; do
		count=$((count + 1))
		next=$(readlink "$link")
		case $next in
		/*) link=$next ;;
		*) link=${link%/*}/$next ;;
		esac
	done
	! foreign "$link" || stop 3 "the keyquench on the PATH leads into the workspace" \
		"install it elsewhere, or say install: source"
}

here=$(cd -P -- "${BASH_SOURCE[0]%/*}" && pwd -P)
workspace=$(physical "${GITHUB_WORKSPACE:-$PWD}") || stop 3 "GITHUB_WORKSPACE is no directory" "run this as a step of a job"
PATH=$(own_path)
export PATH
install=${KEYQUENCH_INPUT_INSTALL:-source}
version=${KEYQUENCH_INPUT_VERSION-}
[ -z "$version" ] || [ "$install" = binary ] || stop 2 "version goes with install: binary, and install is $(shown "$install")" \
	"leave version out, or say install: binary"
# Neither the compiler nor curl needs the token.
token=${KEYQUENCH_INPUT_TOKEN-}
unset KEYQUENCH_INPUT_TOKEN

dir=$(mktemp -d "$(unixly "${RUNNER_TEMP:-${TMPDIR:-/tmp}}")/keyquench.XXXXXX") ||
	stop 3 "no directory for the program" "see that RUNNER_TEMP can be written to"
[ -n "${HOME-}" ] || export HOME=$dir # Go and Git want one; containers may have none
program=$dir/keyquench
case $(uname -s) in MINGW* | MSYS* | CYGWIN*) program=$program.exe ;; esac

case $install in
source) install_source ;;
binary) install_binary ;;
none) install_none ;;
*) stop 2 "install: $(shown "$install") is none of source, binary, none" "leave it out: source is the default" ;;
esac

about=$("$program" --version) || stop 3 "the program does not start" "see the lines above"
echo "${about%%$'\n'*}" >&2
export KEYQUENCH_INPUT_TOKEN=$token
exec "$program" action
