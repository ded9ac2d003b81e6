// SPDX-License-Identifier: GPL-2.0-only
/*
 * Per-CPU state: VMX on and off, which VMCSs a CPU may hold, virtual processor identifiers, invalidation.
 *
 * A CPU may cache a VMCS from VMPTRLD until VMCLEAR. Every VMCS so cached is in the CPU's list; before another CPU loads it, or its
 * memory is freed, it is cleared where it is cached. The list is changed on its own CPU alone, with interrupts off, in steps
 * that leave it walkable: at a crash an NMI walks it.
 *
 * A vCPU keeps its VPID for life. What other CPUs cached under it is invalidated when the vCPU comes to them again. Translations
 * are invalidated right before the entry that must not use them.
 */
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/idr.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/rculist.h>
#include <linux/smp.h>
#include <linux/topology.h>
#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/tlbflush.h>
#include <keel/entry_work.h>
#include <keel/host.h>
#include <keel/request.h>
#include <keel/shadow.h>
#include <keel/vcpu.h>
#include "caps.h"
#include "cpu.h"
#include "insn.h"
#include "vmx.h"

/**
 * struct vmx_cpu - one CPU
 * @region: VMXON region
 * @vmcss: struct vmx_vcpu.on_cpu of all VMCSs that the CPU may cache
 */
struct vmx_cpu {
	struct page *region;
	struct list_head vmcss;
};

static DEFINE_PER_CPU(struct vmx_cpu, vmx_cpus);
DEFINE_PER_CPU(const void *, vmx_current_vmcs);
static DEFINE_IDA(vpids);

int vmx_cpus_create(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct vmx_cpu *c = &per_cpu(vmx_cpus, cpu);

		INIT_LIST_HEAD(&c->vmcss);
		c->region = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
		per_cpu(vmx_current_vmcs, cpu) = NULL;
		if (!c->region) {
			vmx_cpus_destroy();
			return -ENOMEM;
		}
		*(u32 *)page_address(c->region) = vmx_caps.revision;
	}
	return 0;
}

void vmx_cpus_destroy(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct vmx_cpu *c = &per_cpu(vmx_cpus, cpu);

		if (c->region)
			__free_page(c->region);
		c->region = NULL;
	}
	ida_destroy(&vpids);
}

/* Has somebody else turned VMX on here? */
bool vmx_cpu_busy(void)
{
	return __read_cr4() & X86_CR4_VMXE;
}

static void flush_all(void)
{
	if (!keel_paging_is_shadow())
		vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0);
	if (vmx_caps.cpu2 & SECONDARY_EXEC_ENABLE_VPID)
		vmx_invvpid(VMX_VPID_EXTENT_ALL_CONTEXT, 0);
}

int vmx_cpu_enable(void)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpus);
	u64 ctl;

	if (!c->region || !boot_cpu_has(X86_FEATURE_VMX))
		return -EIO;
	if (rdmsrl_safe(MSR_IA32_FEAT_CTL, &ctl) || !(ctl & FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX))
		return -EIO;
	keel_host_pt_pause();
	cr4_set_bits(X86_CR4_VMXE);
	if (vmx_vmxon(page_to_phys(c->region))) {
		cr4_clear_bits(X86_CR4_VMXE);
		keel_host_pt_resume();
		return -EIO;
	}
	/* whoever used EPT and VPIDs here before */
	flush_all();
	return 0;
}

/* Write out what the CPU has cached of the VMCS. On that CPU, interrupts off. */
static void write_out(struct vmx_vcpu *vmx)
{
	vmx_vmclear(vmx->vmcs_pa);
	vmx->launched = false;
	vmx->loaded_cpu = -1;
}

/* On the VMCS's own CPU, interrupts off. */
static void clear_here(struct vmx_vcpu *vmx)
{
	write_out(vmx);
	if (__this_cpu_read(vmx_current_vmcs) == vmx->vmcs)
		__this_cpu_write(vmx_current_vmcs, NULL);
	list_del_rcu(&vmx->on_cpu);
}

/*
 * Also from an NMI at a crash: what the dump shows of a VMCS must be in memory. The NMI may have
 * come in the midst of a change of the list: it follows the links onward alone, and takes no entry
 * out singly, which would find the links back amiss.
 */
void vmx_cpu_disable(void)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpus);
	struct vmx_vcpu *vmx;

	list_for_each_entry(vmx, &c->vmcss, on_cpu)
		write_out(vmx);
	INIT_LIST_HEAD(&c->vmcss);
	__this_cpu_write(vmx_current_vmcs, NULL);
	vmx_vmxoff();
	cr4_clear_bits(X86_CR4_VMXE);
	keel_host_pt_resume();
}

