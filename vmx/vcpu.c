// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU on VMX: its life, its time on a CPU, and the entry into the guest.
 *
 * vmx_enter() is the hot path: it writes what changed, looks at one word for all that is rare, and reads nothing but the exit
 * reason and CR2; everything else stays in the VMCS until somebody asks.
 *
 * The host's part. Per CPU: control.c. CR3, CR4, FS and the LDT may change whenever interrupts are on, so they are compared once for
 * each inner loop. KERNEL_GS_BASE, and selectors that the VMCS cannot hold, are switched once per load, at the first entry,
 * and put back with vmx_vcpu_put(). STAR, LSTAR and SYSCALL_MASK stay the guest's until KVM_RUN ends (host/uret.c).
 */
#include <linux/context_tracking.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/io.h>
#include <asm/mmu_context.h>
#include <asm/msr.h>
#include <asm/perf_event.h>
#include <asm/segment.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>
#include <keel/access.h>
#include <keel/debug.h>
#include <keel/guest_access.h>
#include <keel/host.h>
#include <keel/memory.h>
#include <keel/request.h>
#include <keel/shadow.h>
#include <keel/vcpu.h>
#include <keel/vcpu_life.h>
#include <keel/vm.h>
#include "apic.h"
#include "caps.h"
#include "control.h"
#include "cpu.h"
#include "insn.h"
#include "intr.h"
#include "regs.h"
#include "vcpu.h"
#include "vmx.h"

static_assert(offsetof(struct vmx_vcpu, vcpu) == 0);
static_assert(offsetof(struct vcpu, regs) == 0);
static_assert(offsetof(struct vcpu_regs, gpr) == 0);
static_assert(offsetof(struct vmx_host, rsp) == 0);
static_assert(HOST_RSP == 0x6c14);

/* ---- life ---- */

int vmx_vcpu_create(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);

	if (!page)
		return -ENOMEM;
	vmx->vmcs = page_address(page);
	vmx->vmcs_pa = page_to_phys(page);
	*(u32 *)vmx->vmcs = vmx_caps.revision;
	vmx->last_cpu = -1;
	vmx->loaded_cpu = -1;
	vmx->vpid = vmx_vpid_get();
	vmx->rare = keel_host_flushes ? RARE_FLUSH_HOST : 0;
	/* vmx_vcpu_destroy() undoes what there is */
	if (keel_paging_is_shadow() && keel_shadow_vcpu_create(vcpu))
		return -ENOMEM;
	if (vcpu->shadow)
		vmx_rare_set(vmx, RARE_SHADOW);
	vmx_apic_create(vmx);
	vmx_controls_init(vmx);
	return 0;
}

void vmx_vcpu_destroy(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (!vmx->vmcs)
		return;
	vmx_vmcs_release(vmx);
	keel_shadow_vcpu_destroy(vcpu);
	vmx_apic_destroy(vmx);
	vmx_pml_destroy(vmx);
	free_page((unsigned long)vmx->vmcs);
	vmx->vmcs = NULL;
	vmx_vpid_put(vmx->vpid);
	vmx->vpid = 0;
}

/*
 * vmx_vcpu_first_use() - the log of modified pages, which every entry needs where the CPU keeps one
 */
int vmx_vcpu_first_use(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int ret = vmx_pml_create(vmx);

	if (ret || !vmx->pml)
		return ret;
	keel_vcpu_load(vcpu);
	vmx_pml_init(vmx);
	keel_vcpu_put(vcpu);
	return 0;
}

/*
 * vmx_vcpu_reset() - no event, no window, no memory of an NMI; registers come as dirty groups
 */
