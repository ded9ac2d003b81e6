// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU on SVM: its life, its time on a CPU, and the entry into the guest.
 *
 * svm_enter() is the hot path: it moves RAX, RSP, RIP, RFLAGS and the interrupt shadow, looks at one word for all that is rare,
 * and leaves the rest in the VMCB until somebody asks. The host's FS, GS, TR, LDTR and system-call MSRs are saved once per
 * load and brought back after each exit; what changes them in between is a change of the LDT alone, looked for before
 * each entry.
 */
#include <linux/context_tracking.h>
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/tlbflush.h>
#include <keel/access.h>
#include <keel/debug.h>
#include <keel/host.h>
#include <keel/request.h>
#include <keel/shadow.h>
#include <keel/test_build.h>
#include <keel/vcpu.h>
#include <keel/vcpu_life.h>
#include <keel/vm.h>
#include "caps.h"
#include "control.h"
#include "cpu.h"
#include "insn.h"
#include "intr.h"
#include "regs.h"
#include "svm.h"
#include "vcpu.h"

static_assert(offsetof(struct svm_vcpu, vcpu) == 0);
static_assert(offsetof(struct vcpu, regs) == 0);
static_assert(offsetof(struct vcpu_regs, gpr) == 0);
static_assert(sizeof(struct vmcb_control_area) == 0x400);
static_assert(offsetof(struct vmcb, save) == 0x400);
static_assert(offsetof(struct vmcb_control_area, nested_cr3) == 0xb0);
static_assert(offsetof(struct vmcb_control_area, insn_bytes) == 0xd1);
static_assert(offsetof(struct vmcb_save_area, rip) == 0x178);
static_assert(offsetof(struct vmcb_save_area, cr2) == 0x240);
static_assert(offsetof(struct vmcb_save_area, spec_ctrl) == 0x2e0);
static_assert(sizeof(struct vmcb) <= PAGE_SIZE);

int svm_vcpu_create(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct page *page = svm_page_alloc(NUMA_NO_NODE, GFP_KERNEL_ACCOUNT | __GFP_ZERO);

	if (!page)
		return -ENOMEM;
	svm->vmcb = page_address(page);
	svm->vmcb_pa = __sme_set(page_to_phys(page));
	svm->last_cpu = -1;
	/* svm_vcpu_destroy() undoes what there is */
	if (keel_paging_is_shadow() && keel_shadow_vcpu_create(vcpu))
		return -ENOMEM;
	svm_vmcb_init(svm);
	return 0;
}

void svm_vcpu_destroy(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	keel_shadow_vcpu_destroy(vcpu);
	free_page((unsigned long)svm->vmcb);
	svm->vmcb = NULL;
}

/*
 * svm_vcpu_reset() - no event, no window, no memory of an NMI; registers come as dirty groups
 */
void svm_vcpu_reset(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control_area *control = &svm->vmcb->control;

	control->event_inj = 0;
	control->exit_int_info = 0;
	control->virt_ext = 0;
	svm->vmcb->save.dbgctl = 0;
	svm->vmcb->save.spec_ctrl = 0;
	svm->rare = vcpu->shadow ? RARE_SHADOW : 0;
	if (vcpu->shadow)
		vcpu_request(vcpu, REQ_PAGING);
	svm_set_int_ctl(svm, V_INTR_MASKING_MASK);
	svm_intercepts_changed(vcpu);
}

/* SPEC_CTRL is switched around the guest when VMRUN does not do it and the two values differ. */
static void spec_ctrl_prepare(struct svm_vcpu *svm)
{
	svm->spec = svm_caps.spec_ctrl ? 0 : keel_host_spec_switch(svm->vcpu.msrs.spec_ctrl, false);
}

void svm_vcpu_load(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm_cpu_load(svm);
	spec_ctrl_prepare(svm);
}

void svm_vcpu_put(struct vcpu *vcpu)
{
	svm_cpu_put(to_svm(vcpu));
}

static void enter_rare(struct svm_vcpu *svm)
{
	if (svm->rare & RARE_DR)
		keel_dr_load(&svm->vcpu);
	if (svm->rare & (RARE_INJECTED | RARE_TF))
		svm_intr_before(svm);
}

/*
 * The host single-steps branches, or has branch records or bus-lock traps on. VMRUN switches DEBUGCTL only while the guest has branch
 * records on.
 */
static noinline void debugctl_hide(struct svm_vcpu *svm)
{
	if (svm->vmcb->control.virt_ext & LBR_CTL_ENABLE_MASK)
		return;
	update_debugctlmsr(0);
	svm->rare |= RARE_DEBUGCTL;
}

