// SPDX-License-Identifier: GPL-2.0-only
/*
 * Per-CPU state: SVM on and off, save areas, the pool of address space identifiers.
 *
 * ASIDs are handed out in order, never twice in one generation of a CPU's pool. When the pool is used up, the generation is
 * raised, all ASIDs of the CPU are flushed at the next VMRUN, and every vCPU takes a new one when it is loaded here again. So a
 * vCPU that holds an ASID of the current generation shares it with nobody. A vCPU that comes from another CPU takes a new one
 * too: what it flushed there may still be cached here.
 *
 * All of it is touched only on its own CPU, with preemption off.
 */
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/topology.h>
#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <keel/host.h>
#include <keel/request.h>
#include <keel/test_build.h>
#include <keel/vcpu.h>
#include "caps.h"
#include "cpu.h"
#include "insn.h"
#include "svm.h"

/**
 * struct svm_cpu - one CPU
 * @hsave: page that VMRUN saves the host's state to
 * @host: page that VMSAVE saves the rest of the host's state to; in the layout of a VMCB
 * @generation: of the ASID pool, from 1
 * @next_asid: next to be handed out
 * @tsc_ratio: what MSR_AMD64_TSC_RATIO holds
 * @reduced: BP_CFG[BpSpecReduce] was set here, and is to be cleared again
 */
struct svm_cpu {
	struct page *hsave;
	struct page *host;
	u64 generation;
	u32 next_asid;
	u64 tsc_ratio;
	bool reduced;
};

static DEFINE_PER_CPU(struct svm_cpu, svm_cpus);

/*
 * svm_page_alloc() - a page for VMRUN: a VMCB or one of the host's save areas
 *
 * On hosts whose memory has owners (SEV-SNP) a CPU may take the 2 MB around such a page to be in use if it lies at their beginning,
 * and a write to any of them then faults in the host. Of two pages next to each other the second never lies there.
 * @node: where, or NUMA_NO_NODE for what the thread's policy says. Context: may sleep. Return: NULL if there is no memory.
 */
struct page *svm_page_alloc(int node, gfp_t gfp)
{
	unsigned int order = keel_plan.avoid_2m_pages;
	struct page *page;

	page = node == NUMA_NO_NODE ? alloc_pages(gfp, order) : alloc_pages_node(node, gfp, order);
	if (!order || !page)
		return page;
	split_page(page, order);
	__free_page(page++);
	keel_bugs_count(IS_ALIGNED(page_to_phys(page), PMD_SIZE) ? BUGS_PAGES_AT_2M : BUGS_PAGES);
	return page;
}

int svm_cpus_create(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *c = &per_cpu(svm_cpus, cpu);
		int node = cpu_to_node(cpu);

		c->hsave = svm_page_alloc(node, GFP_KERNEL | __GFP_ZERO);
		c->host = svm_page_alloc(node, GFP_KERNEL | __GFP_ZERO);
		c->generation = 1;
		c->next_asid = svm_caps.nr_asids;
		if (!c->hsave || !c->host) {
			svm_cpus_destroy();
			return -ENOMEM;
		}
	}
	return 0;
}

void svm_cpus_destroy(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *c = &per_cpu(svm_cpus, cpu);

		if (c->hsave)
			__free_page(c->hsave);
		if (c->host)
			__free_page(c->host);
		c->hsave = c->host = NULL;
	}
}

static u64 pa_of(struct page *page)
{
	return __sme_set(page_to_phys(page));
}

/* Has somebody else turned SVM on here? */
bool svm_cpu_busy(void)
{
	u64 efer;

	return rdmsrl_safe(MSR_EFER, &efer) || (efer & EFER_SVME);
}

#ifndef MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT
#define MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT	4
#endif
#define DC_CFG_ERRATUM_383_BIT			47

/* Set a bit of an MSR that some CPUs do not have. True if it was clear. */
static bool msr_bit_set(u32 msr, unsigned int bit)
{
	u64 val;

	return !rdmsrl_safe(msr, &val) && !(val & BIT_ULL(bit)) && !wrmsrl_safe(msr, val | BIT_ULL(bit));
}

/* What the CPU's faults ask for while virtualization is on. Of both there is nothing to be undone by others than us. */
static void faults_enable(struct svm_cpu *c)
{
	if (keel_plan.bp_spec_reduce && msr_bit_set(MSR_ZEN4_BP_CFG, MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT)) {
		c->reduced = true;
		keel_bugs_count(BUGS_REDUCED);
	}
	/* stays: it only makes a machine check possible to survive */
	if (keel_plan.erratum_383 && msr_bit_set(MSR_AMD64_DC_CFG, DC_CFG_ERRATUM_383_BIT))
		keel_bugs_count(BUGS_DC_CFG);
}

static void faults_disable(struct svm_cpu *c)
{
	u64 val;

	if (!c->reduced)
		return;
	c->reduced = false;
	if (!rdmsrl_safe(MSR_ZEN4_BP_CFG, &val))
		wrmsrl_safe(MSR_ZEN4_BP_CFG, val & ~BIT_ULL(MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT));
	keel_bugs_count(BUGS_UNREDUCED);
}

