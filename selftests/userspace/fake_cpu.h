/* SPDX-License-Identifier: GPL-2.0-only */
/* Hosts' CPUs made up from a vendor and names of features. */
#ifndef SELFTESTS_FAKE_CPU_H
#define SELFTESTS_FAKE_CPU_H

#include <linux/kvm.h>

#include "test.h"
#include "userspace/cpu_feature.h"

#define FAKE_ENTRIES	40

struct fake_cpu {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[FAKE_ENTRIES];
};

struct fake_part {
	u32 number, size, offset;
};

static inline struct kvm_cpuid_entry2 *fake_add(struct fake_cpu *cpu, u32 function, u32 index, u32 flags)
{
	struct kvm_cpuid_entry2 *entry = &cpu->entries[cpu->head.nent++];

	ASSERT_GE(FAKE_ENTRIES, cpu->head.nent);
	entry->function = function;
	entry->index = index;
	entry->flags = flags;
	return entry;
}

static inline struct cpu_features fake_features(const char *names)
{
	struct cpu_features set = { { 0 } };

	for (const char *at = names; *at;) {
		size_t length = strcspn(at, " ");

		if (length)
			ASSERT(cpu_features_add(&set, at, length), "no feature '%.*s'", (int)length, at);
		at += length + (at[length] == ' ');
	}
	return set;
}

/* The parts of AVX-512's state and PKRU are where the vendors have them. */
static inline void fake_cpu(struct fake_cpu *cpu, const char *vendor, u32 signature, u32 address_bits, const char *names)
{
	static const u32 plain[] = { 2, 3, 5, 6 };
	static const struct fake_part intel[] = { { 2, 256, 576 }, { 5, 64, 1088 }, { 6, 512, 1152 }, { 7, 1024, 1664 }, { 9, 8, 2688 } };
	static const struct fake_part amd[] = { { 2, 256, 576 }, { 5, 64, 832 }, { 6, 512, 896 }, { 7, 1024, 1408 }, { 9, 8, 2432 } };
	const struct fake_part *parts = *vendor == 'A' ? amd : intel;
	const struct cpu_features set = fake_features(names);
	u64 known, xcr0 = cpu_features_xcr0(&set, &known);
	struct kvm_cpuid_entry2 *entry;

	memset(cpu, 0, sizeof(*cpu));
	entry = fake_add(cpu, 0, 0, 0);
	entry->eax = 0x1f;
	memcpy(&entry->ebx, vendor, 4);
	memcpy(&entry->edx, vendor + 4, 4);
	memcpy(&entry->ecx, vendor + 8, 4);
	entry = fake_add(cpu, 1, 0, 0);
	entry->eax = signature;
	entry->ebx = 0x0800;
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		fake_add(cpu, plain[i], 0, 0)->eax = 0x100 + plain[i];
	fake_add(cpu, 4, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX)->eax = 0x121;
	for (u32 i = 0; i < 3; i++)
		fake_add(cpu, 7, i, KVM_CPUID_FLAG_SIGNIFCANT_INDEX)->eax = i ? 0 : 2;
	fake_add(cpu, 0xb, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	entry = fake_add(cpu, 0xd, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	entry->eax = (u32)xcr0;
	fake_add(cpu, 0xd, 1, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	for (size_t i = 0; i < ARRAY_SIZE(intel); i++) {
		struct kvm_cpuid_entry2 *part = fake_add(cpu, 0xd, parts[i].number, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);

		part->eax = parts[i].size;
		part->ebx = parts[i].offset;
	}
	fake_add(cpu, 0x40000000, 0, 0)->eax = 0x40000001;
	fake_add(cpu, 0x40000001, 0, 0);
	fake_add(cpu, 0x80000000, 0, 0)->eax = 0x80000021;
	for (u32 i = 1; i <= 8; i++)
		fake_add(cpu, 0x80000000 + i, 0, 0)->eax = 0x200 + i;
	cpu->entries[cpu->head.nent - 1].eax = address_bits | 48 << 8;
	fake_add(cpu, 0x80000021, 0, 0);
	cpu_features_write(&set, cpu->entries, cpu->head.nent);
}

static inline struct kvm_cpuid_entry2 *fake_leaf(struct kvm_cpuid2 *table, u32 function, u32 index)
{
	struct kvm_cpuid_entry2 *entry = cpuid_find(table->entries, table->nent, function, index);

	ASSERT(entry, "no leaf %#x.%u", function, index);
	return entry;
}

#define FAKE_BASE "fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 x2apic syscall nx lm " \
	"kvmclock kvmclock2 kvm_nopiodelay kvm_steal_time kvm_pv_ipi kvmclock_stable_bit "
#define FAKE_V2 FAKE_BASE "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3 rdtscp "
#define FAKE_V3 FAKE_V2 "avx avx2 bmi1 bmi2 f16c fma lzcnt movbe xsave fsgsbase smep "
#define FAKE_V4 FAKE_V3 "avx512f avx512bw avx512cd avx512dq avx512vl smap invpcid pcid "
#define FAKE_INTEL FAKE_V4 "vme aes pku umip erms spec_ctrl arch_capabilities xsaveopt xsavec invtsc kvm_asyncpf "
#define FAKE_AMD FAKE_V4 "aes pku sse4a misalignsse topoext clzero amd_ibpb null_sel_clr_base xsaveopt xsavec "

#endif