/*
 * Shadow paging: the guest has come to other tables. No CPU lets it, as all that loads CR3 is intercepted; QEMU's TCG does.
 */
static noinline void root_lost(struct svm_vcpu *svm)
{
	keel_explain(svm->vcpu.vm, svm->vcpu.id, "CR3 is %#llx and not %#llx: this CPU let the guest change it, though all that does is intercepted",
		     svm->vmcb->save.cr3, svm->root);
	svm->vmcb->save.cr3 = svm->root;
	vmcb_changed(svm->vmcb, VMCB_CLEAN_CR);
	vcpu_request(&svm->vcpu, REQ_TRIPLE_FAULT);
}

static void exit_rare(struct svm_vcpu *svm)
{
	if (svm->rare & RARE_SHADOW) {
		/* their every change is intercepted, and hardware has others */
		svm->vcpu.regs.valid |= RG_CR0 | RG_CR3;
		if (unlikely(svm->vmcb->save.cr3 != svm->root && svm->vmcb->control.exit_code != (u32)SVM_EXIT_ERR))
			root_lost(svm);
	}
	if (svm->rare & RARE_DEBUGCTL) {
		update_debugctlmsr(svm->vcpu.host_debugctl);
		svm->rare &= ~RARE_DEBUGCTL;
	}
	if (svm->rare & RARE_DR)
		keel_dr_save(&svm->vcpu, svm->vmcb->save.dr7);
	if (svm->rare & (RARE_INJECTED | RARE_TF | RARE_IRET))
		svm_intr_after(svm);
}

/*
 * VMRUN refused. A CPU may have saved its own state, the host's, as the guest's (QEMU's TCG does): registers stay what they were before, and
 * what is known of them goes into the VMCB again, to be explained and to be right when the launcher has mended it.
 */
static void entry_refused(struct svm_vcpu *svm)
{
	struct vmcb_control_area *control = &svm->vmcb->control;
	struct vcpu_regs *r = &svm->vcpu.regs;

	svm_regs_write(svm, r->valid & (RG_CR0 | RG_CR2 | RG_CR3 | RG_CR4 | RG_EFER | RG_SEG | RG_DT | RG_DR | RG_SHADOW));
	r->dirty = 0;
	control->clean = 0;
	control->int_ctl = svm->int_ctl;
	control->exit_int_info = 0;
	if (!(svm->rare & RARE_INJECTED))
		return;
	/* the event did not go in, and is given back like one that was interrupted */
	control->event_inj = svm->inject_info;
	control->exit_int_info = svm->inject_info;
	control->exit_int_info_err = control->event_inj_err;
	if (svm->inject_len && !svm_caps.nrip)
		r->rip += svm->inject_len;
}

/* The NMI that ended the guest is taken as soon as GIF is set. */
static noinstr void serve_nmi(struct svm_vcpu *svm)
{
	keel_xstate_host(&svm->vcpu);
	/* its handler may be perf's: it finds DEBUGCTL as it left it, and may change it */
	if (svm->rare & RARE_DEBUGCTL)
		native_wrmsrl(MSR_IA32_DEBUGCTLMSR, svm->vcpu.host_debugctl);
	svm->rare &= ~RARE_DEBUGCTL;
	svm_stgi();
	svm->vcpu.host_debugctl = __rdmsr(MSR_IA32_DEBUGCTLMSR);
	keel_xstate_guest(&svm->vcpu);
}

/* No division from here to VMRUN. */
static __always_inline void clear_divider(void)
{
	u32 low = 0, high = 0;

	if (!static_branch_unlikely(&keel_host_divides))
		return;
	asm volatile("divl %2" : "+a" (low), "+d" (high) : "r" (1) : "cc");
	keel_bugs_count(BUGS_DIVIDED);
}

/* Between these two RCU does not watch this CPU where it runs without a tick (nohz_full). */
static noinstr void run_guest(struct svm_vcpu *svm)
{
	context_tracking_guest_enter();
	if (unlikely(svm->spec))
		native_wrmsrl(MSR_IA32_SPEC_CTRL, svm->vcpu.msrs.spec_ctrl);
	clear_divider();
	svm_run(&svm->vcpu.regs, svm->vmcb_pa, svm->host_pa, svm->spec);
	if (unlikely(svm->vmcb->control.exit_code == SVM_EXIT_NMI))
		serve_nmi(svm);
	else
		svm_stgi();
	context_tracking_guest_exit();
}

/*
 * svm_enter() - run the guest until its next exit
 *
 * Context: loaded, interrupts off.
 */
