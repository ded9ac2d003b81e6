// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events into the guest: VM-entry interruption information, the windows for interrupts and NMIs, interruptibility.
 *
 * The CPU keeps the NMI mask by itself (virtual NMIs): events.nmi_masked is a copy, current while nmi_known. The interrupt shadow is
 * read when somebody asks; an instruction that was completed in software since the exit has ended it, without anybody
 * having looked.
 *
 * A software interrupt or exception that was interrupted in its delivery goes in again with the length of its instruction; RIP still
 * points at it. INT1 executes again.
 */
#include <asm/trapnr.h>
#include <keel/access.h>
#include <keel/exit.h>
#include <keel/request.h>
#include <keel/vcpu.h>
#include "apic.h"
#include "caps.h"
#include "check.h"
#include "insn.h"
#include "intr.h"
#include "vmx.h"

#define SHADOW_BITS	(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)

static_assert(SHADOW_STI == GUEST_INTR_STATE_STI && SHADOW_MOVSS == GUEST_INTR_STATE_MOV_SS);
static_assert(EVENT_INTR << 8 == INTR_TYPE_EXT_INTR && EVENT_NMI << 8 == INTR_TYPE_NMI_INTR &&
	      EVENT_EXCEPTION << 8 == INTR_TYPE_HARD_EXCEPTION && EVENT_SOFT_INTR << 8 == INTR_TYPE_SOFT_INTR);

/* #BP and #OF come from INT3 and INTO: no gate's privilege is passed over for them. */
static u32 exception_info(struct vmx_vcpu *vmx, const struct event *event)
{
	if (event->vector == X86_TRAP_BP || event->vector == X86_TRAP_OF) {
		vmcs_write32(VM_ENTRY_INSTRUCTION_LEN, event->length ?: vmx->soft_len ?: 1);
		vmx->soft_len = 0;
		return INTR_TYPE_SOFT_EXCEPTION;
	}
	if (event->vector < 32 && (VMX_ERROR_CODE_VECTORS & BIT(event->vector)) && vcpu_is_protected(&vmx->vcpu)) {
		vmcs_write32(VM_ENTRY_EXCEPTION_ERROR_CODE, event->has_error ? event->error & 0xffff : 0);
		return INTR_TYPE_HARD_EXCEPTION | INTR_INFO_DELIVER_CODE_MASK;
	}
	return INTR_TYPE_HARD_EXCEPTION;
}

/*
 * A guest that executes HLT by itself may be in it still. An event that goes in ends that, and so does state that a launcher sets: not everything may
 * find the CPU so at the entry (SDM, "Checks on Guest Non-Register State").
 */
static void hlt_end(struct vmx_vcpu *vmx)
{
	if (unlikely(READ_ONCE(vmx->vcpu.vm->disabled_exits) & KVM_X86_DISABLE_EXITS_HLT))
		vmcs_write32(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
}

/**
 * vmx_inject() - hand an event to the CPU for the coming entry
 * @vcpu: loaded
 * @event: NULL: nothing goes in
 *
 * Context: interrupts off.
 */
void vmx_inject(struct vcpu *vcpu, const struct event *event)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 info;

	vmx_rare_clear(vmx, RARE_NMI);
	if (!event) {
		vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, 0);
		return;
	}
	hlt_end(vmx);
	switch (event->type) {
	case EVENT_EXCEPTION:
		info = exception_info(vmx, event);
		break;
	case EVENT_SOFT_INTR:
		vmcs_write32(VM_ENTRY_INSTRUCTION_LEN, event->length || vmx_caps.zero_length ? event->length : 2);
		info = INTR_TYPE_SOFT_INTR;
		break;
	case EVENT_NMI:
		/* the mask comes with the delivery and must not be set before */
		vmx_rare_set(vmx, RARE_NMI);
		vcpu_dirty(vcpu, RG_SHADOW);
		info = INTR_TYPE_NMI_INTR;
		break;
	default:
		info = INTR_TYPE_EXT_INTR;
		break;
	}
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, event->vector | info | INTR_INFO_VALID_MASK);
}

static void window(struct vmx_vcpu *vmx, u32 bit, bool wanted)
{
	if (wanted == !!(vmx->wanted.cpu & bit))
		return;
	vmx_control_put(vmx, &vmx->wanted.cpu, bit, wanted);
}

