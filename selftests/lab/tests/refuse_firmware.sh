# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --host bochs --module none --feat-ctl 1 --extra msr --about 20
# needs: keel
#
# Where the firmware has locked IA32_FEAT_CTL with VMX off, the module does not load: one line says why and
# what to do. KVM is refused as well, and the kernel goes on.

. /lab/tap.sh

# What the kernel itself says of every module of that kind is not ours. busybox's modprobe tries twice.
keel_lines() {
	dmesg | sed -n 's/^[^]]*] keel: //p' | grep -vE 'out-of-tree module|module verification failed' | sort -u
}

modprobe msr
feat_ctl() { dd if=/dev/cpu/0/msr bs=8 iflag=skip_bytes skip=$((0x3a)) count=1 2>/dev/null | od -An -tu8 | tr -d " "; }

begin 7
check "IA32_FEAT_CTL is locked, VMX off" [ "$(feat_ctl)" = 1 ]
check "keel.ko is refused" not modprobe keel
check "there is no node" not test -e /dev/keel
check "one line" [ "$(keel_lines | wc -l)" = 1 ]
check "names the firmware and the remedy" [ "$(keel_lines | grep -c 'locked by the firmware: enable it in the firmware set-up')" = 1 ]
check "KVM is refused as well" not modprobe kvm_intel
check "the module is gone, a second try ends alike" not modprobe keel
end
