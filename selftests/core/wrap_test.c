// SPDX-License-Identifier: GPL-2.0-only
/*
 * An operand over the end of the 32-bit linear address space goes on at address 0 (SDM, "Segment
 * Wraparound"): with a device in the last page and memory in the first, an emulated access has a
 * part of each.
 */
#include "guest.h"

#define LAST		0xfffff000u	/* base of DS; its second page is the one at 0 */
#define OPERAND		0xfffffffeu	/* two bytes there, two at 0 */

asm(".pushsection .rodata\n"
    "wrap_start:\n"
    ".code32\n"
    "	mov	0xffe, %eax\n"
    "	add	0xffe, %ebx\n"
    "	mov	%ecx, 0xffe\n"
    "	hlt\n"
    ".code64\n"
    "wrap_end:\n"
    ".popsection\n");
extern const char wrap_start[], wrap_end[];

static void check_exit(struct vcpu *vcpu, const char *name, int is_write)
{
	RUN_TO(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(name, OPERAND, vcpu->run->mmio.phys_addr);
	CHECK_EQ("bytes", 2, vcpu->run->mmio.len);
	CHECK_EQ("is a store", is_write, vcpu->run->mmio.is_write);
	if (!is_write)
		memcpy(vcpu->run->mmio.data, "\x11\x22", 2);
}

static void check_mode(const char *name, void (*start)(struct vcpu *vcpu, u64 gpa))
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, (void *)wrap_start);
	struct kvm_sregs s;
	struct kvm_regs r;

	test_note("%s", name);
	vm_put_code(vm, 0x8000, wrap);
	memcpy(vm_hva(vm, 0), "\x33\x44", 2);
	start(vcpu, 0x8000);
	s = vcpu_sregs(vcpu);
	s.ds.base = LAST;
	vcpu_set_sregs(vcpu, &s);
	r = vcpu_regs(vcpu);
	r.rbx = 1;
	r.rcx = 0x88776655;
	vcpu_set_regs(vcpu, &r);
	check_exit(vcpu, "load", 0);
	check_exit(vcpu, "load of an emulated instruction", 0);
	check_exit(vcpu, "store", 1);
	CHECK_EQ("what goes to the device", 0x6655, *(u16 *)vcpu->run->mmio.data);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	r = vcpu_regs(vcpu);
	CHECK_EQ("what was loaded", 0x44332211, r.rax);
	CHECK_EQ("what was added", 0x44332212, r.rbx);
	CHECK_EQ("what went to address 0", 0x8877, *(u16 *)vm_hva(vm, 0));
	vcpu_destroy(vcpu);
	vm_destroy(vm);
}

static void test_unpaged(void) { check_mode("no paging", vcpu_start_prot32); }
static void test_paged32(void) { check_mode("32-bit paging", vcpu_start_paged32); }
static void test_pae(void) { check_mode("PAE paging", vcpu_start_pae); }

static const struct test_case cases[] = {
	{ "unpaged", test_unpaged },
	{ "paged32", test_paged32 },
	{ "pae", test_pae },
};

TEST_MAIN(cases)
