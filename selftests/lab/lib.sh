# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the lab's scripts share: where things are, and how they speak.
#
# $KEEL_BUILD holds what is built (one per work tree), $KEEL_CACHE what is
# fetched (kernels under test, a few hundred megabytes; may be shared between
# work trees). Both come from the environment, the Makefile sets them.

set -u -o pipefail

lab_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top_dir=$(cd "$lab_dir/../.." && pwd)
build_dir=${KEEL_BUILD:-$top_dir/build}
cache_dir=${KEEL_CACHE:-$build_dir/cache}

# The kernels under test: the series, oldest first; and those of the Bochs
# hosts, Debian's cloud flavour, which unpacks quickly.
# shellcheck disable=SC2034
lab_kernels='6.1 6.12' lab_bochs_kernels='6.1-cloud 6.12-cloud' lab_bochs_kernel=6.1-cloud

note() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
	note "$*"
	exit 2
}

# lab_release SERIES - the kernel's full release name, as in uname -r
lab_release() { basename "$(readlink "$cache_dir/$1/modules")"; }

# lab_build SERIES - BUILD of the top Makefile for it: the cloud flavour's release
# is named as the stock kernel's, so that it gets a directory of its own
lab_build() {
	case $1 in
	*-cloud) echo "$build_dir/cloud" ;;
	*) echo "$build_dir" ;;
	esac
}

# lab_module SERIES [debug] - where the top Makefile puts keel.ko for it; debug: the test build (KEEL_DEBUG=1)
lab_module() {
	echo "$(lab_build "$1")${2:+/$2}/$(cat "$cache_dir/$1/build/include/config/kernel.release")/keel.ko"
}

# lab_have SERIES - is the kernel in the cache, whole?
lab_have() { [ -e "$cache_dir/$1/complete" ]; }

# count_tap FILE - "passed failed skipped" of a TAP stream. Where a point's own
# TAP is nested in it as comments ("# ok 1 case"), the nested points count and
# the outer one only if it failed without any of them failing. Points missing
# from the outer plan are failures; "not ok # TODO" counts as skipped.
count_tap() {
	awk '
	/^1\.\.[0-9]+/ { planned = substr($1, 4) + 0; has_plan = 1; next }
	/^# ok [0-9]+/ { if (/# SKIP/) ns++; else np++; next }
	/^# not ok [0-9]+/ { nf++; next }
	/^ok [0-9]+/ || /^not ok [0-9]+/ {
		seen++
		bad = /^not/
		if (bad && /# TODO/) { s++; p += np }
		else if (bad) { f += nf > 0 ? nf : 1; p += np; s += ns }
		else if (np + ns > 0) { p += np; s += ns; f += nf }
		else if (/# SKIP/) s++
		else p++
		np = ns = nf = 0
	}
	END {
		if (!has_plan) f += 1
		else if (seen < planned) f += planned - seen
		print p + 0, f + 0, s + 0
	}' "$1"
}
