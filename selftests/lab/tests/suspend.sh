# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --cpus 2 --thread single --about 13
# run: --kernel 6.12 --module keel --cpus 2 --thread single --about 13
# run: --host bochs --module keel --append clearcpuid=xsaves,xsavec,tsc_adjust --about 60
# long: --host bochs --module keel --cpus 2 --append clearcpuid=xsaves,xsavec,tsc_adjust --about 120
# needs: keel selftests/host/suspend_test
#
# The machine sleeps and wakes with VMs, and without one. Bochs does that in earnest: its S3 resets the CPUs and runs the
# firmware, which wakes the kernel at once. A kernel that sees no IA32_TSC_ADJUST does not undo the reset of the TSC, as on hardware.
# On QEMU no kernel came back from the sleep, with no module either: there the kernel's own test level goes all the way but
# for the sleep itself, with the other CPUs offline and the callbacks of what is suspended last.

. /lab/tap.sh

if [ -e /sys/power/pm_test ]; then
	echo core >/sys/power/pm_test
	echo 1 >/sys/module/suspend/parameters/pm_test_delay
fi

slept() {
	echo mem >/sys/power/state
}

set -- waiting running none
begin 7
check "without a VM" slept
for name; do
	check "a VM: $name" env KEEL_SUSPEND='echo mem >/sys/power/state' /selftests/host/suspend_test "$name"
done
check "a VM that is made afterwards" env KEEL_SUSPEND=true /selftests/host/suspend_test none
check "the module unloads" modprobe -r keel
check "and the machine sleeps without it" slept
dmesg | grep -E 'PM: suspend (entry|exit)|keel' | comments
end
