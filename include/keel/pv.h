/* SPDX-License-Identifier: GPL-2.0-only */
/* Steal time and hypercalls of KVM's paravirtual interface (core/pv.c, core/steal.c). */
#ifndef KEEL_PV_H
#define KEEL_PV_H

#include <keel/types.h>

/**
 * keel_pv_set_steal_time() - WRMSR of MSR_KVM_STEAL_TIME
 * @vcpu: the vCPU
 * @val: value
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: 0, or 1 for #GP.
 */
int keel_pv_set_steal_time(struct vcpu *vcpu, u64 val);
/**
 * keel_pv_update_steal() - REQ_STEAL: write the record
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; may sleep.
 */
void keel_pv_update_steal(struct vcpu *vcpu);
/**
 * keel_pv_thread_changed() - another thread runs it now: what that one waited before was not stolen
 * @vcpu: the vCPU
 *
 * Context: vcpu->mutex held, not loaded.
 */
void keel_pv_thread_changed(struct vcpu *vcpu);
/**
 * keel_pv_preempted() - the thread is scheduled out with pv.between_insns set: set KVM_VCPU_PREEMPTED
 * @vcpu: the vCPU
 *
 * Context: preemption off.
 */
void keel_pv_preempted(struct vcpu *vcpu);
/**
 * keel_do_hypercall() - VMCALL or VMMCALL
 * @vcpu: the vCPU
 * @len: bytes of the instruction; RIP is advanced by them once it is complete
 *
 * keel_fast_hypercall() of exit.h is the one for the inner loop. Context: the vCPU's own thread, loaded; may sleep. Return: as
 * enum run_result says.
 */
int keel_do_hypercall(struct vcpu *vcpu, unsigned int len);

#endif
