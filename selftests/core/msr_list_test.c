// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lists of MSRs keep their word: what KVM_GET_MSR_INDEX_LIST names can be read, and written with what was
 * read; what KVM_GET_MSR_FEATURE_INDEX_LIST names can be read on the device itself, and given to a vCPU. And the
 * MSRs of a PMU that the vCPU's CPUID does not have: not listed, or 0 to the launcher; in the guest #GP, but for
 * those that old kernels program unasked.
 */
#include <stdbool.h>

#include "guest.h"
#include <uapi/linux/keel.h>

#define MAX_MSRS	512
#define TSC		0x10
#define HV_TIME		0x40000020

static struct kvm_msr_list *get_list(unsigned long nr)
{
	struct kvm_msr_list *list = calloc(1, sizeof(*list) + MAX_MSRS * sizeof(u32));

	ASSERT(list, "out of memory");
	list->nmsrs = MAX_MSRS;
	ASSERT_EQ(__dev_ioctl(nr, list), 0);
	return list;
}

static const char *msr_name(u32 msr)
{
	static char name[32];

	snprintf(name, sizeof(name), "MSR 0x%x", msr);
	return name;
}

/* Clocks count on. */
static bool is_clock(u32 msr)
{
	return msr == TSC || msr == HV_TIME;
}

static void check_listed(struct vcpu *vcpu, u32 msr)
{
	u64 v = 0, w = 0;

	CHECK_RET("read", 1, __vcpu_get_msr(vcpu, msr, &v));
	CHECK_RET("written with what was read", 1, __vcpu_set_msr(vcpu, msr, v));
	if (__vcpu_get_msr(vcpu, msr, &w) == 1 && !is_clock(msr))
		CHECK_EQ("as before", v, w);
}

static void test_listed(void)
{
	struct kvm_msr_list *list = get_list(KVM_GET_MSR_INDEX_LIST);
	struct vcpu *vcpu = vcpu_create(vm_create(VM_GUEST | VM_IRQCHIP), 0);
	u32 i;

	vcpu_set_supported_cpuid(vcpu);
	for (i = 0; i < list->nmsrs; i++) {
		printf("# %s\n", msr_name(list->indices[i]));
		check_listed(vcpu, list->indices[i]);
	}
	free(list);
}

static int get_system_msrs(u32 n, const u32 *msrs, u64 *values)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[4];
	} m = { .head.nmsrs = n };
	u32 i;
	int ret;

	for (i = 0; i < n; i++)
		m.entries[i].index = msrs[i];
	ret = __dev_ioctl(KVM_GET_MSRS, &m);
	for (i = 0; i < n; i++)
		values[i] = m.entries[i].data;
	return ret;
}

static void test_features(void)
{
	struct kvm_msr_list *list = get_list(KVM_GET_MSR_FEATURE_INDEX_LIST);
	struct vcpu *vcpu = vcpu_create(vm_create(VM_GUEST | VM_IRQCHIP), 0);
	u32 i, three[3] = { 0, 0x12345678, 0 };
	u64 v[3];

	vcpu_set_supported_cpuid(vcpu);
	ASSERT_GE(list->nmsrs, 1);
	for (i = 0; i < list->nmsrs; i++) {
		u32 msr = list->indices[i];

		printf("# %s\n", msr_name(msr));
		CHECK_RET("read on the device", 1, get_system_msrs(1, &msr, v));
		if (__vcpu_get_msr(vcpu, msr, &v[1]) == 1)
			CHECK_RET("given to a vCPU", 1, __vcpu_set_msr(vcpu, msr, v[0]));
	}
	three[0] = three[2] = list->indices[0];
	CHECK_RET("as far as they are known", 1, get_system_msrs(3, three, v));
	three[0] = 0x277;
	CHECK_RET("PAT is none of the host's features", 0, get_system_msrs(1, three, v));
	free(list);
}

/* SDM vol. 4, architectural MSRs; APM vol. 2, "Performance Monitoring Counters". */
static const struct pmu_row {
	const char *name;
	u32 first, last;
	bool idle;	/* to the guest: writes are ignored, reads give 0 */
} pmu_rows[] = {
	{ "P6 PERFCTR", 0xc1, 0xc2, true },
	{ "PMC 2 to 7", 0xc3, 0xc8, false },
	{ "P6 EVNTSEL", 0x186, 0x187, true },
	{ "PERFEVTSEL 2 to 7", 0x188, 0x18d, false },
	{ "FIXED_CTR", 0x309, 0x30c, false },
	{ "PERF_CAPABILITIES", 0x345, 0x345, false },
	{ "FIXED_CTR_CTRL, PERF_GLOBAL", 0x38d, 0x390, false },
	{ "PEBS_ENABLE", 0x3f1, 0x3f1, false },
	{ "PEBS_DATA_CFG", 0x3f2, 0x3f2, false },
	{ "PMC of full width", 0x4c1, 0x4c8, false },
	{ "DS_AREA", 0x600, 0x600, false },
	{ "AMD's PERF_GLOBAL", 0xc0000300, 0xc0000302, false },
	{ "K7 EVNTSEL, PERFCTR", 0xc0010000, 0xc0010007, true },
	{ "AMD's core counters", 0xc0010200, 0xc001020b, false },
};

