/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The right measure for each fault of each kind of CPU in each state of its kernel, and the right
 * words about it.
 */
#include <keel/bugs.h>

#include "test.h"

#define F(name)		HOST_FACT(name)

/* What /proc/cpuinfo lists on such machines, as far as it matters here. */
#define NEHALEM		(F(CPU_MELTDOWN) | F(SPECTRE_V1) | F(SPECTRE_V2) | F(SPEC_STORE_BYPASS) | F(L1TF) | F(MDS) | F(ITLB_MULTIHIT))
#define SKYLAKE		(NEHALEM | F(TAA) | F(SRBDS) | F(MMIO_STALE_DATA) | F(RETBLEED) | F(GDS) | F(FLUSH_L1D))
#define CASCADE_LAKE	(F(SPECTRE_V1) | F(SPECTRE_V2) | F(SPEC_STORE_BYPASS) | F(TAA) | F(ITLB_MULTIHIT) | F(MMIO_STALE_DATA) | \
			 F(RETBLEED) | F(EIBRS_PBRSB) | F(GDS) | F(BHI) | F(ITS) | F(VMSCAPE) | F(FLUSH_L1D))
#define ICE_LAKE	(F(SPECTRE_V1) | F(SPECTRE_V2) | F(SPEC_STORE_BYPASS) | F(MMIO_STALE_DATA) | F(EIBRS_PBRSB) | F(GDS) | \
			 F(BHI) | F(ITS) | F(FLUSH_L1D))
#define FAM10H		(F(AMD_TLB_MMATCH) | F(SPECTRE_V1) | F(SPECTRE_V2))
#define ZEN1		(F(SPECTRE_V1) | F(SPECTRE_V2) | F(SPEC_STORE_BYPASS) | F(RETBLEED) | F(SMT_RSB) | F(SRSO) | F(DIV0))
#define ZEN3		(F(SPECTRE_V1) | F(SPECTRE_V2) | F(SPEC_STORE_BYPASS) | F(SRSO) | F(TSA) | F(VMSCAPE))
#define ZEN5		(F(SPECTRE_V1) | F(SPECTRE_V2) | F(SPEC_STORE_BYPASS) | F(SRSO) | F(VMSCAPE))

/* Measures of a plan as bits, to be told apart in one number. */
enum { NX = 1, REDUCE = 2, DIVIDE = 4, AVOID = 8, E383 = 16, TIMER = 32 };

#define INTEL(m, s)	HOST_INTEL, 6, m, s
#define AMD(f, m)	HOST_AMD, f, m, 0

