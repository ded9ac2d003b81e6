/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults of CPUs that guests can use, and what is done about each: one pure function from what the
 * CPU and the kernel are to a plan (host/bugs.c). host/mitigations.c fills in the first at load and
 * carries out the second. Documentation/hardware.rst has it as a table. Also built in user space.
 */
#ifndef KEEL_BUGS_H
#define KEEL_BUGS_H

#include <linux/types.h>

/* Faults, by the kernel's names: X86_BUG_* without its prefix, and the word of /proc/cpuinfo. */
#define HOST_BUGS(X) \
	X(AMD_TLB_MMATCH, "tlb_mmatch") \
	X(CPU_MELTDOWN, "cpu_meltdown") \
	X(SPECTRE_V1, "spectre_v1") \
	X(SPECTRE_V2, "spectre_v2") \
	X(SPEC_STORE_BYPASS, "spec_store_bypass") \
	X(L1TF, "l1tf") \
	X(MDS, "mds") \
	X(TAA, "taa") \
	X(ITLB_MULTIHIT, "itlb_multihit") \
	X(SRBDS, "srbds") \
	X(MMIO_STALE_DATA, "mmio_stale_data") \
	X(RETBLEED, "retbleed") \
	X(EIBRS_PBRSB, "eibrs_pbrsb") \
	X(SMT_RSB, "smt_rsb") \
	X(GDS, "gds") \
	X(SRSO, "srso") \
	X(DIV0, "div0") \
	X(RFDS, "rfds") \
	X(BHI, "bhi") \
	X(ITS, "its") \
	X(TSA, "tsa") \
	X(VMSCAPE, "vmscape")

/* What else decides. */
#define HOST_STATES(X) \
	X(FLUSH_L1D, "flush_l1d")		/* a command flushes the first-level data cache */ \
	X(SKIP_L1D, "skip_l1d")			/* the hypervisor below flushes it */ \
	X(SRSO_REDUCE, "srso_reduce")		/* the kernel relies on BP_CFG[BpSpecReduce] */ \
	X(MSBDS_ONLY, "msbds_only")		/* of mds only what threads do not share */ \
	X(SNP_HOST, "snp_host")			/* memory has owners (SEV-SNP) */ \
	X(SMT, "smt")				/* two threads of a core are in use */ \
	X(MITIGATIONS_OFF, "mitigations_off")

enum host_fact {
#define HOST_FACT_NUMBER(name, word) HOST_##name,
	HOST_BUGS(HOST_FACT_NUMBER)
	HOST_NR_BUGS,
	HOST_LAST_BUG = HOST_NR_BUGS - 1,	/* the states follow the faults */
	HOST_STATES(HOST_FACT_NUMBER)
	HOST_NR_FACTS,
#undef HOST_FACT_NUMBER
};

#define HOST_FACT(name)	(1ull << HOST_##name)

extern const char * const host_fact_words[HOST_NR_FACTS];

enum host_vendor { HOST_INTEL, HOST_AMD };

/* The kernel's l1tf=, in the order of its enum l1tf_mitigations. */
enum host_l1tf {
	HOST_L1TF_OFF,
	HOST_L1TF_FLUSH_NOWARN,
	HOST_L1TF_FLUSH,
	HOST_L1TF_FLUSH_NOSMT,
	HOST_L1TF_FULL,
	HOST_L1TF_FULL_FORCE,
};

enum host_nx_huge { NX_HUGE_AUTO, NX_HUGE_OFF, NX_HUGE_FORCE };

/**
 * struct host_cpu - a CPU and the kernel on it
 * @facts: HOST_FACT() bits
 * @l1tf: what l1tf= asks for
 * @nx_huge: what nx_huge_pages= asks for
 */
struct host_cpu {
	enum host_vendor vendor;
	unsigned int family;
	unsigned int model;
	unsigned int stepping;
	__u64 facts;
	enum host_l1tf l1tf;
	enum host_nx_huge nx_huge;
};

enum host_l1d_flush { L1D_NOT_NEEDED, L1D_NEVER, L1D_COND, L1D_ALWAYS };

/**
 * struct host_plan - what Keel does of its own. What the kernel's feature bits patch into the entry
 *	code comes on top
 * @l1d_flush: flush the first-level data cache before entries: before all, or only before those
 *	where the host ran anything that may have touched data of others
 * @nx_huge_pages: no large second-level leaf is executable
 * @bp_spec_reduce: set BP_CFG[BpSpecReduce] while virtualization is on
 * @clear_divider: divide something harmless before each entry
 * @avoid_2m_pages: what VMRUN uses must not lie at a multiple of 2 MB
 * @erratum_383: AMD's; set DC_CFG[47], and end the guest that causes its machine check
 * @preemption_timer_errs: the VMX-preemption timer counts at a wrong rate
 * @open: faults that stay usable, HOST_FACT() bits
 * @open_smt: the same, between threads of one core only
 */
struct host_plan {
	enum host_l1d_flush l1d_flush;
	_Bool nx_huge_pages;
	_Bool bp_spec_reduce;
	_Bool clear_divider;
	_Bool avoid_2m_pages;
	_Bool erratum_383;
	_Bool preemption_timer_errs;
	__u64 open;
	__u64 open_smt;
};

/**
 * host_plan_make() - what is done about a CPU's faults
 * @plan: the answer
 * @cpu: the CPU, and what the host and the launcher's module parameters say
 *
 * Pure. Context: any.
 */
void host_plan_make(struct host_plan *plan, const struct host_cpu *cpu);
/**
 * host_plan_words() - one line for the log: the faults, what Keel does about them, which stay open
 * @plan: from host_plan_make()
 * @cpu: as there
 * @buf: the line, without a newline
 * @size: of @buf; the line is cut there
 *
 * Pure. Context: any.
 */
void host_plan_words(const struct host_plan *plan, const struct host_cpu *cpu, char *buf,
		     unsigned int size);

/*
 * MC0_STATUS after erratum 383; the overflow bit may or may not be set (AMD, "Revision Guide for
 * AMD Family 10h Processors").
 */
static inline _Bool host_is_erratum_383(__u64 mc0_status)
{
	return (mc0_status & ~(1ull << 62)) == 0xb600000000010015ull;
}

#endif
