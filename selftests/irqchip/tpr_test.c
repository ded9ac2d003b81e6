// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task priority: CR8 and the local APIC's register are one; an interrupt that it
 * holds back comes right after the instruction that lowers it, whatever way; the
 * launcher sees and sets it.
 */
#include <linux/ioctl.h>
#include <uapi/linux/keel.h>

#include "apic.h"
#include "thread.h"

#define V	0x61
#define W	0x82

static u64 read_cr8(void)
{
	u64 v;

	asm volatile("mov %%cr8, %0" : "=r" (v) : : "memory");
	return v;
}

static void write_cr8(u64 v)
{
	asm volatile("mov %0, %%cr8" : : "r" (v) : "memory");
}

static void guest_mirror(u64 mode)
{
	u64 i;

	apic_enable(mode);
	for (i = 0; i < 16; i++) {
		write_cr8(i);
		GUEST_EQ(read_cr8(), i);
		GUEST_EQ(apic_read(APIC_TASKPRI), i << 4);
		GUEST_EQ(apic_read(APIC_PROCPRI), i << 4);
	}
	apic_write(APIC_TASKPRI, 0x73);
	GUEST_ROW("CR8 of TPR 73", 7, read_cr8());
	write_cr8(7);
	GUEST_ROW("a write of CR8 clears the subclass", 0x70, apic_read(APIC_TASKPRI));
}

static void guest_reserved(void)
{
	apic_enable(APIC_X1);
	write_cr8(7);
	GUEST_ROW("CR8 = 16", VEC_GP, GUEST_TRY("mov %0, %%cr8", "r" (16ull)));
	GUEST_ROW("CR8 beyond 32 bits", VEC_GP, GUEST_TRY("mov %0, %%cr8", "r" (1ull << 32)));
	GUEST_ROW("unchanged", 7, read_cr8());
}

/* Interrupts are on; the counts are read right after the instruction that lets them in. */
static void guest_held(u64 mode)
{
	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	guest_handlers[W] = irq_count_handler;
	write_cr8(8);
	sti_nop();
	apic_icr(0, APIC_DEST_SELF | V);
	apic_icr(0, APIC_DEST_SELF | W);
	GUEST_ROW("TPR 8 holds vector 61", 0, irq_count[V]);
	GUEST_ROW("and vector 82", 0, irq_count[W]);
	write_cr8(7);
	GUEST_ROW("CR8 = 7: 82 comes at once", 1, irq_count[W]);
	GUEST_ROW("61 does not", 0, irq_count[V]);
	write_cr8(6);
	GUEST_ROW("nor at 6", 0, irq_count[V]);
	write_cr8(5);
	GUEST_ROW("at 5 it does", 1, irq_count[V]);
	write_cr8(15);
	apic_icr(0, APIC_DEST_SELF | W);
	apic_write(APIC_TASKPRI, 0x80);
	GUEST_ROW("TPR 80 by the register: held", 1, irq_count[W]);
	apic_write(APIC_TASKPRI, 0x7f);
	pause_insn();
	GUEST_ROW("7f: taken", 2, irq_count[W]);
	write_cr8(15);
	apic_icr(0, APIC_DEST_SELF | V);
	cli();
	write_cr8(0);
	pause_insn();
	GUEST_ROW("interrupts off: not taken", 1, irq_count[V]);
	sti_nop();
	GUEST_ROW("on: taken", 2, irq_count[V]);
	cli();
}

/* With 61 in service, lowering CR8 lets in higher classes only. */
static void handler_nests(struct guest_regs *regs)
{
	if (irq_count[regs->vector]++) {
		apic_eoi();
		return;
	}
	write_cr8(8);
	apic_icr(0, APIC_DEST_SELF | V);
	apic_icr(0, APIC_DEST_SELF | W);
	sti_nop();
	GUEST_ROW("82 held by CR8 inside the handler", 0, irq_count[W]);
	write_cr8(0);
	GUEST_ROW("82 taken inside the handler", 1, irq_count[W]);
	GUEST_ROW("61 waits for its own end", 1, irq_count[V]);
	cli();
	apic_eoi();
}

