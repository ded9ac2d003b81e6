// SPDX-License-Identifier: GPL-2.0-only
/*
 * A data breakpoint met by a MOV to SS: the trap waits until the next instruction is over (SDM, "Masking Exceptions and Interrupts When Switching
 * Stacks"), also where that one is executed by software.
 */
#include "guest.h"

static volatile u64 dbs, db_rip, db_dr6;
static u16 selector = SEL_DATA;

static void on_db(struct guest_regs *regs)
{
	dbs++;
	db_rip = regs->rip;
	asm volatile("mov %%dr6, %0" : "=r" (db_dr6));
	asm volatile("mov %0, %%dr6" : : "r" (0xffff0ff0ull));
}

#define ROW(name, insn)									\
	do {										\
		u64 behind_;								\
											\
		dbs = 0;								\
		asm volatile("lea 1f(%%rip), %0\n\t"					\
			     "mov $0x1b, %%ecx; mov $0xfee00030, %%edx\n\t"		\
			     "mov selector(%%rip), %%ss\n\t"				\
			     insn "\n\t"						\
			     "1: nop; nop" : "=&r" (behind_) :				\
			     : "rax", "rbx", "rcx", "rdx", "memory", "cc");		\
		GUEST_ROW(name, 1, dbs);						\
		GUEST_ROW("  behind the instruction", behind_, db_rip);			\
		GUEST_ROW("  DR6", 1, db_dr6 & 0xf);					\
	} while (0)

static void guest_rows(u64 has_device)
{
	guest_handlers[VEC_DB] = on_db;
	asm volatile("mov %0, %%dr0" : : "r" (&selector));
	/* R/W, two bytes, enabled */
	asm volatile("mov %0, %%dr7" : : "r" (0x70402ull));
	/* the first one of a guest comes twice on stock KVM */
	asm volatile("mov selector(%%rip), %%ax" : : : "rax");
	ROW("NOP", "nop");
	ROW("CPUID", "cpuid");
	ROW("RDMSR", "rdmsr");
	ROW("WBINVD", "wbinvd");
	ROW("MOV from DR", "mov %%dr7, %%rax");
	if (!has_device)
		return;
	ROW("MOV from the APIC", "mov (%%rdx), %%eax");
	ROW("ADD from the APIC", "add (%%rdx), %%eax");
}

static void test_trap(void)
{
	struct vcpu *vcpu;

	REQUIRE(!guest_is_amd(), "AMD's CPUs do not tell of a trap that is put off");
	vcpu = vcpu_create_guest(vm_create(VM_GUEST | VM_IRQCHIP), 0, guest_rows);
	/* a page fault that exits takes what is pending with it */
	vcpu_args(vcpu, !host_pages_by_shadow(), 0, 0);
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "trap", test_trap },
};

TEST_MAIN(cases)
