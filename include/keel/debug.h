/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose breakpoints are in force, and when the debug registers are switched (core/debug.c). */
#ifndef KEEL_DEBUG_H
#define KEEL_DEBUG_H

#include <linux/bits.h>
#include <linux/types.h>
#include <uapi/linux/kvm.h>
#include <keel/access.h>
#include <keel/exit.h>
#include <keel/vcpu.h>

static inline bool vcpu_launcher_breakpoints(const struct vcpu *vcpu)
{
	return vcpu->debug.control & KVM_GUESTDBG_USE_HW_BP;
}

/*
 * vcpu.debug.control: a data or I/O breakpoint is enabled in the debug registers in force. Then no device access is served in the inner
 * loop, and the emulator looks at the addresses of its own.
 */
#define VCPU_WATCHES	BIT(31)

static inline bool vcpu_watches(const struct vcpu *vcpu)
{
	return vcpu->debug.control & VCPU_WATCHES;
}

/**
 * keel_watch_update() - a DR7 has come into force: set or clear VCPU_WATCHES (core/debug.c)
 * @vcpu: the vCPU
 * @dr7: its value
 *
 * Context: any, on the vCPU's own thread.
 */
void keel_watch_update(struct vcpu *vcpu, u64 dr7);

/**
 * keel_watch_fetch() - the next instruction is software's from the start: which breakpoints, of those in force, are at it? (core/debug.c)
 * @vcpu: the vCPU
 *
 * They go off before the instruction, unless RFLAGS.RF is set or a MOV SS has just been (SDM, "Instruction-Breakpoint Exception Condition").
 * Context: the vCPU's own thread, loaded. Return: their bits in DR6.
 */
u64 keel_watch_fetch(struct vcpu *vcpu);

/*
 * ---- lazy debug registers (core/debug.c) ----
 *
 * Until the guest uses its debug registers every access exits, and DR0-3 stay the host's. From its first access to the next load they are
 * switched at each entry; and always while a breakpoint is enabled.
 */

/**
 * struct dr_plan - what is done about debug registers from the next entry on
 * @dr7: what DR7 holds in the guest
 * @open: accesses do not exit
 * @switched: DR0-3 are loaded before each entry and saved after it
 */
struct dr_plan {
	u64 dr7;
	bool open;
	bool switched;
};

/**
 * keel_dr_plan() - RG_DR has changed, or who owns the debug registers: what is to be done
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: the plan.
 */
struct dr_plan keel_dr_plan(struct vcpu *vcpu);
/**
 * keel_dr_load() - guest values, or the launcher's, to DR0 to DR3, and no breakpoint enabled (core/debug.c)
 * @vcpu: the vCPU
 *
 * Context: interrupts off, right before the entry.
 */
void keel_dr_load(const struct vcpu *vcpu);
/**
 * keel_dr_save() - keep the guest's debug registers; the host's come back in core/run.c
 * @vcpu: the vCPU
 * @dr7: as it was in the guest
 *
 * Context: interrupts off, right after the exit.
 */
void keel_dr_save(struct vcpu *vcpu, u64 dr7);

/* An access has exited: from now on the guest's values are in the CPU, and it executes again without an exit. */
static inline int keel_fast_dr(struct vcpu *vcpu)
{
	if (vcpu_launcher_breakpoints(vcpu))
		return RUN_SLOW;
	vcpu_need(vcpu, RG_DR);
	vcpu->debug.dr_open = true;
	vcpu_dirty(vcpu, RG_DR);
	return RUN_RESUME;
}

/* Before the vCPU is taken off its CPU: the next access exits again. */
static inline void vcpu_dr_close(struct vcpu *vcpu)
{
	if (likely(!vcpu->debug.dr_open))
		return;
	vcpu_need(vcpu, RG_DR);
	vcpu->debug.dr_open = false;
	vcpu_dirty(vcpu, RG_DR);
}

#endif
