// SPDX-License-Identifier: GPL-2.0-only
/*
 * An instruction that exits does the same when the CPU names it in the exit and when it goes
 * through the emulator: what it returns, faults with and tells user space.
 *
 * To have an instruction emulated the guest's tables say that it is at an address where the CPU,
 * which has not been told of the change, still finds a load from a device.
 */
#include <linux/kvm_para.h>

#include "guest.h"

#define CODE		0x80000000ULL	/* two pages: before and behind the change, behind it */
#define CODE_PD		(VM_PD + 8 * (CODE >> 21))
#define TABLE		(VM_SCRATCH2 + 0x2000)
#define LOAD		(VM_SCRATCH2 + 0x0000)	/* mov (%rdi), %eax; lret */
#define INSN		(VM_SCRATCH2 + 0x1000)	/* the instruction; lret */
#define MEMORY		VM_SCRATCH
#define MAGIC		0x600df00d
#define TRIES		8

#define SYSENTER_CS	0x174
#define LSTAR		0xc0000082
#define EFER		0xc0000080
#define UNKNOWN_MSR	0x12345678
#define TSC_AUX		0xc0000103

#ifdef KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS
#define MWAIT_QUIRK	KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS
#else
#define MWAIT_QUIRK	0
#endif

enum setup {
	COMPAT		= BIT(0),	/* 32-bit code in long mode */
	NO_MWAIT_QUIRK	= BIT(1),
	USER_MSR	= BIT(2),	/* KVM_CAP_X86_USER_SPACE_MSR */
	FILTER		= BIT(3),	/* of SYSENTER_CS, and of TSC_AUX */
	MAP_GPA		= BIT(4),	/* KVM_CAP_EXIT_HYPERCALL */
	NO_RDTSCP	= BIT(5),	/* none in the guest's CPUID, nor RDPID */
	EMULATED_ONLY	= BIT(6),	/* the CPU may not have it, or not exit for it */
	ERROR		= BIT(7),	/* user space's answer */
	NOT_KVM		= BIT(8),	/* stock KVM answers otherwise: differences.rst */
};

/* The instruction and its registers; the exit for user space, if any; what is found behind it. */
struct row {
	const char *name;
	u8 insn[5];
	u8 len;
	u32 setup;
	u64 rax, rbx, rcx, rdx;
	u32 exit;
	int vector;
	u64 want_rax, want_rdx;
};

#define ANY	0xa11a11a11a11a11aULL
#define SAME	0xababababababababULL	/* as given */
#define HIGH	(1ULL << 32)

#define CPUID	{ 0x0f, 0xa2 }, 2
#define RDMSR	{ 0x0f, 0x32 }, 2
#define WRMSR	{ 0x0f, 0x30 }, 2
#define VMCALL	{ 0x0f, 0x01, 0xc1 }, 3
#define MONITOR	{ 0x0f, 0x01, 0xc8 }, 3
#define MWAIT	{ 0x0f, 0x01, 0xc9 }, 3
#define XSETBV	{ 0x0f, 0x01, 0xd1 }, 3
#define RDPID	{ 0xf3, 0x0f, 0xc7, 0xf8 }, 4

