// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_GUEST_DEBUG: the launcher's breakpoints and single steps.
 *
 * This file keeps the settings; the backend puts the launcher's debug registers in place of the guest's and sets RFLAGS.TF
 * while they are in force (vendor_ops.intercepts_changed and the register groups). The guest's own debug registers stay in
 * vcpu->regs untouched.
 *
 * And the breakpoints, of either, for what is executed in software. The CPU looks only at what it does itself.
 */
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <keel/access.h>
#include <keel/debug.h>
#include <keel/request.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include "emulator.h"

#define NR_BREAKPOINTS	4

/* SDM, "Debug Control Register (DR7)": R/W and LEN of breakpoint @n */
static unsigned int watch_kind(u64 dr7, unsigned int n)
{
	return (dr7 >> (DR_CONTROL_SHIFT + n * DR_CONTROL_SIZE)) & 3;
}

static unsigned int watch_length(u64 dr7, unsigned int n)
{
	static const u8 lengths[] = { 1, 2, 8, 4 };

	return lengths[(dr7 >> (DR_CONTROL_SHIFT + n * DR_CONTROL_SIZE + 2)) & 3];
}

static bool is_enabled(u64 dr7, unsigned int n)
{
	return (dr7 >> (n * DR_ENABLE_SIZE)) & 3;
}

void keel_watch_update(struct vcpu *vcpu, u64 dr7)
{
	unsigned int i;

	vcpu->debug.control &= ~VCPU_WATCHES;
	for (i = 0; i < NR_BREAKPOINTS; i++)
		if (is_enabled(dr7, i) && watch_kind(dr7, i))
			vcpu->debug.control |= VCPU_WATCHES;
}

void keel_watch_access(struct vcpu *vcpu, u64 at, unsigned int size, u32 kinds)
{
	bool is_launcher = vcpu_launcher_breakpoints(vcpu);
	const u64 *dr = is_launcher ? vcpu->debug.dr : vcpu->regs.dr;
	unsigned int i, length;
	u64 dr7, first;

	vcpu_need(vcpu, RG_DR);
	dr7 = is_launcher ? vcpu->debug.dr7 : vcpu->regs.dr7;
	/* without CR4.DE that kind is undefined */
	if (!(vcpu_cr4(vcpu) & X86_CR4_DE))
		kinds &= ~WATCH_IO;
	for (i = 0; i < NR_BREAKPOINTS; i++) {
		if (!is_enabled(dr7, i) || !(kinds & BIT(watch_kind(dr7, i))))
			continue;
		length = watch_length(dr7, i);
		/* low bits of the address do not count; either may begin first, or wrap */
		first = dr[i] & ~(u64)(length - 1);
		if (at - first < length || first - at < size)
			vcpu->io.watch_hits |= BIT(i);
	}
}

u64 keel_watch_fetch(struct vcpu *vcpu)
{
	bool is_launcher = vcpu_launcher_breakpoints(vcpu);
	const u64 *dr = is_launcher ? vcpu->debug.dr : vcpu->regs.dr;
	unsigned int i;
	u64 dr7, at, hits = 0;

	vcpu_need(vcpu, RG_DR);
	dr7 = is_launcher ? vcpu->debug.dr7 : vcpu->regs.dr7;
	if (likely(!(dr7 & (DR_GLOBAL_ENABLE_MASK | DR_LOCAL_ENABLE_MASK))))
		return 0;
	vcpu_need(vcpu, RG_SHADOW);
	if (vcpu_rflags(vcpu) & X86_EFLAGS_RF || vcpu->events.shadow & SHADOW_MOVSS)
		return 0;
	at = vcpu_linear_rip(vcpu);
	for (i = 0; i < NR_BREAKPOINTS; i++)
		if (is_enabled(dr7, i) && !watch_kind(dr7, i) && dr[i] == at)
			hits |= BIT(i);
	return hits;
}

/* The launcher asks for an exception on the debugged program's behalf. */
static int inject_for_launcher(struct vcpu *vcpu, u32 control)
{
	if (vcpu->events.exception.valid)
		return -EBUSY;
	if (control & KVM_GUESTDBG_INJECT_DB)
		keel_queue_exception(vcpu, X86_TRAP_DB);
	else
		keel_queue_exception(vcpu, X86_TRAP_BP);
	return 0;
}

int keel_set_guest_debug(struct vcpu *vcpu, const struct kvm_guest_debug *dbg)
{
	u32 control = dbg->control & KEEL_GUESTDBG_VALID;
	unsigned int i;
	int ret;

	if (control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)) {
		ret = inject_for_launcher(vcpu, control);
		if (ret)
			return ret;
	}
	/* the guest's own values, before the launcher's take their place in hardware */
	vcpu_need(vcpu, RG_DR | RG_RFLAGS);
	vcpu->debug.control = control & KVM_GUESTDBG_ENABLE ? control : 0;
	/* the stop behind an instruction that has just been completed is not wanted any more */
	if (!(vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP) &&
	    !(vcpu->io.watch_hits && vcpu_launcher_breakpoints(vcpu))) {
		clear_bit(REQ_DEBUG_EXIT, &vcpu->requests);
		vcpu->io.watch_hits = 0;
	}
	if (vcpu_launcher_breakpoints(vcpu)) {
		for (i = 0; i < ARRAY_SIZE(vcpu->debug.dr); i++)
			vcpu->debug.dr[i] = dbg->arch.debugreg[i];
		/* the upper half must be zero, and access to debug registers stays the guest's */
		vcpu->debug.dr7 = (lower_32_bits(dbg->arch.debugreg[7]) & ~(u64)DR7_GD) | DR7_FIXED;
	} else {
		vcpu->debug.dr7 = DR7_FIXED;
	}
	keel_watch_update(vcpu, vcpu_launcher_breakpoints(vcpu) ? vcpu->debug.dr7 : vcpu->regs.dr7);
	vcpu_dirty(vcpu, RG_DR | RG_RFLAGS);
	keel_origin_note(vcpu, BY_SET_GUEST_DEBUG, RG_DR);
	/* what KVM_GUESTDBG_BLOCKIRQ held back */
	vcpu_request(vcpu, REQ_EVENT);
	keel_vendor->intercepts_changed(vcpu);
	return 0;
}

void keel_dr_load(const struct vcpu *vcpu)
{
	const u64 *dr = vcpu_launcher_breakpoints(vcpu) ? vcpu->debug.dr : vcpu->regs.dr;

	set_debugreg(0, 7);
	set_debugreg(dr[0], 0);
	set_debugreg(dr[1], 1);
	set_debugreg(dr[2], 2);
	set_debugreg(dr[3], 3);
}

void keel_dr_save(struct vcpu *vcpu, u64 dr7)
{
	u64 *dr = vcpu->regs.dr;

	if (vcpu_launcher_breakpoints(vcpu))
		return;
	get_debugreg(dr[0], 0);
	get_debugreg(dr[1], 1);
	get_debugreg(dr[2], 2);
	get_debugreg(dr[3], 3);
	keel_watch_update(vcpu, dr7);
}

struct dr_plan keel_dr_plan(struct vcpu *vcpu)
{
	bool launcher = vcpu_launcher_breakpoints(vcpu);
	u64 dr7 = launcher ? vcpu->debug.dr7 : vcpu->regs.dr7;
	bool open = vcpu->debug.dr_open && !launcher;

	keel_watch_update(vcpu, dr7);
	return (struct dr_plan){
		.dr7 = dr7, .open = open, .switched = open || (dr7 & (DR_GLOBAL_ENABLE_MASK | DR_LOCAL_ENABLE_MASK)),
	};
}