int svm_cpu_enable(void)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);
	u64 efer;

	if (!c->hsave || !boot_cpu_has(X86_FEATURE_SVM))
		return -EIO;
	if (rdmsrl_safe(MSR_EFER, &efer) || wrmsrl_safe(MSR_EFER, efer | EFER_SVME))
		return -EIO;
	if (wrmsrl_safe(MSR_VM_HSAVE_PA, pa_of(c->hsave))) {
		wrmsrl_safe(MSR_EFER, efer & ~(u64)EFER_SVME);
		return -EIO;
	}
	if (svm_caps.tsc_ratio) {
		wrmsr_safe(MSR_AMD64_TSC_RATIO, 0, SVM_TSC_RATIO_DEFAULT >> 32);
		c->tsc_ratio = SVM_TSC_RATIO_DEFAULT;
	}
	faults_enable(c);
	/* whoever used ASIDs here before: start a generation, which flushes */
	c->generation++;
	c->next_asid = svm_caps.nr_asids;
	keel_host_perf_svm_on();
	return 0;
}

/* Also from an NMI at a crash. Interrupts must not stay shut out by GIF. */
void svm_cpu_disable(void)
{
	u64 efer;

	if (svm_caps.tsc_ratio)
		wrmsr_safe(MSR_AMD64_TSC_RATIO, 0, SVM_TSC_RATIO_DEFAULT >> 32);
	faults_disable(this_cpu_ptr(&svm_cpus));
	wrmsrl_safe(MSR_VM_HSAVE_PA, 0);
	if (rdmsrl_safe(MSR_EFER, &efer) || !(efer & EFER_SVME))
		return;
	svm_stgi();
	keel_host_perf_svm_off();
	wrmsrl_safe(MSR_EFER, efer & ~(u64)EFER_SVME);
}

static void take_asid(struct svm_vcpu *svm, struct svm_cpu *c)
{
	struct vmcb_control_area *control = &svm->vmcb->control;

	if (c->next_asid >= svm_caps.nr_asids) {
		c->generation++;
		c->next_asid = 1;
		control->tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	}
	svm->asid_generation = c->generation;
	control->asid = c->next_asid++;
	vmcb_changed(svm->vmcb, VMCB_CLEAN_ASID);
}

/*
 * svm_cpu_load() - make this CPU the vCPU's
 *
 * Context: preemption off.
 */
void svm_cpu_load(struct svm_vcpu *svm)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);
	int cpu = smp_processor_id();

	if (svm->last_cpu != cpu) {
		svm->last_cpu = cpu;
		/* nothing that this CPU may have cached of the VMCB is current */
		svm->vmcb->control.clean = 0;
		svm->asid_generation = 0;
	}
	if (svm->asid_generation != c->generation)
		take_asid(svm, c);

	svm->host_pa = pa_of(c->host);
	svm_vmsave(svm->host_pa);

	if (svm_caps.tsc_ratio)
		svm_tsc_ratio_load(svm);
}

/*
 * svm_cpu_put() - this CPU is not the vCPU's any more
 *
 * A flush of all ASIDs that the vCPU was to bring along and has not: whoever takes an ASID here next does it instead.
 */
void svm_cpu_put(struct svm_vcpu *svm)
{
	if (unlikely(svm->vmcb->control.tlb_ctl == TLB_CONTROL_FLUSH_ALL_ASID))
		this_cpu_write(svm_cpus.next_asid, svm_caps.nr_asids);
}

/*
 * svm_asid_drop() - begin anew with this CPU's ASIDs, and flush: a flush that was asked for may not have happened
 *
 * Context: loaded, preemption off. A flush of one ASID is made up for as well, since the vCPU gets another.
 */
void svm_asid_drop(struct svm_vcpu *svm)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);

	c->next_asid = svm_caps.nr_asids;
	take_asid(svm, c);
}

/* The guest's TSC frequency; preemption off. */
void svm_tsc_ratio_load(struct svm_vcpu *svm)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);
	u64 ratio = svm->vcpu.tsc.ratio;

	if (!svm_caps.tsc_ratio || c->tsc_ratio == ratio || !ratio || (ratio & SVM_TSC_RATIO_RSVD))
		return;
	c->tsc_ratio = ratio;
	wrmsrl(MSR_AMD64_TSC_RATIO, ratio);
}

/*
 * svm_tlb_flush() - no translation of this vCPU from before may be used at the next entry on this CPU
 *
 * Nested and guest translations share the ASID, so both scopes are the same here, but that shadow tables must know what the guest asks
 * for. Context: loaded; interrupts may be off.
 */
void svm_tlb_flush(struct vcpu *vcpu, enum tlb_scope scope)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (unlikely(vcpu->shadow && scope == TLB_GUEST))
		vcpu_request(vcpu, REQ_PAGING);
	preempt_disable();
	if (svm_caps.flush_asid) {
		if (svm->vmcb->control.tlb_ctl != TLB_CONTROL_FLUSH_ALL_ASID)
			svm->vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ASID;
	} else {
		take_asid(svm, this_cpu_ptr(&svm_cpus));
	}
	preempt_enable();
}
