// SPDX-License-Identifier: GPL-2.0-only
/*
 * A bit of CPUID that announces an MSR has the MSR there: OpenBSD, for one, stops where SDBG has none.
 * SDM vol. 4, "Architectural MSRs", the column of conditions; APM vol. 3, "Obtaining Processor Information".
 */
#include "guest.h"

enum { EAX, EBX, ECX, EDX };

static const struct { const char *name; u32 leaf, sub, reg, bit, msr; } rows[] = {
	{ "SDBG: IA32_DEBUG_INTERFACE", 1, 0, ECX, 11, 0xc80 },
	{ "PDCM: IA32_PERF_CAPABILITIES", 1, 0, ECX, 15, 0x345 },
	{ "MTRR: IA32_MTRRCAP", 1, 0, EDX, 12, 0xfe },
	{ "MCA: IA32_MCG_CAP", 1, 0, EDX, 14, 0x179 },
	{ "PAT: IA32_PAT", 1, 0, EDX, 16, 0x277 },
	{ "TSC_DEADLINE: IA32_TSC_DEADLINE", 1, 0, ECX, 24, 0x6e0 },
	{ "SEP: IA32_SYSENTER_CS", 1, 0, EDX, 11, 0x174 },
	{ "EST: IA32_PERF_STATUS", 1, 0, ECX, 7, 0x198 },
	{ "TM: IA32_THERM_STATUS", 1, 0, EDX, 29, 0x19c },
	{ "DS: IA32_DS_AREA", 1, 0, EDX, 21, 0x600 },
	{ "APERFMPERF: IA32_MPERF", 6, 0, ECX, 0, 0xe7 },
	{ "TSC_ADJUST: IA32_TSC_ADJUST", 7, 0, EBX, 1, 0x3b },
	{ "SPEC_CTRL: IA32_SPEC_CTRL", 7, 0, EDX, 26, 0x48 },
	{ "ARCH_CAPABILITIES: IA32_ARCH_CAPABILITIES", 7, 0, EDX, 29, 0x10a },
	{ "CORE_CAPABILITIES: IA32_CORE_CAPABILITIES", 7, 0, EDX, 30, 0xcf },
	{ "XSAVES: IA32_XSS", 0xd, 1, EAX, 3, 0xda0 },
	{ "SYSCALL: STAR", 0x80000001, 0, EDX, 11, 0xc0000081 },
	{ "RDTSCP: TSC_AUX", 0x80000001, 0, EDX, 27, 0xc0000103 },
	{ "SVM: VM_CR", 0x80000001, 0, ECX, 2, 0xc0010114 },
	{ "OSVW: OSVW_ID_LENGTH", 0x80000001, 0, ECX, 9, 0xc0010140 },
	{ "IBS: IBS_FETCH_CTL", 0x80000001, 0, ECX, 10, 0xc0011030 },
	{ "WDT: CPU_WATCHDOG_TIMER", 0x80000001, 0, ECX, 13, 0xc0010074 },
	{ "LWP: LWP_CFG", 0x80000001, 0, ECX, 15, 0xc0000105 },
	{ "PERFCTR_CORE: PERF_CTL0", 0x80000001, 0, ECX, 23, 0xc0010200 },
};

static void guest_announced(void)
{
	u32 i, r[4], top;
	u64 v;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cpuid(rows[i].leaf & 0x80000000, 0, r);
		top = r[0];
		cpuid(rows[i].leaf, rows[i].sub, r);
		if (rows[i].leaf <= top && (r[rows[i].reg] & BIT(rows[i].bit)))
			GUEST_ROW(rows[i].name, NO_FAULT, rdmsr_safe(rows[i].msr, &v));
	}
}

static void test_announced(void)
{
	run_guest(VM_GUEST | VM_IRQCHIP, guest_announced);
}

static const struct test_case cases[] = {
	{ "announced", test_announced },
};

TEST_MAIN(cases)
