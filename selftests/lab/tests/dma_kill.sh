# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --iommu intel --append iommu=nopt --extra vfio-pci --extra vfio_iommu_type1 --cpus 2 --memory 1024 --env KILLS=100 --timeout 3600 --about 1500
# long: --kernel 6.12 --module keel --iommu amd --append iommu=nopt --extra vfio-pci --extra vfio_iommu_type1 --cpus 2 --memory 1024 --env KILLS=100 --timeout 3600 --about 1500
# needs: launcher guest-devices selftests/iommu/poison_test
#
# The launcher is killed while the guest's device writes to its memory, KILLS times at random moments. What of that memory the host has back
# is filled with a pattern at once, and must keep it; the device serves the next guest as if nothing had been.

. /lab/tap.sh
. /lab/devices.sh

run() {			# ROUNDS
	exec keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz --initrd /guest/initrd --memory 192M --vfio "$edu" \
		--append "console=ttyS0 quiet keel.mode=devices keel.drivers=edu keel.edu=rounds=$1" </dev/null >/tmp/out 2>&1
}

# Interrupts that the host has handed on
count() { awk '/vfio-msi/ { n += $2 + $3 + $4 } END { print n + 0 }' /proc/interrupts; }
is_moving() { [ "$(count)" -ge 5 ]; }

kill_once() {
	run 1000000 &
	launcher=$!
	within 120 is_moving || return
	# up to 0.3 s: the device takes 0.1 s for a block
	usleep $(($(od -An -N2 -tu2 /dev/urandom) * 300 / 65536 * 1000))
	kill -9 $launcher
	wait $launcher 2>/dev/null
	KEEL_POISON=1 /selftests/iommu/poison_test >/tmp/poison || { cat /tmp/poison; return 1; }
}

kill_all() {
	for i in $(seq "${KILLS:-5}"); do
		kill_once || { echo "kill $i"; tail -n 5 /tmp/out; return 1; }
	done
}

works() {
	(run 5)
	tr -d '\r' </tmp/out | grep -x 'guest: edu dma good: 5 blocks out and back, 11 interrupts'
}

begin 5
check "VFIO takes edu" bind_vfio "$edu"
check "it works" works
check "killed ${KILLS:-5} times, no page is written afterwards" kill_all
check "it works as before" works
check "nobody has it" eval 'exec 9<>"$(group_node $edu)"; exec 9>&-'
end
