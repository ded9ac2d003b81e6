// SPDX-License-Identifier: GPL-2.0-only
/*
 * Between struct vcpu_regs and the VMCS: dirty groups are written before an entry, others are fetched when somebody asks.
 *
 * The general registers but RSP are switched by entry.S, CR2 by vcpu.c. Where hardware holds another value than the guest sees (bits
 * of CR0 and CR4 that VMX wants fixed, or all of them with shadow paging), the read shadow has the guest's. STAR, LSTAR, CSTAR and SYSCALL_MASK are
 * intercepted, so that vcpu_regs always has them; KERNEL_GS_BASE is in the CPU or in struct vmx_vcpu.
 */
#include <linux/preempt.h>
#include <asm/msr.h>
#include <keel/access.h>
#include <keel/debug.h>
#include <keel/guest_access.h>
#include <keel/memory.h>
#include <keel/pdpte.h>
#include <keel/vcpu.h>
#include "apic.h"
#include "caps.h"
#include "control.h"
#include "insn.h"
#include "intr.h"
#include "native.h"
#include "paging.h"
#include "regs.h"
#include "vmx.h"

/* ---- segments ---- */

/* The VMCS has the segments' fields in the order of enum seg, two encodings apart. */
static_assert(GUEST_TR_SELECTOR == GUEST_ES_SELECTOR + 2 * SEG_TR);
static_assert(GUEST_TR_LIMIT == GUEST_ES_LIMIT + 2 * SEG_TR);
static_assert(GUEST_TR_AR_BYTES == GUEST_ES_AR_BYTES + 2 * SEG_TR);
static_assert(GUEST_TR_BASE == GUEST_ES_BASE + 2 * SEG_TR);
static_assert(GUEST_SS_AR_BYTES == GUEST_ES_AR_BYTES + 2 * SEG_SS && GUEST_GS_BASE == GUEST_ES_BASE + 2 * SEG_GS);

#define AR_DEFINED	0x1f0ffu

static void write_segments(struct vmx_vcpu *vmx)
{
	const struct vcpu_regs *r = &vmx->vcpu.regs;
	unsigned int n;

	for (n = 0; n < NR_SEGS; n++) {
		const struct segment *s = &r->seg[n];

		__vmcs_write(GUEST_ES_SELECTOR + 2 * n, s->selector);
		__vmcs_write(GUEST_ES_LIMIT + 2 * n, s->limit);
		__vmcs_write(GUEST_ES_AR_BYTES + 2 * n, vmx_entry_rights(s, n));
		__vmcs_write(GUEST_ES_BASE + 2 * n, s->base);
	}
	if (unlikely(vmx->vcpu.shadow))
		vmx_native_update(vmx);
}

static __always_inline u32 fetch_rights(unsigned int n)
{
	u32 ar = __vmcs_read(GUEST_ES_AR_BYTES + 2 * n) & AR_DEFINED;

	/* of an unusable segment only the DPL is defined */
	if (unlikely(ar & SEG_UNUSABLE))
		ar &= SEG_UNUSABLE | 3u << SEG_DPL_SHIFT;
	return ar;
}

/* RG_CODE; RG_EFER is always valid */
static __always_inline void fetch_code(struct vcpu_regs *r)
{
	struct segment *cs = &r->seg[SEG_CS];

	cs->ar = fetch_rights(SEG_CS);
	r->seg[SEG_SS].ar = fetch_rights(SEG_SS);
	/* in 64-bit code it is no part of any address; outside long mode L means nothing */
	if (!(cs->ar & SEG_L) || !(r->efer & EFER_LMA))
		cs->base = vmcs_readl(GUEST_CS_BASE);
}

void vmx_code_fetch(struct vcpu_regs *r)
{
	fetch_code(r);
}

static void fetch_segment(struct vcpu_regs *r, unsigned int n)
{
	struct segment *s = &r->seg[n];

	s->selector = __vmcs_read(GUEST_ES_SELECTOR + 2 * n);
	s->limit = __vmcs_read(GUEST_ES_LIMIT + 2 * n);
	s->ar = fetch_rights(n);
	s->base = __vmcs_read(GUEST_ES_BASE + 2 * n);
}

static void fetch_segments(struct vcpu_regs *r)
{
	unsigned int n;

	for (n = 0; n < NR_SEGS; n++)
		fetch_segment(r, n);
}

