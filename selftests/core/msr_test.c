// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs: what the guest writes it reads back and so does user space; what no
 * CPU has raises #GP; reserved bits and non-canonical addresses raise #GP; the
 * segment base MSRs are the segments; the same values cross KVM_SET_MSRS.
 */
#include "guest.h"
#include <uapi/linux/keel.h>

#define EFER	0xc0000080

static const struct row {
	const char *name;
	u32 msr;
	u64 value;
} kept[] = {
	{ "SYSENTER_CS", 0x174, 0x10 },
	{ "SYSENTER_ESP", 0x175, 0x12345678 },
	{ "SYSENTER_EIP", 0x176, 0x87654321 },
	{ "PAT", 0x277, 0x0007040600070406 },
	{ "STAR", 0xc0000081, 0x0023001000000000 },
	{ "LSTAR", 0xc0000082, 0xffffffff81000000 },
	{ "CSTAR", 0xc0000083, 0xffffffff82000000 },
	{ "SFMASK", 0xc0000084, 0x47700 },
	{ "FS base", 0xc0000100, 0x00007f1234567000 },
	{ "GS base", 0xc0000101, 0xffff888000001000 },
	{ "kernel GS base", 0xc0000102, 0x00007fffffff0000 },
	{ "MTRR default type", 0x2ff, 0xc06 },
	{ "MTRR base 0", 0x200, 0xc0000000 },
	{ "MTRR fixed 64K", 0x250, 0x0606060606060606 },
};

static void guest_write(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kept); i++) {
		GUEST_ROW("write", NO_FAULT, wrmsr_safe(kept[i].msr, kept[i].value));
		GUEST_ROW(kept[i].name, kept[i].value, rdmsr(kept[i].msr));
	}
	GUEST_SYNC(1);
	for (i = 0; i < ARRAY_SIZE(kept); i++)
		GUEST_ROW(kept[i].name, kept[i].value, rdmsr(kept[i].msr));
}

static void test_kept(void)
{
	struct vm *vm = vm_create(VM_GUEST), *vm2 = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_write);
	struct vcpu *vcpu2 = vcpu_create_guest(vm2, 0, guest_write);
	struct kvm_regs regs;
	size_t i;

	vcpu_run_sync(vcpu, 1);
	vcpu_complete(vcpu);
	for (i = 0; i < ARRAY_SIZE(kept); i++) {
		CHECK_EQ(kept[i].name, kept[i].value, vcpu_msr(vcpu, kept[i].msr));
		vcpu_set_msr(vcpu2, kept[i].msr, kept[i].value);
	}
	CHECK_EQ("FS base in the segment", 0x00007f1234567000, vcpu_sregs(vcpu).fs.base);
	CHECK_EQ("GS base in the segment", 0xffff888000001000, vcpu_sregs(vcpu).gs.base);
	memcpy(vm2->mem, vm->mem, VM_MEM_SIZE);
	regs = vcpu_regs(vcpu);
	vcpu_set_regs(vcpu2, &regs);
	vcpu_run_done(vcpu2);
	vcpu_run_done(vcpu);
}

static void guest_faults(void)
{
	static const struct {
		const char *name;
		u32 msr;
		u64 value;
	} bad[] = {
		{ "unknown", 0x12345678, 0 },
		{ "unknown, Intel range", 0x1fff, 0 },
		{ "unknown, AMD range", 0xc0011fff, 0 },
		{ "PAT type 2", 0x277, 2 },
		{ "PAT type 0xff", 0x277, 0xff },
		{ "EFER bit 1", EFER, 0xd03 },
		{ "EFER bit 63", EFER, BIT(63) | 0xd01 },
		{ "EFER without LME while paging", EFER, 0xc01 },
		{ "MTRR default type 7", 0x2ff, 7 },
		{ "MTRR default, reserved bit", 0x2ff, BIT(20) },
		{ "MTRR fixed, type 3", 0x250, 3 },
		{ "APIC base, reserved bit", 0x1b, 0xfee00900 | BIT(63) },
		{ "MTRR capabilities are read-only", 0xfe, 0 },
	};
	u64 v;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		GUEST_ROW(bad[i].name, VEC_GP, wrmsr_safe(bad[i].msr, bad[i].value));
	for (i = 0; i < 3; i++)
		GUEST_ROW(bad[i].name, VEC_GP, rdmsr_safe(bad[i].msr, &v));
	GUEST_ROW("error code", 0, guest_fault_error());
	GUEST_ROW("MTRR capabilities", NO_FAULT, rdmsr_safe(0xfe, &v));
	GUEST_ROW("EFER is as it was", 0xd01, rdmsr(EFER));
	GUEST_ROW("EFER.NXE off", NO_FAULT, wrmsr_safe(EFER, 0x501));
	GUEST_ROW("EFER reads so", 0x501, rdmsr(EFER));
}

static void test_faults(void)
{
	run_guest(VM_GUEST | VM_IRQCHIP, guest_faults);
}

