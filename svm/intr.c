// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events into the guest: EVENTINJ, the interrupt window by a virtual interrupt, the NMI window by IRET.
 *
 * SVM has no NMI mask of its own. After an NMI has gone in, IRET is intercepted. That exit comes before the IRET executes, so
 * the mask lasts until the guest is seen at another address; if an NMI waits for just that, RFLAGS.TF makes the IRET
 * trap as soon as it is complete. Its faults are intercepted then: the CPU would push our TF for their handler.
 *
 * A software interrupt or trap that was interrupted in its delivery executes again: RIP still points at the instruction. One
 * that core handed over is given back instead, with RIP where it was.
 */
#include <asm/trapnr.h>
#include <keel/debug.h>
#include <keel/exit.h>
#include <keel/request.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include "caps.h"
#include "intr.h"
#include "svm.h"

/* EXITINFO2 of a task switch: RFLAGS.RF as the outgoing TSS is to get it */
#define TASK_SWITCH_RF		BIT_ULL(48)

/**
 * svm_inject() - hand an event to the CPU for the coming entry
 * @vcpu: loaded
 * @event: NULL: nothing goes in
 *
 * Context: interrupts off.
 */
void svm_inject(struct vcpu *vcpu, const struct event *event)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control_area *control = &svm->vmcb->control;
	u32 info;

	if (!event) {
		control->event_inj = 0;
		svm->rare &= ~RARE_INJECTED;
		return;
	}
	info = event->vector | (u32)event->type << SVM_EVTINJ_TYPE_SHIFT | SVM_EVTINJ_VALID;
	if (event->has_error)
		info |= SVM_EVTINJ_VALID_ERR;
	control->event_inj = info;
	control->event_inj_err = event->has_error ? event->error : 0;
	svm->inject_info = info;
	svm->inject_len = event->length;
	svm->rare |= RARE_INJECTED;
}

static void window_open(struct svm_vcpu *svm)
{
	struct vmcb_control_area *control = &svm->vmcb->control;

	/* of highest priority, whatever the TPR; never delivered, as VINTR is intercepted */
	control->int_vector = 0;
	svm_set_int_ctl(svm, svm->int_ctl | V_IRQ_MASK | V_IGN_TPR_MASK | V_INTR_PRIO_MASK);
}

static void window_close(struct svm_vcpu *svm)
{
	svm_set_int_ctl(svm, svm->int_ctl & ~(u32)V_IRQ_INJECTION_BITS_MASK);
}

/*
 * svm_windows() - which windows are wanted from the next entry on
 *
 * NMI: while one is in service, the exit at its IRET is the window, and then one step over that IRET. Held back by an interrupt
 * shadow alone, it takes one step as well. Context: interrupts off.
 */
void svm_windows(struct vcpu *vcpu, u32 windows)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (windows & WINDOW_IRQ)
		window_open(svm);
	else if (svm->int_ctl & V_IRQ_MASK)
		window_close(svm);

	if ((windows & WINDOW_NMI) && (!vcpu->events.nmi_masked || (svm->rare & RARE_IRET))) {
		svm->rare |= RARE_STEP;
		/* see want_optional(); it may stay */
		vmcb_intercept(svm->vmcb, INTERCEPT_TASK_SWITCH);
	} else {
		svm->rare &= ~RARE_STEP;
	}
}

/*
 * svm_nmi_masked_changed() - intercept the IRET that ends an NMI, or stop to
 */
void svm_nmi_masked_changed(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->rare &= ~RARE_IRET;
	if (vcpu->events.nmi_masked)
		vmcb_intercept(svm->vmcb, INTERCEPT_IRET);
	else
		vmcb_pass(svm->vmcb, INTERCEPT_IRET);
}