static void write_tables(const struct vcpu_regs *r)
{
	vmcs_writel(GUEST_GDTR_BASE, r->gdt.base);
	vmcs_write32(GUEST_GDTR_LIMIT, r->gdt.limit);
	vmcs_writel(GUEST_IDTR_BASE, r->idt.base);
	vmcs_write32(GUEST_IDTR_LIMIT, r->idt.limit);
}

static void fetch_tables(struct vcpu_regs *r)
{
	r->gdt.base = vmcs_readl(GUEST_GDTR_BASE);
	r->gdt.limit = vmcs_read32(GUEST_GDTR_LIMIT);
	r->idt.base = vmcs_readl(GUEST_IDTR_BASE);
	r->idt.limit = vmcs_read32(GUEST_IDTR_LIMIT);
}

/* ---- control registers ---- */

static void put_cr0(u64 cr0)
{
	vmcs_writel(GUEST_CR0, (cr0 & ~(u64)CR0_UNCACHED) | vmx_caps.cr0_fixed);
	vmcs_writel(CR0_READ_SHADOW, cr0);
}

static u64 fetch_cr0(void)
{
	return (vmcs_readl(GUEST_CR0) & CR0_GUEST_OWNED) | (vmcs_readl(CR0_READ_SHADOW) & ~(u64)CR0_GUEST_OWNED);
}

static void write_efer(struct vmx_vcpu *vmx, u64 efer)
{
	vmcs_write64(GUEST_IA32_EFER, efer);
	vmx_control_put(vmx, &vmx->wanted.entry, VM_ENTRY_IA32E_MODE, efer & EFER_LMA);
}

/*
 * With PAE paging the CPU takes the PDPTEs from the VMCS, not through CR3. Does the write of @groups, which is to come, load them? Only what is one of
 * these bits' change in the guest as well.
 */
static bool loads_pdptes(const struct vcpu_regs *r, u32 groups)
{
	if (groups & RG_CR3)
		return true;
	if (groups & RG_CR0 && (vmcs_readl(CR0_READ_SHADOW) ^ r->cr0) & CR0_LOADS_PDPTES)
		return true;
	return groups & RG_CR4 && (vmcs_readl(CR4_READ_SHADOW) ^ r->cr4) & CR4_LOADS_PDPTES;
}

static void write_control(struct vmx_vcpu *vmx, u32 groups)
{
	struct vcpu *vcpu = &vmx->vcpu;
	const struct vcpu_regs *r = &vcpu->regs;

	if (unlikely(vcpu->shadow)) {
		vmx_shadow_control_write(vmx, groups);
		return;
	}
	/* CR0 may have to be read for it, so not in long mode */
	if (likely(r->efer & EFER_LMA) || !is_pae_paging(vcpu_cr0(vcpu), r->cr4, r->efer))
		vmx_rare_clear(vmx, RARE_PDPTES);
	else if (loads_pdptes(r, groups))
		vmx_rare_set(vmx, RARE_PDPTES);
	if (groups & RG_CR0)
		put_cr0(r->cr0);
	if (groups & RG_CR3)
		vmcs_writel(GUEST_CR3, r->cr3);
	if (groups & RG_CR4) {
		/* a machine check in the guest must reach the host, not shut the CPU down */
		vmcs_writel(GUEST_CR4, r->cr4 | vmx_caps.cr4_fixed | X86_CR4_MCE);
		vmcs_writel(CR4_READ_SHADOW, r->cr4);
	}
	if (groups & RG_EFER)
		write_efer(vmx, r->efer);
}

/*
 * vmx_pdptes_load() - read the four PDPTEs as a load of CR3 does
 * @atomic: interrupts are off; -EFAULT when that would sleep
 *
 * Where there is no memory they read as not present. Context: VMCS current.
 */
int vmx_pdptes_load(struct vmx_vcpu *vmx, bool atomic)
{
	struct vcpu *vcpu = &vmx->vcpu;
	gpa_t gpa = vcpu_cr3(vcpu) & 0xffffffe0;
	u64 pdpte[4] = { };

	if (atomic) {
		if (keel_read_guest_atomic(vcpu->vm, gpa, pdpte, sizeof(pdpte)))
			return -EFAULT;
	} else if (keel_read_guest(vcpu->vm, gpa, pdpte, sizeof(pdpte))) {
		memset(pdpte, 0, sizeof(pdpte));
	}
	vmcs_write64(GUEST_PDPTR0, pdpte[0]);
	vmcs_write64(GUEST_PDPTR1, pdpte[1]);
	vmcs_write64(GUEST_PDPTR2, pdpte[2]);
	vmcs_write64(GUEST_PDPTR3, pdpte[3]);
	vmx_rare_clear(vmx, RARE_PDPTES);
	return 0;
}

