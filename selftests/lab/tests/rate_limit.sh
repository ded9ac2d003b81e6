# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091,SC2154
# run: --kernel 6.1 --module keel --about 25
# long: --kernel 6.12 --module keel --about 25
# long: --kernel 6.1 --module kvm --about 25
# needs: launcher guest
#
# A Linux guest reads disks with limits, and finds by its own clock that they take the time that they have to. In the midst of 256 requests, of which
# one goes a second, it is paused, saved and ended; restored without that limit it has all answers, and what it reads is right.

. /lab/tap.sh
. /lab/guests.sh

# In the guest 48 requests of 64 KB each; one goes before its tokens are there, and what the bucket holds needs none.
bytes_least=$(((48 - 1 - 1) * 64 * 100 / 512))	# hundredths of a second, by bps=512K
requests_least=$(((48 - 1 - 1) * 100 / 10))	# by iops=10

# start HOW... - in the background; output in /tmp/out
start() {
	keel "$@" --device "$KEEL_DEVICE" --name limited --disk /guest/disk.img,ro --disk /guest/disk.img,ro,bps=512K,bps_max=64K \
		--disk /guest/disk.img,ro,iops=10,iops_max=1 --disk "/guest/disk.img,ro$last" </dev/null >>/tmp/out 2>/tmp/err &
	pid=$!
}

said() { tr -d '\r' </tmp/out | grep -qE "guest: $1"; }
took() { tr -d '\r' </tmp/out | sed -n "s/guest: rate $1 //p"; }
slow_enough() { [ "$(took "$1")" -ge "$2" ]; }
ends() {
	wait "$pid"
	[ $? = "$1" ]
}

begin 10
# Enough at once for the kernel to look for partitions.
last=,iops=1,iops_max=40
start run --kernel /guest/vmlinuz --initrd /guest/initrd --memory 160M --append "$guest_append quiet keel.mode=rate"
check "the guest has read" within 120 said "rate waiting"
echo "# hundredths of a second: $(took vda) without a limit, $(took vdb) by bytes (at least $bytes_least), $(took vdc) by requests (at least $requests_least)"
check "bytes a second are limited" slow_enough vdb "$bytes_least"
check "requests a second are limited" slow_enough vdc "$requests_least"
sleep 2
check "with a request that waits it is paused" keel ctl limited pause
check "and saved" keel ctl limited save /tmp/state
check "and ended" keel ctl limited quit
check "with its status" ends 20
check "the guest has not had all of its answers" not said "rate sum"
last=
start restore /tmp/state
check "restored without a limit it has one" within 60 said "rate sum $(head -c 1048576 /guest/disk.img | sha256sum | cut -d ' ' -f 1)"
check "and powers off" ends 0
comments /tmp/err
tail -n 20 /tmp/out | tr -d '\r' | comments
end