/* SDM, leaf 0ah; APM, extended leaf 1: PerfCtrExtCore, and leaf 22h: PerfMonV2. */
static bool has_pmu(void)
{
	struct kvm_cpuid2 *c = supported_cpuid();
	struct kvm_cpuid_entry2 *intel = cpuid_row(c, 0xa, 0), *amd = cpuid_row(c, 0x80000001, 0);
	struct kvm_cpuid_entry2 *v2 = cpuid_row(c, 0x80000022, 0);

	return (intel && (intel->eax & 0xff)) || (amd->ecx & BIT(23)) || (v2 && (v2->eax & 1));
}

static void guest_pmu(u64 check_rdpmc)
{
	u32 i, msr;

	for (i = 0; i < ARRAY_SIZE(pmu_rows); i++) {
		const struct pmu_row *row = &pmu_rows[i];
		int wanted = row->idle ? NO_FAULT : VEC_GP;

		for (msr = row->first; msr <= row->last; msr++) {
			u64 v = 0;

			GUEST_ROW(row->name, wanted, rdmsr_safe(msr, &v));
			GUEST_ROW("  reads 0", 0, v);
			GUEST_ROW("  write", wanted, wrmsr_safe(msr, 1));
			GUEST_ROW("  write of 0", wanted, wrmsr_safe(msr, 0));
		}
	}
	if (!check_rdpmc)
		return;
	GUEST_ROW("RDPMC", VEC_GP, GUEST_TRY("rdpmc", "a" (0), "d" (0), "c" (0)));
	write_cr4(read_cr4() | BIT(8));
	GUEST_ROW("RDPMC with CR4.PCE", VEC_GP, GUEST_TRY("rdpmc", "a" (0), "d" (0), "c" (0)));
}

static void test_no_pmu(void)
{
	struct vcpu *vcpu;

	REQUIRE(!has_pmu(), "the guest has a PMU");
	vcpu = vcpu_create_guest(vm_create(VM_GUEST | VM_IRQCHIP), 0, guest_pmu);
	/* to stock KVM every AMD CPU has the K7's counters */
	vcpu_args(vcpu, has_cap(KEEL_CAP_LAST_ERROR) > 0 || !guest_is_amd(), 0, 0);
	vcpu_run_done(vcpu);
}

static bool is_listed(const struct kvm_msr_list *list, u32 msr)
{
	u32 i;

	for (i = 0; i < list->nmsrs; i++)
		if (list->indices[i] == msr)
			return true;
	return false;
}

/* A launcher that saves them all finds 0 or nothing, and can put back what it found. */
static void test_no_pmu_launcher(void)
{
	struct kvm_msr_list *list = get_list(KVM_GET_MSR_INDEX_LIST);
	struct vcpu *vcpu = vcpu_create(vm_create(VM_GUEST | VM_IRQCHIP), 0);
	u32 i, msr, listed = 0, answered = 0;

	REQUIRE(!has_pmu(), "the guest has a PMU");
	vcpu_set_supported_cpuid(vcpu);
	for (i = 0; i < ARRAY_SIZE(pmu_rows); i++) {
		for (msr = pmu_rows[i].first; msr <= pmu_rows[i].last; msr++) {
			u64 v = 0;
			bool is_read = __vcpu_get_msr(vcpu, msr, &v) == 1;

			listed += is_listed(list, msr);
			answered += is_read;
			if (is_listed(list, msr) || pmu_rows[i].idle)
				CHECK_EQ(msr_name(msr), true, is_read);
			CHECK_EQ("  reads 0", 0, v);
			CHECK_RET("  write of 0, as the read", is_read, __vcpu_set_msr(vcpu, msr, 0));
		}
	}
	test_note("%u of a PMU listed, %u answered", listed, answered);
	free(list);
}

static const struct test_case cases[] = {
	{ "listed", test_listed },
	{ "features", test_features },
	{ "no_pmu", test_no_pmu },
	{ "no_pmu_launcher", test_no_pmu_launcher },
};

TEST_MAIN(cases)
