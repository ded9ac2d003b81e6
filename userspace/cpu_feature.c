// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names and leaves: Intel SDM vol. 2, "CPUID - CPU Identification"; AMD APM vol. 3, "Obtaining Processor Information Via
 * the CPUID Instruction"; of the kernel's own, Documentation/virt/kvm/x86/cpuid.rst.
 */
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>

#include "cpu_feature.h"
#include "util.h"

enum cpu_register { EAX, EBX, ECX, EDX };

enum cpu_word {
	W1_ECX, W1_EDX, W7_EBX, W7_ECX, W7_EDX, W71_EAX, W71_EBX, W71_ECX, W71_EDX, W72_EDX, WD1_EAX, WPV_EAX,
	WX1_ECX, WX1_EDX, WX7_EDX, WX8_EBX, WX21_EAX, WX21_ECX,
};

/*
 * Left out is what mirrors a register (OSXSAVE, OSPKE), what the launcher says itself (the TSC deadline, a hypervisor), what
 * tells of several CPUs (HTT, CmpLegacy), and AMD's copy of leaf 1 in leaf 0x80000001.
 */
static const struct {
	uint32_t function, index;
	enum cpu_register reg;
	uint32_t bits;		/* that are features */
} words[] = {
	[W1_ECX] = { 0x00000001, 0, ECX, ~(1u << 27 | 1u << 24 | 1u << 31) },
	[W1_EDX] = { 0x00000001, 0, EDX, ~(1u << 28) },
	[W7_EBX] = { 0x00000007, 0, EBX, ~0u },
	[W7_ECX] = { 0x00000007, 0, ECX, ~(1u << 4) },
	[W7_EDX] = { 0x00000007, 0, EDX, ~0u },
	[W71_EAX] = { 0x00000007, 1, EAX, ~0u },
	[W71_EBX] = { 0x00000007, 1, EBX, ~0u },
	[W71_ECX] = { 0x00000007, 1, ECX, ~0u },
	[W71_EDX] = { 0x00000007, 1, EDX, ~0u },
	[W72_EDX] = { 0x00000007, 2, EDX, ~0u },
	[WD1_EAX] = { 0x0000000d, 1, EAX, ~0u },
	[WPV_EAX] = { 0x40000001, 0, EAX, ~0u },	/* what the kernel does for its guests */
	[WX1_ECX] = { 0x80000001, 0, ECX, ~(1u << 1) },
	[WX1_EDX] = { 0x80000001, 0, EDX, ~0x0183f3ffu },
	[WX7_EDX] = { 0x80000007, 0, EDX, 1u << 8 },
	[WX8_EBX] = { 0x80000008, 0, EBX, ~0u },
	[WX21_EAX] = { 0x80000021, 0, EAX, ~0u },
	[WX21_ECX] = { 0x80000021, 0, ECX, ~0u },
};

_Static_assert(ARRAY_SIZE(words) == CPU_WORDS, "a row for each word");

#define F(name, word, bit)		{ name, word, bit, NULL }
#define N(name, word, bit, needs)	{ name, word, bit, needs }