/* Does the coming entry begin in the shadow of an STI? One that delivers an event does not. */
static bool enters_sti_shadow(const struct vcpu *vcpu)
{
	return (vcpu->events.shadow & SHADOW_STI) && !(vmcs_read32(VM_ENTRY_INTR_INFO_FIELD) & INTR_INFO_VALID_MASK);
}

/*
 * vmx_windows() - which windows are wanted from the next entry on
 *
 * The NMI window may be open in the shadow of an STI, where no NMI goes in (SDM, "Other Causes of VM Exits"): its exit would come at
 * once, again and again, before any interrupt of the host. An STI sets RFLAGS.IF, so the interrupt window opens where the shadow ends.
 *
 * Context: interrupts off.
 */
void vmx_windows(struct vcpu *vcpu, u32 windows)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	bool nmi = windows & WINDOW_NMI, irq = windows & WINDOW_IRQ;

	if (unlikely(nmi && enters_sti_shadow(vcpu))) {
		nmi = false;
		irq = true;
	}
	window(vmx, CPU_BASED_INTR_WINDOW_EXITING, irq);
	window(vmx, CPU_BASED_NMI_WINDOW_EXITING, nmi);
	vmx_tpr_threshold(vmx, windows >> WINDOW_TPR_SHIFT);
}

/* The interrupt window is open. */
void vmx_exit_irq_window(struct vmx_vcpu *vmx)
{
	vmx_control_clear(vmx, &vmx->wanted.cpu, CPU_BASED_INTR_WINDOW_EXITING);
	vmx->vcpu.events.windows &= ~WINDOW_IRQ;
	/* it may have stood for the other */
	if (!(vmx->wanted.cpu & CPU_BASED_NMI_WINDOW_EXITING))
		vmx->vcpu.events.windows &= ~WINDOW_NMI;
	vmx->vcpu.stats.irq_window_exits++;
	vcpu_request(&vmx->vcpu, REQ_EVENT);
}

/* The NMI window is. */
void vmx_exit_nmi_window(struct vmx_vcpu *vmx)
{
	vmx_control_clear(vmx, &vmx->wanted.cpu, CPU_BASED_NMI_WINDOW_EXITING);
	vmx->vcpu.events.windows &= ~WINDOW_NMI;
	vmx->vcpu.stats.nmi_window_exits++;
	vcpu_request(&vmx->vcpu, REQ_EVENT);
}

/* ---- interruptibility ---- */

static void fetch_shadow_bits(struct vcpu *vcpu, u32 state)
{
	vcpu->events.shadow = state & SHADOW_BITS;
	/* an instruction has been completed since: the shadow was over with it */
	if (vcpu->events.shadow && (vcpu->regs.dirty & RG_RIP)) {
		vcpu->events.shadow = 0;
		vcpu_dirty(vcpu, RG_SHADOW);
	}
	/* the breakpoints that MOV SS met trap behind the next instruction; where software completes that one, so must they */
	if (unlikely(vcpu->events.shadow & SHADOW_MOVSS))
		vcpu->io.watch_hits |= vmcs_readl(GUEST_PENDING_DBG_EXCEPTIONS) & DR_TRAP_BITS;
}

/*
 * vmx_shadow_fetch() - events.shadow and events.nmi_masked from the VMCS
 */
void vmx_shadow_fetch(struct vmx_vcpu *vmx)
{
	u32 state = vmcs_read32(GUEST_INTERRUPTIBILITY_INFO);

	fetch_shadow_bits(&vmx->vcpu, state);
	if (!vmx->nmi_known) {
		vmx->nmi_known = true;
		WRITE_ONCE(vmx->vcpu.events.nmi_masked, !!(state & GUEST_INTR_STATE_NMI));
	}
}

/*
 * vmx_shadow_write() - and back
 *
 * A shadow with RFLAGS.TF set would need a pending single-step trap: such a trap is core's to queue, so
 * the shadow ends here. Both bits, which state from an AMD host may have, are one too many for VM entry:
 * MOV SS blocks all that STI does. An NMI that was on its way when state was restored ends the shadow
 * beside it.
 */
