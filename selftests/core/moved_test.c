// SPDX-License-Identifier: GPL-2.0-only
/*
 * An instruction waits for the launcher's answer, and the launcher puts RIP elsewhere (a reset,
 * state that it restores): the instruction is dropped, whatever it was. The vCPU goes on at the
 * first byte of the new place, with the registers as they were set, and what is asked there is
 * not answered from what was asked before.
 */
#include "guest.h"

#define PORT		0x1234
#define MSR_DENIED	0x174		/* SYSENTER_CS */
#define MSR_UNKNOWN	0x12345678
#define MAP_GPA_RANGE	12		/* KVM_HC_MAP_GPA_RANGE */
#define X86_RDMSR	KVM_EXIT_X86_RDMSR
#define X86_WRMSR	KVM_EXIT_X86_WRMSR
#define PUSHES		16
#define HERE		0x1111111111111111ULL

/* Each instruction stands before a HLT; the new place is one-byte instructions, then two loads. */
#define PLACE(name, insn) #name ":\n" insn "\nhlt\n"
asm(".pushsection .text\n"
    PLACE(at_in, "in %dx, %al")
    PLACE(at_in32, "in %dx, %eax")
    PLACE(at_out, "out %al, %dx")
    PLACE(at_ins, "insb")
    PLACE(at_rep_ins, "rep insl")
    PLACE(at_load, "mov (%rsi), %rax")
    PLACE(at_emulated, "add (%rsi), %rax")
    PLACE(at_update, "add %rax, (%rsi)")
    PLACE(at_movs, "movsq")
    PLACE(at_push, "pushq (%rsi)")
    PLACE(at_split, "mov %rax, 0xffc(%rsi)")
    PLACE(at_rdmsr, "rdmsr")
    PLACE(at_wrmsr, "wrmsr")
    PLACE(at_vmcall, "vmcall")
    PLACE(at_vmmcall, "vmmcall")
    "elsewhere:\n"
    ".rept 16\n"
    "	push	%rax\n"
    ".endr\n"
    "	mov	(%r15), %r14\n"
    "	add	(%r15), %r13\n"
    "	hlt\n"
    "elsewhere_end:\n"
    ".popsection\n");

extern const char at_in[], at_in32[], at_out[], at_ins[], at_rep_ins[], at_load[], at_emulated[],
	at_update[], at_movs[], at_push[], at_split[], at_rdmsr[],
	at_wrmsr[], at_vmcall[], at_vmmcall[], elsewhere[], elsewhere_end[];

/* What stock KVM does instead. */
#define LOST	"is finished, and the new RIP is lost"
#define THERE	"is finished at the new RIP"

static const struct row {
	const char *name;
	const char *at;
	u32 exit;
	u64 rax, rcx, rdx;
	u8 error;		/* the launcher's answer for an MSR */
	const char *kvm;	/* NULL: the same */
} rows[] = {
	{ "IN", at_in, KVM_EXIT_IO, .rax = 0x5555, .rdx = PORT },
	{ "IN, 32 bits", at_in32, KVM_EXIT_IO, .rax = 0x5555, .rdx = PORT },
	{ "OUT", at_out, KVM_EXIT_IO, .rax = 0x5555, .rdx = PORT },
	{ "INS", at_ins, KVM_EXIT_IO, .rdx = PORT, .kvm = LOST },
	{ "REP INS", at_rep_ins, KVM_EXIT_IO, .rcx = 3, .rdx = PORT, .kvm = LOST },
	{ "load", at_load, KVM_EXIT_MMIO, .rax = 0x5555, .kvm = LOST },
	{ "emulated load", at_emulated, KVM_EXIT_MMIO, .rax = 0x5555, .kvm = LOST },
	{ "load and store", at_update, KVM_EXIT_MMIO, .rax = 0x5555, .kvm = LOST },
	{ "MOVS", at_movs, KVM_EXIT_MMIO, .kvm = LOST },
	{ "PUSH", at_push, KVM_EXIT_MMIO, .kvm = LOST },
	{ "first part of a store", at_split, KVM_EXIT_MMIO, .rax = 0x5555, .kvm = LOST },
	{ "RDMSR, filtered", at_rdmsr, X86_RDMSR, .rcx = MSR_DENIED, .kvm = THERE },
	{ "RDMSR, refused", at_rdmsr, X86_RDMSR, .rcx = MSR_DENIED, .error = 1, .kvm = THERE },
	{ "RDMSR, unknown", at_rdmsr, X86_RDMSR, .rcx = MSR_UNKNOWN, .kvm = THERE },
	{ "WRMSR, filtered", at_wrmsr, X86_WRMSR, .rcx = MSR_DENIED, .kvm = THERE },
	{ "WRMSR, refused", at_wrmsr, X86_WRMSR, .rcx = MSR_DENIED, .error = 1, .kvm = THERE },
	{ "WRMSR, unknown", at_wrmsr, X86_WRMSR, .rcx = MSR_UNKNOWN, .kvm = THERE },
	{ "hypercall", NULL, KVM_EXIT_HYPERCALL, .rax = MAP_GPA_RANGE, .rcx = 1, .kvm = THERE },
};