/* By word and bit; of several names for one bit the first is shown. */
static const struct feature {
	const char *name;
	uint8_t word, bit;
	const char *needs;	/* a feature without which it is of no use */
} features[] = {
	F("pni", W1_ECX, 0), F("sse3", W1_ECX, 0), F("pclmulqdq", W1_ECX, 1), F("dtes64", W1_ECX, 2), F("monitor", W1_ECX, 3),
	F("ds_cpl", W1_ECX, 4), F("vmx", W1_ECX, 5), F("smx", W1_ECX, 6), F("est", W1_ECX, 7), F("tm2", W1_ECX, 8),
	F("ssse3", W1_ECX, 9), F("cid", W1_ECX, 10), F("sdbg", W1_ECX, 11), N("fma", W1_ECX, 12, "avx"), F("cx16", W1_ECX, 13),
	F("xtpr", W1_ECX, 14), F("pdcm", W1_ECX, 15), F("pcid", W1_ECX, 17), F("dca", W1_ECX, 18), F("sse4_1", W1_ECX, 19),
	F("sse4_2", W1_ECX, 20), F("x2apic", W1_ECX, 21), F("movbe", W1_ECX, 22), F("popcnt", W1_ECX, 23),
	F("aes", W1_ECX, 25), F("xsave", W1_ECX, 26), N("avx", W1_ECX, 28, "xsave"), N("f16c", W1_ECX, 29, "avx"),
	F("rdrand", W1_ECX, 30),

	F("fpu", W1_EDX, 0), F("vme", W1_EDX, 1), F("de", W1_EDX, 2), F("pse", W1_EDX, 3), F("tsc", W1_EDX, 4),
	F("msr", W1_EDX, 5), F("pae", W1_EDX, 6), F("mce", W1_EDX, 7), F("cx8", W1_EDX, 8), F("apic", W1_EDX, 9),
	F("sep", W1_EDX, 11), F("mtrr", W1_EDX, 12), F("pge", W1_EDX, 13), F("mca", W1_EDX, 14), F("cmov", W1_EDX, 15),
	F("pat", W1_EDX, 16), F("pse36", W1_EDX, 17), F("pn", W1_EDX, 18), F("clflush", W1_EDX, 19), F("dts", W1_EDX, 21),
	F("acpi", W1_EDX, 22), F("mmx", W1_EDX, 23), F("fxsr", W1_EDX, 24), F("sse", W1_EDX, 25), F("sse2", W1_EDX, 26),
	F("ss", W1_EDX, 27), F("tm", W1_EDX, 29), F("pbe", W1_EDX, 31),

	F("fsgsbase", W7_EBX, 0), F("tsc_adjust", W7_EBX, 1), F("sgx", W7_EBX, 2), F("bmi1", W7_EBX, 3), F("hle", W7_EBX, 4),
	N("avx2", W7_EBX, 5, "avx"), F("fdp_excptn_only", W7_EBX, 6), F("smep", W7_EBX, 7), F("bmi2", W7_EBX, 8),
	F("erms", W7_EBX, 9), F("invpcid", W7_EBX, 10), F("rtm", W7_EBX, 11), F("cqm", W7_EBX, 12),
	F("zero_fcs_fds", W7_EBX, 13), N("mpx", W7_EBX, 14, "xsave"), F("rdt_a", W7_EBX, 15), N("avx512f", W7_EBX, 16, "avx2"),
	N("avx512dq", W7_EBX, 17, "avx512f"), F("rdseed", W7_EBX, 18), F("adx", W7_EBX, 19), F("smap", W7_EBX, 20),
	N("avx512ifma", W7_EBX, 21, "avx512f"), F("clflushopt", W7_EBX, 23), F("clwb", W7_EBX, 24), F("intel_pt", W7_EBX, 25),
	N("avx512pf", W7_EBX, 26, "avx512f"), N("avx512er", W7_EBX, 27, "avx512f"), N("avx512cd", W7_EBX, 28, "avx512f"),
	F("sha_ni", W7_EBX, 29), N("avx512bw", W7_EBX, 30, "avx512f"), N("avx512vl", W7_EBX, 31, "avx512f"),

	N("avx512vbmi", W7_ECX, 1, "avx512bw"), F("umip", W7_ECX, 2), N("pku", W7_ECX, 3, "xsave"), F("waitpkg", W7_ECX, 5),
	N("avx512_vbmi2", W7_ECX, 6, "avx512bw"), N("shstk", W7_ECX, 7, "xsaves"), F("gfni", W7_ECX, 8),
	N("vaes", W7_ECX, 9, "avx"), N("vpclmulqdq", W7_ECX, 10, "avx"), N("avx512_vnni", W7_ECX, 11, "avx512f"),
	N("avx512_bitalg", W7_ECX, 12, "avx512bw"), F("tme", W7_ECX, 13), N("avx512_vpopcntdq", W7_ECX, 14, "avx512f"),
	F("la57", W7_ECX, 16), F("rdpid", W7_ECX, 22), F("bus_lock_detect", W7_ECX, 24), F("cldemote", W7_ECX, 25),
	F("movdiri", W7_ECX, 27), F("movdir64b", W7_ECX, 28), N("enqcmd", W7_ECX, 29, "xsaves"),

	N("avx512_4vnniw", W7_EDX, 2, "avx512f"), N("avx512_4fmaps", W7_EDX, 3, "avx512f"), F("fsrm", W7_EDX, 4),
	N("uintr", W7_EDX, 5, "xsaves"), N("avx512_vp2intersect", W7_EDX, 8, "avx512f"), F("srbds_ctrl", W7_EDX, 9),
	F("md_clear", W7_EDX, 10), F("rtm_always_abort", W7_EDX, 11), F("serialize", W7_EDX, 14), F("tsxldtrk", W7_EDX, 16),
	F("pconfig", W7_EDX, 18), F("arch_lbr", W7_EDX, 19), F("ibt", W7_EDX, 20), N("amx_bf16", W7_EDX, 22, "amx_tile"),
	N("avx512_fp16", W7_EDX, 23, "avx512bw"), N("amx_tile", W7_EDX, 24, "xsave"), N("amx_int8", W7_EDX, 25, "amx_tile"),
	F("spec_ctrl", W7_EDX, 26), F("intel_stibp", W7_EDX, 27), F("flush_l1d", W7_EDX, 28),
	F("arch_capabilities", W7_EDX, 29), F("core_capabilities", W7_EDX, 30), F("spec_ctrl_ssbd", W7_EDX, 31),

	N("avx_vnni", W71_EAX, 4, "avx2"), N("avx512_bf16", W71_EAX, 5, "avx512bw"), F("cmpccxadd", W71_EAX, 7),
	F("fzrm", W71_EAX, 10), F("fsrs", W71_EAX, 11), F("fsrc", W71_EAX, 12), N("amx_fp16", W71_EAX, 21, "amx_tile"),
	N("avx_ifma", W71_EAX, 23, "avx2"), F("lam", W71_EAX, 26),
	N("avx_vnni_int8", W71_EDX, 4, "avx2"), N("avx_ne_convert", W71_EDX, 5, "avx2"), F("prefetchiti", W71_EDX, 14),

	F("intel_psfd", W72_EDX, 0), F("ipred_ctrl", W72_EDX, 1), F("rrsba_ctrl", W72_EDX, 2), F("ddpd_u", W72_EDX, 3),
	F("bhi_ctrl", W72_EDX, 4), F("mcdt_no", W72_EDX, 5),

	N("xsaveopt", WD1_EAX, 0, "xsave"), N("xsavec", WD1_EAX, 1, "xsave"), N("xgetbv1", WD1_EAX, 2, "xsave"),
	N("xsaves", WD1_EAX, 3, "xsavec"), N("xfd", WD1_EAX, 4, "xsave"),

	F("kvmclock", WPV_EAX, 0), F("kvm_nopiodelay", WPV_EAX, 1), F("kvm_mmu", WPV_EAX, 2), F("kvmclock2", WPV_EAX, 3),
	F("kvm_asyncpf", WPV_EAX, 4), F("kvm_steal_time", WPV_EAX, 5), F("kvm_pv_eoi", WPV_EAX, 6),
	F("kvm_pv_unhalt", WPV_EAX, 7), F("kvm_pv_tlb_flush", WPV_EAX, 9), F("kvm_asyncpf_vmexit", WPV_EAX, 10),
	F("kvm_pv_ipi", WPV_EAX, 11), F("kvm_poll_control", WPV_EAX, 12), F("kvm_pv_sched_yield", WPV_EAX, 13),
	F("kvm_asyncpf_int", WPV_EAX, 14), F("kvm_msi_ext_dest_id", WPV_EAX, 15), F("kvm_hc_map_gpa_range", WPV_EAX, 16),
	F("kvm_migration_control", WPV_EAX, 17), F("kvmclock_stable_bit", WPV_EAX, 24),

	F("lahf_lm", WX1_ECX, 0), F("svm", WX1_ECX, 2), F("extapic", WX1_ECX, 3), F("cr8_legacy", WX1_ECX, 4),
	F("abm", WX1_ECX, 5), F("lzcnt", WX1_ECX, 5), F("sse4a", WX1_ECX, 6), F("misalignsse", WX1_ECX, 7),
	F("3dnowprefetch", WX1_ECX, 8), F("osvw", WX1_ECX, 9), F("ibs", WX1_ECX, 10), N("xop", WX1_ECX, 11, "avx"),
	F("skinit", WX1_ECX, 12), F("wdt", WX1_ECX, 13), N("lwp", WX1_ECX, 15, "xsave"), N("fma4", WX1_ECX, 16, "avx"),
	F("tce", WX1_ECX, 17), F("nodeid_msr", WX1_ECX, 19), F("tbm", WX1_ECX, 21), F("topoext", WX1_ECX, 22),
	F("perfctr_core", WX1_ECX, 23), F("perfctr_nb", WX1_ECX, 24), F("bpext", WX1_ECX, 26), F("ptsc", WX1_ECX, 27),
	F("perfctr_llc", WX1_ECX, 28), F("mwaitx", WX1_ECX, 29),

	F("syscall", WX1_EDX, 11), F("mp", WX1_EDX, 19), F("nx", WX1_EDX, 20), F("mmxext", WX1_EDX, 22),
	F("fxsr_opt", WX1_EDX, 25), F("pdpe1gb", WX1_EDX, 26), F("rdtscp", WX1_EDX, 27), F("lm", WX1_EDX, 29),
	F("3dnowext", WX1_EDX, 30), F("3dnow", WX1_EDX, 31),

	F("invtsc", WX7_EDX, 8),

	F("clzero", WX8_EBX, 0), F("irperf", WX8_EBX, 1), F("xsaveerptr", WX8_EBX, 2), F("rdpru", WX8_EBX, 4),
	F("wbnoinvd", WX8_EBX, 9), F("amd_ibpb", WX8_EBX, 12), F("amd_ibrs", WX8_EBX, 14), F("amd_stibp", WX8_EBX, 15),
	F("amd_stibp_always_on", WX8_EBX, 17), F("amd_ssbd", WX8_EBX, 24), F("virt_ssbd", WX8_EBX, 25),
	F("amd_ssb_no", WX8_EBX, 26), F("amd_psfd", WX8_EBX, 28), F("btc_no", WX8_EBX, 29),

	F("no_nested_data_bp", WX21_EAX, 0), F("lfence_rdtsc", WX21_EAX, 2), F("verw_clear", WX21_EAX, 5),
	F("null_sel_clr_base", WX21_EAX, 6), F("autoibrs", WX21_EAX, 8), F("sbpb", WX21_EAX, 27),
	F("ibpb_brtype", WX21_EAX, 28), F("srso_no", WX21_EAX, 29),
	F("tsa_sq_no", WX21_ECX, 1), F("tsa_l1_no", WX21_ECX, 2),
};

