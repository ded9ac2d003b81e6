// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register state: reset values, every field through KVM_SET/GET_SREGS and REGS,
 * a running guest moved to a second VM in the middle of its work, and the
 * control registers the guest writes as user space sees them.
 */
#include "guest.h"
#include <uapi/linux/keel.h>

static void test_reset(void)
{
	struct vcpu *vcpu = vcpu_create(vm_create(VM_BARE), 0);
	struct kvm_regs r = vcpu_regs(vcpu);
	struct kvm_sregs s = vcpu_sregs(vcpu);

	CHECK_EQ("RIP", 0xfff0, r.rip);
	CHECK_EQ("RFLAGS", 2, r.rflags);
	CHECK_EQ("RSP", 0, r.rsp);
	CHECK_EQ("CS selector", 0xf000, s.cs.selector);
	CHECK_EQ("CS base", 0xffff0000, s.cs.base);
	CHECK_EQ("CS limit", 0xffff, s.cs.limit);
	CHECK_EQ("CS type, accessed or not", 0xa, s.cs.type & 0xe);
	CHECK_EQ("DS base", 0, s.ds.base);
	CHECK_EQ("DS type", 3, s.ds.type);
	CHECK_EQ("TR type, 16 or 32 bits", 3, s.tr.type & 7);
	CHECK_EQ("LDT type", 2, s.ldt.type);
	CHECK_EQ("GDT limit", 0xffff, s.gdt.limit);
	CHECK_EQ("IDT limit", 0xffff, s.idt.limit);
	CHECK_EQ("CR0", 0x60000010, s.cr0);
	CHECK_EQ("CR2, CR3, CR4, CR8, EFER", 0, s.cr2 | s.cr3 | s.cr4 | s.cr8 | s.efer);
	CHECK_EQ("APIC base", 0xfee00900, s.apic_base);
}

static void test_round_trip(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, test_reset);
	struct kvm_sregs s = vcpu_sregs(vcpu), t;
	struct kvm_regs r, q;
	size_t i;

	s.fs.base = 0x123456789000;
	s.gs.base = 0xffff800000001000;
	s.fs.selector = 0x13;
	s.ldt = (struct kvm_segment){ .base = 0x7000, .limit = 0xff, .selector = 0x40, .type = 2,
				      .present = 1 };
	s.cr2 = 0xdeadbeef000;
	s.gdt.base = 0xffff800000002000;
	s.idt.limit = 0x123;
	vcpu_set_sregs(vcpu, &s);
	t = vcpu_sregs(vcpu);
	CHECK_EQ("FS base", s.fs.base, t.fs.base);
	CHECK_EQ("GS base", s.gs.base, t.gs.base);
	CHECK_EQ("FS selector", s.fs.selector, t.fs.selector);
	CHECK_EQ("LDT base", s.ldt.base, t.ldt.base);
	CHECK_EQ("LDT limit", s.ldt.limit, t.ldt.limit);
	CHECK_EQ("CR2", s.cr2, t.cr2);
	CHECK_EQ("CR3", s.cr3, t.cr3);
	CHECK_EQ("GDT base", s.gdt.base, t.gdt.base);
	CHECK_EQ("IDT limit", s.idt.limit, t.idt.limit);
	CHECK_EQ("CS flags", 0x1111b, t.cs.l << 16 | t.cs.g << 12 | t.cs.s << 8 |
		 t.cs.present << 4 | t.cs.type);
	for (i = 0; i < 16; i++)
		((u64 *)&r)[i] = 0x1010101010101010 * i + 7;
	r.rip = 0x8000;
	r.rflags = 0xed7 & ~BIT(9);
	vcpu_set_regs(vcpu, &r);
	q = vcpu_regs(vcpu);
	CHECK_EQ("all of REGS", 0, memcmp(&r, &q, sizeof(r)));
}

static void guest_crs(void)
{
	u64 cr2 = 0x1234567890;

	write_cr2(cr2);
	write_cr0(read_cr0() | BIT(3) | BIT(18));
	write_cr4(read_cr4() | BIT(2) | BIT(7));
	asm volatile("mov %0, %%fs" : : "r" (SEL_DATA));
	GUEST_SYNC(1);
	GUEST_ROW("CR2", cr2, read_cr2());
	GUEST_ROW("CR0", 0x8005003b, read_cr0());
	GUEST_ROW("CR4", 0x6a4, read_cr4());
}

