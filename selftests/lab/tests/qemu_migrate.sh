# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module kvm --host-root --cpus 2 --memory 2048 --env CHIP=on --env RING=4096 --about 35
# long: --kernel 6.1 --module kvm --host-root --cpus 2 --memory 2048 --env CHIP=on --about 35
# long: --kernel 6.1 --module kvm --host-root --cpus 2 --memory 2048 --env CHIP=split --about 35
# needs: guest
#
# A running guest moves from stock KVM to Keel and back again: QEMU saves it to a file on one and loads it on the other. Its timer
# is the local APIC's in one-shot mode, whose current count QEMU does not save. RING: the entries of dirty rings, none by default.

. /lab/tap.sh

cp -r /guest /tmp/guest
mkfifo /tmp/monitor

# qemu NAME [OPTION]... - in the background; its console in /tmp/NAME, its monitor reads /tmp/monitor
qemu() {
	name=$1
	shift
	chroot /host qemu-system-x86_64 -accel "kvm${RING:+,dirty-ring-size=$RING}" -machine "q35,kernel-irqchip=$CHIP" -cpu qemu64,-svm,-kvm-asyncpf \
		-m 128 -smp 2 -nodefaults -display none -no-reboot -kernel /tmp/guest/vmlinuz -initrd /tmp/guest/initrd \
		-append "console=ttyS0 quiet keel.mode=linger" -serial "file:/tmp/$name" -monitor stdio "$@" \
		<>/tmp/monitor >"/tmp/$name.monitor" 2>&1 &
	pid=$!
}

lives() { grep -q 'guest: alive' "/tmp/$1"; }
went_on() { [ "$(grep -c 'guest: alive' "/tmp/$1")" -ge 5 ]; }

# goes_on NAME - does it? Else where it is: registers twice, so that one that spins is told from one that sleeps.
goes_on() {
	within 60 went_on "$1" && return
	printf '%s\n' 'info status' 'info registers -a' 'info lapic' 'info registers -a' >/tmp/monitor
	sleep 5
	return 1
}

is_saved() {
	echo 'info migrate' >/tmp/monitor
	grep -q 'Migration status: completed' "/tmp/$1.monitor"
}

# save NAME - to /tmp/NAME.state, and end QEMU
save() {
	echo 'migrate_set_parameter max-bandwidth 1G' >/tmp/monitor
	echo "migrate \"exec:cat >/tmp/$1.state\"" >/tmp/monitor
	within 60 is_saved "$1" || return
	echo quit >/tmp/monitor
	wait "$pid"
	tail -n 1 "/tmp/$1"
}

load() { qemu "$2" -incoming "exec:cat /tmp/$1.state"; }

to_keel() { modprobe -r kvm_amd && modprobe -r kvm && modprobe keel alias=kvm; }
to_kvm() { modprobe -r keel && modprobe kvm_amd; }

begin 8
qemu first
check "a guest on KVM" within 90 lives first
check "saved" save first
check "Keel in place of KVM" to_keel
load first second
check "the guest goes on" goes_on second
check "saved" save second
check "KVM in place of Keel" to_kvm
load second third
check "the guest goes on" goes_on third
cat /tmp/first /tmp/second /tmp/third | tr -d '\r' | awk '/guest: alive/ { if ($3 < last) back = 1; last = $3; n++ } END { exit back || n < 10 }'
check "its clock never went back" [ $? = 0 ]
kill -9 "$pid"
for name in first second third; do sed "s/^/# $name: /" /tmp/$name /tmp/$name.monitor | tr -d '\r' | tail -n 300; done
end