void vmx_shadow_write(struct vmx_vcpu *vmx)
{
	const struct vcpu_events *ev = &vmx->vcpu.events;
	u32 old = vmcs_read32(GUEST_INTERRUPTIBILITY_INFO);
	u32 state = ev->shadow;

	hlt_end(vmx);
	if (state && (vcpu_rflags(&vmx->vcpu) & X86_EFLAGS_TF))
		state = 0;
	/* STI blocks only what IF allows */
	if (state & GUEST_INTR_STATE_STI && !(vcpu_rflags(&vmx->vcpu) & X86_EFLAGS_IF))
		state &= ~(u32)GUEST_INTR_STATE_STI;
	if (state & GUEST_INTR_STATE_MOV_SS)
		state &= ~(u32)GUEST_INTR_STATE_STI;
	if (vmx->nmi_known ? ev->nmi_masked : !!(old & GUEST_INTR_STATE_NMI))
		state |= GUEST_INTR_STATE_NMI;
	if (vmx->rare & RARE_NMI)
		state = 0;
	/* the CPU had one pending, and the launcher has cleared TF since (SDM, "Checks on Guest Non-Register State") */
	if (unlikely(old & state & SHADOW_BITS))
		vmcs_writel(GUEST_PENDING_DBG_EXCEPTIONS, vmcs_readl(GUEST_PENDING_DBG_EXCEPTIONS) & ~(u64)DR_STEP);
	if (state == old)
		return;
	vmcs_write32(GUEST_INTERRUPTIBILITY_INFO, state);
	if ((old & SHADOW_BITS) && !(state & SHADOW_BITS))
		vmcs_writel(GUEST_PENDING_DBG_EXCEPTIONS, 0);
}

/*
 * vmx_nmi_masked_changed() - events.nmi_masked was set or cleared by core
 */
void vmx_nmi_masked_changed(struct vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (!(vcpu->regs.valid & RG_SHADOW))
		fetch_shadow_bits(vcpu, vmcs_read32(GUEST_INTERRUPTIBILITY_INFO));
	vmx->nmi_known = true;
	vcpu_dirty(vcpu, RG_SHADOW);
}

/* An IRET had taken the NMI mask away already when its own fault or EPT violation came: it executes again. */
void vmx_nmi_reblock(struct vmx_vcpu *vmx)
{
	keel_nmi_mask(&vmx->vcpu);
}

/* It does not: the fault is the guest's. */
void vmx_nmi_unblock(struct vmx_vcpu *vmx)
{
	keel_nmi_unblock(&vmx->vcpu);
}

/* Interruption information of any kind, as core has it. */
static struct event to_event(u32 info, u32 error)
{
	return (struct event){
		.valid = true,
		.type = (info & VECTORING_INFO_TYPE_MASK) >> 8,
		.vector = info & VECTORING_INFO_VECTOR_MASK,
		.has_error = info & VECTORING_INFO_DELIVER_CODE_MASK,
		.error = info & VECTORING_INFO_DELIVER_CODE_MASK ? error : 0,
	};
}

/* And back to core. */
static void give_back(struct vmx_vcpu *vmx, u32 info, u32 error, u32 length)
{
	struct event event = to_event(info, error);

	switch (info & VECTORING_INFO_TYPE_MASK) {
	case INTR_TYPE_SOFT_INTR:
		event.length = length;
		break;
	case INTR_TYPE_SOFT_EXCEPTION:
		event.type = EVENT_EXCEPTION;
		vmx->soft_len = length;
		break;
	case INTR_TYPE_PRIV_SW_EXCEPTION:
		return;
	case INTR_TYPE_NMI_INTR:
		/* the mask came with the delivery; it goes in again */
		vmx->vcpu.events.nmi_masked = true;
		break;
	}
	keel_event_interrupted(&vmx->vcpu, &event);
}

/*
 * vmx_event_give_back() - the exit cut the delivery of an event short
 * @info: IDT-vectoring information, valid
 */
void vmx_event_give_back(struct vmx_vcpu *vmx, u32 info)
{
	give_back(vmx, info, vmcs_read32(IDT_VECTORING_ERROR_CODE), vmcs_read32(VM_EXIT_INSTRUCTION_LEN));
}

/*
 * vmx_exit_task_gate() - the delivery of an event has come to a task gate, where it is core's
 * @tss: selector in the gate
 * @info: IDT-vectoring information, valid
 *
 * RFLAGS is what the old TSS is to get (SDM, "Saving RIP, RSP, RFLAGS, and SSP"); so is RIP, but for
 * software interrupts.
 */
