// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task switches that the CPU leaves to software: VMX knows none in a guest. The emulator makes
 * them (emulate/task.c), as part of CALL, JMP and IRET or for an event whose vector has a task
 * gate; here is what the rest of the vCPU has to do with it.
 */
#include <asm/trapnr.h>
#include <keel/exit.h>
#include <keel/vcpu.h>
#include "emulator.h"

/*
 * The event is over with this exit, whatever comes of it: NMIs are blocked, and a fault is one in
 * the delivery of an exception if that is what the event was (SDM, "Conditions for Generating a
 * Double Fault").
 */
static void event_taken(struct vcpu *vcpu, const struct event *event, int result)
{
	struct vcpu_events *ev = &vcpu->events;

	if (event->type == EVENT_NMI)
		keel_nmi_mask(vcpu);
	if (event->type == EVENT_EXCEPTION && result == EMU_FAULT)
		ev->injected = *event;
}

/* The event stays, for a launcher that puts memory there. */
static int no_memory(struct vcpu *vcpu, const struct task_gate_exit *exit)
{
	vcpu->io.have = 0;
	vcpu->io.complete = COMPLETE_NONE;
	if (!vcpu->emu.switched)
		keel_event_interrupted(vcpu, exit->event);
	keel_explain(vcpu->vm, vcpu->id,
		     "cannot switch to TSS %#x: a TSS or descriptor lies in no memory slot", exit->tss);
	return keel_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION, 0);
}

/**
 * keel_do_task_gate() - deliver an event through a task gate
 * @vcpu: loaded
 * @exit: which
 *
 * A launcher that steps through the guest stops before the first instruction of the new task, as
 * before that of a handler.
 *
 * Context: may sleep. Return rule of exit.h.
 */
int keel_do_task_gate(struct vcpu *vcpu, const struct task_gate_exit *exit)
{
	struct emu *e = &vcpu->emu;
	struct emu_task_event event = {
		.external = !exit->is_software,
		.has_error = exit->event->has_error,
		.error = exit->event->error,
	};
	int ret;

	keel_emulator_begin(vcpu);
	event.return_rip = (u32)(e->rip + exit->length);
	vcpu->io.have = 0;
	vcpu->io.answered = false;
	ret = emu_task_event(e, exit->tss, &event);
	if (ret == EMU_FAILED)
		return no_memory(vcpu, exit);
	event_taken(vcpu, exit->event, ret);
	/* the TF of an interrupted task traps when it goes on */
	return keel_emulator_finish(vcpu, ret, 0);
}