/* Software interrupts push the address after the instruction. With NRIP save the CPU takes it from the VMCB. */
static void move_over_int(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	if (svm_caps.nrip)
		vmcb->control.next_rip = svm->vcpu.regs.rip + svm->inject_len;
	else
		vmcb->save.rip = svm->vcpu.regs.rip + svm->inject_len;
}

/*
 * An event goes in before the instruction that was to be stepped over, and must not push our TF onto the guest's stack. If that
 * instruction is the IRET that ends an NMI, it is intercepted again, since RIP will be elsewhere without its having executed. Else
 * core looks at NMIs again after the exit that follows at once.
 */
static void injected_before_step(struct svm_vcpu *svm)
{
	struct vcpu *vcpu = &svm->vcpu;

	if (svm->rare & RARE_IRET) {
		svm->rare &= ~(RARE_IRET | RARE_STEP);
		vmcb_intercept(svm->vmcb, INTERCEPT_IRET);
	} else if (svm->rare & RARE_STEP) {
		svm->rare &= ~RARE_STEP;
		vcpu->events.windows &= ~WINDOW_NMI;
		vcpu_request(vcpu, REQ_EVENT);
		keel_exit_at_once(vcpu);
	}
}

/* What an IRET can raise, but for #AC, which always exits. */
static const u8 iret_faults[] = { X86_TRAP_TS, X86_TRAP_NP, X86_TRAP_SS, X86_TRAP_GP, X86_TRAP_PF };

static void iret_faults_intercept(struct svm_vcpu *svm)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(iret_faults); i++)
		vmcb_intercept(svm->vmcb, INTERCEPT_EXCEPTION_OFFSET + iret_faults[i]);
}

static void iret_faults_pass(struct svm_vcpu *svm)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(iret_faults); i++)
		if (!svm->vcpu.shadow || iret_faults[i] != X86_TRAP_PF)
			vmcb_pass(svm->vmcb, INTERCEPT_EXCEPTION_OFFSET + iret_faults[i]);
}

/* Right before an entry with RARE_INJECTED or RARE_TF; registers are in the VMCB already. */
void svm_intr_before(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	if (svm->rare & RARE_INJECTED) {
		injected_before_step(svm);
		if (svm->inject_len)
			move_over_int(svm);
	}
	if (svm->rare & RARE_TF) {
		svm->step_rip = svm->vcpu.regs.rip;
		svm->step_tf = svm->vcpu.regs.rflags & X86_EFLAGS_TF;
		svm->step_dr6 = vmcb->save.dr6;
		vmcb->save.rflags |= X86_EFLAGS_TF;
		if (svm->rare & RARE_IRET)
			iret_faults_intercept(svm);
	}
}

/* Take our TF out of what the guest sees. An IRET has replaced it with the guest's own already. */
static void step_end(struct svm_vcpu *svm)
{
	struct vcpu *vcpu = &svm->vcpu;
	struct vcpu_regs *r = &vcpu->regs;
	bool iret = (svm->rare & RARE_IRET) && svm->step_rip == svm->iret_rip && r->rip != svm->step_rip;

	if (svm->rare & RARE_IRET)
		iret_faults_pass(svm);
	if (!svm->step_tf && !iret)
		r->rflags &= ~(u64)X86_EFLAGS_TF;
	if (!(svm->rare & RARE_STEP))
		return;
	/* one step, then core decides anew */
	svm->rare &= ~RARE_STEP;
	vcpu->events.windows &= ~WINDOW_NMI;
	vcpu_request(vcpu, REQ_EVENT);
	svm->stepped = !svm->step_tf && !(svm->rare & RARE_DEBUG) &&
		       svm->vmcb->control.exit_code == SVM_EXIT_EXCP_BASE + X86_TRAP_DB;
}

/* Right after an exit with RARE_INJECTED, RARE_TF or RARE_IRET. */
void svm_intr_after(struct svm_vcpu *svm)
{
	svm->rare &= ~RARE_INJECTED;
	if (svm->rare & RARE_TF)
		step_end(svm);
	if ((svm->rare & RARE_IRET) && svm->vcpu.regs.rip != svm->iret_rip)
		keel_nmi_unblock(&svm->vcpu);
}

