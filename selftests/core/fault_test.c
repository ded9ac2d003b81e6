// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults inside instructions that are completed in software: string I/O and
 * MMIO whose other operand the guest's own paging forbids raise the guest's
 * #PF with the right address and error code, nothing is half done, user mode
 * and I/O privilege are obeyed, and a string across a page faults at the page.
 */
#include "guest.h"

#define BAD	0x700000000000ULL
#define PORT	0x1234
#define GVA	0x7f0000000000ULL

static void guest_string(void)
{
	GUEST_ROW("OUTSB from no mapping", VEC_PF, GUEST_TRY("outsb", "S" (BAD), "d" (PORT)));
	GUEST_ROW("address", BAD, guest_fault_address());
	GUEST_ROW("error code", 0, guest_fault_error());
	GUEST_ROW("REP OUTSB of none, no fault", NO_FAULT,
		  GUEST_TRY("rep outsb", "S" (BAD), "d" (PORT), "c" (0UL)));
	GUEST_ROW("OUTSB, not canonical", VEC_GP, GUEST_TRY("outsb", "S" (1ULL << 63), "d" (PORT)));
	GUEST_SYNC(1);
	GUEST_ROW("INSB to no mapping", VEC_PF, GUEST_TRY("insb", "D" (BAD), "d" (PORT)));
	GUEST_ROW("error code, write", 2, guest_fault_error());
	GUEST_ROW("MOVSL from MMIO to no mapping", VEC_PF, GUEST_TRY("movsl", "S" (VM_MMIO), "D" (BAD)));
	GUEST_ROW("address", BAD, guest_fault_address());
	GUEST_ROW("MOVSL from no mapping to MMIO", VEC_PF, GUEST_TRY("movsl", "S" (BAD), "D" (VM_MMIO)));
}

/* Serves INs and loads with zeros: which of them are attempted before the fault is no contract. */
static void run_serving(struct vcpu *vcpu, u64 stage)
{
	struct ucall uc;

	for (;;) {
		vcpu_run(vcpu);
		if (vcpu->run->exit_reason == KVM_EXIT_MMIO) {
			memset(vcpu->run->mmio.data, 0, 8);
			continue;
		}
		ASSERT_EXIT(vcpu, KVM_EXIT_IO);
		if (vcpu->run->io.port == PORT) {
			ASSERT(!vcpu->run->io.direction, "an OUT that should have faulted");
			continue;
		}
		switch (vcpu_finish(vcpu)) {
		case UCALL_SYNC:
			vcpu_get_ucall(vcpu, &uc);
			ASSERT_EQ(uc.args[0], stage);
			return;
		case UCALL_DONE:
			ASSERT_EQ(stage, 0);
			return;
		default:
			break;
		}
	}
}

static void test_string(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_string);

	run_serving(vcpu, 1);
	run_serving(vcpu, 0);
}

static void guest_across(void)
{
	GUEST_ROW("LODSQ, half of it from no mapping", VEC_PF, GUEST_TRY("lodsq", "S" (GVA + 0xffc)));
	GUEST_ROW("address", GVA + 0x1000, guest_fault_address());
	GUEST_ROW("error code", 0, guest_fault_error());
}

/* A load from a device that goes on into a page that faults: the device is not asked. */
static void test_across(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_across);

	vm_map(vm, GVA, VM_MMIO, PAGE_SIZE);
	vcpu_run_done(vcpu);
}

static volatile u64 faults, fault_rcx, fault_rsi;

static void on_pf(struct guest_regs *regs)
{
	faults++;
	fault_rcx = regs->rcx;
	fault_rsi = regs->rsi;
	GUEST_EQ(read_cr2(), GVA + 0x1000);
	/* Map the second page and go on. */
	*(volatile u64 *)(VM_SCRATCH + 8) = VM_SCRATCH2 | 0x1007;
	invlpg(GVA + 0x1000);
}

