# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091,SC2154
# run: --kernel 6.1 --module keel --host-root --cpus 2 --about 40
# long: --kernel 6.1 --module kvm --host-root --cpus 2 --about 40
# needs: launcher guest
#
# Linux's driver on disks that other processes serve: a qcow2 image that the launcher has qemu-nbd write, and what a server
# exports; and a server that is killed under a guest which writes.

. /lab/tap.sh
. /lab/guests.sh

cp -r /guest /bin/keel /tmp/
truncate -s 8M /tmp/scratch

# on_host COMMAND - with the host's files, where qemu-nbd is
on_host() { chroot /host /bin/sh -c "$1" </dev/null; }

launch="/tmp/keel run --device $KEEL_DEVICE --kernel /tmp/guest/vmlinuz --initrd /tmp/guest/initrd --memory 192M"

serve() { on_host "qemu-nbd --fork --persistent --format=raw --pid-file=/tmp/$1.pid --socket=/tmp/$1.socket $2 /tmp/$3"; }

tour() {
	on_host "$launch --append '$guest_append keel.sha256=$(cat /guest/disk.sha256)' --disk /tmp/guest/disk.qcow2 \
		--disk 'nbd+unix:///?socket=/tmp/read.socket,ro'" >/tmp/tour 2>&1
}

said() { tr -d '\r' </tmp/tour | grep -qxE "guest: $1"; }
written() { on_host "qemu-img convert -O raw /tmp/guest/disk.qcow2 /tmp/back" && [ "$(head -c 20 /tmp/back)" = 'written by the guest' ]; }
told() { grep -q "$1" /tmp/out /tmp/err; }

begin 12
check "a server" serve read --read-only guest/disk.img
check "the launcher ends with status 0" tour
check "the qcow2 image reads right" said "disk-read good"
check "the export too" said "second-disk good"
check "what the guest wrote is in the image" written
kill "$(cat /tmp/read.pid)"
check "no qemu-nbd is left" within 20 not pidof qemu-nbd
comments /tmp/tour

on_host "$launch --jail user=64001 --disk /tmp/guest/disk.qcow2" >/tmp/out 2>/tmp/err
check "a jail has no qemu-nbd of root's" told 'start one as another user'

check "another server" serve write '' scratch
on_host "exec $launch --append '$guest_append quiet keel.mode=sums' --disk nbd:unix:/tmp/write.socket" >/tmp/out 2>/tmp/err &
launcher=$!
check "the guest writes" within 120 told 'guest: round 2'
check "and reads the same" not told 'disk WRONG'
kill -9 "$(cat /tmp/write.pid)"
check "the server's end is told" within 60 told 'the server has closed the connection; the guest gets an I/O error'
check "the launcher goes on" kill -0 $launcher
kill -9 $launcher
comments /tmp/err
tail -n 20 /tmp/out | comments
end
