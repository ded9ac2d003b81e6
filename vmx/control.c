// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VMCS holds apart from registers and the host's state: controls and bitmaps.
 *
 * All ports exit without a bitmap. Four MSR bitmaps serve all VMs: with an MSR filter, which is asked at every access, or without; and
 * with the CPU serving x2APIC MSRs, which no filter concerns, or without. A vCPU's controls depend on what its guest may know of (CPUID)
 * and what the launcher asked for (debugging, KVM_CAP_X86_DISABLE_EXITS).
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <asm/apicdef.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/trapnr.h>
#include <keel/access.h>
#include <keel/irq.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include <keel/vm.h>
#include "apic.h"
#include "caps.h"
#include "control.h"
#include "insn.h"
#include "paging.h"
#include "vmx.h"

/* Pause-loop exiting: PAUSEs less than this many cycles apart are one loop, and so long may it take. */
#define PAUSE_GAP	128
#define PAUSE_WINDOW	4096

/* Bits of the index of a bitmap: no direct MSRs, as the launcher's filter decides about all; x2APIC MSRs direct. */
enum { MSRS_FILTERED = BIT(0), MSRS_X2APIC = BIT(1), NR_MSR_BITMAPS = 4 };
static u8 *msr_bitmaps[NR_MSR_BITMAPS];

/*
 * MSRs without any exit. Each is part of the VMCS, or the guest's value is in the CPU while it runs (KERNEL_GS_BASE). Not here: EFER
 * and PAT (policy), STAR, LSTAR and SYSCALL_MASK (the host's value may be in the CPU), DEBUGCTL, TSC_AUX, APIC and x2APIC.
 */
static const u32 direct_msrs[] = {
	MSR_FS_BASE,
	MSR_GS_BASE,
	MSR_KERNEL_GS_BASE,
	MSR_IA32_SYSENTER_CS,
	MSR_IA32_SYSENTER_ESP,
	MSR_IA32_SYSENTER_EIP,
};

/*
 * x2APIC registers whose page has what RDMSR gives: all but the interrupt command, split in two here, and the timer's current
 * count. The CPU itself does all that writes to TPR, EOI and self-IPI ask for.
 */
#define X2APIC(offset)	(APIC_BASE_MSR + ((offset) >> 4))
static const u32 x2apic_reads[] = {
	X2APIC(APIC_ID), X2APIC(APIC_LVR), X2APIC(APIC_TASKPRI), X2APIC(APIC_PROCPRI), X2APIC(APIC_LDR), X2APIC(APIC_SPIV),
	X2APIC(APIC_ESR), X2APIC(APIC_LVTT), X2APIC(APIC_LVTTHMR), X2APIC(APIC_LVTPC), X2APIC(APIC_LVT0), X2APIC(APIC_LVT1),
	X2APIC(APIC_LVTERR), X2APIC(APIC_TMICT), X2APIC(APIC_TDCR),
};
static const u32 x2apic_writes[] = { X2APIC(APIC_TASKPRI), X2APIC(APIC_EOI), X2APIC(APIC_SELF_IPI) };

enum msr_access { MSR_READS, MSR_WRITES };

/* A bit an MSR: reads of the low and the high range, then writes of both ("MSR-Bitmap Address"). */
static void allow_msr(unsigned int bitmap, u32 msr, enum msr_access access)
{
	unsigned int offset = (msr & 0x1fff) / 8;

	if (msr >= 0xc0000000)
		offset += 0x400;
	if (access == MSR_WRITES)
		offset += 0x800;
	msr_bitmaps[bitmap][offset] &= ~BIT(msr % 8);
}

static void allow_direct(unsigned int bitmap)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(direct_msrs); i++) {
		allow_msr(bitmap, direct_msrs[i], MSR_READS);
		allow_msr(bitmap, direct_msrs[i], MSR_WRITES);
	}
	/* RDMSR adds the offset like RDTSC; writes are policy */
	allow_msr(bitmap, MSR_IA32_TSC, MSR_READS);
}

static void allow_x2apic(unsigned int bitmap)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(x2apic_reads); i++)
		allow_msr(bitmap, x2apic_reads[i], MSR_READS);
	/* ISR, TMR, IRR */
	for (i = X2APIC(APIC_ISR); i < X2APIC(APIC_ESR); i++)
		allow_msr(bitmap, i, MSR_READS);
	for (i = 0; i < ARRAY_SIZE(x2apic_writes); i++)
		allow_msr(bitmap, x2apic_writes[i], MSR_WRITES);
}

int vmx_maps_create(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(msr_bitmaps); i++) {
		msr_bitmaps[i] = (u8 *)__get_free_page(GFP_KERNEL);
		if (!msr_bitmaps[i]) {
			vmx_maps_destroy();
			return -ENOMEM;
		}
		memset(msr_bitmaps[i], 0xff, PAGE_SIZE);
		if (!(i & MSRS_FILTERED))
			allow_direct(i);
		if (i & MSRS_X2APIC)
			allow_x2apic(i);
	}
	return 0;
}

