// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest in a state that VM entry refuses without unrestricted guests: real mode, and protected mode with segments left over from it. Software
 * executes its instructions and delivers its events until the CPU can.
 */
#include <asm/trapnr.h>
#include <keel/access.h>
#include <keel/engine.h>
#include <keel/entry_work.h>
#include <keel/events.h>
#include <keel/exit.h>
#include <keel/irq.h>
#include <keel/request.h>
#include <keel/vcpu.h>
#include "intr.h"
#include "paging.h"
#include "vmx.h"

/* Instructions in a row before the outer loops look at the world. */
#define SOFTWARE_BATCH	256

/* A change of these decides anew who executes, and which accesses meet a breakpoint. */
#define NATIVE_GROUPS	(RG_CR0 | RG_EFER | RG_SEG | RG_DR)

/* The windows that no CPU watches now. True: something goes in. */
static bool windows_open(struct vmx_vcpu *vmx)
{
	struct vcpu *vcpu = &vmx->vcpu;
	u32 windows = vcpu->events.windows;

	if (windows & WINDOW_NMI && !vcpu->events.nmi_masked && !vcpu->events.shadow)
		vmx_exit_nmi_window(vmx);
	else if (windows & WINDOW_IRQ && keel_irq_allowed(vcpu))
		vmx_exit_irq_window(vmx);
	else
		return false;
	return true;
}

/* Not the CPU's either: the deadline that its timer would watch. */
static bool is_interrupted(struct vmx_vcpu *vmx)
{
	struct vcpu *vcpu = &vmx->vcpu;

	if (vcpu->tsc.host_deadline)
		keel_lapic_deadline_reached(vcpu);
	return windows_open(vmx) || READ_ONCE(vcpu->requests) || keel_host_work_pending();
}

static int deliver(struct vmx_vcpu *vmx)
{
	struct event event = vmx->vcpu.events.injected;
	unsigned int length = event.type == EVENT_SOFT_INTR ? event.length : 0;

	if (event.type == EVENT_EXCEPTION && (event.vector == X86_TRAP_BP || event.vector == X86_TRAP_OF))
		length = event.length ?: vmx->soft_len ?: 1;
	vmx->soft_len = 0;
	return keel_do_event(&vmx->vcpu, &event, length);
}

/*
 * vmx_exit_software() - the entry was not tried: go on in software
 *
 * What was to go in at the entry has been given back. Context: loaded, interrupts on, may sleep. Return rule of exit.h.
 */
int vmx_exit_software(struct vmx_vcpu *vmx)
{
	struct vcpu *vcpu = &vmx->vcpu;
	unsigned int n;
	int ret;

	if (vcpu->events.injected.valid)
		return deliver(vmx);
	vcpu_need(vcpu, RG_SHADOW);
	for (n = 0; n < SOFTWARE_BATCH; n++) {
		ret = keel_engine_step(vcpu);
		if (ret != RUN_RESUME || vcpu->regs.dirty & NATIVE_GROUPS || is_interrupted(vmx))
			return ret;
	}
	return RUN_RESUME;
}