static const struct row {
	const char *name;
	enum host_vendor vendor;
	unsigned int family, model, stepping;
	u64 facts;
	enum host_l1tf l1tf;
	enum host_nx_huge nx;
	unsigned int measures;
	enum host_l1d_flush l1d;
	u64 open, open_smt;
} rows[] = {
	/* iTLB multihit */
	{ "Skylake, as it comes", INTEL(0x55, 4), SKYLAKE, HOST_L1TF_FLUSH, NX_HUGE_AUTO, NX, L1D_COND, 0, 0 },
	{ "Skylake, nx_huge_pages=off", INTEL(0x55, 4), SKYLAKE, HOST_L1TF_FLUSH, NX_HUGE_OFF, 0, L1D_COND, F(ITLB_MULTIHIT), 0 },
	{ "Skylake, mitigations=off", INTEL(0x55, 4), SKYLAKE | F(MITIGATIONS_OFF), HOST_L1TF_OFF, NX_HUGE_AUTO, 0, L1D_NEVER,
	  F(ITLB_MULTIHIT) | F(L1TF) | F(MDS) | F(TAA) | F(SRBDS) | F(MMIO_STALE_DATA) | F(RETBLEED) | F(GDS) | F(SPECTRE_V2), 0 },
	{ "Skylake, mitigations=off, nx_huge_pages=force", INTEL(0x55, 4), SKYLAKE | F(MITIGATIONS_OFF), HOST_L1TF_OFF, NX_HUGE_FORCE,
	  NX, L1D_NEVER, F(L1TF) | F(MDS) | F(TAA) | F(SRBDS) | F(MMIO_STALE_DATA) | F(RETBLEED) | F(GDS) | F(SPECTRE_V2), 0 },
	{ "Cascade Lake", INTEL(0x55, 7), CASCADE_LAKE, HOST_L1TF_FLUSH, NX_HUGE_AUTO, NX, L1D_NOT_NEEDED, 0, 0 },
	{ "Ice Lake", INTEL(0x6a, 6), ICE_LAKE, HOST_L1TF_FLUSH, NX_HUGE_AUTO, 0, L1D_NOT_NEEDED, 0, 0 },
	{ "Ice Lake, nx_huge_pages=force", INTEL(0x6a, 6), ICE_LAKE, HOST_L1TF_FLUSH, NX_HUGE_FORCE, NX, L1D_NOT_NEEDED, 0, 0 },
	{ "Zen 3, nx_huge_pages=force", AMD(0x19, 1), ZEN3, HOST_L1TF_FLUSH, NX_HUGE_FORCE, 0, L1D_NOT_NEEDED, 0, 0 },

	/* L1TF */
	{ "L1TF, l1tf=off", INTEL(0x4e, 3), F(L1TF) | F(FLUSH_L1D), HOST_L1TF_OFF, NX_HUGE_AUTO, 0, L1D_NEVER, F(L1TF), 0 },
	{ "L1TF, l1tf=flush,nowarn", INTEL(0x4e, 3), F(L1TF) | F(FLUSH_L1D), HOST_L1TF_FLUSH_NOWARN, NX_HUGE_AUTO, 0, L1D_COND, 0, 0 },
	{ "L1TF, l1tf=flush", INTEL(0x4e, 3), F(L1TF) | F(FLUSH_L1D), HOST_L1TF_FLUSH, NX_HUGE_AUTO, 0, L1D_COND, 0, 0 },
	{ "L1TF, l1tf=flush,nosmt", INTEL(0x4e, 3), F(L1TF) | F(FLUSH_L1D), HOST_L1TF_FLUSH_NOSMT, NX_HUGE_AUTO, 0, L1D_COND, 0, 0 },
	{ "L1TF, l1tf=full", INTEL(0x4e, 3), F(L1TF) | F(FLUSH_L1D), HOST_L1TF_FULL, NX_HUGE_AUTO, 0, L1D_ALWAYS, 0, 0 },
	{ "L1TF, l1tf=full,force", INTEL(0x4e, 3), F(L1TF) | F(FLUSH_L1D), HOST_L1TF_FULL_FORCE, NX_HUGE_AUTO, 0, L1D_ALWAYS, 0, 0 },
	{ "L1TF, microcode without a flush", INTEL(0x4e, 3), F(L1TF), HOST_L1TF_FULL, NX_HUGE_AUTO, 0, L1D_NEVER, F(L1TF), 0 },
	{ "L1TF, in a VM whose hypervisor flushes", INTEL(0x4e, 3), F(L1TF) | F(SKIP_L1D), HOST_L1TF_FULL, NX_HUGE_AUTO, 0,
	  L1D_NOT_NEEDED, 0, 0 },
	{ "L1TF, threads", INTEL(0x4e, 3), F(L1TF) | F(FLUSH_L1D) | F(SMT), HOST_L1TF_FLUSH, NX_HUGE_AUTO, 0, L1D_COND, 0, F(L1TF) },
	{ "L1TF, threads, l1tf=off", INTEL(0x4e, 3), F(L1TF) | F(FLUSH_L1D) | F(SMT), HOST_L1TF_OFF, NX_HUGE_AUTO, 0, L1D_NEVER,
	  F(L1TF), F(L1TF) },
	{ "MDS, threads", INTEL(0x4e, 3), F(MDS) | F(SMT), HOST_L1TF_FLUSH, NX_HUGE_AUTO, 0, L1D_NOT_NEEDED, 0, F(MDS) },
	{ "MDS, only store buffers, threads", INTEL(0x37, 8), F(MDS) | F(MSBDS_ONLY) | F(SMT), HOST_L1TF_FLUSH, NX_HUGE_AUTO, 0,
	  L1D_NOT_NEEDED, 0, 0 },

	/* the VMX-preemption timer */
	{ "Nehalem", INTEL(0x1a, 5), NEHALEM | F(FLUSH_L1D), HOST_L1TF_FLUSH, NX_HUGE_AUTO, NX | TIMER, L1D_COND, 0, 0 },
	{ "Westmere-EX", INTEL(0x2f, 2), 0, HOST_L1TF_FLUSH, NX_HUGE_AUTO, TIMER, L1D_NOT_NEEDED, 0, 0 },
	{ "Sandy Bridge", INTEL(0x2a, 7), 0, HOST_L1TF_FLUSH, NX_HUGE_AUTO, 0, L1D_NOT_NEEDED, 0, 0 },
	{ "Xeon E3-1220 V2", INTEL(0x3a, 8), 0, HOST_L1TF_FLUSH, NX_HUGE_AUTO, TIMER, L1D_NOT_NEEDED, 0, 0 },
	{ "Ivy Bridge of another stepping", INTEL(0x3a, 9), 0, HOST_L1TF_FLUSH, NX_HUGE_AUTO, 0, L1D_NOT_NEEDED, 0, 0 },
	{ "family 15 with Nehalem's number", HOST_INTEL, 15, 0x1a, 0, 0, HOST_L1TF_FLUSH, NX_HUGE_AUTO, 0, L1D_NOT_NEEDED, 0, 0 },
	{ "AMD's family 6 with Nehalem's number", AMD(6, 0x1a), 0, HOST_L1TF_FLUSH, NX_HUGE_AUTO, 0, L1D_NOT_NEEDED, 0, 0 },

	/* AMD */
	{ "family 10h", AMD(0x10, 2), FAM10H, HOST_L1TF_FLUSH, NX_HUGE_AUTO, E383, L1D_NOT_NEEDED, 0, 0 },
	{ "family 10h, mitigations=off", AMD(0x10, 2), FAM10H | F(MITIGATIONS_OFF), HOST_L1TF_OFF, NX_HUGE_AUTO, E383, L1D_NOT_NEEDED,
	  F(SPECTRE_V2), 0 },
	{ "Zen 1", AMD(0x17, 1), ZEN1, HOST_L1TF_FLUSH, NX_HUGE_AUTO, DIVIDE, L1D_NOT_NEEDED, 0, 0 },
	{ "Zen 1, threads", AMD(0x17, 1), ZEN1 | F(SMT), HOST_L1TF_FLUSH, NX_HUGE_AUTO, DIVIDE, L1D_NOT_NEEDED, 0,
	  F(DIV0) | F(SMT_RSB) },
	{ "Zen 1, mitigations=off", AMD(0x17, 1), ZEN1 | F(MITIGATIONS_OFF), HOST_L1TF_OFF, NX_HUGE_AUTO, DIVIDE, L1D_NOT_NEEDED,
	  F(SPECTRE_V2) | F(RETBLEED) | F(SRSO), 0 },
	{ "Zen 3", AMD(0x19, 1), ZEN3, HOST_L1TF_FLUSH, NX_HUGE_AUTO, 0, L1D_NOT_NEEDED, 0, 0 },
	{ "Zen 3 with memory owners", AMD(0x19, 1), ZEN3 | F(SNP_HOST), HOST_L1TF_FLUSH, NX_HUGE_AUTO, AVOID, L1D_NOT_NEEDED, 0, 0 },
	{ "Zen 3 with memory owners, mitigations=off", AMD(0x19, 1), F(SNP_HOST) | F(MITIGATIONS_OFF), HOST_L1TF_OFF, NX_HUGE_AUTO,
	  AVOID, L1D_NOT_NEEDED, 0, 0 },
	{ "Zen 5, the kernel reduces speculation", AMD(0x1a, 2), ZEN5 | F(SRSO_REDUCE), HOST_L1TF_FLUSH, NX_HUGE_AUTO, REDUCE,
	  L1D_NOT_NEEDED, 0, 0 },
	{ "Zen 5, the kernel does something else", AMD(0x1a, 2), ZEN5, HOST_L1TF_FLUSH, NX_HUGE_AUTO, 0, L1D_NOT_NEEDED, 0, 0 },
	{ "Zen 5, mitigations=off", AMD(0x1a, 2), ZEN5 | F(MITIGATIONS_OFF), HOST_L1TF_OFF, NX_HUGE_AUTO, 0, L1D_NOT_NEEDED,
	  F(SPECTRE_V2) | F(SRSO) | F(VMSCAPE), 0 },
	{ "no fault at all", INTEL(0xad, 1), 0, HOST_L1TF_FLUSH, NX_HUGE_AUTO, 0, L1D_NOT_NEEDED, 0, 0 },
};