static void guest_nested(u64 mode)
{
	apic_enable(mode);
	guest_handlers[V] = handler_nests;
	guest_handlers[W] = irq_count_handler;
	apic_icr(0, APIC_DEST_SELF | V);
	sti_nop();
	pause_insn();
	GUEST_ROW("61 taken again at the end", 2, irq_count[V]);
	cli();
}

static void guest_user(u64 mode)
{
	apic_enable(mode);
	guest_handlers[V] = irq_count_handler;
	write_cr8(9);
	apic_icr(0, APIC_DEST_SELF | V);
	sti_nop();
	GUEST_SYNC2(1, irq_count[V]);
	GUEST_ROW("lowered by the launcher: taken", 1, irq_count[V]);
	GUEST_ROW("CR8 of the launcher", 3, read_cr8());
	GUEST_ROW("TPR of the launcher", 0x30, apic_read(APIC_TASKPRI));
	apic_icr(0, APIC_DEST_SELF | V);
	pause_insn();
	GUEST_ROW("nothing holds it", 2, irq_count[V]);
	cli();
}

static struct vcpu *start(void *fn, enum apic_mode mode)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, fn);

	vcpu_args(vcpu, mode, 0, 0);
	return vcpu;
}

static void test_user(enum apic_mode mode)
{
	struct vcpu *vcpu = start(guest_user, mode);
	struct kvm_lapic_state lapic;
	struct kvm_sregs sregs;
	struct ucall uc;

	ASSERT_EQ(vcpu_run_ucall(vcpu, &uc), UCALL_SYNC);
	CHECK_EQ("held", 0, uc.args[1]);
	CHECK_EQ("kvm_run.cr8", 9, vcpu->run->cr8);
	vcpu_complete(vcpu);
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	CHECK_EQ("TPR in the state", 0x90, *(u32 *)(lapic.regs + APIC_TASKPRI));
	CHECK_EQ("PPR in the state", 0x90, *(u32 *)(lapic.regs + APIC_PROCPRI));
	vcpu_ioctl(vcpu, KVM_GET_SREGS, &sregs);
	CHECK_EQ("sregs.cr8", 9, sregs.cr8);
	sregs.cr8 = 3;
	vcpu_ioctl(vcpu, KVM_SET_SREGS, &sregs);
	vcpu_run_done(vcpu);
}

/* Without a local APIC here CR8 travels in kvm_run. */
static void guest_no_chip(void)
{
	write_cr8(6);
	GUEST_SYNC2(1, read_cr8());
	GUEST_ROW("set by the launcher", 2, read_cr8());
}

static void test_no_chip(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_no_chip);

	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("kvm_run.cr8", 6, vcpu->run->cr8);
	vcpu->run->cr8 = 2;
	vcpu_run_done(vcpu);
}

#define BOTH(name)								\
	static void test_##name##_x1(void) { vcpu_run_done(start(guest_##name, APIC_X1)); } \
	static void test_##name##_x2(void) { vcpu_run_done(start(guest_##name, APIC_X2)); }

BOTH(mirror)
BOTH(held)
BOTH(nested)

static void test_user_x1(void) { test_user(APIC_X1); }
static void test_user_x2(void) { test_user(APIC_X2); }

static void test_reserved(void)
{
	REQUIRE(!host_is_tcg() || has_cap(KEEL_CAP_LAST_ERROR) > 0, "TCG takes what guests write to CR8 without an exit");
	vcpu_run_done(start(guest_reserved, APIC_X1));
}

static const struct test_case cases[] = {
	{ "mirror_xapic", test_mirror_x1 },
	{ "mirror_x2apic", test_mirror_x2 },
	{ "reserved", test_reserved },
	{ "held_xapic", test_held_x1 },
	{ "held_x2apic", test_held_x2 },
	{ "nested_xapic", test_nested_x1 },
	{ "nested_x2apic", test_nested_x2 },
	{ "user_xapic", test_user_x1 },
	{ "user_x2apic", test_user_x2 },
	{ "no_chip", test_no_chip },
};

TEST_MAIN(cases)