void vmx_vcpu_reset(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmcs_write64(GUEST_IA32_DEBUGCTL, 0);
	vmcs_writel(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	vmcs_write32(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmx->wanted.cpu &= ~(u32)(CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING);
	vmx_rare_clear(vmx, RARE_NMI | RARE_DR);
	vmx->nmi_known = true;
	vmx->soft_len = 0;
	if (vmx->tpr_threshold)
		vmx_tpr_threshold(vmx, 0);
	if (vcpu->shadow)
		vcpu_request(vcpu, REQ_PAGING);
	vmx_intercepts_changed(vcpu);
}

/*
 * SPEC_CTRL is switched around the guest when the two values differ. Where the host protects itself by IBRS it must be written after
 * every exit, changed or not: only the write keeps predictions made in less privileged modes out.
 */
static void spec_ctrl_prepare(struct vmx_vcpu *vmx)
{
	vmx->spec = keel_host_spec_switch(vmx->vcpu.msrs.spec_ctrl, boot_cpu_has(X86_FEATURE_KERNEL_IBRS));
}

/* The first load, or one on another CPU than the last. */
static noinline void arrive(struct vmx_vcpu *vmx)
{
	if (!vmx->ready)
		vmx_vmcs_init(vmx);
	/* what was flushed elsewhere may still be cached here; the host's tables and stacks are others */
	vmx_rare_set(vmx, vmx->vcpu.shadow ? RARE_FLUSH_VPID : RARE_FLUSH_EPT | RARE_FLUSH_VPID);
	vmx_host_tables_write(vmx);
}

void vmx_vcpu_load(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (unlikely(__this_cpu_read(vmx_current_vmcs) != vmx->vmcs) && vmx_cpu_load(vmx))
		arrive(vmx);
	spec_ctrl_prepare(vmx);
	vmx_rare_set(vmx, RARE_HOST);
	vmx->seen = 0;
	vmx->host.ldt = 0;
}

/* ---- the host's state ---- */

/* Selectors of the user's tables cannot be in the VMCS: an exit leaves 0, vmx_vcpu_put() loads them again. */
static u16 host_selector(u16 selector, u16 *kept)
{
	*kept = selector & 7 ? selector : 0;
	return selector & 7 ? 0 : selector;
}

static void write_selector(unsigned long field, u16 *written, u16 selector)
{
	if (*written != selector) {
		*written = selector;
		__vmcs_write(field, selector);
	}
}

static noinline void selectors_save(struct vmx_host *h, u16 fs, u16 gs, u16 ds, u16 es)
{
	h->ds = ds;
	h->es = es;
	write_selector(HOST_FS_SELECTOR, &h->fs_sel, host_selector(fs, &h->fs));
	write_selector(HOST_GS_SELECTOR, &h->gs_sel, host_selector(gs, &h->gs));
}

/* First entry since the load. A 64-bit thread has no selectors. */
static void host_save(struct vmx_vcpu *vmx)
{
	struct vmx_host *h = &vmx->host;
	u16 fs, gs, ds, es;

	savesegment(fs, fs);
	savesegment(gs, gs);
	savesegment(ds, ds);
	savesegment(es, es);
	if (likely(!(fs | gs | ds | es | h->fs_sel | h->gs_sel)))
		h->selectors = 0;
	else
		selectors_save(h, fs, gs, ds, es);
	if (static_cpu_has(X86_FEATURE_FSGSBASE))
		h->thread_fs_base = rdfsbase();
	else
		h->thread_fs_base = __rdmsr(MSR_FS_BASE);
	if (h->fs_base != h->thread_fs_base) {
		h->fs_base = h->thread_fs_base;
		vmcs_writel(HOST_FS_BASE, h->fs_base);
	}
	h->kernel_gs_base = __rdmsr(MSR_KERNEL_GS_BASE);
	native_wrmsrl(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	vmx_syscall_load(vmx);
	h->saved = true;
	vmx_rare_clear(vmx, RARE_HOST);
}

static noinline void selectors_restore(struct vmx_host *h)
{
	if (h->fs) {
		loadsegment(fs, h->fs);
		wrmsrl(MSR_FS_BASE, h->thread_fs_base);
	}
	/* overwrites KERNEL_GS_BASE */
	if (h->gs)
		load_gs_index(h->gs);
	if (h->ds | h->es) {
		loadsegment(ds, h->ds);
		loadsegment(es, h->es);
	}
}

static noinline void tr_reload(void)
{
	force_reload_TR();
}

/* Back to what the thread had before its first entry. Preemption off. */
static void host_restore(struct vmx_vcpu *vmx)
{
	struct vmx_host *h = &vmx->host;

	h->saved = false;
	vmx->kernel_gs_base = __rdmsr(MSR_KERNEL_GS_BASE);
	if (unlikely(h->selectors))
		selectors_restore(h);
	native_wrmsrl(MSR_KERNEL_GS_BASE, h->kernel_gs_base);
	if (unlikely(h->ldt) && !host_ldt())
		asm volatile("lldt %0" : : "rm" (h->ldt));
	/* an exit leaves limits of its own in GDTR and TR */
	native_load_gdt(&h->gdt);
	if (unlikely(test_thread_flag(TIF_IO_BITMAP)))
		tr_reload();
	else
		this_cpu_write(__tss_limit_invalid, true);
}

/* The CPU itself loads these MSRs: an NMI that comes right before the entry may still change what they hold. */
static noinline void perf_changed(struct vmx_vcpu *vmx, const struct perf_guest_switch_msr *msrs, unsigned int n)
{
	struct vmx_host *h = &vmx->host;
	struct vmx_msr *entry = h->msr_entry + h->nr_own, *exit = h->msr_exit + h->nr_own;
	unsigned int i;

	n = min_t(unsigned int, n, VMX_PERF_MSRS);
	vmx_rare_clear(vmx, RARE_PEBS);
	for (i = 0; i < n; i++) {
		entry[i].index = exit[i].index = msrs[i].msr;
		entry[i].value = msrs[i].guest;
		exit[i].value = msrs[i].host;
		if (msrs[i].msr == MSR_IA32_PEBS_ENABLE)
			vmx_rare_set(vmx, RARE_PEBS);
	}
	h->nr_perf = n;
	vmcs_write32(VM_ENTRY_MSR_LOAD_COUNT, h->nr_own + n);
	vmcs_write32(VM_EXIT_MSR_LOAD_COUNT, h->nr_own + n);
}

/* First entry of an inner loop, or after an NMI: what may have changed while interrupts were on, or by the NMI. */
static noinline void host_compare(struct vmx_vcpu *vmx)
{
	struct vmx_host *h = &vmx->host;
	struct host_perf_msrs perf = keel_host_perf_msrs();
	unsigned long cr;
	u16 ldt;

	if (unlikely(perf.n | h->nr_perf))
		perf_changed(vmx, perf.msrs, perf.n);
	cr = cr4_read_shadow();
	if (unlikely(cr != h->cr4)) {
		h->cr4 = cr;
		vmcs_writel(HOST_CR4, cr);
	}
	cr = __native_read_cr3();
	if (unlikely(cr != h->cr3)) {
		h->cr3 = cr;
		vmcs_writel(HOST_CR3, cr);
	}
	/* another thread of the launcher may have given it a new LDT since the load */
	ldt = host_ldt();
	if (unlikely(ldt))
		h->ldt = ldt;
	/* whatever the last exit was: anything may have run since */
	vmx->exit_reason = EXIT_FORGOTTEN;
	if (unlikely(vmx->vcpu.host_debugctl))
		vmx_rare_set(vmx, RARE_DEBUGCTL);
	else
		vmx_rare_clear(vmx, RARE_DEBUGCTL);
}

void vmx_vcpu_put(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (vmx->host.saved)
		host_restore(vmx);
}

/* ---- entry ---- */

/* Rounded up: an exit before the deadline would only come back for the rest of it. One that has passed exits at once. */
static void timer_load(struct vmx_vcpu *vmx)
{
	s64 left = vmx->vcpu.tsc.host_deadline - rdtsc();
	u64 count = left > 0 ? ((u64)left >> vmx_caps.timer_shift) + 1 : 0;

	vmcs_write32(VMX_PREEMPTION_TIMER_VALUE, min_t(u64, count, ~0u));
}

/*
 * The exits that the inner loop answers from the guest's own state alone. After all others it may have run an NMI's handler, woken a
 * thread, reached into another vCPU.
 */
static bool exit_was_guarded(u32 reason)
{
	return reason == EXIT_REASON_CPUID || reason == EXIT_REASON_MSR_READ || reason == EXIT_REASON_DR_ACCESS ||
	       reason == EXIT_REASON_INTERRUPT_WINDOW || reason == EXIT_REASON_NMI_WINDOW;
}

/*
 * On a CPU that leaks what the host left in it. Late: all that follows is a compare with the host's control registers. Before the first
 * entry of an inner loop anything may have run.
 */
static noinline void flush_before_guest(struct vmx_vcpu *vmx)
{
	vmx->vcpu.stats.l1d_flush += keel_host_flush(exit_was_guarded(vmx->exit_reason) ? HOST_RAN_GUARDED : HOST_RAN_ANYTHING);
}

/* The entry must not be tried as things are; exit_reason says why. */
static noinline bool is_barred(struct vmx_vcpu *vmx)
{
	u32 reason = EXIT_SOFTWARE;

	if (!(vmx->rare & RARE_SOFTWARE)) {
		if (!vmx_pdptes_load(vmx, true))
			return false;
		reason = EXIT_NO_PDPTES;
	}
	vmx_inject_cancel(vmx);
	vmx->exit_reason = reason;
	return true;
}

/* False: do not enter. */
static bool enter_rare(struct vmx_vcpu *vmx)
{
	/* the most frequent: the first entry of a KVM_RUN */
	if (likely(vmx->rare == RARE_HOST)) {
		host_save(vmx);
		return true;
	}
	if (vmx->rare & (RARE_PDPTES | RARE_SOFTWARE) && is_barred(vmx))
		return false;
	if (vmx->rare & RARE_HOST)
		host_save(vmx);
	if (vmx->rare & RARE_CONTROLS)
		vmx_controls_write(vmx);
	if (vmx->rare & (RARE_FLUSH_EPT | RARE_FLUSH_VPID))
		vmx_flush_now(vmx);
	if (vmx->rare & RARE_DR) {
		/* what is left of them is the CPU's again */
		vmx->vcpu.io.watch_hits = 0;
		keel_dr_load(&vmx->vcpu);
		set_debugreg(vmx->vcpu.regs.dr6, 6);
	}
	if (vmx->rare & RARE_STEP)
		vmx_step_begin(vmx);
	if (vmx->rare & RARE_TIMER)
		timer_load(vmx);
	/* a record that is under way must be stored under the host's CR3: a load at the entry would leave it no time */
	if (vmx->rare & RARE_PEBS)
		wrmsrl(MSR_IA32_PEBS_ENABLE, 0);
	if (vmx->rare & RARE_FLUSH_HOST)
		flush_before_guest(vmx);
	return true;
}

/* The host's own values come back in vmx_enter(). */
static noinline void dr_save(struct vmx_vcpu *vmx)
{
	if (vmx->vcpu.debug.dr_open && !vcpu_launcher_breakpoints(&vmx->vcpu)) {
		get_debugreg(vmx->vcpu.regs.dr6, 6);
		keel_dr_save(&vmx->vcpu, vmcs_readl(GUEST_DR7));
	}
	set_debugreg(DR6_FIXED, 6);
}

static void exit_rare(struct vmx_vcpu *vmx)
{
	/* their every change exits, and hardware has others */
	if (vmx->rare & RARE_SHADOW)
		vmx->vcpu.regs.valid |= RG_CR0 | RG_CR3;
	if (vmx->rare & RARE_DEBUGCTL)
		update_debugctlmsr(vmx->vcpu.host_debugctl);
	if (vmx->rare & RARE_DR)
		dr_save(vmx);
	if (vmx->rare & RARE_STEP)
		vmx_step_end(vmx);
	vmx_rare_clear(vmx, RARE_NMI);
}

/*
 * An NMI ended the guest, if it was no exception. It goes through the host's own gate, as a software NMI. The exit has blocked
 * NMIs until the IRET of its handler, and no other IRET, that of a probe, may come before.
 */
static noinstr void serve_nmi(struct vmx_vcpu *vmx)
{
	if ((vmcs_read32(VM_EXIT_INTR_INFO) & INTR_INFO_INTR_TYPE_MASK) != INTR_TYPE_NMI_INTR)
		return;
	keel_xstate_host(&vmx->vcpu);
	/* its handler may be perf's: it finds DEBUGCTL as it left it, and may change it */
	if (vmx->rare & RARE_DEBUGCTL)
		native_wrmsrl(MSR_IA32_DEBUGCTLMSR, vmx->vcpu.host_debugctl);
	vmx_rare_clear(vmx, RARE_DEBUGCTL);
	asm volatile("int $2");
	vmx->vcpu.host_debugctl = __rdmsr(MSR_IA32_DEBUGCTLMSR);
	vmx->seen = 0;
	keel_xstate_guest(&vmx->vcpu);
}

/* Between the calls of context tracking RCU does not watch this CPU where it runs without a tick (nohz_full). */
static noinstr void run_guest(struct vmx_vcpu *vmx)
{
	struct vcpu_regs *r = &vmx->vcpu.regs;

	context_tracking_guest_enter();
	if (unlikely(r->cr2 != native_read_cr2()))
		native_write_cr2(r->cr2);
	if (unlikely(vmx->spec))
		native_wrmsrl(MSR_IA32_SPEC_CTRL, vmx->vcpu.msrs.spec_ctrl);
	if (unlikely(vmx_run(r, &vmx->host.rsp, vmx->launched, vmx->spec))) {
		vmx->exit_reason = EXIT_VMFAIL;
	} else {
		vmx->exit_reason = vmcs_read32(VM_EXIT_REASON);
		r->cr2 = native_read_cr2();
		if (unlikely(vmx->exit_reason == EXIT_REASON_EXCEPTION_NMI))
			serve_nmi(vmx);
	}
	context_tracking_guest_exit();
}

/*
 * vmx_enter() - run the guest until its next exit
 *
 * Context: loaded, interrupts off.
 */
void vmx_enter(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	struct vcpu_regs *r = &vcpu->regs;

	if (likely(r->dirty == RG_RIP)) {
		vmcs_writel(GUEST_RIP, r->rip);
		r->dirty = 0;
	} else if (r->dirty) {
		vmx_regs_write(vmx, r->dirty);
		r->dirty = 0;
	}
	if (unlikely(vmx->seen != vcpu->stats.guest_mode)) {
		vmx->seen = vcpu->stats.guest_mode;
		host_compare(vmx);
	}
	if (unlikely(vmx->rare) && !enter_rare(vmx))
		return;

	run_guest(vmx);
	if (unlikely(vmx->exit_reason == EXIT_VMFAIL))
		return;
	vmx->launched = true;
	vcpu->events.shadow = 0;
	vmx->nmi_known = false;
	r->valid = vcpu->debug.dr_open ? VMX_KEPT : VMX_KEPT | RG_DR;
	if (unlikely(vmx->rare & RARE_AFTER))
		exit_rare(vmx);
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
}

/* ---- MSRs that only this backend knows ---- */

int vmx_msr(struct vcpu *vcpu, u32 msr, u64 *val, enum vendor_msr how)
{
	bool is_read = how == VENDOR_MSR_READ;

	switch (msr) {
	case MSR_IA32_DEBUGCTLMSR:
		if (is_read) {
			*val = vmcs_read64(GUEST_IA32_DEBUGCTL);
			return 0;
		}
		/* branch records would be the host's */
		if (*val & ~(u64)DEBUGCTLMSR_BTF)
			return 1;
		vmcs_write64(GUEST_IA32_DEBUGCTL, *val);
		return 0;
	case MSR_IA32_SPEC_CTRL:
		/* core has it */
		if (is_read)
			return -ENOENT;
		spec_ctrl_prepare(to_vmx(vcpu));
		return 0;
	default:
		return -ENOENT;
	}
}