static void test_guest(void)
{
	struct vm *vm = vm_create(VM_GUEST), *vm2 = vm_create(VM_GUEST);
	struct vcpu *a = vcpu_create_guest(vm, 0, guest_crs), *b = vcpu_create_guest(vm2, 0, guest_crs);
	struct kvm_regs r;
	struct kvm_sregs s;

	vcpu_run_sync(a, 1);
	vcpu_complete(a);
	r = vcpu_regs(a);
	s = vcpu_sregs(a);
	CHECK_EQ("CR0", 0x8005003b, s.cr0);
	CHECK_EQ("CR2", 0x1234567890, s.cr2);
	CHECK_EQ("CR4", 0x6a4, s.cr4);
	CHECK_EQ("FS", SEL_DATA, s.fs.selector);
	CHECK_EQ("EFER", 0xd01, s.efer);
	memcpy(vm2->mem, vm->mem, VM_MEM_SIZE);
	vcpu_set_sregs(b, &s);
	vcpu_set_regs(b, &r);
	vcpu_run_done(b);
	vcpu_run_done(a);
}

static void test_sregs2(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_crs);
	struct kvm_sregs2 s, t;

	REQUIRE_CAP(KVM_CAP_SREGS2);
	vcpu_ioctl(vcpu, KVM_GET_SREGS2, &s);
	CHECK_EQ("no PDPTRs in long mode", 0, s.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID);
	vcpu_ioctl(vcpu, KVM_SET_SREGS2, &s);
	s.flags = 1 << 10;
	CHECK_RET("unknown flag", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_SREGS2, &s));
	vcpu_start_pae(vcpu, 0x8000);
	vcpu_ioctl(vcpu, KVM_GET_SREGS2, &s);
	if (s.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID) {
		CHECK_EQ("PDPTR 0", VM_PD | 1, s.pdptrs[0]);
		vcpu_ioctl(vcpu, KVM_SET_SREGS2, &s);
		vcpu_ioctl(vcpu, KVM_GET_SREGS2, &t);
		CHECK_EQ("reads back", 0, memcmp(&s, &t, sizeof(s)));
	}
}

asm(".pushsection .rodata\n"
    "enter_start:\n"
    ".code32\n"
    "	mov	%cr0, %eax\n"
    "	or	$0x80000000, %eax\n"
    "	mov	%eax, %cr0\n"
    "	hlt\n"
    ".code64\n"
    "enter_end:\n"
    ".popsection\n");
extern const char enter_start[], enter_end[];

/* Code of 32 bits turns paging on with EFER.LME. There are no handlers: a fault ends in a shutdown. */
static u32 enter_long_mode(u8 tss)
{
	struct vcpu *vcpu = vcpu_create_code(0x8000, enter_start, enter_end);
	struct kvm_sregs s;

	vcpu_start_prot32(vcpu, 0x8000);
	s = vcpu_sregs(vcpu);
	s.tr.type = tss;
	s.idt.limit = 0;
	s.cr3 = VM_PML4;
	s.cr4 |= BIT(5);
	s.efer = BIT(8);
	vcpu_set_sregs(vcpu, &s);
	return vcpu_run(vcpu);
}

/* Intel's CPUs do not enter long mode with a 16-bit TSS (SDM, "Initializing IA-32e Mode"). */
static void test_tss16(void)
{
	REQUIRE(!guest_is_amd(), "AMD's CPUs enter long mode with any TSS");
	CHECK_EQ("32-bit TSS", KVM_EXIT_HLT, enter_long_mode(11));
	REQUIRE(has_cap(KEEL_CAP_LAST_ERROR) > 0, "stock KVM makes it a 64-bit TSS");
	REQUIRE_SHUTDOWN();
	CHECK_EQ("16-bit TSS", KVM_EXIT_SHUTDOWN, enter_long_mode(3));
}

static const struct test_case cases[] = {
	{ "reset", test_reset },
	{ "round_trip", test_round_trip },
	{ "guest", test_guest },
	{ "sregs2", test_sregs2 },
	{ "tss16", test_tss16 },
};

TEST_MAIN(cases)
