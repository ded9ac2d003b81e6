// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events that no CPU delivers, since none can be entered with the guest's state (vmx/software.c). The emulator does: in real mode through the
 * vector table, in protected mode through task gates.
 */
#include <uapi/linux/kvm.h>
#include <keel/access.h>
#include <keel/exit.h>
#include <keel/explain.h>
#include <keel/guest_access.h>
#include <keel/vcpu.h>
#include "emulator.h"

#define GATE_PRESENT	BIT_ULL(47)
#define GATE_TYPE(gate)	(((gate) >> 40) & 0x1f)
#define GATE_TASK	5

/* The event stays, for a launcher that changes the guest. */
static int no_delivery(struct vcpu *vcpu, const struct event *event, const char *why)
{
	vcpu->io.have = 0;
	vcpu->io.complete = COMPLETE_NONE;
	keel_event_interrupted(vcpu, event);
	keel_explain(vcpu->vm, vcpu->id, "event %u (type %u) cannot be delivered by software at rip %#llx: %s", event->vector, event->type,
		     vcpu_rip(vcpu), why);
	return keel_internal_error(vcpu, KVM_INTERNAL_ERROR_DELIVERY_EV, 1, (u64)event->vector | (u64)event->type << 8 | BIT_ULL(31));
}

static int deliver_real(struct vcpu *vcpu, const struct event *event, unsigned int length)
{
	struct vcpu_events *ev = &vcpu->events;
	struct emu *e = &vcpu->emu;
	int ret = emu_real_interrupt(e, event->vector, e->rip + length);

	if (ret == EMU_FAILED || ret == EMU_IO)
		return no_delivery(vcpu, event, "vector table or stack is no memory");
	if (event->type == EVENT_NMI)
		keel_nmi_mask(vcpu);
	/* a fault in the delivery of an exception: core decides what the two make */
	if (event->type == EVENT_EXCEPTION && ret == EMU_FAULT)
		ev->injected = *event;
	return keel_emulator_finish(vcpu, ret, 0);
}

/* As after a task switch that came to a fault, with half of the new task's segments. */
static int deliver_protected(struct vcpu *vcpu, const struct event *event, unsigned int length)
{
	struct task_gate_exit exit = { .event = event, .is_software = length, .length = length };
	struct walk walk;
	gva_t where;
	u64 gate;

	vcpu_need(vcpu, RG_DT);
	if (vcpu_is_long_mode(vcpu) || event->vector * 8u + 7 > vcpu->regs.idt.limit ||
	    keel_read_virt(vcpu, (u32)(vcpu->regs.idt.base + event->vector * 8u), &gate, sizeof(gate), WALK_IMPLICIT, &walk, &where))
		return no_delivery(vcpu, event, "no gate is found");
	if (GATE_TYPE(gate) != GATE_TASK || !(gate & GATE_PRESENT))
		return no_delivery(vcpu, event, "segments are of real mode, which this CPU cannot be entered with, and there is no task gate");
	exit.tss = gate >> 16;
	return keel_do_task_gate(vcpu, &exit);
}

/**
 * keel_do_event() - deliver an event in software
 * @vcpu: loaded
 * @event: it has been given back
 * @length: of the instruction that it comes from and returns behind; 0 for all other events
 *
 * Context: may sleep. Return rule of exit.h.
 */
int keel_do_event(struct vcpu *vcpu, const struct event *event, unsigned int length)
{
	keel_emulator_begin(vcpu);
	/* no answer to an earlier delivery, which found a device, is one to this */
	emu_forget(&vcpu->emu);
	vcpu->io.have = 0;
	vcpu->io.answered = false;
	vcpu->events.injected.valid = false;
	if (vcpu->emu.mode == EMU_MODE_REAL)
		return deliver_real(vcpu, event, length);
	return deliver_protected(vcpu, event, length);
}
