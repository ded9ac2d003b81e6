# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --cpus 2 --extra msr --about 4
# run: --host bochs --module keel --cpus 2 --about 40
# needs: selftests/core/hlt_test vmxe selftests/vmx/vmx_bare_cpu_test
#
# An owner of SVM or VMX that Linux knows nothing of: somebody has set EFER.SVME or
# CR4.VMXE on a CPU. Keel refuses to create a VM, names the CPU and what to do, leaves
# the bit alone, and works once it is clear.
#
# Where the owner is first on a CPU that comes online while a VM lives, Keel leaves that CPU alone:
# no guest runs there, each VM says so once, and a vCPU that was made there is as good as others
# where VMX is.

. /lab/tap.sh

efer=$((0xc0000080))
svme=4096

# read_efer CPU, write_efer CPU VALUE - by the msr driver, 8 bytes at the register's number
read_efer() { dd if=/dev/cpu/"$1"/msr bs=8 skip=$((efer / 8)) count=1 2>/dev/null | od -An -tu8 | tr -d ' '; }
write_efer() {
	bytes='' value=$2
	for _ in 1 2 3 4 5 6 7 8; do
		bytes=$bytes$(printf '\\%03o' $((value & 255)))
		value=$((value >> 8))
	done
	# shellcheck disable=SC2059
	printf "$bytes" | dd of=/dev/cpu/"$1"/msr bs=8 seek=$((efer / 8)) conv=notrunc 2>/dev/null
}
cpu1=/sys/devices/system/cpu/cpu1/online
keel_works() { /selftests/core/hlt_test >/tmp/out 2>&1; }

if grep -q '^flags.* svm' /proc/cpuinfo; then
	modprobe msr
	has_bit() { [ $(($(read_efer "$1") & svme)) != 0 ]; }
	set_bit() { write_efer "$1" $(($(read_efer "$1") | svme)); }
	clear_bit() { write_efer "$1" $(($(read_efer "$1") & ~svme)); }
else
	modprobe vmxe
	param=/sys/module/vmxe/parameters
	has_bit() { echo "$1" >$param/cpu && [ "$(cat $param/vmxe)" = 1 ]; }
	set_bit() { echo "$1" >$param/cpu && echo 1 >$param/vmxe; }
	clear_bit() { echo "$1" >$param/cpu && echo 0 >$param/vmxe; }
fi

begin 10
check "Keel works" keel_works
set_bit 1
check "CPU 1 has another owner" has_bit 1
check "Keel makes no VM" not keel_works
check "one line names the CPU and the remedy" [ "$(dmesg | grep -c 'keel.*another hypervisor on CPU 1: unload')" -ge 1 ]
check "the owner's bit is still set" has_bit 1
check "CPU 0 was left as it was" not has_bit 0
clear_bit 1
check "Keel works when the owner is gone" keel_works
if [ -e /sys/module/vmxe/parameters/comes ]; then
	echo 1 >$param/comes
	check "a vCPU made on a CPU without VMX" env KEEL_BARE_CPU="echo 0 >$cpu1 && echo 1 >$cpu1" /selftests/vmx/vmx_bare_cpu_test
	check "the log names the CPU" [ "$(dmesg | grep -c 'keel.*CPU 1 comes online without virtualization')" = 1 ]
	check "the VM says so once" [ "$(dmesg | grep -c 'keel: kvm-.*no virtualization on CPU 1')" = 1 ]
else
	for name in "a vCPU made on a CPU without SVM" "the log names the CPU" "the VM says so once"; do
		skip "$name" "nobody here to be first on a CPU"
	done
fi
end
