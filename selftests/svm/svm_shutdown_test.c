// SPDX-License-Identifier: GPL-2.0-only
/*
 * After a triple fault the state of an AMD guest is undefined: the vCPU is as after an INIT, and
 * runs on from there.
 */
#include "guest.h"

#define PORT	0xe9

/* At the first instruction after an INIT: mov $0x5a, %al; out %al, $PORT; hlt */
static const u8 code[] = { 0xb0, 0x5a, 0xe6, PORT, 0xf4 };

static void guest_triple(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) idt = { 0, 0 };

	asm volatile("lidt %0; ud2" : : "m" (idt));
}

static void test_init(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_triple);
	u8 *top = host_pages(PAGE_SIZE);
	struct kvm_regs regs;
	struct kvm_sregs sregs;

	REQUIRE(guest_is_amd(), "not an AMD CPU");
	REQUIRE_SHUTDOWN();
	memcpy(top + 0xff0, code, sizeof(code));
	vm_set_slot(vm, 1, 0, 0xfffff000, PAGE_SIZE, top);
	RUN_TO(vcpu, KVM_EXIT_SHUTDOWN);

	vcpu_ioctl(vcpu, KVM_GET_REGS, &regs);
	vcpu_ioctl(vcpu, KVM_GET_SREGS, &sregs);
	CHECK_EQ("RIP", 0xfff0, regs.rip);
	CHECK_EQ("RFLAGS", 2, regs.rflags);
	CHECK_EQ("RSP", 0, regs.rsp);
	CHECK_EQ("CS selector", 0xf000, sregs.cs.selector);
	CHECK_EQ("CS base", 0xffff0000, sregs.cs.base);
	CHECK_EQ("CR0 but CD and NW", 0x10, sregs.cr0 & ~0x60000000ULL);
	CHECK_EQ("CR3", 0, sregs.cr3);
	CHECK_EQ("CR4", 0, sregs.cr4);
	CHECK_EQ("EFER", 0, sregs.efer);
	CHECK_EQ("IDT limit", 0xffff, sregs.idt.limit);

	RUN_TO(vcpu, KVM_EXIT_IO);
	CHECK_EQ("port", PORT, vcpu->run->io.port);
	CHECK_EQ("value", 0x5a, *((u8 *)vcpu->run + vcpu->run->io.data_offset));
	RUN_TO(vcpu, KVM_EXIT_HLT);
}

/* Again and again: nothing of the old VMCB is left that would end it. */
static void test_many(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_triple);
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	int i;

	REQUIRE(guest_is_amd(), "not an AMD CPU");
	REQUIRE_SHUTDOWN();
	vcpu_ioctl(vcpu, KVM_GET_SREGS, &sregs);
	vcpu_ioctl(vcpu, KVM_GET_REGS, &regs);
	for (i = 0; i < 20; i++) {
		vcpu_ioctl(vcpu, KVM_SET_SREGS, &sregs);
		vcpu_ioctl(vcpu, KVM_SET_REGS, &regs);
		RUN_TO(vcpu, KVM_EXIT_SHUTDOWN);
	}
}

static const struct test_case cases[] = {
	{ "init", test_init },
	{ "many", test_many },
};

TEST_MAIN(cases)