static const struct row rows[] = {
	{ "CPUID", CPUID, 0, KVM_CPUID_SIGNATURE, 0, 0, 0, 0, NO_FAULT, ANY, 0x4d },
	{ "MWAIT", MWAIT, EMULATED_ONLY, 5, 0, 0, 6, 0, NO_FAULT, SAME, SAME },
	{ "MWAIT, quirk off", MWAIT, NO_MWAIT_QUIRK, 5, 0, 0, 6, 0, VEC_UD, SAME,
	  SAME },
	{ "MONITOR, quirk off", MONITOR, NO_MWAIT_QUIRK, VM_SCRATCH, 0, 0, 0, 0,
	  VEC_UD, SAME, SAME },
	{ "hypercall", VMCALL, 0, KVM_HC_VAPIC_POLL_IRQ, 0, 0, 0, 0, NO_FAULT, 0, SAME },
	{ "hypercall, unknown number", VMCALL, 0, 1234, 0, 0, 0, 0, NO_FAULT, -KVM_ENOSYS, SAME },
	{ "hypercall, 64-bit number", VMCALL, 0, HIGH | KVM_HC_VAPIC_POLL_IRQ, 0, 0, 0, 0,
	  NO_FAULT, -KVM_ENOSYS, SAME },
	{ "hypercall of 32-bit code", VMCALL, COMPAT, HIGH | KVM_HC_VAPIC_POLL_IRQ, 0, 0, 0, 0,
	  NO_FAULT, 0, SAME },
	{ "hypercall of 32-bit code, unknown", VMCALL, COMPAT, 1234, 0, 0, 0, 0, NO_FAULT,
	  (u32)-KVM_ENOSYS, SAME },
	{ "MAP_GPA_RANGE", VMCALL, MAP_GPA, KVM_HC_MAP_GPA_RANGE, 0x1000, 2, 3,
	  KVM_EXIT_HYPERCALL, NO_FAULT, 7, SAME },
	{ "MAP_GPA_RANGE of 32-bit code", VMCALL, MAP_GPA | COMPAT, KVM_HC_MAP_GPA_RANGE,
	  HIGH | 0x1000, HIGH | 2, HIGH | 3,
	  KVM_EXIT_HYPERCALL, NO_FAULT, 7, SAME },
	{ "MAP_GPA_RANGE, not asked for", VMCALL, 0, KVM_HC_MAP_GPA_RANGE, 0x1000, 2, 3, 0,
	  NO_FAULT, -KVM_ENOSYS, SAME },
	{ "RDMSR", RDMSR, USER_MSR, 0, 0, LSTAR, 0, 0, NO_FAULT, 0xaa55aa55, 0x1234 },
	{ "RDMSR, unknown", RDMSR, 0, 0, 0, UNKNOWN_MSR, 0, 0, VEC_GP, SAME, SAME },
	{ "RDMSR, unknown, to user space", RDMSR, USER_MSR, 0, 0, UNKNOWN_MSR, 0,
	  KVM_EXIT_X86_RDMSR, NO_FAULT,
	  0x55667788, 0x11223344 },
	{ "RDMSR, unknown, refused there", RDMSR, USER_MSR | ERROR, 0, 0, UNKNOWN_MSR, 0,
	  KVM_EXIT_X86_RDMSR, VEC_GP, SAME, SAME },
	{ "RDMSR, filtered", RDMSR, FILTER, 0, 0, SYSENTER_CS, 0, 0, VEC_GP, SAME, SAME },
	{ "RDMSR, filtered, to user space", RDMSR, FILTER | USER_MSR, 0, 0, SYSENTER_CS, 0,
	  KVM_EXIT_X86_RDMSR, NO_FAULT,
	  0x55667788, 0x11223344 },
	{ "WRMSR, unknown", WRMSR, 0, 1, 0, UNKNOWN_MSR, 2, 0, VEC_GP, SAME, SAME },
	{ "WRMSR, unknown, to user space", WRMSR, USER_MSR, 1, 0, UNKNOWN_MSR, 2,
	  KVM_EXIT_X86_WRMSR, NO_FAULT, SAME, SAME },
	{ "WRMSR, refused there", WRMSR, USER_MSR | ERROR, 1, 0, UNKNOWN_MSR, 2,
	  KVM_EXIT_X86_WRMSR, VEC_GP, SAME, SAME },
	{ "WRMSR, filtered, to user space", WRMSR, FILTER | USER_MSR, 1, 0, SYSENTER_CS, 2,
	  KVM_EXIT_X86_WRMSR, NO_FAULT,
	  SAME, SAME },
	{ "WRMSR, wrong value, to user space", WRMSR, USER_MSR, 1, 0, EFER, 1u << 31,
	  KVM_EXIT_X86_WRMSR, NO_FAULT,
	  SAME, SAME },
	{ "RDPID, TSC_AUX filtered", RDPID, FILTER | EMULATED_ONLY, 0, 0, 0, 0, 0, NO_FAULT,
	  0x77, SAME },
	{ "RDPID, not in CPUID", RDPID, NO_RDTSCP | EMULATED_ONLY, 0, 0, 0, 0, 0, VEC_UD, SAME,
	  SAME },
	{ "RDTSCP, not in CPUID", { 0x0f, 0x01, 0xf9 }, 3, NO_RDTSCP | EMULATED_ONLY | NOT_KVM,
	  0, 0, 0, 0, 0, VEC_UD, SAME, SAME },
	{ "XSETBV, CR4.OSXSAVE clear", XSETBV, 0, 1, 0, 0, 0, 0, VEC_UD, SAME, SAME },
	{ "HLT", { 0x2e, 0xf4 }, 2, 0, 1, 0, 0, 2, KVM_EXIT_HLT, NO_FAULT, SAME, SAME },
	{ "INVD", { 0x0f, 0x08 }, 2, 0, 1, 0, 0, 2, 0, NO_FAULT, SAME, SAME },
	{ "WBINVD", { 0x0f, 0x09 }, 2, 0, 1, 0, 0, 2, 0, NO_FAULT, SAME, SAME },
	{ "RDPMC", { 0x0f, 0x33 }, 2, NOT_KVM, 1, 0, 0, 2, 0, VEC_GP, SAME, SAME },
	{ "VMXOFF", { 0x0f, 0x01, 0xc4 }, 3, 0, 1, 0, 0, 2, 0, VEC_UD, SAME, SAME },
	{ "STGI", { 0x0f, 0x01, 0xdc }, 3, 0, 1, 0, 0, 2, 0, VEC_UD, SAME, SAME },
	{ "IN", { 0x2e, 0xed }, 2, 0, 1, 0, 0, 0x5555, KVM_EXIT_IO, NO_FAULT, 0x99, SAME },
	{ "OUT", { 0x2e, 0xef }, 2, 0, 1, 0, 0, 0x5555, KVM_EXIT_IO, NO_FAULT, SAME, SAME },
};

