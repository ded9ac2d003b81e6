// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hypercalls: KVM_HC_VAPIC_POLL_IRQ succeeds, unknown numbers are -KVM_ENOSYS,
 * other registers stay, from 64-bit and 32-bit code, user mode gets -KVM_EPERM,
 * and the other vendor's instruction does the same. A guest whose CPUID names no
 * paravirtual feature may use them all the same, MSRs too, unless the launcher has
 * asked for KVM_CAP_ENFORCE_PV_FEATURE_CPUID (KVM's api.rst).
 */
#include <linux/kvm_para.h>

#include "apic.h"

static void guest_calls(void)
{
	u64 rax = 1234, rbx = 0x11, rcx = 0x22, rdx = 0x33, rsi = 0x44;

	apic_enable(APIC_X1);
	GUEST_ROW("VAPIC_POLL_IRQ", 0, guest_hypercall(KVM_HC_VAPIC_POLL_IRQ, 0, 0, 0, 0));
	GUEST_ROW("number 1234", -KVM_ENOSYS, guest_hypercall(1234, 0, 0, 0, 0));
	GUEST_ROW("number -1", -KVM_ENOSYS, guest_hypercall(-1, 0, 0, 0, 0));
	if (guest_is_amd())
		asm volatile("vmmcall" : "+a" (rax), "+b" (rbx), "+c" (rcx), "+d" (rdx), "+S" (rsi));
	else
		asm volatile("vmcall" : "+a" (rax), "+b" (rbx), "+c" (rcx), "+d" (rdx), "+S" (rsi));
	GUEST_ROW("RBX", 0x11, rbx);
	GUEST_ROW("RCX", 0x22, rcx);
	GUEST_ROW("RDX", 0x33, rdx);
	GUEST_ROW("RSI", 0x44, rsi);
	GUEST_ROW("SEND_IPI to ourselves", 1, guest_hypercall(KVM_HC_SEND_IPI, 1, 0, 0, 0x61));
	GUEST_ROW("KICK_CPU of nobody", 0, guest_hypercall(KVM_HC_KICK_CPU, 0, 99, 0, 0));
}

static void test_calls(void)
{
	run_guest(VM_IRQCHIP, guest_calls);
}

#define CALL32(vendor, insn)			\
asm(".pushsection .rodata\n"			\
    "call32_" #vendor "_start:\n"		\
    ".code32\n"					\
    "	mov	$0x12345, %eax\n"		\
    "	" insn "\n"				\
    "	mov	%eax, 0x9000\n"			\
    "	mov	$1, %eax\n"			\
    "	" insn "\n"				\
    "	mov	%eax, 0x9004\n"			\
    "	hlt\n"					\
    ".code64\n"					\
    "call32_" #vendor "_end:\n"			\
    ".popsection\n");				\
extern const char call32_##vendor##_start[], call32_##vendor##_end[]

CALL32(amd, "vmmcall");
CALL32(intel, "vmcall");

static void test_32bit(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_calls);

	if (cpuid_row(supported_cpuid(), 0, 0)->ebx == 0x68747541)	/* "Auth"enticAMD */
		vm_put_code(vm, 0x8000, call32_amd);
	else
		vm_put_code(vm, 0x8000, call32_intel);
	vcpu_start_prot32(vcpu, 0x8000);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	CHECK_EQ("unknown number", (u32)-KVM_ENOSYS, *(u32 *)vm_hva(vm, 0x9000));
	CHECK_EQ("VAPIC_POLL_IRQ", 0, *(u32 *)vm_hva(vm, 0x9004));
}

static void guest_other(void)
{
	u64 rax = 1234;

	if (guest_is_amd())
		asm volatile("vmcall" : "+a" (rax) : "b" (0), "c" (0), "d" (0), "S" (0));
	else
		asm volatile("vmmcall" : "+a" (rax) : "b" (0), "c" (0), "d" (0), "S" (0));
	GUEST_ROW("unknown number", -KVM_ENOSYS, rax);
}

static void test_other(void)
{
	run_guest(VM_GUEST, guest_other);
}

static volatile u64 enforced;

static void guest_unnamed(void)
{
	static const u32 msrs[] = { MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME, MSR_KVM_WALL_CLOCK_NEW,
				    MSR_KVM_SYSTEM_TIME_NEW, MSR_KVM_STEAL_TIME, MSR_KVM_PV_EOI_EN };
	u64 refused = enforced, val = 1;

	apic_enable(APIC_X1);
	GUEST_ROW("VAPIC_POLL_IRQ", 0, guest_hypercall(KVM_HC_VAPIC_POLL_IRQ, 0, 0, 0, 0));
	GUEST_ROW("SEND_IPI to nobody", refused ? -KVM_ENOSYS : 0,
		  guest_hypercall(KVM_HC_SEND_IPI, 0, 0, 0, 0x61));
	GUEST_ROW("KICK_CPU of nobody", refused ? -KVM_ENOSYS : 0,
		  guest_hypercall(KVM_HC_KICK_CPU, 0, 99, 0, 0));
	GUEST_ROW("SCHED_YIELD to nobody", refused ? -KVM_ENOSYS : 0,
		  guest_hypercall(KVM_HC_SCHED_YIELD, 99, 0, 0, 0));
	for (u32 i = 0; i < ARRAY_SIZE(msrs); i++) {
		GUEST_ROW("RDMSR", refused ? VEC_GP : NO_FAULT, rdmsr_safe(msrs[i], &val));
		GUEST_ROW("WRMSR", refused ? VEC_GP : NO_FAULT, wrmsr_safe(msrs[i], 0));
	}
}

/* Enforced, then no more: the capability's argument says which. */
static void test_unnamed(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID };
	struct kvm_cpuid2 *c = supported_cpuid();

	REQUIRE_CAP(KVM_CAP_ENFORCE_PV_FEATURE_CPUID);
	cpuid_row(c, KVM_CPUID_FEATURES, 0)->eax = 0;
	for (u32 i = 0; i < 4; i++) {
		enforced = i & 1;	/* before the guest gets its copy */

		struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
		struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_unnamed);

		test_note("%s, CPUID %s", i & 1 ? "enforced" : "not enforced",
			  i & 2 ? "given before" : "given after");
		if (i & 2)
			vcpu_ioctl(vcpu, KVM_SET_CPUID2, c);
		cap.args[0] = 1;
		vcpu_ioctl(vcpu, KVM_ENABLE_CAP, &cap);
		cap.args[0] = enforced;
		vcpu_ioctl(vcpu, KVM_ENABLE_CAP, &cap);
		if (!(i & 2))
			vcpu_ioctl(vcpu, KVM_SET_CPUID2, c);
		vcpu_run_done(vcpu);
		vm_destroy(vm);
	}
	free(c);
}

static const struct test_case cases[] = {
	{ "calls", test_calls },
	{ "from_32_bit", test_32bit },
	{ "other_vendor", test_other },
	{ "unnamed_features", test_unnamed },
};

TEST_MAIN(cases)