/* The launcher turns EFER.NXE off: a page with the bit, read before, then has a reserved one. */
#define NX_PAGE		0x7c0000000000ULL

static void guest_nx(u64 pte)
{
	*(volatile u64 *)pte |= BIT(63);
	invlpg(NX_PAGE);
	GUEST_ROW("NXE on", NO_FAULT, GUEST_TRY("testb $0, (%1)", "r" (NX_PAGE)));
	GUEST_SYNC(1);
	GUEST_ROW("NXE off", VEC_PF, GUEST_TRY("testb $0, (%1)", "r" (NX_PAGE)));
	/* TCG leaves "present" out */
	GUEST_ROW("error code: reserved bit", 8, guest_fault_error() & 8);
}

static void test_nx(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_nx);
	u64 table = VM_PML4;
	int shift;

	vm_map(vm, NX_PAGE, VM_SCRATCH2, PAGE_SIZE);
	for (shift = 39; shift > 12; shift -= 9)
		table = ((u64 *)vm_hva(vm, table))[NX_PAGE >> shift & 511] & 0xffffffffff000ULL;
	vcpu_args(vcpu, table + 8 * (NX_PAGE >> 12 & 511), 0, 0);
	vcpu_run_sync(vcpu, 1);
	vcpu_complete(vcpu);
	vcpu_set_msr(vcpu, EFER, vcpu_msr(vcpu, EFER) & ~BIT(11));
	vcpu_run_done(vcpu);
}

static void guest_canonical(void)
{
	GUEST_ROW("LSTAR", VEC_GP, wrmsr_safe(0xc0000082, BIT(63)));
	GUEST_ROW("kernel GS base", VEC_GP, wrmsr_safe(0xc0000102, BIT(62)));
	GUEST_ROW("FS base", VEC_GP, wrmsr_safe(0xc0000100, BIT(47)));
}

static void test_canonical(void)
{
	REQUIRE(!host_is_tcg(), "TCG does not check these addresses");
	run_guest(VM_GUEST, guest_canonical);
}

/* On a CPU with 5-level paging they have 57 bits, also while it is off: a launcher may restore MSRs before control registers. */
static void test_wide(void)
{
	static const u32 msrs[] = { 0x175, 0x176, 0xc0000082, 0xc0000083, 0xc0000100, 0xc0000101, 0xc0000102 };
	const struct kvm_cpuid_entry2 *f = cpuid_row(supported_cpuid(), 7, 0);
	struct vcpu *vcpu = vcpu_create_guest(vm_create(VM_GUEST), 0, guest_canonical);
	size_t i;

	REQUIRE(f && f->ecx & BIT(16), "no 5-level paging");
	REQUIRE(has_cap(KEEL_CAP_LAST_ERROR) > 0, "stock KVM goes by CR4.LA57");
	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		vcpu_set_msr(vcpu, msrs[i], 0xff11000012345000);
		CHECK_EQ("address", 0xff11000012345000, vcpu_msr(vcpu, msrs[i]));
	}
}

/* KVM_CAP_X86_USER_SPACE_MSR: unknown MSRs go to user space. */
static void guest_user(void)
{
	u64 v = 0;

	GUEST_ROW("user space gives a value", NO_FAULT, rdmsr_safe(0x12345678, &v));
	GUEST_ROW("the value", 0x1122334455667788, v);
	GUEST_ROW("user space takes a write", NO_FAULT, wrmsr_safe(0x12345678, 0xabcd));
	GUEST_ROW("user space refuses", VEC_GP, rdmsr_safe(0x12345679, &v));
}

static void test_user(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu;
	struct kvm_run *run;

	REQUIRE_CAP(KVM_CAP_X86_USER_SPACE_MSR);
	vm_enable_cap(vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_UNKNOWN);
	vcpu = vcpu_create_guest(vm, 0, guest_user);
	run = vcpu->run;
	RUN_TO(vcpu, KVM_EXIT_X86_RDMSR);
	CHECK_EQ("index", 0x12345678, run->msr.index);
	CHECK_EQ("reason", KVM_MSR_EXIT_REASON_UNKNOWN, run->msr.reason);
	run->msr.data = 0x1122334455667788;
	run->msr.error = 0;
	for (vcpu_run(vcpu); run->exit_reason == KVM_EXIT_IO; vcpu_run(vcpu))
		;
	ASSERT_EXIT(vcpu, KVM_EXIT_X86_WRMSR);
	CHECK_EQ("data", 0xabcd, run->msr.data);
	run->msr.error = 0;
	for (vcpu_run(vcpu); run->exit_reason == KVM_EXIT_IO; vcpu_run(vcpu))
		;
	ASSERT_EXIT(vcpu, KVM_EXIT_X86_RDMSR);
	CHECK_EQ("index", 0x12345679, run->msr.index);
	run->msr.error = 1;
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "kept", test_kept },
	{ "faults", test_faults },
	{ "canonical", test_canonical },
	{ "wide", test_wide },
	{ "nx_by_launcher", test_nx },
	{ "user_space", test_user },
};

TEST_MAIN(cases)
