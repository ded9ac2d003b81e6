// SPDX-License-Identifier: GPL-2.0-only
/* A saved vCPU runs on no host that lacks what its guest was told, and the line says what that is. */
#include "fake_cpu.h"
#include "userspace/state_format.h"
#include "userspace/state_vcpu.h"

#define RDCL_NO		(1ULL << 0)
#define RSBA		(1ULL << 2)
#define MDS_NO		(1ULL << 5)

static struct state_vcpu state;

static void check(const char *name, const struct kvm_cpuid2 *here, u64 capabilities, const char *wanted)
{
	struct state_error error = { "" };

	CHECK_EQ(name, !wanted, state_cpu_check(&state, here, capabilities, &error));
	if (wanted && !strstr(error.text, wanted))
		FAIL("%s: wanted '%s', got '%s'", name, wanted, error.text);
}

static void test_leaves(void)
{
	static const struct {
		const char *name;
		u32 function, index;
		u32 saved[4], here[4];
		const char *wanted;	/* NULL: fits */
	} rows[] = {
		{ "the same", 1, 0, { 1, 2, 3, 4 }, { 1, 2, 3, 4 }, NULL },
		{ "more than the guest needs", 1, 0, { 1, 2, 3, 4 }, { 9, 9, 0xff, 0xff }, NULL },
		{ "another family and APIC identifier", 1, 0, { 0xabcd, 0x1000000, 0, 0 }, { 0, 0, 0, 0 }, NULL },
		{ "OSXSAVE and TSC deadline", 1, 0, { 0, 0, 1u << 27 | 1u << 24, 0 }, { 0, 0, 0, 0 }, NULL },
		{ "several CPUs", 1, 0, { 0, 0, 0, 1u << 28 }, { 0, 0, 0, 0 }, NULL },
		{ "several CPUs, AMD's", 0x80000001, 0, { 0, 0, 2, 0 }, { 0, 0, 0, 0 }, NULL },
		{ "AMD's copy of leaf 1", 0x80000001, 0, { 0, 0, 0, 0x0183f3ff }, { 0, 0, 0, 0 }, NULL },
		{ "AES", 1, 0, { 0, 0, 1u << 25, 0 }, { 0, 0, 0, 0 }, "told of: aes" },
		{ "OSPKE", 7, 0, { 0, 0, 1u << 4, 0 }, { 0, 0, 0, 0 }, NULL },
		{ "AVX-512 and protection keys", 7, 0, { 0, 1u << 16, 1u << 3, 0 }, { 0, 0, 0, 0 }, "told of: avx512f, pku" },
		{ "XSAVES", 0xd, 1, { 8, 0, 0, 0 }, { 7, 0, 0, 0 }, "told of: xsaves" },
		{ "long mode", 0x80000001, 0, { 0, 0, 0, 1u << 29 }, { 0, 0, 0, 0 }, "told of: lm" },
		{ "AVX-VNNI-INT8", 7, 1, { 0, 0, 0, 1u << 4 }, { 0, 0, 0, 0 }, "told of: avx_vnni_int8" },
		{ "what has no name", 7, 1, { 0, 0, 0, 1u << 30 }, { 0, 0, 0, 0 }, "told of: 0x7.1 edx bit 30" },
		{ "MCDT_NO", 7, 2, { 0, 0, 0, 1u << 5 }, { 0, 0, 0, 0 }, "told of: mcdt_no" },
		{ "the kernel's interrupts between CPUs", 0x40000001, 0, { 1u << 11, 0, 0, 1 }, { 0, 0, 0, 0 }, "told of: kvm_pv_ipi" },
		{ "a TSC that keeps its rate", 0x80000007, 0, { 0, 0, 0, 1u << 8 }, { 0, 0, 0, 0 }, "told of: invtsc" },
		{ "free of TSA", 0x80000021, 0, { 0, 0, 6, 0 }, { 0, 0, 2, 0 }, "told of: tsa_l1_no" },
		{ "more than the line has room for", 7, 0, { 0, ~0u, ~0u, ~0u }, { 0, 0, 0, 0 }, ", and " },
		{ "shorter addresses", 0x80000008, 0, { 0x3027, 0, 0, 0 }, { 0x302e, 0, 0, 0 }, NULL },
		{ "longer addresses", 0x80000008, 0, { 0x302e, 0, 0, 0 }, { 0x3027, 0, 0, 0 },
		  "this host has physical addresses of 39 bits, and the guest has been told of 46" },
		{ "names", 0x80000002, 0, { 1, 2, 3, 4 }, { 0, 0, 0, 0 }, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kvm_cpuid2 *here = calloc(1, sizeof(*here) + sizeof(here->entries[0]));

		state.cpuid_count = here->nent = 1;
		state.cpuid[0] = (struct kvm_cpuid_entry2){
			.function = rows[i].function, .index = rows[i].index, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			.eax = rows[i].saved[0], .ebx = rows[i].saved[1], .ecx = rows[i].saved[2], .edx = rows[i].saved[3],
		};
		here->entries[0] = state.cpuid[0];
		here->entries[0].eax = rows[i].here[0];
		here->entries[0].ebx = rows[i].here[1];
		here->entries[0].ecx = rows[i].here[2];
		here->entries[0].edx = rows[i].here[3];
		check(rows[i].name, here, 0, rows[i].wanted);
		free(here);
	}
}

/* Whole CPUs: from one to another. */
static void test_hosts(void)
{
	static const struct {
		const char *name, *from, *from_features, *to, *to_features;
		const char *wanted;
	} rows[] = {
		{ "Intel's to Intel's", "GenuineIntel", FAKE_INTEL, "GenuineIntel", FAKE_INTEL, NULL },
		{ "AMD's to one of AMD's kin", "AuthenticAMD", FAKE_V2, "HygonGenuine", FAKE_V2, NULL },
		{ "AMD's to Intel's", "AuthenticAMD", FAKE_V2, "GenuineIntel", FAKE_INTEL,
		  "this host's vendor is GenuineIntel, and the guest has been told of AuthenticAMD" },
		{ "Intel's to AMD's", "GenuineIntel", FAKE_V2, "AuthenticAMD", FAKE_AMD, "this host's vendor is AuthenticAMD" },
		{ "nobody's to Intel's", "Keel neutral", FAKE_V3, "GenuineIntel", FAKE_INTEL, NULL },
		{ "nobody's to AMD's", "Keel neutral", FAKE_V3, "AuthenticAMD", FAKE_AMD, NULL },
		{ "nobody's to an older one", "Keel neutral", FAKE_V3, "AuthenticAMD", FAKE_V2,
		  "told of: fma, movbe, xsave, avx, f16c, fsgsbase, bmi1, avx2, smep, bmi2, abm" },
		{ "AVX-512's state, Intel's to AMD's", "Keel neutral", FAKE_V4, "AuthenticAMD", FAKE_AMD,
		  "this host's XSAVE area has 64 bytes at 832 for component 5, and the guest has been told of 64 at 1088" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static struct fake_cpu from, to;

		fake_cpu(&from, rows[i].from, 1, 40, rows[i].from_features);
		fake_cpu(&to, rows[i].to, 2, 40, rows[i].to_features);
		state.cpuid_count = from.head.nent;
		memcpy(state.cpuid, from.entries, from.head.nent * sizeof(from.entries[0]));
		check(rows[i].name, &to.head, 0, rows[i].wanted);
	}
}

static void test_capabilities(void)
{
	static const struct {
		const char *name, *features;
		u64 saved, here;
		const char *wanted;
	} rows[] = {
		{ "the same", "arch_capabilities", RDCL_NO | RSBA, RDCL_NO | RSBA, NULL },
		{ "a better one", "arch_capabilities", RDCL_NO, RDCL_NO | MDS_NO, NULL },
		{ "a weakness less", "arch_capabilities", RSBA, 0, NULL },
		{ "Meltdown and MDS", "arch_capabilities", RDCL_NO | MDS_NO | RSBA, RSBA,
		  "this host's CPU has not what IA32_ARCH_CAPABILITIES has told the guest: rdcl_no, mds_no" },
		{ "all of them", "arch_capabilities", ~0ULL, 0, "rdcl_no, ibrs_all" },
		{ "a guest that cannot read it", "aes", RDCL_NO, 0, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static struct fake_cpu cpu;

		fake_cpu(&cpu, "GenuineIntel", 1, 40, rows[i].features);
		state.cpuid_count = cpu.head.nent;
		memcpy(state.cpuid, cpu.entries, cpu.head.nent * sizeof(cpu.entries[0]));
		state.msr_count = 2;
		state.msrs[0] = (struct state_msr){ 0x10, 1 };
		state.msrs[1] = (struct state_msr){ 0x10a, rows[i].saved };
		check(rows[i].name, &cpu.head, rows[i].here, rows[i].wanted);
	}
	state.msr_count = 0;
}

static const struct test_case cases[] = {
	{ "leaves", test_leaves },
	{ "hosts", test_hosts },
	{ "capabilities", test_capabilities },
};

TEST_MAIN(cases)