int vmx_exit_task_gate(struct vmx_vcpu *vmx, u16 tss, u32 info)
{
	u32 type = info & VECTORING_INFO_TYPE_MASK;
	struct event event = to_event(info, vmcs_read32(IDT_VECTORING_ERROR_CODE));
	struct task_gate_exit exit = {
		.tss = tss,
		.event = &event,
		.is_software = type == INTR_TYPE_SOFT_INTR || type == INTR_TYPE_SOFT_EXCEPTION,
	};

	if (exit.is_software || type == INTR_TYPE_PRIV_SW_EXCEPTION)
		exit.length = vmcs_read32(VM_EXIT_INSTRUCTION_LEN);
	/* in case it has to go in again */
	if (type == INTR_TYPE_SOFT_INTR)
		event.length = exit.length;
	if (type == INTR_TYPE_SOFT_EXCEPTION || type == INTR_TYPE_PRIV_SW_EXCEPTION)
		event.type = EVENT_EXCEPTION;
	return keel_do_task_gate(&vmx->vcpu, &exit);
}

/*
 * vmx_inject_cancel() - there was no entry: take back what was to go in
 */
void vmx_inject_cancel(struct vmx_vcpu *vmx)
{
	u32 info = vmcs_read32(VM_ENTRY_INTR_INFO_FIELD);

	if (!(info & INTR_INFO_VALID_MASK))
		return;
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmx_rare_clear(vmx, RARE_NMI);
	give_back(vmx, info, vmcs_read32(VM_ENTRY_EXCEPTION_ERROR_CODE), vmcs_read32(VM_ENTRY_INSTRUCTION_LEN));
}

/* ---- debug ---- */

/* RFLAGS.TF for one instruction, where there is no monitor trap flag. A shadow would need a pending trap for it: it ends. */
void vmx_step_begin(struct vmx_vcpu *vmx)
{
	u64 rflags = vcpu_rflags(&vmx->vcpu);
	u32 state = vmcs_read32(GUEST_INTERRUPTIBILITY_INFO);

	vmx->step_tf = rflags & X86_EFLAGS_TF;
	vmcs_writel(GUEST_RFLAGS, rflags | X86_EFLAGS_TF);
	if (state & SHADOW_BITS)
		vmcs_write32(GUEST_INTERRUPTIBILITY_INFO, state & ~(u32)SHADOW_BITS);
}

/* Take our TF out of what the guest sees; right after the exit. RIP comes with RFLAGS, see fetch_insn() in exit.c. */
void vmx_step_end(struct vmx_vcpu *vmx)
{
	struct vcpu *vcpu = &vmx->vcpu;

	if (vmx->step_tf)
		return;
	vcpu_need(vcpu, RG_RIP);
	vcpu->regs.rflags = vmcs_readl(GUEST_RFLAGS) & ~(u64)X86_EFLAGS_TF;
	vcpu_dirty(vcpu, RG_RFLAGS);
}

/* Every #DB exits, DR6 and DR7 as before it; what is not the launcher's goes on to the guest. */
int vmx_exit_db(struct vmx_vcpu *vmx, u32 info)
{
	struct vcpu *vcpu = &vmx->vcpu;
	u64 bits = vmcs_readl(EXIT_QUALIFICATION) & (DR_TRAP_BITS | DR6_BD | DR_STEP | DR6_RTM);

	if (vcpu->debug.control & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP))
		return keel_do_debug_exit(vcpu, X86_TRAP_DB, bits | DR6_FIXED, vmcs_readl(GUEST_DR7));
	/* INT1 is a trap, but its exit comes before it */
	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_PRIV_SW_EXCEPTION) {
		vcpu->regs.rip = vcpu_rip(vcpu) + vmcs_read32(VM_EXIT_INSTRUCTION_LEN);
		vcpu_dirty(vcpu, RG_RIP);
	}
	/* the delivery ends a shadow */
	vcpu_need(vcpu, RG_SHADOW);
	if (vcpu->events.shadow) {
		vcpu->events.shadow = 0;
		vcpu_dirty(vcpu, RG_SHADOW);
	}
	keel_queue_debug(vcpu, bits);
	return RUN_RESUME;
}

/* The monitor trap flag: one instruction is over. */
int vmx_exit_step(struct vmx_vcpu *vmx)
{
	struct vcpu *vcpu = &vmx->vcpu;

	if (!(vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP))
		return RUN_RESUME;
	return keel_do_debug_exit(vcpu, X86_TRAP_DB, DR6_FIXED | DR_STEP, vcpu->debug.dr7);
}