void vmx_maps_destroy(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(msr_bitmaps); i++) {
		free_page((unsigned long)msr_bitmaps[i]);
		msr_bitmaps[i] = NULL;
	}
}

static void want(u32 *control, u32 bits, bool condition)
{
	if (condition)
		*control |= bits;
	else
		*control &= ~bits;
}

static void want_exits(struct vmx_controls *c, const struct vcpu *vcpu)
{
	u32 off = READ_ONCE(vcpu->vm->disabled_exits);

	want(&c->cpu, CPU_BASED_HLT_EXITING, !(off & KVM_X86_DISABLE_EXITS_HLT));
	want(&c->cpu, CPU_BASED_MWAIT_EXITING | CPU_BASED_MONITOR_EXITING, !(off & KVM_X86_DISABLE_EXITS_MWAIT));
	want(&c->cpu, CPU_BASED_PAUSE_EXITING, false);
	if (vmx_caps.cpu2 & SECONDARY_EXEC_PAUSE_LOOP_EXITING)
		want(&c->cpu2, SECONDARY_EXEC_PAUSE_LOOP_EXITING, !(off & KVM_X86_DISABLE_EXITS_PAUSE));
	c->cpu2 |= vmx_caps.cpu2 & SECONDARY_EXEC_WBINVD_EXITING;
}

/* Instructions that raise #UD unless their control is set. */
static void want_instructions(struct vmx_controls *c, struct vcpu *vcpu)
{
	u32 flags = vcpu->cpuid.flags;

	want(&c->cpu2, vmx_caps.cpu2 & SECONDARY_EXEC_ENABLE_RDTSCP, flags & GUEST_HAS_RDTSCP);
	want(&c->cpu2, vmx_caps.cpu2 & SECONDARY_EXEC_ENABLE_INVPCID, flags & GUEST_HAS_INVPCID);
	want(&c->cpu2, vmx_caps.cpu2 & VMX_CPU2_XSAVES, flags & GUEST_HAS_XSAVES);
}

static u64 msr_bitmap(const struct vmx_vcpu *vmx)
{
	unsigned int i = 0;

	if (rcu_access_pointer(vmx->vcpu.vm->msr_filter))
		i |= MSRS_FILTERED;
	if (vmx->apic_mode == LAPIC_MSRS)
		i |= MSRS_X2APIC;
	return virt_to_phys(msr_bitmaps[i]);
}

/*
 * vmx_intercepts_changed() - what decides about controls has changed: compute them again
 *
 * Context: loaded.
 */
void vmx_intercepts_changed(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	struct vmx_controls *c = &vmx->wanted;
	u32 debug = vcpu->debug.control;
	bool step = (debug & KVM_GUESTDBG_ENABLE) && (debug & KVM_GUESTDBG_SINGLESTEP);

	want_exits(c, vcpu);
	want_instructions(c, vcpu);
	want(&c->cpu, vmx_caps.cpu & CPU_BASED_MONITOR_TRAP_FLAG, step);
	if (step && !(vmx_caps.cpu & CPU_BASED_MONITOR_TRAP_FLAG))
		vmx_rare_set(vmx, RARE_STEP);
	else
		vmx_rare_clear(vmx, RARE_STEP);
	vmx_apic_changed(vmx);
	c->msr_bitmap = msr_bitmap(vmx);
	/*
	 * A guest can make the CPU deliver #DB or #AC without end, with no chance for an interrupt. #MC is the host's. #UD may be
	 * the other vendor's hypercall.
	 */
	c->exceptions = BIT(X86_TRAP_DB) | BIT(X86_TRAP_AC) | BIT(X86_TRAP_MC) | BIT(X86_TRAP_UD);
	want(&c->exceptions, BIT(X86_TRAP_PF), vcpu->shadow);
	want(&c->exceptions, BIT(X86_TRAP_BP), (debug & KVM_GUESTDBG_ENABLE) && (debug & KVM_GUESTDBG_USE_SW_BP));
	vmx_rare_set(vmx, RARE_CONTROLS);

	/* and what follows registers */
	vcpu_need(vcpu, RG_DR);
	vcpu_dirty(vcpu, RG_DR);
}

#define WRITE_CONTROL(field, member)				\
	do {							\
		if (w->member != c->member) {			\
			w->member = c->member;			\
			vmcs_write32(field, c->member);		\
		}						\
	} while (0)

/*
 * vmx_controls_write() - bring changed controls to the VMCS
 *
 * Context: VMCS current.
 */