/* ---- leaves ---- */

struct kvm_cpuid_entry2 *cpuid_find(const struct kvm_cpuid_entry2 *entries, uint32_t count, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < count; i++)
		if (entries[i].function == function &&
		    (entries[i].index == index || !(entries[i].flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return (struct kvm_cpuid_entry2 *)&entries[i];
	return NULL;
}

static uint32_t *register_of(struct kvm_cpuid_entry2 *entry, enum cpu_register reg)
{
	switch (reg) {
	case EAX:
		return &entry->eax;
	case EBX:
		return &entry->ebx;
	case ECX:
		return &entry->ecx;
	default:
		return &entry->edx;
	}
}

struct cpu_features cpu_features_read(const struct kvm_cpuid_entry2 *entries, uint32_t count)
{
	struct cpu_features set = { { 0 } };

	for (unsigned int i = 0; i < CPU_WORDS; i++) {
		struct kvm_cpuid_entry2 *entry = cpuid_find(entries, count, words[i].function, words[i].index);

		if (entry)
			set.words[i] = *register_of(entry, words[i].reg) & words[i].bits;
	}
	return set;
}

void cpu_features_write(const struct cpu_features *set, struct kvm_cpuid_entry2 *entries, uint32_t count)
{
	for (unsigned int i = 0; i < CPU_WORDS; i++) {
		struct kvm_cpuid_entry2 *entry = cpuid_find(entries, count, words[i].function, words[i].index);
		uint32_t *reg = entry ? register_of(entry, words[i].reg) : NULL;

		if (reg)
			*reg = (*reg & ~words[i].bits) | set->words[i];
	}
}

bool cpu_features_use(const struct cpu_features *set, uint32_t function, uint32_t index)
{
	for (unsigned int i = 0; i < CPU_WORDS; i++)
		if (words[i].function == function && words[i].index == index && set->words[i])
			return true;
	return false;
}

/* ---- names ---- */

static char plain(char c)
{
	return c == '.' || c == '-' ? '_' : c;
}

static const struct feature *find(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		size_t at = 0;

		while (at < length && features[i].name[at] && features[i].name[at] == plain(name[at]))
			at++;
		if (at == length && !features[i].name[at])
			return &features[i];
	}
	return NULL;
}

static bool has(const struct cpu_features *set, const struct feature *feature)
{
	return set->words[feature->word] >> feature->bit & 1;
}

bool cpu_features_add(struct cpu_features *set, const char *name, size_t length)
{
	const struct feature *feature = find(name, length);

	if (feature)
		set->words[feature->word] |= 1u << feature->bit;
	return feature;
}

bool cpu_features_add_list(struct cpu_features *set, const char *list)
{
	bool is_known = true;

	while (*list) {
		size_t length = strcspn(list, ",");

		is_known &= cpu_features_add(set, list, length);
		list += length + (list[length] == ',');
	}
	return is_known;
}

bool cpu_features_has(const struct cpu_features *set, const char *name)
{
	const struct feature *feature = find(name, strlen(name));

	return feature && has(set, feature);
}

bool cpu_features_next(const struct cpu_features *set, unsigned int *at, char *name, size_t size)
{
	static const char *const registers[] = { "eax", "ebx", "ecx", "edx" };

	for (; *at < CPU_WORDS * 32; ++*at) {
		unsigned int word = *at / 32, bit = *at % 32;

		if (!(set->words[word] >> bit & 1))
			continue;
		++*at;
		for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
			if (features[i].word == word && features[i].bit == bit) {
				snprintf(name, size, "%s", features[i].name);
				return true;
			}
		}
		snprintf(name, size, "%#x.%u %s bit %u", words[word].function, words[word].index, registers[words[word].reg], bit);
		return true;
	}
	return false;
}