static void clear_ipi(void *data)
{
	struct vmx_vcpu *vmx = data;

	/* the CPU may have gone down and cleared it meanwhile */
	if (vmx->loaded_cpu == smp_processor_id())
		clear_here(vmx);
}

/*
 * vmx_vmcs_release() - no CPU caches the VMCS any more
 *
 * Context: interrupts on, preemption off or not; nobody loads the vCPU meanwhile.
 */
void vmx_vmcs_release(struct vmx_vcpu *vmx)
{
	int cpu = READ_ONCE(vmx->loaded_cpu);

	if (cpu >= 0)
		smp_call_function_single(cpu, clear_ipi, vmx, 1);
}

/*
 * vmx_vmcs_clear() - the next entry is a VMLAUNCH, with the same VMCS, which stays current
 *
 * Context: loaded.
 */
void vmx_vmcs_clear(struct vmx_vcpu *vmx)
{
	unsigned long flags;

	local_irq_save(flags);
	if (keel_host_cpu_enabled() && vmx->loaded_cpu == smp_processor_id()) {
		vmx_vmclear(vmx->vmcs_pa);
		vmx_vmptrld(vmx->vmcs_pa);
		vmx->launched = false;
	}
	local_irq_restore(flags);
}

static void make_current(struct vmx_vcpu *vmx, int cpu)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpus);
	unsigned long flags;

	if (vmx->loaded_cpu != cpu)
		vmx_vmcs_release(vmx);
	local_irq_save(flags);
	/* without VMX (CPU going down) no entry will be tried */
	if (keel_host_cpu_enabled()) {
		if (vmx->loaded_cpu != cpu) {
			vmx->loaded_cpu = cpu;
			list_add_rcu(&vmx->on_cpu, &c->vmcss);
		}
		/* the launch state of memory that never was a VMCS is undefined */
		if (!vmx->ready)
			vmx_vmclear(vmx->vmcs_pa);
		vmx_vmptrld(vmx->vmcs_pa);
		__this_cpu_write(vmx_current_vmcs, vmx->vmcs);
	}
	local_irq_restore(flags);
}

bool vmx_cpu_load(struct vmx_vcpu *vmx)
{
	int cpu = smp_processor_id();
	bool comes;

	make_current(vmx, cpu);
	if (unlikely(vmx->loaded_cpu != cpu)) {
		vmx->last_cpu = -1;
		return false;
	}
	comes = vmx->last_cpu != cpu;
	vmx->last_cpu = cpu;
	return comes;
}

/* A VPID, or 0 when there are no more: translations then go at every entry and exit. */
u16 vmx_vpid_get(void)
{
	int vpid;

	if (!(vmx_caps.cpu2 & SECONDARY_EXEC_ENABLE_VPID))
		return 0;
	vpid = ida_alloc_range(&vpids, 1, VMX_NR_VPIDS - 1, GFP_KERNEL_ACCOUNT);
	return vpid < 0 ? 0 : vpid;
}

void vmx_vpid_put(u16 vpid)
{
	if (vpid)
		ida_free(&vpids, vpid);
}

/*
 * vmx_tlb_flush() - no translation of this vCPU from before may be used at the next entry on this CPU
 *
 * Context: loaded; interrupts may be off.
 */
void vmx_tlb_flush(struct vcpu *vcpu, enum tlb_scope scope)
{
	if (unlikely(vcpu->shadow)) {
		/* shadow tables must know what the guest asks for */
		if (scope == TLB_GUEST)
			vcpu_request(vcpu, REQ_PAGING);
		scope = TLB_GUEST;
	}
	vmx_rare_set(to_vmx(vcpu), scope == TLB_VM ? RARE_FLUSH_EPT : RARE_FLUSH_VPID);
}

/*
 * vmx_flush_now() - invalidate what RARE_FLUSH_* ask for
 *
 * Context: interrupts off, right before the entry; the VMCS has the EPT pointer.
 */
void vmx_flush_now(struct vmx_vcpu *vmx)
{
	if (vmx->rare & RARE_FLUSH_EPT) {
		if (vmx_caps.invept_single)
			vmx_invept(VMX_EPT_EXTENT_CONTEXT, vmx->eptp);
		else
			vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0);
	}
	if ((vmx->rare & RARE_FLUSH_VPID) && vmx->vpid) {
		if (vmx_caps.invvpid_single)
			vmx_invvpid(VMX_VPID_EXTENT_SINGLE_CONTEXT, vmx->vpid);
		else
			vmx_invvpid(VMX_VPID_EXTENT_ALL_CONTEXT, 0);
	}
	vmx_rare_clear(vmx, RARE_FLUSH_EPT | RARE_FLUSH_VPID);
}