/* The IRET that ends an NMI has executed, with a fault that is the guest's: NMIs are unblocked. */
static void iret_faulted(struct svm_vcpu *svm)
{
	if (svm->vcpu.regs.rip != svm->iret_rip)
		return;
	iret_faults_pass(svm);
	keel_nmi_unblock(&svm->vcpu);
}

/* Does the event come from an instruction at RIP, which then executes again? */
static bool is_software(u32 info)
{
	u32 type = info & SVM_EXITINTINFO_TYPE_MASK;
	u8 vector = info & SVM_EXITINTINFO_VEC_MASK;

	if (type == SVM_EXITINTINFO_TYPE_SOFT)
		return true;
	return type == SVM_EXITINTINFO_TYPE_EXEPT && (vector == X86_TRAP_BP || vector == X86_TRAP_OF);
}

/* Of EXITINTINFO. */
static struct event to_event(const struct vmcb_control_area *control)
{
	u32 info = control->exit_int_info;
	struct event event = {
		.valid = true,
		.type = (info & SVM_EXITINTINFO_TYPE_MASK) >> SVM_EVTINJ_TYPE_SHIFT,
		.vector = info & SVM_EXITINTINFO_VEC_MASK,
		.has_error = info & SVM_EXITINTINFO_VALID_ERR,
	};

	if (event.has_error)
		event.error = control->exit_int_info_err;
	return event;
}

/*
 * svm_event_interrupted() - an exit cut the delivery of an event short
 *
 * Context: right after the exit, interrupts off, RARE_INJECTED still says whether it was one of ours.
 */
void svm_event_interrupted(struct svm_vcpu *svm)
{
	const struct vmcb_control_area *control = &svm->vmcb->control;
	u32 info = control->exit_int_info;
	u32 same = SVM_EXITINTINFO_VEC_MASK | SVM_EXITINTINFO_TYPE_MASK;
	bool ours = (svm->rare & RARE_INJECTED) && !((info ^ svm->inject_info) & same);
	struct event event = to_event(control);

	if (!ours && is_software(info))
		return;
	if (!ours && event.type == EVENT_EXCEPTION && svm->rare & RARE_IRET)
		iret_faulted(svm);
	if (ours && svm->inject_len) {
		event.length = svm->inject_len;
		if (!svm_caps.nrip)
			svm->vcpu.regs.rip -= svm->inject_len;
	}
	keel_event_interrupted(&svm->vcpu, &event);
}

/*
 * svm_interrupted_op() - the instruction that the software event in EXITINTINFO comes from
 */
enum emu_op svm_interrupted_op(const struct svm_vcpu *svm)
{
	struct event event = to_event(&svm->vmcb->control);

	if (event.type == EVENT_SOFT_INTR)
		return EMU_OP_INT;
	return event.vector == X86_TRAP_BP ? EMU_OP_INT3 : EMU_OP_INTO;
}

/*
 * svm_exit_task_gate() - the delivery of an event has come to a task gate, while switches execute in software
 * @len: of that instruction, unless the event is core's again
 *
 * RF is told apart from RFLAGS, as the old TSS is to get it (APM, "Task Switch Intercept").
 */
int svm_exit_task_gate(struct svm_vcpu *svm, unsigned int len)
{
	const struct vmcb_control_area *control = &svm->vmcb->control;
	struct vcpu *vcpu = &svm->vcpu;
	bool is_back = vcpu->events.injected.valid;
	struct event event = is_back ? vcpu->events.injected : to_event(control);
	struct task_gate_exit exit = {
		.tss = (u16)control->exit_info_1,
		.event = &event,
		.is_software = is_software(control->exit_int_info),
	};

	/* svm_event_interrupted() has left it to execute again; in case it has to go in, it does with its length */
	if (!is_back) {
		event.length = len;
		event.type = EVENT_SOFT_INTR;
	}
	vcpu->events.injected.valid = false;
	exit.length = event.length;
	vcpu->regs.rflags &= ~(u64)X86_EFLAGS_RF;
	if (control->exit_info_2 & TASK_SWITCH_RF)
		vcpu->regs.rflags |= X86_EFLAGS_RF;
	return keel_do_task_gate(vcpu, &exit);
}