#define MORE	"and 999 more"

void cpu_features_list(const struct cpu_features *set, char *text, size_t size)
{
	unsigned int at = 0, more = 0;
	size_t used = 0;
	char name[32];

	*text = 0;
	while (cpu_features_next(set, &at, name, sizeof(name))) {
		if (more || used + strlen(name) + strlen(", " ", " MORE) >= size)
			more++;
		else
			used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", name);
	}
	if (more)
		snprintf(text + used, size - used, "%sand %u more", used ? ", " : "", more);
}

/* ---- sets ---- */

void cpu_features_join(struct cpu_features *set, const struct cpu_features *more)
{
	for (unsigned int i = 0; i < CPU_WORDS; i++)
		set->words[i] |= more->words[i];
}

struct cpu_features cpu_features_lacks(const struct cpu_features *set, const struct cpu_features *there)
{
	struct cpu_features lacks;

	for (unsigned int i = 0; i < CPU_WORDS; i++)
		lacks.words[i] = set->words[i] & ~there->words[i];
	return lacks;
}

bool cpu_features_is_empty(const struct cpu_features *set)
{
	static const struct cpu_features none;

	return !memcmp(set, &none, sizeof(none));
}

static const struct feature *unmet(const struct cpu_features *set)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		if (features[i].needs && has(set, &features[i]) && !cpu_features_has(set, features[i].needs))
			return &features[i];
	return NULL;
}

const char *cpu_features_unmet(const struct cpu_features *set, const char **needs)
{
	const struct feature *feature = unmet(set);

	if (feature)
		*needs = feature->needs;
	return feature ? feature->name : NULL;
}

void cpu_features_drop(struct cpu_features *set, const struct cpu_features *gone)
{
	const struct feature *feature;
	const struct cpu_features before = *set;

	*set = cpu_features_lacks(set, gone);
	if (!memcmp(set, &before, sizeof(before)))
		return;
	while ((feature = unmet(set)))
		set->words[feature->word] &= ~(1u << feature->bit);
}

uint64_t cpu_features_xcr0(const struct cpu_features *set, uint64_t *known)
{
	static const struct {
		const char *name;
		uint64_t components;
	} rows[] = {
		{ "avx", 1u << 2 }, { "mpx", 3u << 3 }, { "avx512f", 7u << 5 }, { "pku", 1u << 9 }, { "amx_tile", 3u << 17 },
	};
	uint64_t xcr0 = cpu_features_has(set, "xsave") ? 3 : 0;

	*known = 3;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		*known |= rows[i].components;
		if (cpu_features_has(set, rows[i].name))
			xcr0 |= rows[i].components;
	}
	return xcr0;
}
