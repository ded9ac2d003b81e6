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

# Tests whose long boots are make check-dma's.
# shellcheck disable=SC2034 # for whoever includes this
lab_dma_tests='dma dma_policy vfio assign dma_hostile dma_kill qemu_assign'

# lab_release SERIES - the kernel's full release name, as in uname -r
lab_release() { basename "$(readlink "$cache_dir/$1/modules")"; }

# lab_module SERIES [debug] - where the top Makefile puts keel.ko for it; debug: the test build (KEEL_DEBUG=1)
lab_module() { echo "$build_dir${2:+/$2}/$(lab_release "$1")/keel.ko"; }

# lab_have SERIES - is the kernel in the cache, whole?
lab_have() { [ -e "$cache_dir/$1/complete" ]; }

# stands PID - where a process stands, in one line: seconds of CPU, and each of its threads by
# name, state and what it sleeps in
stands() {
	local stat task word state in
	# Behind the name, the state is the first field, user and system time the twelfth and next.
	stat=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) || { echo "it is gone"; return; }
	# shellcheck disable=SC2086 # words are what is wanted
	set -- "$1" $stat
	word="$(((${13} + ${14}) / $(getconf CLK_TCK))) s of CPU"
	for task in $(printf '%s\n' "/proc/$1/task/"* | head -n 8); do
		# The stack is root's to see; the other has its innermost function alone.
		in=$(sed -n 's/^\[<0>\] \([^+]*\).*/\1/p' "$task/stack" 2>/dev/null | head -n 3 | paste -sd ' ')
		[ -n "$in" ] || in=$(cat "$task/wchan" 2>/dev/null)
		state=$(sed -n 's/^State:[^(]*(\(.*\))/\1/p' "$task/status" 2>/dev/null)
		case $state:$in in running:* | *: | *:0) ;; *) state+=" in $in" ;; esac
		word+=", $(cat "$task/comm" 2>/dev/null) $state"
	done
	echo "$word"
}

# spent PID - nanoseconds that a process's threads have had on a CPU
spent() { cat "/proc/$1/task/"*/schedstat 2>/dev/null | awk '{ ns += $1 } END { printf "%.0f", ns }'; }

# tell - a progress line: the caller's $name runs, since its $started
tell() { echo "[$SECONDS s] running: ${name:?} ($((SECONDS - ${started:?})) s)"; }

# logged FILE COMMAND... - its words go to FILE
logged() {
	local log=$1
	shift
	"$@" >"$log" 2>&1
}

# await PID LIMIT [SAY] - waits for a child and calls SAY every 30 seconds. The child's status is
# returned; after LIMIT seconds 124, with timed_out=y, and the child still runs.
await() {
	local pid=$1 end=$((SECONDS + $2)) say=${3:-:} nap sleeper ended status
	timed_out=''
	while kill -0 "$pid" 2>/dev/null; do
		nap=$((end - SECONDS))
		# shellcheck disable=SC2034 # the caller reads it
		[ $nap -gt 0 ] || { timed_out=y; return 124; }
		[ $nap -lt 30 ] || nap=30
		# An orphan of it must hold nobody's pipe open.
		sleep $nap >/dev/null 2>&1 &
		sleeper=$! ended=''
		wait -n -p ended "$pid" "$sleeper"
		status=$?
		kill "$sleeper" 2>/dev/null
		wait "$sleeper" 2>/dev/null
		[ "${ended:-}" != "$pid" ] || return $status
		[ "${ended:-}" != "$sleeper" ] || [ $nap -lt 30 ] || $say
	done
	wait "$pid" 2>/dev/null
}

# await_machine PID TIMEOUT [THREADS [CONSOLE]] - waits for an emulator, a child. Its status is returned. It is killed after TIMEOUT seconds of CPU
# for each of its THREADS that are busy, as one that gets less of the CPUs, beside others, gets more time; after three times that by the
# clock; once it has done nothing for a minute: an idle Linux takes more than that; and once its CONSOLE tells of a CPU that has stood for
# 100 seconds. $given_up says why, with where it stood.
await_machine() {
	local machine=$1 most=$(($2 * ${3:-1})) console=${4:-/dev/null} used=0 still=0 status
	given_up=''
	await "$machine" $((3 * $2)) look_at_machine
	status=$?
	[ -z "$timed_out" ] || give_up "time is up after $SECONDS s"
	return $status
}

look_at_machine() {
	local now
	now=$(spent "$machine")
	[ $((now - used)) -lt 2000000 ] && still=$((still + 30)) || still=0
	used=$now
	[ $((used / 1000000000)) -lt "$most" ] || give_up "time is up after $SECONDS s"
	[ "$still" -lt 60 ] || give_up "the machine has done nothing for $still s"
	! grep -aqE 'BUG: soft lockup - CPU#[0-9]+ stuck for [0-9]{3,}s' "$console" || give_up "a CPU of the machine stands, after $SECONDS s"
}

give_up() {
	# shellcheck disable=SC2034 # the caller reads it
	given_up="$1; $(stands "$machine")"
	{ kill -9 "$machine"; wait "$machine"; } 2>/dev/null
}

# follow LIMIT SAY COMMAND... - runs a command or function in a process group of its own, calls SAY
# every 30 seconds, and ends the group after LIMIT seconds, or when a signal ends us. The status is
# the command's, or 124 when the time was up.
follow() {
	local limit=$1 say=$2 group status
	shift 2
	set -m
	"$@" </dev/null &
	set +m
	group=$!
	# shellcheck disable=SC2064 # the number as it is now
	trap "kill -- -$group 2>/dev/null; wait $group 2>/dev/null; exit 130" INT TERM HUP
	await $group "$limit" "$say"
	status=$?
	if [ -n "$timed_out" ]; then
		note "time is up after $limit s"
		kill -- -$group 2>/dev/null
		await $group 20
		kill -9 -- -$group 2>/dev/null
		wait $group 2>/dev/null
		status=124
	fi
	trap - INT TERM HUP
	return $status
}

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