static struct host_cpu cpu_of(const struct row *r)
{
	return (struct host_cpu){
		.vendor = r->vendor, .family = r->family, .model = r->model, .stepping = r->stepping,
		.facts = r->facts, .l1tf = r->l1tf, .nx_huge = r->nx,
	};
}

static void test_plans(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct host_cpu cpu = cpu_of(r);
		struct host_plan p;
		char what[96];

		host_plan_make(&p, &cpu);
		snprintf(what, sizeof(what), "%s: measures", r->name);
		CHECK_EQ(what, r->measures,
			 p.nx_huge_pages * NX | p.bp_spec_reduce * REDUCE | p.clear_divider * DIVIDE |
			 p.avoid_2m_pages * AVOID | p.erratum_383 * E383 | p.preemption_timer_errs * TIMER);
		snprintf(what, sizeof(what), "%s: L1D flush", r->name);
		CHECK_EQ(what, r->l1d, p.l1d_flush);
		snprintf(what, sizeof(what), "%s: open", r->name);
		CHECK_EQ(what, r->open, p.open);
		snprintf(what, sizeof(what), "%s: open between threads", r->name);
		CHECK_EQ(what, r->open_smt, p.open_smt);
	}
}

static const struct {
	const char *row;
	const char *words;
} lines[] = {
	{ "no fault at all", "CPU faults that concern guests: none" },
	{ "L1TF, threads",
	  "CPU faults that concern guests: l1tf; Keel: L1D flushed before entries, if needed; "
	  "not covered between threads of a core (SMT): l1tf" },
	{ "L1TF, l1tf=full", "CPU faults that concern guests: l1tf; Keel: L1D flushed before every entry" },
	{ "L1TF, microcode without a flush", "CPU faults that concern guests: l1tf; not covered: l1tf" },
	{ "Nehalem",
	  "CPU faults that concern guests: cpu_meltdown spectre_v1 spectre_v2 spec_store_bypass l1tf mds itlb_multihit; "
	  "Keel: L1D flushed before entries, if needed, huge pages not executable, VMX-preemption timer not used" },
	{ "Zen 1, threads",
	  "CPU faults that concern guests: spectre_v1 spectre_v2 spec_store_bypass retbleed smt_rsb srso div0; "
	  "Keel: divider cleared before entries; not covered between threads of a core (SMT): smt_rsb div0" },
	{ "Zen 5, the kernel reduces speculation",
	  "CPU faults that concern guests: spectre_v1 spectre_v2 spec_store_bypass srso vmscape; "
	  "Keel: speculation reduced while VMs exist" },
	{ "Zen 3 with memory owners",
	  "CPU faults that concern guests: spectre_v1 spectre_v2 spec_store_bypass srso tsa vmscape; "
	  "Keel: no VMCB at a multiple of 2 MB" },
	{ "family 10h",
	  "CPU faults that concern guests: tlb_mmatch spectre_v1 spectre_v2; Keel: erratum 383 ends the guest" },
};

