# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --cpus 2 --about 16
# run: --kernel 6.12 --module keel --cpus 2 --about 16
# run: --kernel 6.1 --module kvm --cpus 2 --about 16
# run: --kernel 6.1 --module keel --cpu -npt --cpus 2 --about 35
# run: --kernel 6.1 --packaged --cpu +la57 --module keel --cpus 2 --about 25
# run: --kernel 6.12 --packaged --cpu max --module keel --cpus 2 --about 25
# run: --host bochs --module keel --about 40
# long: --host bochs --module kvm --about 40
# long: --host bochs --module keel --params paging=shadow --about 75
# needs: launcher guest
#
# Debian's stock kernel (its cloud kernel on Bochs) boots with two CPUs and a disk, does
# its tour, powers off.

. /lab/tap.sh
. /lab/guests.sh

tour() {
	keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz --initrd /guest/initrd \
		--append "$guest_append keel.sha256=$(cat /guest/disk.sha256)" --cpus 2 \
		--memory 256M --disk /guest/disk.img </dev/null >/tmp/tour 2>&1
}

said() { tr -d '\r' </tmp/tour | grep -qxE "guest: $1"; }

begin 6
check "the launcher ends with status 0" tour
check "two CPUs" said "cpus 2"
check "the second CPU works" said "sum-on-cpu-1 [0-9a-f]{16}"
check "the disk reads right" said "disk-read good"
check "the disk is written" [ "$(head -c 20 /guest/disk.img)" = "written by the guest" ]
check "the guest powered off by itself" said "powering off"
comments /tmp/tour
end