/* In the guest's copy: what the host asks for, and what came of it. */
static volatile struct {
	u32 offset;
	u16 selector;
} __attribute__((packed)) target;
static volatile u64 emulated, looks_again, in[4], out[4], was_stale, len;
static volatile int vector, found;

static void on_fault(struct guest_regs *regs)
{
	vector = regs->vector;
	regs->rip += len;
}

static u64 load(u64 address)
{
	u64 rax = 0;

	asm volatile("lcall *%1" : "+a" (rax) : "m" (target), "D" (address)
		     : "rbx", "rcx", "rdx", "memory", "cc");
	return (u32)rax;
}

static void guest_main(void)
{
	u64 *entry = (u64 *)TABLE, rax = in[0], rbx = in[1], rcx = in[2], rdx = in[3];

	guest_handlers[VEC_UD] = on_fault;
	guest_handlers[VEC_GP] = on_fault;
	vector = NO_FAULT;
	*(volatile u32 *)MEMORY = MAGIC;
	if (emulated) {
		load(MEMORY);
		*(volatile u64 *)entry += INSN - LOAD;
		was_stale = load(MEMORY) == MAGIC;
	}
	asm volatile("lcall *%4" : "+a" (rax), "+b" (rbx), "+c" (rcx), "+d" (rdx)
		     : "m" (target), "S" (0), "D" (VM_MMIO) : "memory", "cc");
	out[0] = rax;
	out[1] = rbx;
	out[2] = rcx;
	out[3] = rdx;
	found = vector;
	/* in between, too: what is for the emulator alone the CPU must not have executed */
	if (looks_again)
		was_stale = was_stale && load(MEMORY) == MAGIC;
	GUEST_DONE();
}

