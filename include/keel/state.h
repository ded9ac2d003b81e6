/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * State of a vCPU as the ioctls see it (core/state.c, core/debug.c). Handlers of chardev/ call these with kernel copies of the structures.
 * keel/cpuid.h, keel/msr.h, keel/clock.h and keel/pv.h have the rest of what core/ offers.
 */
#ifndef KEEL_STATE_H
#define KEEL_STATE_H

#include <uapi/linux/kvm.h>
#include <keel/clock.h>
#include <keel/cpuid.h>
#include <keel/msr.h>
#include <keel/pv.h>
#include <keel/types.h>

/**
 * keel_get_regs() - KVM_GET_REGS
 * @vcpu: the vCPU
 * @regs: filled in
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0.
 */
int keel_get_regs(struct vcpu *vcpu, struct kvm_regs *regs);
/**
 * keel_set_regs() - KVM_SET_REGS
 * @vcpu: the vCPU
 * @regs: new values
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0.
 */
int keel_set_regs(struct vcpu *vcpu, const struct kvm_regs *regs);
/**
 * keel_get_sregs() - KVM_GET_SREGS
 * @vcpu: the vCPU
 * @sregs: filled in
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0.
 */
int keel_get_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs);
/**
 * keel_set_sregs() - KVM_SET_SREGS
 * @vcpu: the vCPU
 * @sregs: new values
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0; -EINVAL for what no CPU could hold.
 */
int keel_set_sregs(struct vcpu *vcpu, const struct kvm_sregs *sregs);
/**
 * keel_get_sregs2() - KVM_GET_SREGS2
 * @vcpu: the vCPU
 * @sregs: filled in
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0.
 */
int keel_get_sregs2(struct vcpu *vcpu, struct kvm_sregs2 *sregs);
/**
 * keel_set_sregs2() - KVM_SET_SREGS2
 * @vcpu: the vCPU
 * @sregs: new values
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0; -EINVAL for what no CPU could hold.
 */
int keel_set_sregs2(struct vcpu *vcpu, const struct kvm_sregs2 *sregs);
/**
 * keel_get_fpu() - KVM_GET_FPU
 * @vcpu: the vCPU
 * @fpu: filled in
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0.
 */
int keel_get_fpu(struct vcpu *vcpu, struct kvm_fpu *fpu);
/**
 * keel_set_fpu() - KVM_SET_FPU
 * @vcpu: the vCPU
 * @fpu: new values
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0; -EINVAL for what no CPU could hold.
 */
int keel_set_fpu(struct vcpu *vcpu, const struct kvm_fpu *fpu);
/**
 * keel_get_xsave() - KVM_GET_XSAVE and KVM_GET_XSAVE2
 * @vcpu: the vCPU
 * @buf: filled in
 * @size: of it, at least that of struct kvm_xsave
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0.
 */
int keel_get_xsave(struct vcpu *vcpu, void *buf, unsigned int size);
/**
 * keel_set_xsave() - KVM_SET_XSAVE
 * @vcpu: the vCPU
 * @buf: keel_host_fpu_uabi_size() bytes
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0; -EINVAL.
 */
int keel_set_xsave(struct vcpu *vcpu, const void *buf);
/**
 * keel_get_xcrs() - KVM_GET_XCRS
 * @vcpu: the vCPU
 * @xcrs: filled in
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0.
 */
int keel_get_xcrs(struct vcpu *vcpu, struct kvm_xcrs *xcrs);
/**
 * keel_set_xcrs() - KVM_SET_XCRS
 * @vcpu: the vCPU
 * @xcrs: new values
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0; -EINVAL for what no CPU could hold.
 */
int keel_set_xcrs(struct vcpu *vcpu, const struct kvm_xcrs *xcrs);
/**
 * keel_get_debugregs() - KVM_GET_DEBUGREGS
 * @vcpu: the vCPU
 * @dbg: filled in
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0.
 */
int keel_get_debugregs(struct vcpu *vcpu, struct kvm_debugregs *dbg);
/**
 * keel_set_debugregs() - KVM_SET_DEBUGREGS
 * @vcpu: the vCPU
 * @dbg: new values
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0; -EINVAL for what no CPU could hold.
 */
int keel_set_debugregs(struct vcpu *vcpu, const struct kvm_debugregs *dbg);
/**
 * keel_get_events() - KVM_GET_VCPU_EVENTS
 * @vcpu: the vCPU
 * @events: filled in
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0.
 */
int keel_get_events(struct vcpu *vcpu, struct kvm_vcpu_events *events);
/**
 * keel_set_events() - KVM_SET_VCPU_EVENTS
 * @vcpu: the vCPU
 * @events: new values
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0; -EINVAL for what no CPU could hold.
 */
int keel_set_events(struct vcpu *vcpu, const struct kvm_vcpu_events *events);
/**
 * keel_get_mp_state() - KVM_GET_MP_STATE
 * @vcpu: the vCPU
 * @mp: filled in
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0.
 */
int keel_get_mp_state(struct vcpu *vcpu, struct kvm_mp_state *mp);
/**
 * keel_set_mp_state() - KVM_SET_MP_STATE
 * @vcpu: the vCPU
 * @mp: new values
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0; -EINVAL for what no CPU could hold.
 */
int keel_set_mp_state(struct vcpu *vcpu, const struct kvm_mp_state *mp);

/* What KVM_SET_GUEST_DEBUG takes (KVM_CAP_SET_GUEST_DEBUG2). */
#define KEEL_GUESTDBG_VALID	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP | \
				 KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP | \
				 KVM_GUESTDBG_BLOCKIRQ)
/**
 * keel_set_guest_debug() - KVM_SET_GUEST_DEBUG
 * @vcpu: the vCPU
 * @dbg: bits outside KEEL_GUESTDBG_VALID are ignored
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0; -EBUSY when an exception is to be injected and another waits.
 */
int keel_set_guest_debug(struct vcpu *vcpu, const struct kvm_guest_debug *dbg);
/**
 * keel_translate() - KVM_TRANSLATE
 * @vcpu: the vCPU
 * @tr: linear address in, the rest out
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0.
 */
int keel_translate(struct vcpu *vcpu, struct kvm_translation *tr);
/**
 * keel_user_interrupt() - KVM_INTERRUPT
 * @vcpu: the vCPU
 * @irq: the vector
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0; -EINVAL, -ENXIO (interrupt controllers are here), -EEXIST.
 */
int keel_user_interrupt(struct vcpu *vcpu, const struct kvm_interrupt *irq);
/**
 * keel_sync_regs_out() - KVM_CAP_SYNC_REGS at an exit to user space
 * @vcpu: the vCPU
 *
 * Context: vcpu->mutex held, loaded; may sleep.
 */
void keel_sync_regs_out(struct vcpu *vcpu);
/**
 * keel_sync_regs_in() - KVM_CAP_SYNC_REGS at entry
 * @vcpu: the vCPU
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0; -EINVAL.
 */
int keel_sync_regs_in(struct vcpu *vcpu);

#endif
