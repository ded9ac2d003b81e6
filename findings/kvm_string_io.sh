#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: KVM of Linux 6.1.192 (Debian 12).
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 linux-image-6.1.0-56-amd64=6.1.192-2
# Behaviour: the same string instruction leaves to the launcher in another grain by its direction. REP INSB of 2000 bytes asks for
#	1024 at once, the size of a buffer inside, and then for the rest; REP OUTSB brings one byte each time.
# Seen: count 1024 in the first exit of REP INSB, 976 in the second; 1 in each of the ten of REP OUTSB.

. "$(dirname "$0")/lib/lib.sh"

on_linux kvm <<'END'
#include "kvm.h"

GUEST("xor %ax, %ax; mov %ax, %es; mov %ax, %ds; cld; mov $0x10, %dx; mov $0x4000, %di; mov $2000, %cx; rep insb;"
      "mov $0x4000, %si; mov $10, %cx; rep outsb; hlt");

int main(void)
{
	int outs = 0, i = 0;

	vm_start(0, guest, guest_end);
	while (vcpu_run() == KVM_EXIT_IO) {
		if (run->io.direction == KVM_EXIT_IO_IN)
			printf("in%d=%u\n", i++, run->io.count);
		else
			outs++;
	}
	printf("outs=%d\n", outs);
	return 0;
}
END
expect "REP INSB of 2000, first exit" 1024 "$(seen in0)"
expect "REP INSB of 2000, second exit" 976 "$(seen in1)"
expect "exits of REP OUTSB of 10" 10 "$(seen outs)"
finish
