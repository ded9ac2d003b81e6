# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091,SC2154
# run: --kernel 6.1 --module keel --host-root --extra dummy --about 60
# long: --kernel 6.12 --module keel --host-root --extra dummy --about 60
# long: --kernel 6.1 --module kvm --host-root --extra dummy --about 60
# needs: launcher guest
#
# keel run --jail with a Linux guest: what its launcher has left while the guest runs, what works through files that were open before,
# how it ends, and what is refused.

. /lab/tap.sh
. /lab/guests.sh

cgroup=/sys/fs/cgroup/jailed
mkdir -p /tmp/own /tmp/cg
mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup /sys/fs/cgroup
echo +memory +pids >/sys/fs/cgroup/cgroup.subtree_control
mkdir $cgroup
echo 400M >$cgroup/memory.max
cp -r /guest /bin/keel /tmp/
chmod -R a+rX /tmp/guest /tmp/keel
truncate -s 1M /tmp/own/disk

# in_host COMMAND - by sh, as root, in a root directory that can be left, which an initramfs cannot
cat >/tmp/host.sh <<'HOST'
cd /host && mount --move . / && mount -t cgroup2 cgroup sys/fs/cgroup && exec chroot . /bin/sh -c "$1"
HOST
in_host() { unshare -m sh /tmp/host.sh "$1"; }

run="/tmp/keel run --device $KEEL_DEVICE --kernel /tmp/guest/vmlinuz --initrd /tmp/guest/initrd --memory 160M"
linger="--append '$guest_append quiet keel.mode=linger'"

# refused STATUS WORDS OPTIONS - it ends so at once, with a line that has the words
refused() {
	in_host "$user $run $3 </dev/null >/tmp/refused 2>&1; echo \$? >/tmp/refused.status"
	cat /tmp/refused
	[ "$(cat /tmp/refused.status)" = "$1" ] && [ "$(wc -l </tmp/refused)" = 1 ] && grep -qF -e "$2" /tmp/refused
}