/* Tables at VM_SCRATCH: 4 KB page table with its first entry only. */
static void guest_restart(void)
{
	u64 rsi = GVA + 0xffc, rcx = 8, *pml4 = (u64 *)VM_PML4;

	pml4[GVA >> 39 & 511] = (VM_SCRATCH + 0x1000) | 7;
	((volatile u64 *)(VM_SCRATCH + 0x1000))[GVA >> 30 & 511] = (VM_SCRATCH + 0x2000) | 7;
	((volatile u64 *)(VM_SCRATCH + 0x2000))[GVA >> 21 & 511] = VM_SCRATCH | 7;
	*(volatile u64 *)VM_SCRATCH = VM_SCRATCH2 | 7;
	guest_handlers[VEC_PF] = on_pf;
	asm volatile("rep outsb" : "+S" (rsi), "+c" (rcx) : "d" (PORT) : "memory");
	GUEST_EQ(faults, 1);
	GUEST_EQ(fault_rcx, 4);
	GUEST_EQ(fault_rsi, GVA + 0x1000);
	GUEST_EQ(rcx, 0);
	GUEST_EQ(rsi, GVA + 0x1004);
}

static void test_restart(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_restart);
	u8 got[8];
	u32 n = 0, len;

	memcpy(vm_hva(vm, VM_SCRATCH2 + 0xffc), "abcdefgh", 8);
	while (n < 8) {
		RUN_TO(vcpu, KVM_EXIT_IO);
		ASSERT_EQ(vcpu->run->io.port, PORT);
		len = vcpu->run->io.size * vcpu->run->io.count;
		ASSERT_LE(n + len, 8);
		memcpy(got + n, (u8 *)vcpu->run + vcpu->run->io.data_offset, len);
		n += len;
	}
	CHECK_EQ("all bytes, each once", 0, memcmp(got, "abcdefgh", 8));
	vcpu_run_done(vcpu);
}

/* Ring 3 without I/O privilege: IN, OUT, HLT, CLI and MSRs fault; MMIO works. */
static volatile u64 user_vector[8], user_i;

static void on_gp(struct guest_regs *regs)
{
	static const u8 lengths[] = { 1, 1, 1, 1, 2, 2, 3 };

	user_vector[user_i] = regs->vector;
	regs->rip += lengths[user_i++];
}

static void on_int80(struct guest_regs *regs)
{
	GUEST_EQ(regs->cs & 3, 3);
	GUEST_EQ(user_i, 7);
	GUEST_DONE();
}

extern const char user_code[];
asm(".pushsection .text\n"
    "user_code:\n"
    "	mov	$0x1234, %edx\n"
    "	in	%dx, %al\n"
    "	out	%al, %dx\n"
    "	hlt\n"
    "	cli\n"
    "	rdmsr\n"
    "	wrmsr\n"
    "	mov	%rax, %cr0\n"
    "	mov	$0xd0000000, %eax\n"
    "	movl	$0x55, (%rax)\n"
    "	int	$0x80\n"
    ".popsection\n");

static void guest_user(void)
{
	u16 *gate = (u16 *)(VM_IDT + 16 * 0x80);

	gate[2] |= 3 << 13;
	guest_handlers[VEC_GP] = on_gp;
	guest_handlers[0x80] = on_int80;
	asm volatile("ltr %%ax" : : "a" (SEL_TSS(1)));
	asm volatile("push %0; push %1; push $2; push %2; push %3; iretq" : :
		     "r" ((u64)SEL_USER_DATA), "r" (VM_SCRATCH + 0x8000),
		     "r" ((u64)SEL_USER_CODE64), "r" (user_code) : "memory");
}

static void test_user(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_user);
	u32 i;

	/* An available TSS for LTR; the I/O map lies beyond its limit. */
	((u8 *)vm_hva(vm, VM_GDT + SEL_TSS(1)))[5] = 0x89;
	RUN_TO(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ("MMIO of user mode", 0x55, *(u32 *)vcpu->run->mmio.data);
	vcpu_run_done(vcpu);
	for (i = 0; i < 7; i++)
		CHECK_EQ("privileged instruction", VEC_GP, (*GUEST_VAR(vm, user_vector))[i]);
}

