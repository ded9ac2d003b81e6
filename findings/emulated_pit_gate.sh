#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: KVM of Linux 6.1.192, QEMU 7.2.22's own 8254, Bochs 2.7 (all Debian 12).
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 linux-image-6.1.0-56-amd64=6.1.192-2 bochs=2.7+dfsg-4+deb12u1
# Behaviour: in mode 0 an 8254's counter counts while its gate is high and stands while it is low. Bit 0 of port 0x61 is the gate of
#	counter 2. On Bochs the counter stands. On KVM and QEMU it counts to its end with the gate low.
#	Guess: Intel's 8254 data sheet, "Mode 0: Interrupt on Terminal Count": GATE 0 disables counting.
# Seen: the output, bit 5 of port 0x61, a while after a count of 1000 was loaded with the gate low: high on KVM and QEMU, low on Bochs,
#	where it becomes high once the gate is.

. "$(dirname "$0")/lib/lib.sh"

on_linux kvm <<'END'
#include "kvm.h"

/* gate low; counter 2: both bytes, mode 0, count 1000; the output at once and each time that the guest is entered again */
GUEST("mov $0, %al; out %al, $0x61; mov $0xb0, %al; out %al, $0x43; mov $0xe8, %al; out %al, $0x42; mov $3, %al; out %al, $0x42;"
      "1: in $0x61, %al; out %al, $0x10; jmp 1b");

int main(void)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	vm_create(1);
	TRY(ioctl(vm, KVM_CREATE_PIT2, &pit));
	vcpu_create(guest, guest_end);
	printf("start=%#x\n", next_out() & 0x21);
	usleep(20000);
	printf("later=%#x\n", next_out() & 0x21);
	return 0;
}
END
expect "KVM: output and gate after the count is loaded" 0 "$(seen start)"
expect "KVM: output and gate 20 ms later" 0x20 "$(seen later)"

on_bare <<'END'
#include "bare.h"

void probe(void)
{
	int n;

	outb(0x61, 0);
	outb(0x43, 0xb0);
	outb(0x42, 0xe8);
	outb(0x42, 3);
	for (n = 0; n < 400000 && !(inb(0x61) & 0x20); n++)
		;
	tell("later", inb(0x61) & 0x21);
	say("status=0\n");
}
END
expect "QEMU: output and gate later" 0x20 "$(seen later)"

on_bochs corei7_skylake_x <<'END'
	cli; mov $0, %al; out %al, $0x61; mov $0xb0, %al; out %al, $0x43; mov $0xe8, %al; out %al, $0x42; mov $3, %al; out %al, $0x42
	call later; mov $1, %al; out %al, $0x61; call later; jmp done
later:	mov $400000, %ecx
1:	in $0x61, %al; addr32 loop 1b; and $0x21, %eax; call tell; ret
END
expect "Bochs: output and gate later" 00000000 "$(line 1)"
expect "Bochs: output and gate after the gate rose" 00000021 "$(line 2)"
finish