static struct vm *vm_with_exits(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	u8 none = 0;
	struct kvm_msr_filter filter = {
		.ranges[0] = { KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, 1, MSR_DENIED, &none },
	};

	REQUIRE_CAP(KVM_CAP_X86_USER_SPACE_MSR);
	REQUIRE_CAP(KVM_CAP_X86_MSR_FILTER);
	REQUIRE_CAP(KVM_CAP_EXIT_HYPERCALL);
	vm_enable_cap(vm, KVM_CAP_X86_USER_SPACE_MSR,
		      KVM_MSR_EXIT_REASON_FILTER | KVM_MSR_EXIT_REASON_UNKNOWN);
	vm_enable_cap(vm, KVM_CAP_EXIT_HYPERCALL, BIT(MAP_GPA_RANGE));
	vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter);
	return vm;
}

static void check_load(struct vcpu *vcpu, const char *name, u64 answer)
{
	RUN_TO(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ(name, VM_MMIO + 0x40, vcpu->run->mmio.phys_addr);
	CHECK_EQ("its length", 8, vcpu->run->mmio.len);
	memcpy(vcpu->run->mmio.data, &answer, 8);
}

static void run_row(const struct row *row)
{
	struct vm *vm = vm_with_exits();
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, (void *)elsewhere);
	struct kvm_regs r = vcpu_regs(vcpu), q;
	int amd = cpuid_row(supported_cpuid(), 0, 0)->ebx == 0x68747541;
	u64 top;

	test_note("%s", row->name);
	r.rip = (uintptr_t)(row->at ? row->at : amd ? at_vmmcall : at_vmcall);
	r.rax = row->rax;
	r.rcx = row->rcx;
	r.rdx = row->rdx;
	r.rbx = VM_SCRATCH2;
	r.rsi = VM_MMIO;
	r.rdi = VM_SCRATCH;
	r.r15 = VM_MMIO + 0x40;
	r.r13 = r.r14 = 0;
	vcpu_set_regs(vcpu, &r);
	RUN_TO(vcpu, row->exit);

	/* an answer, and RIP elsewhere */
	r = vcpu_regs(vcpu);
	top = r.rsp;
	r.rip = (uintptr_t)elsewhere;
	vcpu_set_regs(vcpu, &r);
	if (row->exit == KVM_EXIT_IO)
		memset((u8 *)vcpu->run + vcpu->run->io.data_offset, 0xcc, 12);
	else if (row->exit == KVM_EXIT_MMIO)
		memset(vcpu->run->mmio.data, 0xcc, 8);
	else if (row->exit == KVM_EXIT_HYPERCALL)
		vcpu->run->hypercall.ret = 0xcccccccc;
	else
		vcpu->run->msr.error = row->error, vcpu->run->msr.data = 0xcccccccccccccccc;

	if (dev_is_kvm() && row->kvm) {
		test_note("stock KVM: %s", row->kvm);
		return;
	}
	check_load(vcpu, "address of a load there", HERE);
	check_load(vcpu, "address of an emulated one", HERE * 2);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	q = vcpu_regs(vcpu);
	CHECK_EQ("RIP", (uintptr_t)elsewhere_end, q.rip);
	CHECK_EQ("instructions from the first on", PUSHES, (top - q.rsp) / 8);
	CHECK_EQ("what the load got", HERE, q.r14);
	CHECK_EQ("what the emulated load got", HERE * 2, q.r13);
	CHECK_EQ("RAX", r.rax, q.rax);
	CHECK_EQ("RCX", r.rcx, q.rcx);
	CHECK_EQ("RDX", r.rdx, q.rdx);
	CHECK_EQ("RSI", r.rsi, q.rsi);
	CHECK_EQ("RDI", r.rdi, q.rdi);
	CHECK_EQ("memory", 0, *(u64 *)vm_hva(vm, VM_SCRATCH));
	vcpu_destroy(vcpu);
	vm_destroy(vm);
}

static void test_moved(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		run_row(&rows[i]);
}

static const struct test_case cases[] = {
	{ "moved", test_moved },
};

TEST_MAIN(cases)
