// SPDX-License-Identifier: GPL-2.0-only
/*
 * A data breakpoint met by a MOV to SS: the trap waits until the next instruction is over (SDM, "Masking Exceptions and Interrupts When Switching
 * Stacks"), also where either is executed by software. A fault of that next instruction takes its place.
 */
#include "guest.h"

#define DEVICE		VM_MMIO		/* the selector is there, and at the next two bytes */
#define CODE		0x8000
#define SELECTOR	0x9000

#define TF		BIT(8)
#define BS		BIT(14)

static volatile u64 dbs, db_rip, db_dr6, bps, uds;
static u16 selector = SEL_DATA;

static void on_db(struct guest_regs *regs)
{
	dbs++;
	db_rip = regs->rip;
	regs->rflags &= ~(u64)TF;
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

static void on_bp(struct guest_regs *regs)
{
	(void)regs;
	bps++;
}

static void on_ud(struct guest_regs *regs)
{
	regs->rip += 2;
	uds++;
}

/* A MOV to SS from the device, and the instruction behind it. The trap comes in front of 1: or 2:. */
#define SOFT_ROW(name, set_up, insn, label, traps, dr6)					\
	do {										\
		u64 at_;								\
											\
		dbs = db_rip = db_dr6 = 0;						\
		asm volatile("lea " label "f(%%rip), %0\n\t"				\
			     set_up "\n\t"						\
			     "mov (%%rdi), %%ss\n\t"					\
			     "1:\t" insn "\n\t"						\
			     "2:\tnop; nop" : "=&r" (at_) : "D" (DEVICE)		\
			     : "rax", "rbx", "rcx", "rdx", "memory", "cc");		\
		GUEST_ROW(name ", traps", traps, dbs);					\
		GUEST_ROW("  where", (traps) ? at_ : 0, db_rip);			\
		GUEST_ROW("  DR6", dr6, db_dr6 & (BS | 0xf));				\
	} while (0)

static void guest_software(void)
{
	guest_handlers[VEC_DB] = on_db;
	guest_handlers[VEC_BP] = on_bp;
	guest_handlers[VEC_UD] = on_ud;
	asm volatile("mov %0, %%dr0; mov %1, %%dr1" : : "r" (DEVICE), "r" (DEVICE + 2));
	/* R/W, two bytes, both enabled */
	asm volatile("mov %0, %%dr7" : : "r" (0x77040aull));
	SOFT_ROW("NOP", "", "nop", "2", 1, 1);
	SOFT_ROW("MOV to RSP", "", "mov %%rsp, %%rsp", "2", 1, 1);
	SOFT_ROW("CPUID", "", "cpuid", "2", 1, 1);
	SOFT_ROW("a load from the device, which meets the other", "", "mov 2(%%rdi), %%ax", "2", 1, 3);
	SOFT_ROW("with single step", "pushf; orl $0x100, (%%rsp); popf", "nop", "2", 1, BS | 1);
	SOFT_ROW("a second MOV to SS, which holds nothing back", "", "mov selector(%%rip), %%ss", "2", 1, 1);
	SOFT_ROW("the same from the device", "", "mov 2(%%rdi), %%ss", "2", 1, 3);
	SOFT_ROW("UD2", "", "ud2", "2", 0, 0);
	GUEST_ROW("  #UD", 1, uds);
	/* what the CPU must do itself: differences.rst */
	SOFT_ROW("PSHUFD", "", "pshufd $0, %%xmm0, %%xmm0", "1", 1, 1);
	SOFT_ROW("INT3", "", "int3", "1", 1, 1);
	GUEST_ROW("  #BP", 1, bps);
	GUEST_SYNC(0);
	SOFT_ROW("no breakpoint", "mov $0x400, %%eax; mov %%rax, %%dr7", "nop", "2", 0, 0);
}

/* To a SYNC, or to the end. */
static enum ucall_cmd run_with_device(struct vcpu *vcpu)
{
	static const u16 data = SEL_DATA;
	enum ucall_cmd cmd;

	for (;;) {
		if (vcpu_run(vcpu) == KVM_EXIT_MMIO) {
			memcpy(vcpu->run->mmio.data, &data, sizeof(data));
			continue;
		}
		ASSERT_EXIT(vcpu, KVM_EXIT_IO);
		cmd = vcpu_finish(vcpu);
		if (cmd == UCALL_DONE || cmd == UCALL_SYNC)
			return cmd;
	}
}

static void test_software(void)
{
	struct vcpu *vcpu;

	REQUIRE(!dev_is_kvm(), "stock KVM looks at no breakpoint where it executes the instruction");
	vcpu = vcpu_create_guest(vm_create(VM_GUEST), 0, guest_software);
	ASSERT_EQ(run_with_device(vcpu), UCALL_SYNC);
	ASSERT_EQ(run_with_device(vcpu), UCALL_DONE);
}

asm(".pushsection .rodata\n"
    "pop_start:\n"
    ".code32\n"
    "	pop	%ss\n"
    "	mov	$0x7000, %esp\n"
    "	hlt\n"
    ".code64\n"
    "pop_end:\n"
    "real_start:\n"
    ".code16\n"
    "	mov	0x9000, %ss\n"
    "	mov	$0x7000, %sp\n"
    "	hlt\n"
    ".code64\n"
    "real_end:\n"
    ".popsection\n");
extern const char pop_start[], pop_end[], real_start[], real_end[];

/* The launcher's breakpoint 1, on what is loaded: the stop comes at @behind, and the CPU halts behind that. */
static void check_stop(struct vcpu *vcpu, u64 at, u64 behind)
{
	struct kvm_guest_debug d = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, .arch.debugreg = { 0, at, [7] = 0x700408 },
	};

	vcpu_ioctl(vcpu, KVM_SET_GUEST_DEBUG, &d);
	if (at == DEVICE) {
		RUN_TO(vcpu, KVM_EXIT_MMIO);
		memcpy(vcpu->run->mmio.data, &selector, sizeof(selector));
	}
	RUN_TO(vcpu, KVM_EXIT_DEBUG);
	CHECK_EQ("where", behind, vcpu->run->debug.arch.pc);
	CHECK_EQ("DR6", BIT(1), vcpu->run->debug.arch.dr6 & (BS | 0xf));
	CHECK_EQ("the instruction behind it is over", 0x7000, vcpu_regs(vcpu).rsp & 0xffff);
	RUN_TO(vcpu, KVM_EXIT_HLT);
}

static void test_launcher(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, (void *)pop_start);
	struct kvm_regs r;

	REQUIRE(!dev_is_kvm(), "stock KVM looks at no breakpoint where it executes the instruction");
	vm_put_code(vm, CODE, pop);
	vcpu_start_prot32(vcpu, CODE);
	r = vcpu_regs(vcpu);
	r.rsp = DEVICE;
	vcpu_set_regs(vcpu, &r);
	check_stop(vcpu, DEVICE, CODE + 6);
}

/* Software executes all of it on CPUs that enter no guest in real mode. */
static void test_real(void)
{
	struct vcpu *vcpu = vcpu_create_code(CODE, real_start, real_end);
	struct kvm_regs r;

	REQUIRE(!guest_is_amd(), "breakpoints of the launcher's are not armed in the emulated host, or lost");
	vcpu_start_real(vcpu, 0, CODE);
	r = vcpu_regs(vcpu);
	r.rsp = 0x6000;
	vcpu_set_regs(vcpu, &r);
	check_stop(vcpu, SELECTOR, CODE + 7);
}

static const struct test_case cases[] = {
	{ "trap", test_trap },
	{ "software", test_software },
	{ "launcher", test_launcher },
	{ "real", test_real },
};

TEST_MAIN(cases)
