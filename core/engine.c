// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator carries a whole vCPU (KEEL_ENGINE_EMULATE): slow, but on the same state, so that any moment of a guest's life can be executed by software
 * and compared with the CPU.
 *
 * REQ_ENGINE is pending all the time, so that nobody enters the guest. Where an event can go in it is cleared for one entry:
 * keel_events_prepare() hands the event over and makes the request again, by which the guest ends before its first instruction. What a CPU cannot
 * be entered with, vmx/software.c delivers there. So either REQ_ENGINE or REQ_EVENT is pending before each entry.
 */
#include <asm/trapnr.h>
#include <uapi/linux/keel.h>
#include <keel/debug.h>
#include <keel/engine.h>
#include <keel/entry_work.h>
#include <keel/events.h>
#include <keel/exit.h>
#include <keel/irq.h>
#include <keel/request.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>

/* Instructions in a row before the outer loop looks at the world. */
#define ENGINE_BATCH	256

int keel_engine_set(struct vcpu *vcpu, u64 engine)
{
	if (engine > KEEL_ENGINE_EMULATE)
		return -EINVAL;
	if (engine == KEEL_ENGINE_EMULATE && vcpu->lapic && keel_caps.apic_accel)
		return -EOPNOTSUPP;
	vcpu->emulates = engine == KEEL_ENGINE_EMULATE;
	if (vcpu->emulates)
		vcpu_request(vcpu, REQ_ENGINE);
	else
		clear_bit(REQ_ENGINE, &vcpu->requests);
	return 0;
}

/* The debugger stops before the instruction, or the guest's handler comes first. */
static int break_at_insn(struct vcpu *vcpu, u64 hits)
{
	if (vcpu_launcher_breakpoints(vcpu))
		return keel_do_debug_exit(vcpu, X86_TRAP_DB, DR6_FIXED | hits, vcpu->debug.dr7);
	keel_queue_debug(vcpu, hits);
	return RUN_RESUME;
}

int keel_engine_step(struct vcpu *vcpu)
{
	u64 hits = keel_watch_fetch(vcpu);

	return unlikely(hits) ? break_at_insn(vcpu, hits) : keel_do_emulate(vcpu, NULL, 0);
}

int keel_engine_run(struct vcpu *vcpu)
{
	unsigned int n;
	int ret;

	vcpu_request(vcpu, REQ_ENGINE);
	vcpu_need(vcpu, RG_SHADOW);
	for (n = 0; n < ENGINE_BATCH; n++) {
		if (keel_event_goes_in(vcpu)) {
			vcpu_request(vcpu, REQ_EVENT);
			clear_bit(REQ_ENGINE, &vcpu->requests);
			return RUN_RESUME;
		}
		ret = keel_engine_step(vcpu);
		/* the deadline that the CPU's timer would watch */
		if (vcpu->tsc.host_deadline)
			keel_lapic_deadline_reached(vcpu);
		if (ret != RUN_RESUME || READ_ONCE(vcpu->requests) & ~(BIT(REQ_ENGINE) | BIT(REQ_EVENT)) || keel_host_work_pending())
			return ret;
	}
	return RUN_RESUME;
}
