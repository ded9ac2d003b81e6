#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: KVM of Linux 6.1.192 (Debian 12).
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 linux-image-6.1.0-56-amd64=6.1.192-2
# Behaviour: when the local APIC timer's one-shot count has ended and its interrupt has come, a write to the divide configuration
#	brings the interrupt once more, though the current count stays 0 and nobody wrote the initial count. SDM, "APIC Timer": the
#	timer stops at 0 until it is programmed again.
# Seen: one interrupt before that write, two after it; current count 0 both times.

. "$(dirname "$0")/lib/lib.sh"

on_linux kvm <<'END'
#include "kvm.h"

/* FS reaches the APIC's page: on, one-shot with vector 0x40, by 1, the count; its interrupt; by 128; a while */
#define APIC(reg, value)	"mov $" value ", %eax; addr32 mov %eax, %fs:" reg ";"
GUEST("xor %bx, %bx; mov $0x10, %dx;" APIC("0xf0", "0x1ff") APIC("0x320", "0x40") APIC("0x3e0", "0xb") APIC("0x380", "0x100000")
      "sti; 1: test %bx, %bx; jz 1b; mov %bx, %ax; out %ax, %dx; addr32 mov %fs:0x390, %eax; out %eax, %dx;"
      APIC("0x3e0", "0xa") "mov $500, %cx; 1: addr32 mov %fs:0x390, %eax; loop 1b; out %eax, %dx; mov %bx, %ax; out %ax, %dx; hlt");

int main(void)
{
	/* inc %bx; mov $0, %eax; mov %eax, %fs:0xb0 (EOI); iret */
	static const unsigned char handler[] = { 0x43, 0x66, 0xb8, 0, 0, 0, 0, 0x67, 0x64, 0x66, 0xa3, 0xb0, 0, 0, 0, 0xcf };
	static const unsigned short vector[] = { 0x3000, 0 };
	struct kvm_sregs sregs;

	vm_start(1, guest, guest_end);
	memcpy(memory + 0x3000, handler, sizeof(handler));
	memcpy(memory + 4 * 0x40, vector, sizeof(vector));
	TRY(ioctl(vcpu, KVM_GET_SREGS, &sregs));
	sregs.fs.base = 0xfee00000;
	TRY(ioctl(vcpu, KVM_SET_SREGS, &sregs));
	printf("before=%u\n", next_out());
	printf("count_before=%u\n", next_out());
	printf("count_after=%u\n", next_out());
	printf("after=%u\n", next_out());
	return 0;
}
END
expect "interrupts, current count at its end" "1 0" "$(seen before) $(seen count_before)"
expect "the same after a write to the divide configuration" "2 0" "$(seen after) $(seen count_after)"
finish
