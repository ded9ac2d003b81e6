# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module none --cpus 2 --about 60
# long: --kernel 6.12 --module none --cpus 2 --about 60
# long: --host bochs --module none --about 150
# needs: launcher skewed guest
#
# Second-level faults of a Linux guest's boot, with guest memory aligned like the host's huge pages and with
# memory 1 MB off (keel_skewed), as other launchers place it. Stock KVM boots the same beside it.

. /lab/tap.sh
. /lab/guests.sh

vendor=kvm-intel
! grep -q '^flags.* svm' /proc/cpuinfo || vendor=kvm-amd

# faults LAUNCHER DEVICE - boot the guest; the faults that were resolved, in $faults
faults() {
	faults=0
	"$1" run --device "$2" --kernel /guest/vmlinuz --initrd /guest/initrd --memory 256M --stats --status-json /tmp/end \
		--append "$guest_append keel.mode=boot" </dev/null >/tmp/boot 2>&1 || { tail -n 20 /tmp/boot; return 1; }
	faults=$(sed 's/.*"vcpus"//' /tmp/end | grep -o '"pf_fixed": [0-9]*' | cut -d ' ' -f 2)
	echo "$1 on $2: $faults faults; $(sed 's/.*"vm"//; s/}.*//' /tmp/end | grep -oE '"pages_[^,]*' | tr '\n' ' ')"
	[ "${faults:-0}" -gt 0 ]
}

begin 5
modprobe "$vendor"
check "a boot on stock KVM, memory 1 MB off" faults keel_skewed /dev/kvm
stock=$faults
modprobe -r "$vendor"
modprobe keel
check "a boot on Keel, memory 1 MB off" faults keel_skewed /dev/keel
skewed=$faults
check "a boot on Keel" faults keel /dev/keel
aligned=$faults
check "at most 3 % of stock KVM's ($stock)" [ $((skewed * 100)) -le $((stock * 3)) ]
check "at most twice those of aligned memory ($aligned)" [ "$skewed" -le $((aligned * 2)) ]
end
