// SPDX-License-Identifier: GPL-2.0-only
/*
 * An instruction that accesses a device is what the guest's memory and page tables say at that moment, however often the
 * same address was executed before: bytes rewritten, the page mapped elsewhere, its slot given other memory.
 */
#include "guest.h"

#define CODE_A	(VM_SCRATCH + 0x0000)
#define CODE_B	(VM_MEM_SIZE + 0x0000)	/* in a slot of its own */
#define CODE	(1ULL << 40)		/* where the guest runs it */

/* movl $value, (%rdi); ret */
static void put_code(u8 *at, u32 value)
{
	at[0] = 0xc7;
	at[1] = 0x07;
	memcpy(at + 2, &value, 4);
	at[6] = 0xc3;
}

static void run_code(void)
{
	asm volatile("call *%0" : : "r" (CODE), "D" (VM_MMIO) : "memory");
}

static void guest_main(void)
{
	run_code();
	run_code();
	*(volatile u32 *)(CODE_A + 2) = 2;
	run_code();
	run_code();
	GUEST_SYNC(1);	/* the host maps CODE to CODE_B */
	write_cr3(read_cr3());
	run_code();
	run_code();
	GUEST_SYNC(2);	/* the host gives CODE_B's slot other memory */
	run_code();
	run_code();
	GUEST_SYNC(3);	/* and writes other bytes to it */
	run_code();
	run_code();
	GUEST_DONE();
}

static void expect_stores(struct vcpu *vcpu, const char *name, u32 value)
{
	int i;

	test_note("%s", name);
	for (i = 0; i < 2; i++) {
		u32 got;

		RUN_TO(vcpu, KVM_EXIT_MMIO);
		CHECK_EQ("address", VM_MMIO, vcpu->run->mmio.phys_addr);
		CHECK_EQ("length", 4, vcpu->run->mmio.len);
		memcpy(&got, vcpu->run->mmio.data, 4);
		CHECK_EQ("value", value, got);
	}
}

static void test_code(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_main);
	u8 *b = host_pages(PAGE_SIZE), *c = host_pages(PAGE_SIZE);

	put_code(vm_hva(vm, CODE_A), 1);
	put_code(b, 3);
	put_code(c, 4);
	vm_map(vm, CODE, CODE_A, PAGE_SIZE);
	vm_set_slot(vm, 1, 0, CODE_B, PAGE_SIZE, b);

	expect_stores(vcpu, "first", 1);
	expect_stores(vcpu, "bytes rewritten by the guest", 2);
	vcpu_run_sync(vcpu, 1);
	vm_map(vm, CODE, CODE_B, PAGE_SIZE);
	expect_stores(vcpu, "mapped elsewhere", 3);
	vcpu_run_sync(vcpu, 2);
	vm_set_slot(vm, 1, 0, CODE_B, 0, b);
	vm_set_slot(vm, 1, 0, CODE_B, PAGE_SIZE, c);
	expect_stores(vcpu, "other memory in the slot", 4);
	vcpu_run_sync(vcpu, 3);
	put_code(c, 5);
	expect_stores(vcpu, "bytes rewritten by the host", 5);
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "code", test_code },
};

TEST_MAIN(cases)
