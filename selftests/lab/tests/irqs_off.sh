# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --icount --about 60
# needs: keel irqsoff selftests/irqchip/irqs_off_test
#
# How many instructions the host's interrupts are off for, at most, whatever guests and launchers
# do. A look without them first.

. /lab/tap.sh

max=/sys/module/irqsoff/parameters/max_ns

idle() {
	echo 0 >$max
	i=0
	while [ $i -lt 20000 ]; do i=$((i + 1)); done
	read -r ns <$max
	echo "the kernel alone: $ns"
	[ "$ns" -gt 0 ] && [ "$ns" -lt 65536 ]
}

# Before its clock is known well the kernel looks at timers at its ticks only.
precise() {
	grep -q 'hres_active *: 1' /proc/timer_list
}

within 20 precise
insmod /lab/irqsoff.ko

begin 2
check "the instrument" idle
check "bounds" /selftests/irqchip/irqs_off_test
end
