# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --cpus 2 --memory 2048 --about 400 --timeout 1500
# long: --kernel 6.12 --module keel --cpus 2 --memory 2048 --about 400 --timeout 1500
# needs: launcher guest
#
# 64 Linux guests (KEEL_GUESTS) that do nothing stay in a host with 2 GiB, each with 64 MiB of its own 128 MiB in the balloon, and none leaves
# its CPU more than 12 times a second. They are children of one guest: what 64 of Debian's kernels have in common is there once.

. /lab/tap.sh
. /lab/guests.sh

guests=${KEEL_GUESTS:-64} seconds=${KEEL_SECONDS:-60}
rate=12			# exits a second
keeps=$((64 << 20))	# of the guest, what its balloon leaves it

said() { tr -d '\r' </tmp/out.one | grep -q "guest: $1"; }
has_given() { keel ctl --json "$1" status | grep -q "\"balloon\":{\"target\":$keeps,\"actual\":$keeps}"; }

fork_all() {
	for i in $(seq "$guests"); do
		keel ctl --json one fork --name "idle-$i" --serial "/tmp/out.$i" || return 1
	done
}

# Of each guest: seconds since the host's start, and exits up to then.
look() {
	for i in $(seq "$guests"); do
		exits=$(keel ctl --json "idle-$i" stats | sed -n 's/.*"vcpus": *\[{[^}]*"exits": *\([0-9]*\).*/\1/p')
		[ -n "$exits" ] || return 1
		echo "$i $(cut -d ' ' -f 1 /proc/uptime) $exits"
	done >"$1"
}

# What they left their CPUs in a second, of which the most is to be in $most, in tenths.
compare() {
	paste -d " " /tmp/before /tmp/after | cut -d " " -f 1-3,5-6 >/tmp/both
	awk '{ rate = ($5 - $3) / ($4 - $2); sum += rate; if (rate > most) most = rate; if (!least || rate < least) least = rate }
		END { printf "%d %.1f %.1f %.1f\n", most * 10 + 0.5, least, sum / NR, most }' /tmp/both >/tmp/rates
	read -r most text </tmp/rates
}

all_live() {
	for i in $(seq "$guests"); do
		keel ctl --json "idle-$i" status | grep -q '"state":"running"' || return 1
	done
}

quit_all() {
	for i in $(seq "$guests"); do
		keel ctl "idle-$i" quit || return 1
	done
}

begin 10
keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz --initrd /guest/initrd --memory 128M --balloon size=64M --forkable --stats \
	--name one --append "${guest_append:?} quiet keel.mode=idle" </dev/null >/tmp/out.one 2>/tmp/err &
check "the guest boots" within 200 said idle
check "and keeps 64 MiB" within 60 has_given one
free=$(free_kb)
check "$guests like it" fork_all
keel ctl one pause
check "all run" all_live
sleep 20
look /tmp/before
sleep "$seconds"
check "exits are counted" look /tmp/after
compare
echo "# exits a second of a guest, in $seconds seconds: least, mean, most: $text"
echo "# memory free: $free kB with the first, $(free_kb) kB with $guests more"
check "at most $rate a second each" [ "$most" -le $((rate * 10)) ]
check "all have been there all the time" all_live
check "and have 64 MiB" has_given "idle-$guests"
check "quit" quit_all
keel ctl one quit
check "the kernel killed nobody" eval '! dmesg | grep -qi "out of memory"'
comments /tmp/err | tail -n 20
end