static void put_code(struct vm *vm, const struct row *r)
{
	u8 *code = vm_hva(vm, INSN);
	u64 *table = vm_hva(vm, TABLE);

	memcpy(vm_hva(vm, LOAD), "\x8b\x07\xcb\xcb\xcb\xcb", 6);
	memcpy(code, r->insn, r->len);
	code[r->len] = 0xcb;
	/* for who executes the hypercall at once, by this CPU's vendor */
	if (!memcmp(r->insn, "\x0f\x01\xc1", 3) &&
	    cpuid_row(supported_cpuid(), 0, 0)->ebx == 0x68747541)
		code[2] = 0xd9;
	table[0] = LOAD | 3;
	table[1] = INSN | 3;
	*(u64 *)vm_hva(vm, CODE_PD) = TABLE | 3;
}

static void set_filter(struct vm *vm)
{
	u8 none[8] = { 0xfe };
	struct kvm_msr_filter f = { };
	u32 msrs[] = { SYSENTER_CS, TSC_AUX }, i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		f.ranges[i] = (struct kvm_msr_filter_range){
			.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			.base = msrs[i], .nmsrs = 1, .bitmap = none,
		};
	vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &f);
}

static void set_cpuid(struct vcpu *vcpu, u32 setup)
{
	struct kvm_cpuid2 *c = supported_cpuid();
	u32 i;

	for (i = 0; i < c->nent; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[i];

		if (e->function == 1)
			e->ecx &= ~BIT(3);	/* MWAIT */
		if (e->function == 0x80000001)
			e->edx = (e->edx & ~BIT(27)) | (setup & NO_RDTSCP ? 0 : BIT(27));
		if (e->function == 7 && !e->index)
			e->ecx = (e->ecx & ~BIT(22)) | (setup & NO_RDTSCP ? 0 : BIT(22));
	}
	vcpu_ioctl(vcpu, KVM_SET_CPUID2, c);
	free(c);
}

static struct vcpu *create(const struct row *r, int is_emulated)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu;

	if (r->setup & NO_MWAIT_QUIRK)
		vm_enable_cap(vm, KVM_CAP_DISABLE_QUIRKS2, MWAIT_QUIRK);
	if (r->setup & USER_MSR)
		vm_enable_cap(vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_INVAL |
			      KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER);
	if (r->setup & FILTER)
		set_filter(vm);
	if (r->setup & MAP_GPA)
		vm_enable_cap(vm, KVM_CAP_EXIT_HYPERCALL, BIT(KVM_HC_MAP_GPA_RANGE));
	put_code(vm, r);
	vcpu = vcpu_create_guest(vm, 0, guest_main);
	set_cpuid(vcpu, r->setup);
	vcpu_set_msr(vcpu, LSTAR, 0x1234aa55aa55);
	if (!(r->setup & NO_RDTSCP))
		__vcpu_set_msr(vcpu, TSC_AUX, 0x77);
	GUEST_VAR(vm, target)->offset = is_emulated ? CODE : CODE + PAGE_SIZE;
	GUEST_VAR(vm, target)->selector = r->setup & COMPAT ? SEL_CODE32 : SEL_CODE64;
	*GUEST_VAR(vm, emulated) = is_emulated;
	*GUEST_VAR(vm, looks_again) = !!(r->setup & EMULATED_ONLY);
	*GUEST_VAR(vm, len) = r->len;
	memcpy((void *)*GUEST_VAR(vm, in), &r->rax, sizeof(in));
	return vcpu;
}

