// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest on an AMD host may see of SVM when it was not given SVM: the
 * CPUID bit is off, EFER.SVME cannot be set, every SVM instruction raises #UD,
 * and the SVM MSRs are not there.
 */
#include "guest.h"

static void guest_view(void)
{
	u32 r[4];
	u64 v;

	cpuid(0x80000001, 0, r);
	GUEST_ROW("SVM bit", 0, r[2] & BIT(2));
	GUEST_ROW("EFER.SVME", VEC_GP, wrmsr_safe(0xc0000080, 0xd01 | BIT(12)));
	GUEST_ROW("VMRUN", VEC_UD, GUEST_TRY("vmrun %%rax", "a" (0x300000UL)));
	GUEST_ROW("VMLOAD", VEC_UD, GUEST_TRY("vmload %%rax", "a" (0x300000UL)));
	GUEST_ROW("VMSAVE", VEC_UD, GUEST_TRY("vmsave %%rax", "a" (0x300000UL)));
	GUEST_ROW("STGI", VEC_UD, GUEST_TRY("stgi", "a" (0)));
	GUEST_ROW("CLGI", VEC_UD, GUEST_TRY("clgi", "a" (0)));
	GUEST_ROW("SKINIT", VEC_UD, GUEST_TRY("skinit %%eax", "a" (0)));
	GUEST_ROW("INVLPGA", VEC_UD, GUEST_TRY("invlpga %%rax, %%ecx", "a" (0UL), "c" (0)));
	GUEST_ROW("read of VM_CR or #GP", 1, rdmsr_safe(0xc0010114, &v) == VEC_GP || !(v & ~0x1fULL));
}

/* The supported CPUID table without its SVM bit: a guest that was not given SVM. */
static void test_view(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	struct kvm_cpuid2 *c = supported_cpuid();

	REQUIRE(cpuid_row(c, 0, 0)->ebx == 0x68747541, "no AMD host");
	cpuid_row(c, 0x80000001, 0)->ecx &= ~BIT(2);
	vcpu_ioctl(vcpu, KVM_SET_CPUID2, c);
	vcpu_start64(vcpu, guest_view);
	vcpu_run_done(vcpu);
}

/* The same from ring 3 and with the instruction bytes in memory just written. */
static void guest_xcr(void)
{
	GUEST_ROW("MONITOR", 1, (GUEST_TRY("monitor", "a" (VM_SCRATCH), "c" (0), "d" (0)) == VEC_UD) |
		  (GUEST_TRY("monitor", "a" (VM_SCRATCH), "c" (0), "d" (0)) == NO_FAULT));
	GUEST_ROW("INVD", NO_FAULT, GUEST_TRY("invd", "a" (0)));
	GUEST_ROW("WBINVD", NO_FAULT, GUEST_TRY("wbinvd", "a" (0)));
	GUEST_ROW("INVLPG", NO_FAULT, GUEST_TRY("invlpg (%%rax)", "a" (0UL)));
	GUEST_ROW("VMXON", VEC_UD, GUEST_TRY("vmxon (%%rax)", "a" (VM_SCRATCH)));
	GUEST_ROW("RSM outside SMM", VEC_UD, GUEST_TRY("rsm", "a" (0)));
	GUEST_ROW("RDPMC", 1, GUEST_TRY("rdpmc", "c" (0x12345)) != NO_FAULT);
}

static void test_others(void)
{
	REQUIRE(cpuid_row(supported_cpuid(), 0, 0)->ebx == 0x68747541, "no AMD host");
	run_guest(VM_GUEST, guest_xcr);
}

static const struct test_case cases[] = {
	{ "svm_hidden", test_view },
	{ "intercepted_instructions", test_others },
};

TEST_MAIN(cases)