void vmx_controls_write(struct vmx_vcpu *vmx)
{
	const struct vmx_controls *c = &vmx->wanted;
	struct vmx_controls *w = &vmx->written;

	WRITE_CONTROL(PIN_BASED_VM_EXEC_CONTROL, pin);
	WRITE_CONTROL(CPU_BASED_VM_EXEC_CONTROL, cpu);
	WRITE_CONTROL(SECONDARY_VM_EXEC_CONTROL, cpu2);
	WRITE_CONTROL(VM_EXIT_CONTROLS, exit);
	WRITE_CONTROL(VM_ENTRY_CONTROLS, entry);
	WRITE_CONTROL(EXCEPTION_BITMAP, exceptions);
	if (w->msr_bitmap != c->msr_bitmap) {
		w->msr_bitmap = c->msr_bitmap;
		vmcs_write64(MSR_BITMAP, c->msr_bitmap);
	}
	vmx_rare_clear(vmx, RARE_CONTROLS);
}

/*
 * vmx_controls_init() - the controls of a new vCPU, as far as they follow from the CPU alone
 *
 * Context: the local APIC and the VPID are there; no VMCS is needed. What changes them
 * later need not be loaded either: they come to the VMCS at the entry.
 */
void vmx_controls_init(struct vmx_vcpu *vmx)
{
	vmx->wanted = vmx_caps.base;
	if (vmx->vpid)
		vmx->wanted.cpu2 |= SECONDARY_EXEC_ENABLE_VPID;
	vmx->wanted.cpu2 |= vmx_caps.cpu2 & (SECONDARY_EXEC_TSC_SCALING | SECONDARY_EXEC_ENCLS_EXITING);
	if (keel_caps.dirty_log)
		vmx->wanted.cpu2 |= SECONDARY_EXEC_ENABLE_PML;
	if (vmx_has_tpr_shadow(vmx)) {
		vmx->wanted.cpu |= CPU_BASED_TPR_SHADOW;
		vmx->wanted.cpu &= ~(u32)(CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING);
	}
	/* always on: a run-down without a deadline is an exit a minute at most */
	vmx->wanted.pin |= vmx_caps.pin & PIN_BASED_VMX_PREEMPTION_TIMER;
	vmx->wanted.msr_bitmap = msr_bitmap(vmx);
}

/*
 * vmx_vmcs_init() - what stays the same for the life of a vCPU; and everything else gets a known value
 *
 * Context: VMCS current for the first time. The vCPU may be older: it was created on a CPU without
 * VMX.
 */
void vmx_vmcs_init(struct vmx_vcpu *vmx)
{
	vmx->ready = true;
	vmx_rare_set(vmx, RARE_CONTROLS);
	if (vmx->vpid)
		vmcs_write16(VIRTUAL_PROCESSOR_ID, vmx->vpid);
	vmx_apic_init(vmx);
	vmx_pml_init(vmx);
	if (vmx_caps.pin & PIN_BASED_VMX_PREEMPTION_TIMER)
		vmcs_write32(VMX_PREEMPTION_TIMER_VALUE, ~0u);
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmcs_write32(CR3_TARGET_COUNT, 0);
	vmcs_write32(VM_EXIT_MSR_STORE_COUNT, 0);
	vmx_efer_init(vmx);
	vmcs_write32(VM_EXIT_MSR_LOAD_COUNT, vmx->host.nr_own);
	vmcs_write32(VM_ENTRY_MSR_LOAD_COUNT, vmx->host.nr_own);
	vmcs_write64(VM_EXIT_MSR_LOAD_ADDR, virt_to_phys(vmx->host.msr_exit));
	vmcs_write64(VM_ENTRY_MSR_LOAD_ADDR, virt_to_phys(vmx->host.msr_entry));
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, 0);
	if (vmx_caps.cpu2 & SECONDARY_EXEC_PAUSE_LOOP_EXITING) {
		vmcs_write32(PLE_GAP, PAUSE_GAP);
		vmcs_write32(PLE_WINDOW, PAUSE_WINDOW);
	}
	if (vmx_caps.cpu2 & VMX_CPU2_XSAVES)
		vmcs_write64(XSS_EXIT_BITMAP, 0);
	/* guests have no SGX: all of its instructions are undefined */
	if (vmx_caps.cpu2 & SECONDARY_EXEC_ENCLS_EXITING)
		vmcs_write64(ENCLS_EXITING_BITMAP, ~0ull);
	vmcs_writel(CR0_GUEST_HOST_MASK, vmx->vcpu.shadow ? ~0ul : ~(unsigned long)CR0_GUEST_OWNED);
	vmcs_writel(CR4_GUEST_HOST_MASK, ~0ul);
	vmcs_write64(VMCS_LINK_POINTER, ~0ull);
	vmcs_write64(GUEST_IA32_DEBUGCTL, 0);
	vmcs_write32(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmcs_write32(GUEST_INTERRUPTIBILITY_INFO, 0);
	vmcs_writel(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	vmx_host_init();
}