/*
 * CPUID faulting. The guest's tables say that the code is a CPUID, the CPU still has the page before, a load from a device: what is
 * emulated is the CPUID.
 */
#define STALE		0x7e0000000000ULL
#define STALE_PTE	VM_SCRATCH	/* where the address of the entry is */
#define MISC_FEATURES_ENABLES	0x140

static volatile u64 faulting_cs, faulting_rip, faulting_vector;

static void on_faulting_gp(struct guest_regs *regs)
{
	faulting_vector = regs->vector;
	faulting_cs = regs->cs;
	faulting_rip = regs->rip;
	regs->rip += 2;
}

static void on_faulting_end(struct guest_regs *regs)
{
	GUEST_ROW("CPUID that is emulated in ring 3: vector", VEC_GP, faulting_vector);
	GUEST_ROW("ring", 3, faulting_cs & 3);
	GUEST_ROW("RIP", STALE, faulting_rip);
	GUEST_ROW("RAX is as it was", 0, regs->rax);
	GUEST_DONE();
}

extern const char faulting_code[];
asm(".pushsection .text\n"
    "faulting_code:\n"
    "	movabs	$0x7e0000000000, %rbx\n"
    "	mov	0x300000, %rsi\n"
    "	mov	0x300008, %rdx\n"
    "	mov	(%rsi), %rax\n"
    "	mov	%rax, (%rsi)\n"		/* no exit for these when it matters */
    "	mov	$0x9000, %edi\n"
    "	call	*%rbx\n"		/* mov (%rdi), %eax: from memory */
    "	call	*%rbx\n"
    "	mov	%rdx, (%rsi)\n"		/* the other page, without INVLPG */
    "	mov	$0xd0000000, %edi\n"
    "	xor	%eax, %eax\n"
    "	xor	%ecx, %ecx\n"
    "	call	*%rbx\n"
    "	int	$0x80\n"
    ".popsection\n");

static void guest_faulting(void)
{
	u16 *gate = (u16 *)(VM_IDT + 16 * 0x80);

	gate[2] |= 3 << 13;
	guest_handlers[VEC_GP] = on_faulting_gp;
	guest_handlers[0x80] = on_faulting_end;
	wrmsr(MISC_FEATURES_ENABLES, 1);
	asm volatile("ltr %%ax" : : "a" (SEL_TSS(1)));
	asm volatile("push %0; push %1; push $2; push %2; push %3; iretq" : :
		     "r" ((u64)SEL_USER_DATA), "r" (VM_SCRATCH + 0x8000),
		     "r" ((u64)SEL_USER_CODE64), "r" (faulting_code) : "memory");
}

static void test_faulting(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_faulting);
	u64 table = VM_PML4, *found = vm_hva(vm, STALE_PTE);
	int shift;

	((u8 *)vm_hva(vm, VM_GDT + SEL_TSS(1)))[5] = 0x89;
	memcpy(vm_hva(vm, VM_SCRATCH2), "\x8b\x07\xc3", 3);		/* mov (%rdi), %eax; ret */
	memcpy(vm_hva(vm, VM_SCRATCH2 + PAGE_SIZE), "\x0f\xa2\xc3", 3);	/* cpuid; ret */
	vm_map(vm, STALE, VM_SCRATCH2, PAGE_SIZE);
	for (shift = 39; shift > 12; shift -= 9)
		table = *((u64 *)vm_hva(vm, table) + (STALE >> shift & 511)) & 0xffffffffff000ULL;
	found[0] = table + 8 * (STALE >> 12 & 511);
	found[1] = *(u64 *)vm_hva(vm, found[0]) + PAGE_SIZE;
	vcpu_run(vcpu);
	/* a CPU may have looked at the tables again */
	REQUIRE(vcpu->run->exit_reason != KVM_EXIT_MMIO, "the CPU does not keep the translation");
	vcpu_finish(vcpu);
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "string", test_string },
	{ "across_pages", test_across },
	{ "restart_at_a_page", test_restart },
	{ "user_mode", test_user },
	{ "cpuid_faulting", test_faulting },
};

TEST_MAIN(cases)
