// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is to be done about the faults of a CPU. Pure: no CPU is read here, none is written.
 *
 * The kernel has decided at boot which mitigations it wants; Keel follows it. So a fault is covered
 * here as far as the kernel's documentation (admin-guide, "Hardware vulnerabilities") asks a
 * hypervisor to do something, unless the kernel says that the administrator does not want it. Three
 * measures are not the administrator's to waive: without them the CPU gives wrong results or the
 * host dies.
 */
#include <linux/kernel.h>
#include <linux/types.h>
#include <keel/bugs.h>

#define ANY_STEPPING	0xff

const char * const host_fact_words[HOST_NR_FACTS] = {
#define HOST_FACT_WORD(name, word) [HOST_##name] = word,
	HOST_BUGS(HOST_FACT_WORD)
	HOST_STATES(HOST_FACT_WORD)
#undef HOST_FACT_WORD
};

/*
 * "VMX-Preemption Timer Does Not Count Down at the Rate Specified", in the specification updates of
 * Nehalem and Westmere, all of which are taken to have it; and one Ivy Bridge.
 */
static bool preemption_timer_errs(const struct host_cpu *cpu)
{
	static const struct {
		u8 model, stepping;
	} rows[] = {
		{ 0x1a, ANY_STEPPING }, { 0x1e, ANY_STEPPING }, { 0x1f, ANY_STEPPING },
		{ 0x2e, ANY_STEPPING },
		{ 0x25, ANY_STEPPING }, { 0x2c, ANY_STEPPING }, { 0x2f, ANY_STEPPING },
		{ 0x3a, 8 },		/* Xeon E3-1220 V2 */
	};
	unsigned int i;

	if (cpu->vendor != HOST_INTEL || cpu->family != 6)
		return false;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (cpu->model == rows[i].model &&
		    (rows[i].stepping == ANY_STEPPING || cpu->stepping == rows[i].stepping))
			return true;
	return false;
}

static enum host_l1d_flush l1d_flush(const struct host_cpu *cpu)
{
	if (!(cpu->facts & HOST_FACT(L1TF)) || (cpu->facts & HOST_FACT(SKIP_L1D)))
		return L1D_NOT_NEEDED;
	if (cpu->l1tf == HOST_L1TF_OFF || !(cpu->facts & HOST_FACT(FLUSH_L1D)))
		return L1D_NEVER;
	return cpu->l1tf >= HOST_L1TF_FULL ? L1D_ALWAYS : L1D_COND;
}

/*
 * Large pages are in EPT what they are in the guest's own tables: the fault is Intel's, and so is
 * the remedy.
 */
static bool nx_huge_pages(const struct host_cpu *cpu)
{
	if (cpu->vendor != HOST_INTEL || cpu->nx_huge == NX_HUGE_OFF)
		return false;
	if (cpu->nx_huge == NX_HUGE_FORCE)
		return true;
	return (cpu->facts & HOST_FACT(ITLB_MULTIHIT)) && !(cpu->facts & HOST_FACT(MITIGATIONS_OFF));
}

/*
 * Faults that mitigations=off opens to guests. The others are the guest's own business, or have
 * nothing to be turned off.
 */
#define OPENED_BY_OFF \
	(HOST_FACT(SPECTRE_V2) | HOST_FACT(MDS) | HOST_FACT(TAA) | HOST_FACT(SRBDS) | \
	 HOST_FACT(MMIO_STALE_DATA) | HOST_FACT(RETBLEED) | HOST_FACT(EIBRS_PBRSB) | HOST_FACT(GDS) | \
	 HOST_FACT(SRSO) | HOST_FACT(RFDS) | HOST_FACT(BHI) | HOST_FACT(ITS) | HOST_FACT(TSA) | \
	 HOST_FACT(VMSCAPE))

/* Faults by which one thread of a core learns of the other, whatever is done at entries. */
#define OPENED_BY_SMT \
	(HOST_FACT(L1TF) | HOST_FACT(MDS) | HOST_FACT(TAA) | HOST_FACT(MMIO_STALE_DATA) | \
	 HOST_FACT(DIV0))

void host_plan_make(struct host_plan *plan, const struct host_cpu *cpu)
{
	u64 facts = cpu->facts;

	*plan = (struct host_plan){
		.l1d_flush		= l1d_flush(cpu),
		.nx_huge_pages		= nx_huge_pages(cpu),
		.bp_spec_reduce		= facts & HOST_FACT(SRSO_REDUCE),
		.clear_divider		= facts & HOST_FACT(DIV0),
		.avoid_2m_pages		= facts & HOST_FACT(SNP_HOST),
		.erratum_383		= facts & HOST_FACT(AMD_TLB_MMATCH),
		.preemption_timer_errs	= preemption_timer_errs(cpu),
	};
	if (facts & HOST_FACT(MITIGATIONS_OFF))
		plan->open |= facts & OPENED_BY_OFF;
	if (plan->l1d_flush == L1D_NEVER)
		plan->open |= HOST_FACT(L1TF);
	if (!plan->nx_huge_pages)
		plan->open |= facts & HOST_FACT(ITLB_MULTIHIT);
	if (!(facts & HOST_FACT(SMT)))
		return;
	plan->open_smt = facts & OPENED_BY_SMT;
	if (facts & HOST_FACT(MSBDS_ONLY))
		plan->open_smt &= ~HOST_FACT(MDS);
	/*
	 * only where the launcher lets the guest halt the thread by itself
	 * (KVM_CAP_X86_DISABLE_EXITS)
	 */
	plan->open_smt |= facts & HOST_FACT(SMT_RSB);
}

/* Append to @buf, of which @used bytes are taken; the new length. */
#define append(...)	(used += scnprintf(buf + used, size - used, __VA_ARGS__))

static unsigned int list_faults(char *buf, unsigned int used, unsigned int size, const char *head,
				u64 faults)
{
	unsigned int i;

	append("%s", head);
	for (i = 0; i < HOST_NR_BUGS; i++)
		if (faults & (1ull << i))
			append(" %s", host_fact_words[i]);
	return used;
}

void host_plan_words(const struct host_plan *plan, const struct host_cpu *cpu, char *buf,
		     unsigned int size)
{
	u64 faults = cpu->facts & ((1ull << HOST_NR_BUGS) - 1);
	const struct {
		bool done;
		const char *what;
	} measures[] = {
		{ plan->l1d_flush == L1D_COND, "L1D flushed before entries, if needed" },
		{ plan->l1d_flush == L1D_ALWAYS, "L1D flushed before every entry" },
		{ plan->nx_huge_pages, "huge pages not executable" },
		{ plan->bp_spec_reduce, "speculation reduced while VMs exist" },
		{ plan->clear_divider, "divider cleared before entries" },
		{ plan->avoid_2m_pages, "no VMCB at a multiple of 2 MB" },
		{ plan->erratum_383, "erratum 383 ends the guest" },
		{ plan->preemption_timer_errs, "VMX-preemption timer not used" },
	};
	unsigned int used = 0, i;
	const char *before = "; Keel: ";

	used = list_faults(buf, used, size, "CPU faults that concern guests:", faults);
	if (!faults)
		append(" none");
	for (i = 0; i < sizeof(measures) / sizeof(measures[0]); i++) {
		if (!measures[i].done)
			continue;
		append("%s%s", before, measures[i].what);
		before = ", ";
	}
	if (plan->open)
		used = list_faults(buf, used, size, "; not covered:", plan->open);
	if (plan->open_smt)
		used = list_faults(buf, used, size, "; not covered between threads of a core (SMT):",
				   plan->open_smt);
}
