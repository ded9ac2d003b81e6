// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions a guest causes reach the guest's own handlers with vector, error
 * code and CR2, and a triple fault ends in KVM_EXIT_SHUTDOWN.
 */
#include "guest.h"

static void guest_faults(void)
{
	u64 v;

	GUEST_ROW("UD2", VEC_UD, GUEST_TRY("ud2"));
	GUEST_ROW("divide by zero", VEC_DE, GUEST_TRY("divl %%ecx", "a" (1), "d" (0), "c" (0)));
	GUEST_ROW("load, non-canonical", VEC_GP,
		  GUEST_TRY("movb (%%rcx), %%cl", "c" (0x8000000000000000)));
	GUEST_ROW("error code", 0, guest_fault_error());
	GUEST_ROW("load, no mapping", VEC_PF, GUEST_TRY("movb (%%rcx), %%cl", "c" (0x700000123456)));
	GUEST_ROW("error code", 0, guest_fault_error());
	GUEST_ROW("CR2", 0x700000123456, guest_fault_address());
	GUEST_ROW("store, no mapping", VEC_PF, GUEST_TRY("movb %%cl, (%%rcx)", "c" (0x700000000000)));
	GUEST_ROW("error code", 2, guest_fault_error());
	GUEST_ROW("bad selector", VEC_GP, GUEST_TRY("mov %%cx, %%ds", "c" (0xfff8)));
	GUEST_ROW("error code", 0xfff8, guest_fault_error());
	GUEST_ROW("CR4 reserved bit", VEC_GP, GUEST_TRY("mov %%rcx, %%cr4", "c" (read_cr4() | BIT(31))));
	GUEST_ROW("CR0 PG without PE", VEC_GP, GUEST_TRY("mov %%rcx, %%cr0", "c" (0x80000010)));
	GUEST_ROW("CR4 without PAE in long mode", VEC_GP,
		  GUEST_TRY("mov %%rcx, %%cr4", "c" (read_cr4() & ~BIT(5))));
	GUEST_ROW("XSETBV without OSXSAVE", VEC_UD,
		  GUEST_TRY("xsetbv", "a" (1), "d" (0), "c" (0)));
	GUEST_ROW("RDMSR, unknown", VEC_GP, rdmsr_safe(0x12345678, &v));
	GUEST_ROW("WRMSR, unknown", VEC_GP, wrmsr_safe(0x12345678, 0));
	GUEST_ROW("no fault", NO_FAULT, GUEST_TRY("nop"));
}

static void test_faults(void)
{
	run_guest(VM_GUEST, guest_faults);
}

static u64 breakpoints;

static void on_breakpoint(struct guest_regs *regs)
{
	breakpoints++;
	GUEST_EQ(regs->vector, VEC_BP);
	regs->rax = 0x55;
}

static void guest_breakpoint(void)
{
	u64 rax = 0;

	guest_handlers[VEC_BP] = on_breakpoint;
	asm volatile("int3" : "+a" (rax));
	GUEST_EQ(rax, 0x55);
	asm volatile("int $3" : "+a" (rax));
	GUEST_EQ(breakpoints, 2);
}

static void test_breakpoint(void)
{
	run_guest(VM_GUEST, guest_breakpoint);
}

static u64 faulted_at;

static void on_page_fault(struct guest_regs *regs)
{
	u64 *pd = (u64 *)VM_PD;

	faulted_at = read_cr2();
	GUEST_EQ(regs->error, 3);
	pd[faulted_at >> 21] |= BIT(1);
	invlpg(faulted_at);
}

/* The guest's own paging: a write-protected page faults, the handler opens it. */
static void guest_protect(void)
{
	u64 *pd = (u64 *)VM_PD, a = 0xa00010;

	guest_handlers[VEC_PF] = on_page_fault;
	*(u64 *)a = 1;
	pd[a >> 21] &= ~BIT(1);
	invlpg(a);
	*(u64 *)a = 2;
	GUEST_EQ(faulted_at, a);
	GUEST_EQ(*(u64 *)a, 2);
}

static void test_protect(void)
{
	run_guest(VM_GUEST, guest_protect);
}

static void guest_triple(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) idt = { 0, 0 };

	asm volatile("lidt %0; ud2" : : "m" (idt));
}

static void test_triple(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_triple);

	REQUIRE_SHUTDOWN();
	RUN_TO(vcpu, KVM_EXIT_SHUTDOWN);
}

static const struct test_case cases[] = {
	{ "faults", test_faults },
	{ "breakpoint", test_breakpoint },
	{ "guest_page_fault", test_protect },
	{ "triple_fault", test_triple },
};

TEST_MAIN(cases)