/*
 * vmx_pdpte() - one of the four PDPTEs that the CPU has, or is to go on with
 *
 * Before one is put, what would load others is written. Context: loaded. Return: false where they are still to be loaded, from memory.
 */
bool vmx_pdpte(struct vcpu *vcpu, unsigned int n, u64 *pdpte, bool put)
{
	u32 groups = vcpu->regs.dirty & (RG_CR0 | RG_CR3 | RG_CR4);
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (put) {
		write_control(vmx, groups);
		regs_clean(&vcpu->regs, groups);
		__vmcs_write(GUEST_PDPTR0 + 2 * n, *pdpte);
		vmx_rare_clear(vmx, RARE_PDPTES);
		return true;
	}
	if (vmx->rare & RARE_PDPTES || (groups && loads_pdptes(&vcpu->regs, groups)))
		return false;
	*pdpte = __vmcs_read(GUEST_PDPTR0 + 2 * n);
	return true;
}

static void write_syscall(struct vmx_vcpu *vmx)
{
	const struct vcpu_regs *r = &vmx->vcpu.regs;

	vmx->kernel_gs_base = r->kernel_gs_base;
	if (vmx->host.saved)
		wrmsrl(MSR_KERNEL_GS_BASE, r->kernel_gs_base);
	vmcs_write32(GUEST_SYSENTER_CS, r->sysenter_cs);
	vmcs_writel(GUEST_SYSENTER_ESP, r->sysenter_esp);
	vmcs_writel(GUEST_SYSENTER_EIP, r->sysenter_eip);
}

static void fetch_syscall(struct vmx_vcpu *vmx)
{
	struct vcpu_regs *r = &vmx->vcpu.regs;

	/* taken off the CPU in between, the thread would find its own value in the MSR */
	preempt_disable();
	if (vmx->host.saved)
		rdmsrl(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	preempt_enable();
	r->kernel_gs_base = vmx->kernel_gs_base;
	r->sysenter_cs = vmcs_read32(GUEST_SYSENTER_CS);
	r->sysenter_esp = vmcs_readl(GUEST_SYSENTER_ESP);
	r->sysenter_eip = vmcs_readl(GUEST_SYSENTER_EIP);
}

static void write_root(struct vmx_vcpu *vmx)
{
	u64 eptp;

	if (unlikely(vmx->vcpu.shadow)) {
		vmx_shadow_root_write(vmx);
		return;
	}
	eptp = keel_memory_root(&vmx->vcpu) | VMX_EPTP_MT_WB | (u64)(keel_pte_ept.levels - 1) << 3;

	if (vmx_caps.ept_ad)
		eptp |= VMX_EPTP_AD_ENABLE_BIT;
	vmx->eptp = eptp;
	vmcs_write64(EPT_POINTER, eptp);
	/* the page may have been another VM's root */
	vmx_rare_set(vmx, RARE_FLUSH_EPT);
}

static void write_tsc(const struct vmx_vcpu *vmx)
{
	vmcs_write64(TSC_OFFSET, vmx->vcpu.tsc.offset);
	if (vmx_caps.cpu2 & SECONDARY_EXEC_TSC_SCALING)
		vmcs_write64(TSC_MULTIPLIER, vmx->vcpu.tsc.ratio ?: BIT_ULL(48));
}

/* tsc.host_deadline was set or cleared: the preemption timer watches it, or runs down. */
static void write_deadline(struct vmx_vcpu *vmx)
{
	if (vmx->vcpu.tsc.host_deadline) {
		vmx_rare_set(vmx, RARE_TIMER);
		return;
	}
	if (!(vmx->rare & RARE_TIMER))
		return;
	vmx_rare_clear(vmx, RARE_TIMER);
	vmcs_write32(VMX_PREEMPTION_TIMER_VALUE, ~0u);
}

/* ---- debug registers ---- */

/* Debug registers, or who owns them, changed. DR6 is the host's while DR0-3 are. */
static void write_debug(struct vmx_vcpu *vmx)
{
	struct dr_plan plan = keel_dr_plan(&vmx->vcpu);

	vmcs_writel(GUEST_DR7, plan.dr7);
	vmx_control_put(vmx, &vmx->wanted.cpu, CPU_BASED_MOV_DR_EXITING, !plan.open);
	if (plan.switched)
		vmx_rare_set(vmx, RARE_DR);
	else
		vmx_rare_clear(vmx, RARE_DR);
}

/* DR0-3 and DR6 are in vcpu_regs since the exit. */
static void fetch_debug(struct vmx_vcpu *vmx)
{
	if (!vcpu_launcher_breakpoints(&vmx->vcpu))
		vmx->vcpu.regs.dr7 = vmcs_readl(GUEST_DR7);
}

/* ---- by group ---- */

/* Any groups. */
static noinline void fetch_groups(struct vcpu *vcpu, u32 groups)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	struct vcpu_regs *r = &vcpu->regs;

	if (groups & RG_RIP)
		r->rip = vmcs_readl(GUEST_RIP);
	if (groups & RG_RFLAGS)
		r->rflags = vmcs_readl(GUEST_RFLAGS);
	if (likely(!(groups & ~(RG_RIP | RG_RFLAGS))))
		return;
	if (groups & RG_RSP)
		r->gpr[GPR_RSP] = vmcs_readl(GUEST_RSP);
	if (groups & RG_CR0)
		r->cr0 = fetch_cr0();
	if (groups & RG_CR3)
		r->cr3 = vmcs_readl(GUEST_CR3);
	if (groups & RG_CR4)
		r->cr4 = vmcs_readl(CR4_READ_SHADOW);
	if (groups & RG_EFER)
		r->efer = vmcs_read64(GUEST_IA32_EFER);
	if (groups & RG_SEG) {
		fetch_segments(r);
	} else if (groups & RG_CODE) {
		fetch_code(r);
	}
	if (groups & RG_DT)
		fetch_tables(r);
	if (groups & RG_DR)
		fetch_debug(vmx);
	if (groups & RG_SYSCALL)
		fetch_syscall(vmx);
	if (groups & RG_SHADOW)
		vmx_shadow_fetch(vmx);
}

