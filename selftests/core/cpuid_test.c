// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID in the guest is the table user space gave: exact leaves, sub-leaves,
 * the rule for leaves beyond the last one, and the bits that follow the guest's
 * own control registers (OSXSAVE, APIC).
 */
#include "apic.h"

#define ROWS 8

static struct {
	u32 leaf, sub, out[4];
} asked[ROWS];

static void guest_ask(u64 n)
{
	u64 i;

	for (i = 0; i < n; i++)
		cpuid(asked[i].leaf, asked[i].sub, asked[i].out);
}

static void test_table(void)
{
	static const struct {
		const char *name;
		u32 leaf, sub, wanted;	/* of EBX */
	} rows[] = {
		{ "leaf 1", 1, 0, 0x11 },
		{ "sub-leaf is ignored there", 1, 77, 0x11 },
		{ "leaf 4, sub-leaf 0", 4, 0, 0x40 },
		{ "leaf 4, sub-leaf 1", 4, 1, 0x41 },
		{ "leaf 4, sub-leaf that is not", 4, 5, 0 },
		{ "leaf that is not, in range", 3, 0, 0 },
		{ "extended leaf", 0x80000001, 0, 0x81 },
		{ "hypervisor leaf", 0x40000000, 0, 0x4b },
	};
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 e[8];
	} c = { .head.nent = 7, .e = {
		/* AMD: leaves out of range are zero, not the last basic leaf's data. */
		{ .function = 0, .eax = 7, .ebx = 0x68747541, .edx = 0x69746e65, .ecx = 0x444d4163 },
		{ .function = 1, .ebx = 0x11, .edx = BIT(9) },
		{ .function = 4, .index = 0, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .ebx = 0x40 },
		{ .function = 4, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .ebx = 0x41 },
		{ .function = 0x80000000, .eax = 0x80000008 },
		{ .function = 0x80000001, .ebx = 0x81, .edx = BIT(29) | BIT(20) },
		{ .function = 0x40000000, .ebx = 0x4b },
	} };
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	size_t i;

	vcpu_ioctl(vcpu, KVM_SET_CPUID2, &c);
	vcpu_start64(vcpu, guest_ask);
	for (i = 0; i < ROWS; i++) {
		(*GUEST_VAR(vm, asked))[i].leaf = rows[i].leaf;
		(*GUEST_VAR(vm, asked))[i].sub = rows[i].sub;
	}
	vcpu_args(vcpu, ROWS, 0, 0);
	vcpu_run_done(vcpu);
	for (i = 0; i < ROWS; i++)
		CHECK_EQ(rows[i].name, rows[i].wanted, (*GUEST_VAR(vm, asked))[i].out[1]);
}

static void guest_dynamic(u64 xsave)
{
	u32 r[4];

	cpuid(1, 0, r);
	GUEST_ROW("APIC bit, APIC on", BIT(9), r[3] & BIT(9));
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) & ~BIT(11));
	cpuid(1, 0, r);
	GUEST_ROW("APIC bit, APIC off", 0, r[3] & BIT(9));
	if (!xsave)
		return;
	GUEST_ROW("OSXSAVE off", 0, r[2] & BIT(27));
	write_cr4(read_cr4() | BIT(18));
	cpuid(1, 0, r);
	GUEST_ROW("OSXSAVE on", BIT(27), r[2] & BIT(27));
	cpuid(0xd, 0, r);
	GUEST_ROW("size for x87 alone", 576, r[1]);
	asm volatile("xsetbv" : : "a" (3), "d" (0), "c" (0));
	GUEST_ASSERT(r[2] >= 576);
}

static void test_dynamic(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_dynamic);

	vcpu_args(vcpu, cpuid_row(supported_cpuid(), 1, 0)->ecx >> 26 & 1, 0, 0);
	vcpu_run_done(vcpu);
}

/* What the supported table says about features, the guest can use. */
static void guest_features(void)
{
	u32 r[4];
	u64 v;

	cpuid(0x80000001, 0, r);
	if (r[3] & BIT(27))
		GUEST_ROW("RDTSCP", NO_FAULT, GUEST_TRY("push %%rcx; rdtscp; pop %%rcx", "a" (0), "d" (0)));
	GUEST_ROW("NX: EFER.NXE can be set", NO_FAULT, wrmsr_safe(0xc0000080, rdmsr(0xc0000080) | BIT(11)));
	GUEST_ROW("SVM bit follows nesting only", 0, (r[2] & BIT(2)) && rdmsr_safe(0xc0010114, &v) != NO_FAULT);
	cpuid(0x40000000, 0, r);
	GUEST_ROW("signature 1", 0x4b4d564b, r[1]);
	GUEST_ROW("signature 2", 0x564b4d56, r[2]);
	GUEST_ROW("signature 3", 0x0000004d, r[3]);
	GUEST_ASSERT(r[0] == 0 || r[0] >= 0x40000001);
}

static void test_features(void)
{
	run_guest(VM_GUEST, guest_features);
}

static const struct test_case cases[] = {
	{ "table", test_table },
	{ "dynamic_bits", test_dynamic },
	{ "features", test_features },
};

TEST_MAIN(cases)
