# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module both --about 16
# run: --kernel 6.12 --module both --about 16
# long: --host bochs --module both --about 55
# needs: launcher guest selftests/core/hlt_test
#
# One owner at a time: while KVM has the CPU's virtualization Keel refuses to create a
# VM and says why, and the other way round; each works once the other is gone.

. /lab/tap.sh
. /lab/guests.sh

keel_works() { KEEL_DEVICE=/dev/keel /selftests/core/hlt_test >/tmp/out 2>&1; }
kvm_works() { KEEL_DEVICE=/dev/kvm /selftests/core/hlt_test >/tmp/out 2>&1; }

# kvm_amd or kvm_intel
kvm=$(sed -n 's/^\(kvm_[a-z]*\) .*/\1/p' /proc/modules)

begin 10
check "KVM works with keel.ko loaded" kvm_works
check "Keel makes no VM while $kvm is there" not keel_works
check "the kernel's log names $kvm and the remedy" sh -c "dmesg | grep 'keel: KVM holds virtualization.*modprobe -r $kvm'"
check "KVM still works" kvm_works
check "$kvm unloads" modprobe -r "$kvm"
check "now Keel works" keel_works
KEEL_DEVICE=/dev/keel start_guest a
check "a Keel guest runs" within 180 guest_lives a
check "KVM makes no VM beside it" not sh -c "
	modprobe $kvm 2>/dev/null && KEEL_DEVICE=/dev/kvm /selftests/core/hlt_test >/dev/null"
check "the guest goes on" guest_goes_on a
stop_guest a
modprobe -r "$kvm" 2>/dev/null
modprobe "$kvm"
check "KVM works again when Keel's guest is gone" kvm_works
end
