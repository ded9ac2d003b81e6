// SPDX-License-Identifier: GPL-2.0-only
/*
 * KEEL_GET_LAST_ERROR: nothing before a failure; afterwards the count, the vCPU
 * and a text that names the instruction, or the register that KVM_SET_SREGS
 * refused, its value and the rule, on VM and vCPU descriptors alike; other commands
 * of that type are unknown.
 */
#include <linux/ioctl.h>
#include <uapi/linux/keel.h>

#include "guest.h"

/* On a device no emulator of ours, nor KVM's, executes these; the first is the one of test_emulation(). */
#define INSNS(X)									\
	X(0, 0, "pshufd $0, (%0), %%xmm0", "(MMX or SSE with an immediate)")		\
	X(1, 26, "xsave (%0)", "xsave")							\
	X(2, 26, "xrstor (%0)", "xrstor")						\
	X(3, 9, "pabsb (%0), %%xmm0", "(SSSE3)")					\
	X(4, 19, "ptest (%0), %%xmm0", "(SSE4.1)")					\
	X(5, 0, "comisd (%0), %%xmm0", "(SSE with a result in RFLAGS)")			\
	X(6, 0, "cvttsd2si (%0), %%ecx", "(SSE with a result in a general register)")

#define INSN_CASE(nr, bit, insn, name)							\
	case nr:									\
		asm volatile(insn : : "r" (VM_MMIO), "a" (3), "d" (0) : "memory", "rcx");	\
		break;

static void guest_fault(u64 which, u64 cr4)
{
	write_cr4(read_cr4() | cr4);
	switch (which) {
	INSNS(INSN_CASE)
	}
}

static void test_none(void)
{
	struct vm *vm = vm_create(VM_BARE);
	struct keel_last_error error;

	REQUIRE_CAP(KEEL_CAP_LAST_ERROR);
	memset(&error, 0x55, sizeof(error));
	CHECK_RET("KEEL_GET_LAST_ERROR", 0, __vm_ioctl(vm, KEEL_GET_LAST_ERROR, &error));
	CHECK_EQ("count", 0, error.count);
	CHECK_EQ("text", 0, error.text[0]);
	CHECK_RET("nowhere to put it", -EFAULT, __vm_ioctl(vm, KEEL_GET_LAST_ERROR, NULL));
	CHECK_RET("another command", -ENOTTY, __vm_ioctl(vm, _IO(KEELIO, 0x7f), NULL));
}

static void test_emulation(void)
{
	struct keel_last_error of_vm = {}, of_vcpu = {};
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu;

	REQUIRE_CAP(KEEL_CAP_LAST_ERROR);
	vcpu = vcpu_create_guest(vm, 3, guest_fault);
	vcpu_args(vcpu, 0, 0, 0);
	RUN_TO(vcpu, KVM_EXIT_INTERNAL_ERROR);
	vm_ioctl(vm, KEEL_GET_LAST_ERROR, &of_vm);
	vcpu_ioctl(vcpu, KEEL_GET_LAST_ERROR, &of_vcpu);
	test_note("%s", of_vm.text);
	CHECK_EQ("count", 1, of_vm.count);
	CHECK_EQ("vCPU", 3, of_vm.vcpu);
	CHECK_EQ("the text ends", 1, !!memchr(of_vm.text, 0, sizeof(of_vm.text)));
	CHECK_EQ("it speaks of emulation", 1, !!strstr(of_vm.text, "emulate"));
	CHECK_EQ("the vCPU says the same", 0, memcmp(&of_vm, &of_vcpu, sizeof(of_vm)));
	CHECK_RET("another command", -EINVAL, __vcpu_ioctl(vcpu, _IO(KEELIO, 0x7f), NULL));
	vcpu_run(vcpu);
	vm_ioctl(vm, KEEL_GET_LAST_ERROR, &of_vm);
	CHECK_EQ("count after the second", 2, of_vm.count);
}

/* The text has the instruction's name, or that of its kind. */
#define INSN_ROW(nr, bit, insn, name)	{ name, bit },
static void test_instruction(void)
{
	static const struct {
		const char *name;
		u32 bit;	/* of CPUID leaf 1, ECX; 0: every CPU has it */
	} rows[] = { INSNS(INSN_ROW) };
	struct kvm_cpuid_entry2 *leaf1 = cpuid_row(supported_cpuid(), 1, 0);
	struct keel_last_error error;

	REQUIRE_CAP(KEEL_CAP_LAST_ERROR);
	for (u64 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vcpu *vcpu = vcpu_create_guest(vm_create(VM_GUEST), 0, guest_fault);

		if (rows[i].bit && !(leaf1->ecx & BIT(rows[i].bit)))
			continue;
		vcpu_args(vcpu, i, rows[i].bit == 26 ? BIT(18) : 0, 0);
		RUN_TO(vcpu, KVM_EXIT_INTERNAL_ERROR);
		vcpu_ioctl(vcpu, KEEL_GET_LAST_ERROR, &error);
		test_note("%s", error.text);
		CHECK_EQ(rows[i].name, 1, !!strstr(error.text, rows[i].name));
	}
}