void svm_enter(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vcpu_regs *r = &vcpu->regs;
	struct vmcb *vmcb = svm->vmcb;

	if (r->dirty & ~(RG_RSP | RG_RIP | RG_RFLAGS))
		svm_regs_write(svm, r->dirty);
	vmcb->save.rax = r->gpr[GPR_RAX];
	vmcb->save.rsp = r->gpr[GPR_RSP];
	vmcb->save.rip = r->rip;
	vmcb->save.rflags = r->rflags;
	if (unlikely(svm->rare))
		enter_rare(svm);
	if (unlikely(vcpu->host_debugctl))
		debugctl_hide(svm);
	/* another thread of the launcher may have given it a new LDT since the load */
	if (unlikely(host_ldt()))
		svm_vmsave(svm->host_pa);

	run_guest(svm);

	vmcb->control.clean = VMCB_CLEAN_ALL;
	vmcb->control.tlb_ctl = TLB_CONTROL_DO_NOTHING;
	if (likely(vmcb->control.exit_code != (u32)SVM_EXIT_ERR)) {
		r->gpr[GPR_RAX] = vmcb->save.rax;
		r->gpr[GPR_RSP] = vmcb->save.rsp;
		r->rip = vmcb->save.rip;
		r->rflags = vmcb->save.rflags;
		vcpu->events.shadow = vmcb->control.int_state & SVM_INTERRUPT_SHADOW_MASK;
		r->valid = SVM_KEPT | RG_RSP | RG_RIP | RG_RFLAGS | RG_SHADOW;
		r->dirty = 0;
	} else {
		entry_refused(svm);
	}

	if (unlikely((vmcb->control.int_ctl ^ svm->int_ctl) & V_TPR_MASK))
		svm_tpr_changed(svm);
	if (unlikely(vmcb->control.exit_int_info & SVM_EXITINTINFO_VALID))
		svm_event_interrupted(svm);
	if (unlikely(svm->rare))
		exit_rare(svm);
}

/* ---- MSRs that only this backend knows ---- */

static u64 *branch_record(struct vmcb *vmcb, u32 msr)
{
	switch (msr) {
	case MSR_IA32_LASTBRANCHFROMIP:	return &vmcb->save.br_from;
	case MSR_IA32_LASTBRANCHTOIP:	return &vmcb->save.br_to;
	case MSR_IA32_LASTINTFROMIP:	return &vmcb->save.last_excp_from;
	case MSR_IA32_LASTINTTOIP:	return &vmcb->save.last_excp_to;
	default:			return NULL;
	}
}

/* Branch records are switched only while the guest has them on, where the CPU can. */
static int set_debugctl(struct vcpu *vcpu, u64 val)
{
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;

	if (val & ~(u64)(DEBUGCTLMSR_LBR | DEBUGCTLMSR_BTF))
		return 1;
	if (!svm_caps.lbr)
		return val ? 1 : 0;
	vmcb->save.dbgctl = val;
	if (val)
		vmcb->control.virt_ext |= LBR_CTL_ENABLE_MASK;
	else
		vmcb->control.virt_ext &= ~LBR_CTL_ENABLE_MASK;
	vmcb_changed(vmcb, VMCB_CLEAN_LBR);
	return 0;
}

/* Without SPEC_CTRL in the VMCB core has it. */
static int spec_ctrl(struct svm_vcpu *svm, u64 *val, bool is_read)
{
	struct vmcb_save_area *save = &svm->vmcb->save;

	if (is_read) {
		*val = save->spec_ctrl;
		return svm_caps.spec_ctrl ? 0 : -ENOENT;
	}
	save->spec_ctrl = *val;
	spec_ctrl_prepare(svm);
	return 0;
}

int svm_msr(struct vcpu *vcpu, u32 msr, u64 *val, enum vendor_msr how)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 *record = branch_record(svm->vmcb, msr);

	if (msr == MSR_IA32_SPEC_CTRL)
		return spec_ctrl(svm, val, how == VENDOR_MSR_READ);
	if (msr == MSR_IA32_DEBUGCTLMSR && how != VENDOR_MSR_READ)
		return set_debugctl(vcpu, *val);
	if (msr == MSR_IA32_DEBUGCTLMSR)
		record = &svm->vmcb->save.dbgctl;
	if (!record)
		return -ENOENT;
	if (how == VENDOR_MSR_READ) {
		*val = *record;
		return 0;
	}
	/* read-only to the guest; a launcher restores them */
	if (how == VENDOR_MSR_WRITE)
		return 1;
	*record = *val;
	vmcb_changed(svm->vmcb, VMCB_CLEAN_LBR);
	return 0;
}