/**
 * vmx_regs_fetch() - copy groups from the VMCS
 * @vcpu: loaded, outside guest mode
 * @groups: RG_* that are not valid in vcpu->regs
 */
void vmx_regs_fetch(struct vcpu *vcpu, u32 groups)
{
	struct vcpu_regs *r = &vcpu->regs;

	/* what a device access asks for, see keel_fetch_again() */
	if (unlikely(groups != (RG_RIP | RG_RFLAGS | RG_CR3 | RG_CODE))) {
		fetch_groups(vcpu, groups);
		return;
	}
	r->rip = vmcs_readl(GUEST_RIP);
	r->rflags = vmcs_readl(GUEST_RFLAGS);
	r->cr3 = vmcs_readl(GUEST_CR3);
	fetch_code(r);
}

/*
 * vmx_regs_write() - bring dirty groups to the VMCS
 *
 * Context: interrupts off, before the entry.
 */
void vmx_regs_write(struct vmx_vcpu *vmx, u32 groups)
{
	struct vcpu *vcpu = &vmx->vcpu;
	struct vcpu_regs *r = &vcpu->regs;

	if (groups & RG_RIP)
		vmcs_writel(GUEST_RIP, r->rip);
	if (groups & RG_RSP)
		vmcs_writel(GUEST_RSP, r->gpr[GPR_RSP]);
	if (groups & RG_RFLAGS)
		vmcs_writel(GUEST_RFLAGS, r->rflags);
	if (groups & RG_SHADOW)
		vmx_shadow_write(vmx);
	if (groups & RG_DEADLINE)
		write_deadline(vmx);
	if (likely(!(groups & ~(RG_SHADOW | RG_RSP | RG_RIP | RG_RFLAGS | RG_CR2 | RG_TPR | RG_DEADLINE))))
		return;
	if (groups & RG_LEVELS)
		vmx_levels_write(&vcpu->events.levels);
	if (groups & (RG_CR0 | RG_CR3 | RG_CR4 | RG_EFER))
		write_control(vmx, groups);
	if (groups & RG_SEG)
		write_segments(vmx);
	if (groups & RG_DT)
		write_tables(r);
	if (groups & RG_DR)
		write_debug(vmx);
	if (groups & RG_SYSCALL)
		write_syscall(vmx);
	if ((groups & (RG_SYSCALL | RG_EFER)) && vmx->host.saved)
		vmx_syscall_load(vmx);
	if ((groups & RG_PAT) && (vmx_caps.entry & VM_ENTRY_LOAD_IA32_PAT))
		vmcs_write64(GUEST_IA32_PAT, r->pat);
	if (groups & RG_ROOT)
		write_root(vmx);
	if (groups & RG_TSC)
		write_tsc(vmx);
}