static void test_words(void)
{
	char got[640];
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		for (j = 0; j < ARRAY_SIZE(rows) && strcmp(rows[j].name, lines[i].row); j++)
			;
		ASSERT(j < ARRAY_SIZE(rows), "no row %s", lines[i].row);
		struct host_cpu cpu = cpu_of(&rows[j]);
		struct host_plan p;

		host_plan_make(&p, &cpu);
		host_plan_words(&p, &cpu, got, sizeof(got));
		test_note("%s: %s", lines[i].row, got);
		ASSERT(!strcmp(got, lines[i].words), "%s: wanted \"%s\", got \"%s\"", lines[i].row, lines[i].words, got);
	}
}

/* All that can be said at once, into every length of buffer: never beyond its end, always ended. */
static void test_words_cut(void)
{
	struct host_cpu cpu = { .vendor = HOST_INTEL, .facts = ~0ull, .l1tf = HOST_L1TF_FULL, .nx_huge = NX_HUGE_FORCE };
	char whole[1024], *part;
	struct host_plan p;
	unsigned int n, size;

	host_plan_make(&p, &cpu);
	p.open = ~0ull;
	host_plan_words(&p, &cpu, whole, sizeof(whole));
	n = strlen(whole);
	ASSERT_LE(n, sizeof(whole) - 2);
	for (size = 1; size <= n + 1; size++) {
		part = malloc(size);
		host_plan_words(&p, &cpu, part, size);
		ASSERT_EQ(strlen(part), size - 1);
		ASSERT(!strncmp(part, whole, size - 1), "cut at %u", size);
		free(part);
	}
}

static void test_erratum_383(void)
{
	static const struct {
		const char *name;
		u64 status;
		int is;
	} cases[] = {
		{ "L1 TLB multimatch", 0xb600000000010015, 1 },
		{ "and an earlier error lost", 0xf600000000010015, 1 },
		{ "none", 0, 0 },
		{ "not valid", 0x3600000000010015, 0 },
		{ "another TLB error", 0xb600000000000015, 0 },
		{ "of the instruction cache", 0xb600000000010011, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_EQ(cases[i].name, cases[i].is, host_is_erratum_383(cases[i].status));
}

static const struct test_case cases[] = {
	{ "plans", test_plans },
	{ "words", test_words },
	{ "words_cut", test_words_cut },
	{ "erratum_383", test_erratum_383 },
};

TEST_MAIN(cases)
