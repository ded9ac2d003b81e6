# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091,SC2034
# run: --kernel 6.1 --module keel --cpus 2 --thread single --about 20
# run: --kernel 6.12 --module keel --cpus 2 --thread single --append crashkernel=256M --about 20
# long: --host bochs --module keel --cpus 2 --about 100
# long: --host bochs --kernel 6.1-cloud --module keel --cpus 2 --extra sha256_ssse3 --extra msr --memory 640 --append crashkernel=256M --about 300
# long: --host bochs --kernel 6.12-cloud --module keel --cpus 2 --extra sha256_ssse3 --extra msr --memory 640 --append crashkernel=256M --about 300
# long: --host bochs --kernel 6.12-cloud --module keel --cpus 2 --about 100
# long: --kernel 6.12 --module keel --cpus 2 --thread single --about 60
# long: --kernel 6.1 --module keel --cpus 2 --thread single --append crashkernel=256M --about 60
# needs: keel kernel selftests/host/kexec_test selftests/core/hlt_test
#
# With VMs alive the machine goes on to a second kernel, or, where memory is reserved for one,
# crashes into it. The second kernel has the files of the first and runs these same lines: it finds
# virtualization off on every CPU, and Keel works.

. /lab/tap.sh

how=restart
! grep -q crashkernel= /proc/cmdline || how=crash

second_begin() {
	how=$(cat /lab/second)
	tap_number=2 tap_planned=7
}

# The first kernel's word and its own must agree that this is the second.
is_second() {
	grep -q "second=$how" /proc/cmdline
}

dump_as_expected() {
	if [ "$how" = crash ]; then [ -s /proc/vmcore ]; else ! [ -e /proc/vmcore ]; fi
}

# Skipped without VMX, or a dump.
dump_has_guests() {
	/selftests/host/kexec_test dump
	case $? in 0 | 4) ;; *) return 1 ;; esac
}

if [ -e /lab/second ]; then
	second_begin
	check "the second kernel, by $how" is_second
	check "a dump after a crash only" dump_as_expected
	modprobe msr 2>/dev/null
	check "the guests in the dump" dump_has_guests
	check "Keel runs a VM" /selftests/core/hlt_test
	check "the module unloads" modprobe -r keel
	end
fi

# Everything but the second kernel itself, and what is mounted.
second_initrd() {
	echo "$how" >/lab/second
	(cd / && find . -xdev ! -path './boot*' | cpio -o -H newc >/tmp/initrd) && rm /lab/second
}

export KEEL_KEXEC=$how KEEL_KEXEC_KERNEL=/boot/vmlinuz KEEL_KEXEC_INITRD=/tmp/initrd
KEEL_KEXEC_CMDLINE="$(sed 's/crashkernel=[^ ]*//' /proc/cmdline) second=$how"
[ "$how" = restart ] || KEEL_KEXEC_CMDLINE="$KEEL_KEXEC_CMDLINE nr_cpus=1 reset_devices"
export KEEL_KEXEC_CMDLINE

# Where it is there: all files are hashed.
modprobe sha256_ssse3 2>/dev/null

begin 7
check "an initramfs for the second kernel" second_initrd
check "the second kernel is loaded" /selftests/host/kexec_test load
# What is printed must be out.
usleep 300000
/selftests/host/kexec_test go >/tmp/go 2>&1
comments /tmp/go
end
