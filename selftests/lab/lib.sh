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

# The kernels under test: the series, oldest first.
# shellcheck disable=SC2034
lab_kernels='6.1 6.12'

note() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
	note "$*"
	exit 2
}

# lab_release SERIES - the kernel's full release name, as in uname -r
lab_release() { basename "$(readlink "$cache_dir/$1/modules")"; }

# lab_have SERIES - is the kernel in the cache, whole?
lab_have() { [ -e "$cache_dir/$1/complete" ]; }