/* The interrupt window is open. */
void svm_exit_vintr(struct svm_vcpu *svm)
{
	window_close(svm);
	svm->vcpu.events.windows &= ~WINDOW_IRQ;
	svm->vcpu.stats.irq_window_exits++;
	vcpu_request(&svm->vcpu, REQ_EVENT);
}

/* The IRET that ends an NMI is about to execute. */
void svm_exit_iret(struct svm_vcpu *svm)
{
	svm->vcpu.stats.nmi_window_exits++;
	vmcb_pass(svm->vmcb, INTERCEPT_IRET);
	svm->iret_rip = svm->vcpu.regs.rip;
	svm->rare |= RARE_IRET;
	if (svm->vcpu.events.windows & WINDOW_NMI)
		svm->rare |= RARE_STEP;
}

/* A page fault has been answered while the IRET that ends an NMI was about to execute. Unless it goes to the guest, it executes again. */
void svm_iret_faulted(struct svm_vcpu *svm)
{
	if (svm->vcpu.events.exception.valid)
		iret_faulted(svm);
}

/* A fault that is intercepted while that IRET is stepped over: its own. */
int svm_exit_iret_fault(struct svm_vcpu *svm, u8 vector)
{
	const struct vmcb_control_area *control = &svm->vmcb->control;

	if (vector == X86_TRAP_PF)
		keel_queue_page_fault(&svm->vcpu, control->exit_info_2, control->exit_info_1);
	else
		keel_queue_exception_error(&svm->vcpu, vector, control->exit_info_1);
	if (svm->rare & RARE_IRET)
		iret_faulted(svm);
	return RUN_RESUME;
}

/*
 * The CPU has told the guest's DR6 of a stop that is the launcher's. While that has the debug registers, all accesses to them exit and the guest's DR6
 * is known; else the step alone is not the guest's.
 */
static void hide_stop(struct svm_vcpu *svm)
{
	struct vmcb_save_area *save = &svm->vmcb->save;

	if (vcpu_launcher_breakpoints(&svm->vcpu))
		save->dr6 = svm->vcpu.regs.dr6;
	else
		save->dr6 = (save->dr6 & ~(u64)DR_STEP) | (svm->step_dr6 & DR_STEP);
	vmcb_changed(svm->vmcb, VMCB_CLEAN_DR);
}

/* Every #DB exits; what is neither our step nor the launcher's goes on to the guest, DR6 and DR7 as the CPU set them. */
int svm_exit_db(struct svm_vcpu *svm)
{
	struct vcpu *vcpu = &svm->vcpu;
	struct vmcb *vmcb = svm->vmcb;
	u64 dr6 = vmcb->save.dr6;

	if (svm->stepped) {
		svm->stepped = false;
		if ((dr6 & DR_TRAP_BITS) == 0) {
			vmcb->save.dr6 = svm->step_dr6;
			vmcb_changed(vmcb, VMCB_CLEAN_DR);
			return RUN_RESUME;
		}
		vmcb->save.dr6 = dr6 & ~(u64)DR_STEP;
		vmcb_changed(vmcb, VMCB_CLEAN_DR);
	}
	if (vcpu->debug.control & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP)) {
		hide_stop(svm);
		return keel_do_debug_exit(vcpu, X86_TRAP_DB, dr6, vmcb->save.dr7);
	}
	keel_queue_exception(vcpu, X86_TRAP_DB);
	return RUN_RESUME;
}