# The process outside has two children: the first of the namespace, and the machine's.
outside() { cat /tmp/own/pid; }
inside() { cut -d ' ' -f 2 "/proc/$1/task/$1/children"; }
field() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$2/status"; }
other_ns() { [ "$(readlink "/proc/$2/ns/$1")" != "$(readlink "/proc/$$/ns/$1")" ]; }
says() { grep -q "$1" /tmp/own/out; }
is_in() { /tmp/keel ctl --json /tmp/own/control status | grep -q "\"$1\""; }
threads_are_filtered() {
	for thread in "/proc/$1/task"/*; do
		grep -q '^Seccomp:	2' "$thread/status" || return
		grep -q '^CapEff:	0000000000000000' "$thread/status" || return
	done
}
root_is_empty() { [ -z "$(ls -A "/proc/$1/root/")" ] && ! touch "/proc/$1/root/x" 2>/dev/null; }
lone_network() { [ "$(awk 'NR > 2 { print $1 }' "/proc/$1/net/dev")" = lo: ]; }
has_member() { grep -qx "$2" "$1/cgroup.procs"; }

user=
begin 46
check "root's number is refused" refused 2 "none of them is root's" "--jail user=0"
check "so is a jail without a user" refused 2 "needs user=UID" "--jail cgroup=$cgroup"
check "and without a filter" refused 2 "not together with --no-sandbox" "--jail user=64001 --no-sandbox"
check "and with forks" refused 2 "not together with --forkable" "--jail user=64001 --forkable --name x"
check "and with a virtiofsd of its own" refused 2 "--share socket=PATH" "--jail user=64001 --share /tmp/own"
check "a cgroup that is not there" refused 16 "No such file or directory (mkdir makes a cgroup)" "--jail user=64001,cgroup=/sys/fs/cgroup/none"
check "a directory that is none" refused 16 "no directory of a cgroup v2 hierarchy" "--jail user=64001,cgroup=/tmp"
keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz --jail user=64001 </dev/null >/tmp/refused 2>&1
check "an initramfs, which cannot be left" [ $? = 16 ]
check "it says so" grep -q "root directory is an initramfs" /tmp/refused
user="/usr/bin/setpriv --reuid 1000 --clear-groups"
check "an ordinary user's" refused 16 "needs root" "--jail user=64001"
user=

unshare -m sh /tmp/host.sh "exec $run $linger --jail user=64001:64002,cgroup=$cgroup --disk /tmp/own/disk --control /tmp/own/control --pid-file /tmp/own/pid \
	--status-json /tmp/own/report </dev/null >/tmp/own/out 2>&1" &
guest=$!
check "the guest boots" within 300 says "guest: alive"
out=$(outside)
in=$(inside "$out")
echo "# outside $out, inside $in"
check "the pid file has the one that was started" [ "$out" = $guest ]
check "so does its status" is_in "pid\":$out,\"parent"
for space in mnt net pid ipc; do
	check "its $space namespace is another" other_ns $space "$in"
done
check "its user" [ "$(field Uid "$in")" = 64001 ]
check "its group" [ "$(field Gid "$in")" = 64002 ]
check "no supplementary group" [ -z "$(field Groups "$in")" ]
check "no capability can be had" [ "$(field CapBnd "$in")" = 0000000000000000 ]
check "no new privileges" [ "$(field NoNewPrivs "$in")" = 1 ]
check "each thread has a filter and no capability" threads_are_filtered "$in"
check "its root directory is empty" root_is_empty "$in"
check "its network is its own" lone_network "$in"
check "it is in the cgroup" has_member $cgroup "$in"
check "whose limits count for it" [ "$(cat $cgroup/memory.current)" -gt 20000000 ]
check "and the one outside is not" not has_member $cgroup "$out"
check "pause" /tmp/keel ctl /tmp/own/control pause
check "resume" /tmp/keel ctl /tmp/own/control resume
check "save into a file that is passed" /tmp/keel ctl /tmp/own/control save /tmp/own/state
check "SIGTERM is the power button" kill -TERM "$out"
wait $guest
check "the exit status is the guest's" [ $? = 0 ]
check "nothing of it is left" eval "[ ! -e /proc/$in ] && [ ! -e /tmp/own/control ] && [ ! -e /tmp/own/pid ]"
check "but the report" grep -q '"status": 0' /tmp/own/report
check "which is alone" [ "$(find /tmp/own -type f | wc -l)" = 4 ]

# passt wants an interface that leads somewhere.
modprobe dummy numdummies=1
ip addr add 192.0.2.1/24 dev dummy0
ip link set dummy0 up
ip route add default via 192.0.2.254
unshare -m sh /tmp/host.sh "exec $run $linger --jail user=64001,cgroup=$cgroup --net user --control /tmp/own/control </dev/null >/tmp/own/net 2>&1" &
guest=$!
passt() { grep -ls '^passt' /proc/[0-9]*/comm | cut -d / -f 3 | head -n 1; }
check "a machine with a network runs" within 60 is_in running
helper=$(passt)
check "passt is in its cgroup" has_member $cgroup "$helper"
check "and in another PID namespace" other_ns pid "$helper"
/tmp/keel ctl /tmp/own/control quit
wait $guest
check "it ends by its socket" [ $? = 20 ]
check "passt with it" [ -z "$(passt)" ]

# As by the limit of a cgroup.
unshare -m sh /tmp/host.sh "exec $run $linger --jail user=64001 --control /tmp/own/control </dev/null >/tmp/own/killed 2>&1" &
guest=$!
check "another one runs" within 60 is_in running
kill -KILL "$(inside $guest)"
wait $guest
check "it is killed: so ends the one outside" [ $? = 137 ]
check "which says so" grep -q "was killed (SIGKILL); if nobody did, its cgroup's memory.max was reached" /tmp/own/killed

unshare -m sh /tmp/host.sh "exec /tmp/keel restore /tmp/own/state --disk /tmp/own/disk --device $KEEL_DEVICE --jail user=64001 </dev/null >/tmp/own/restored 2>&1" &
guest=$!
check "a saved machine goes on in a jail" within 120 grep -qs "guest: alive" /tmp/own/restored
kill -HUP $guest
wait $guest
check "and ends by a signal" [ $? = 15 ]
comments /tmp/own/restored | tail -n 5
end