/* The exit for user space, and its answer. */
static void check_exit(struct vcpu *vcpu, const struct row *r)
{
	struct kvm_run *run = vcpu->run;
	u32 value = 1;

	CHECK_EQ("exit", r->exit, run->exit_reason);
	if (run->exit_reason != r->exit)
		return;
	switch (r->exit) {
	case KVM_EXIT_X86_WRMSR:
		CHECK_EQ("value", (u32)r->rax | r->rdx << 32, run->msr.data);
		/* fall through */
	case KVM_EXIT_X86_RDMSR:
		CHECK_EQ("MSR", r->rcx, run->msr.index);
		CHECK_EQ("filtered", !!(r->setup & FILTER),
			 run->msr.reason == KVM_MSR_EXIT_REASON_FILTER);
		run->msr.data = 0x1122334455667788;
		run->msr.error = !!(r->setup & ERROR);
		break;
	case KVM_EXIT_HYPERCALL:
		CHECK_EQ("number", KVM_HC_MAP_GPA_RANGE, run->hypercall.nr);
		CHECK_EQ("argument 0", (u32)r->rbx, run->hypercall.args[0]);
		CHECK_EQ("argument 1", (u32)r->rcx, run->hypercall.args[1]);
		CHECK_EQ("argument 2", (u32)r->rdx, run->hypercall.args[2]);
		run->hypercall.ret = 7;
		break;
	case KVM_EXIT_IO:
		CHECK_EQ("port", r->rdx, run->io.port);
		CHECK_EQ("size", 4, run->io.size);
		if (run->io.direction == KVM_EXIT_IO_OUT)
			memcpy(&value, (u8 *)run + run->io.data_offset, 4);
		CHECK_EQ("value", r->rax, value);
		value = 0x99;
		memcpy((u8 *)run + run->io.data_offset, &value, 4);
		break;
	}
	vcpu_run(vcpu);
}

static void check_register(const char *name, u64 wanted, u64 given, u64 got)
{
	if (wanted != ANY)
		CHECK_EQ(name, wanted == SAME ? given : wanted, got);
}

/* Return: was it the instruction that the row is about? */
static int try_row(const struct row *r, int is_emulated)
{
	struct vcpu *vcpu = create(r, is_emulated);
	struct vm *vm = vcpu->vm;
	volatile u64 *got = *GUEST_VAR(vm, out);
	int valid;

	vcpu_run(vcpu);
	valid = !is_emulated || *GUEST_VAR(vm, was_stale);
	if (valid && (r->exit || vcpu->run->exit_reason != KVM_EXIT_IO))
		check_exit(vcpu, r);
	if (valid && vcpu->run->exit_reason == KVM_EXIT_IO && vcpu->run->io.port == UCALL_PORT) {
		vcpu_finish(vcpu);
		CHECK_EQ("vector", r->vector, *GUEST_VAR(vm, found));
		check_register("RAX", r->want_rax, r->rax, got[0]);
		check_register("RDX", r->want_rdx, r->rdx, got[3]);
	}
	vm_destroy(vm);
	return valid;
}

static void test_rows(int is_emulated)
{
	u32 i, tries;

	REQUIRE_CAP(KVM_CAP_X86_USER_SPACE_MSR);
	REQUIRE_CAP(KVM_CAP_EXIT_HYPERCALL);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		if ((r->setup & EMULATED_ONLY) && !is_emulated)
			continue;
		if (dev_is_kvm() && (r->setup & NOT_KVM))
			continue;
		if ((r->setup & NO_MWAIT_QUIRK) &&
		    !(has_cap(KVM_CAP_DISABLE_QUIRKS2) & MWAIT_QUIRK))
			continue;
		test_note("%s", r->name);
		/* a CPU may look at the tables again, as whenever its host is interrupted */
		for (tries = 0; tries < TRIES && !try_row(r, is_emulated); tries++)
			;
		REQUIRE(tries < TRIES, "the CPU does not keep the translation");
	}
}

static void test_direct(void)
{
	test_rows(0);
}

static void test_emulated(void)
{
	test_rows(1);
}

static const struct test_case cases[] = {
	{ "direct", test_direct },
	{ "emulated", test_emulated },
};

TEST_MAIN(cases)