/* Changes to the registers of a vCPU in 64-bit mode, each of them refused alone. */
#define PAE	BIT(5)

static void no_pe(struct kvm_sregs *s) { s->cr0 &= ~1ULL; }
static void nw_alone(struct kvm_sregs *s) { s->cr0 = (s->cr0 & ~BIT(30)) | BIT(29); }
static void cr0_bit_32(struct kvm_sregs *s) { s->cr0 |= BIT(32); }
static void cr3_bit_52(struct kvm_sregs *s) { s->cr3 |= BIT(52); }
static void cr4_bit_15(struct kvm_sregs *s) { s->cr4 |= BIT(15); }
static void cr4_bit_63(struct kvm_sregs *s) { s->cr4 |= BIT(63); }
static void no_pae(struct kvm_sregs *s) { s->cr4 &= ~PAE; }
static void efer_bit_1(struct kvm_sregs *s) { s->efer |= BIT(1); }
static void efer_bit_63(struct kvm_sregs *s) { s->efer |= BIT(63); }
static void no_lma(struct kvm_sregs *s) { s->efer &= ~BIT(10); }
static void no_lme(struct kvm_sregs *s) { s->efer &= ~BIT(8); }
static void code_l_and_d(struct kvm_sregs *s) { s->cs.db = 1; }
static void l_without_long(struct kvm_sregs *s) { s->cr0 &= ~BIT(31); s->efer &= ~BIT(10); }
static void apic_bit_63(struct kvm_sregs *s) { s->apic_base |= BIT(63); }

#define SREG(field)	offsetof(struct kvm_sregs, field)

static const struct {
	const char *name;
	void (*change)(struct kvm_sregs *s);
	size_t at;		/* of the value that is shown */
	const char *field;
	const char *rule;
} refused[] = {
	{ "PG without PE", no_pe, SREG(cr0), "CR0", "PE" },
	{ "NW without CD", nw_alone, SREG(cr0), "CR0", "NW must be clear" },
	{ "CR0 bit 32", cr0_bit_32, SREG(cr0), "CR0", "bits 63:32" },
	{ "CR3 bit 52", cr3_bit_52, SREG(cr3), "CR3", "physical address width" },
	{ "CR4 bit 15", cr4_bit_15, SREG(cr4), "CR4", "CPUID" },
	{ "CR4 bit 63", cr4_bit_63, SREG(cr4), "CR4", "CPUID" },
	{ "long mode without PAE", no_pae, SREG(cr4), "CR4", "PAE must be set" },
	{ "EFER bit 1", efer_bit_1, SREG(efer), "EFER", "must be zero" },
	{ "EFER bit 63", efer_bit_63, SREG(efer), "EFER", "must be zero" },
	{ "LME and PG without LMA", no_lma, SREG(efer), "EFER", "LMA must be set" },
	{ "LMA without LME", no_lme, SREG(efer), "EFER", "LMA must be clear" },
	{ "CS.L and CS.D", code_l_and_d, 0, "CS", "L and D" },
	{ "CS.L outside long mode", l_without_long, 0, "CS", "L must be clear" },
	{ "APIC base bit 63", apic_bit_63, SREG(apic_base), "APIC_BASE", "reserved bits" },
};

/* The text names field, value and rule; registers are as they were. */
static void refuse_sregs(struct vcpu *vcpu, size_t i)
{
	const struct kvm_sregs good = vcpu_sregs(vcpu);
	struct kvm_sregs bad = good, now;
	struct keel_last_error error;
	char words[64];
	u64 value;

	refused[i].change(&bad);
	CHECK_RET(refused[i].name, -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_SREGS, &bad));
	now = vcpu_sregs(vcpu);
	CHECK_EQ("registers unchanged", 0, memcmp(&good, &now, sizeof(now)));
	vcpu_ioctl(vcpu, KEEL_GET_LAST_ERROR, &error);
	CHECK_EQ("count", i + 1, error.count);
	CHECK_EQ("vCPU", 7, error.vcpu);
	memcpy(&value, (u8 *)&bad + refused[i].at, sizeof(value));
	if (!refused[i].at)
		value = bad.cs.selector;
	snprintf(words, sizeof(words), "%s = %#llx: ", refused[i].field, (unsigned long long)value);
	test_note("%s", error.text);
	CHECK_EQ("names field and value", 1, !!strstr(error.text, words));
	CHECK_EQ("names the rule", 1, !!strstr(error.text, refused[i].rule));
}

static void test_sregs(void)
{
	struct vcpu *vcpu = vcpu_create_guest(vm_create(VM_GUEST), 7, guest_fault);
	size_t i;

	REQUIRE_CAP(KEEL_CAP_LAST_ERROR);
	for (i = 0; i < ARRAY_SIZE(refused); i++)
		refuse_sregs(vcpu, i);
}

static const struct test_case cases[] = {
	{ "none", test_none },
	{ "emulation", test_emulation },
	{ "instruction", test_instruction },
	{ "sregs", test_sregs },
};

TEST_MAIN(cases)
