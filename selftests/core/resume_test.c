// SPDX-License-Identifier: GPL-2.0-only
/*
 * An instruction that has been completed leaves RFLAGS.RF clear, also one that the hypervisor completes: a breakpoint at the next instruction goes
 * off (SDM, "Instruction-Breakpoint Exception Condition").
 */
#include "guest.h"

#define PORT	0x1234
#define RF	BIT(16)

#define PLACE(name, insn) #name ":\n" insn "\nnop\nhlt\n"
asm(".pushsection .text\n"
    PLACE(at_store, "mov %eax, (%rsi)")
    PLACE(at_load, "mov (%rsi), %eax")
    PLACE(at_update, "add %eax, (%rsi)")
    PLACE(at_movs, "movsl")
    PLACE(at_out, "out %al, %dx")
    PLACE(at_in, "in %dx, %al")
    PLACE(at_outs, "outsb")
    PLACE(at_cpuid, "cpuid\nout %al, $0x80")
    PLACE(at_rdmsr, "rdmsr\nout %al, $0x80")
    ".popsection\n");
extern const char at_store[], at_load[], at_update[], at_movs[], at_out[], at_in[], at_outs[], at_cpuid[], at_rdmsr[];

static const struct row {
	const char *name, *at;
	u32 exit;
	unsigned int exits;
	u8 skips;		/* stock KVM moves RIP on, and no more */
} rows[] = {
	{ "store to a device", at_store, KVM_EXIT_MMIO, 1 },
	{ "load from a device", at_load, KVM_EXIT_MMIO, 1 },
	{ "ADD to a device", at_update, KVM_EXIT_MMIO, 2 },
	{ "MOVS to a device", at_movs, KVM_EXIT_MMIO, 1 },
	{ "OUT", at_out, KVM_EXIT_IO, 1, 1 },
	{ "IN", at_in, KVM_EXIT_IO, 1, 1 },
	{ "OUTS", at_outs, KVM_EXIT_IO, 1 },
	{ "CPUID", at_cpuid, KVM_EXIT_IO, 0, 1 },
	{ "RDMSR", at_rdmsr, KVM_EXIT_IO, 0, 1 },
};

static void run_row(const struct row *row)
{
	struct vcpu *vcpu = vcpu_create_guest(vm_create(VM_GUEST), 0, (void *)row->at);
	struct kvm_regs r = vcpu_regs(vcpu);
	unsigned int i;

	test_note("%s", row->name);
	r.rsi = row->at == at_movs || row->at == at_outs ? VM_SCRATCH : VM_MMIO;
	r.rdi = VM_MMIO;
	r.rdx = PORT;
	r.rax = 0;
	r.rcx = 0x1b;		/* APIC_BASE */
	r.rflags |= RF;
	vcpu_set_regs(vcpu, &r);
	for (i = 0; i < row->exits; i++) {
		RUN_TO(vcpu, row->exit);
		ASSERT_EQ(vcpu_regs(vcpu).rip == r.rip || i + 1 == row->exits, 1);
	}
	if (row->exits)
		vcpu_complete(vcpu);
	else
		RUN_TO(vcpu, row->exit);
	CHECK_EQ("  behind it", 1, vcpu_regs(vcpu).rip > r.rip);
	CHECK_EQ("  RF", 0, vcpu_regs(vcpu).rflags & RF);
}

static void test_rows(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (!rows[i].skips || !dev_is_kvm())
			run_row(&rows[i]);
}

static const struct test_case cases[] = {
	{ "rows", test_rows },
};

TEST_MAIN(cases)
