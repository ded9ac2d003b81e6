/* SPDX-License-Identifier: GPL-2.0-only */
/* Model-specific registers (core/msr*.c). */
#ifndef KEEL_MSR_H
#define KEEL_MSR_H

#include <uapi/linux/kvm.h>
#include <keel/types.h>

enum msr_from { MSR_FROM_GUEST, MSR_FROM_HOST };
/*
 * Return: 0, negative errno, or one of these. For the guest each of the first three ends in #GP or, with
 * KVM_CAP_X86_USER_SPACE_MSR, in an exit that tells them apart; for the host in "not settable".
 */
#define MSR_INVALID	1	/* value or state forbids it */
#define MSR_UNKNOWN	2	/* no such MSR */
#define MSR_FILTERED	3	/* denied by KVM_X86_SET_MSR_FILTER */

/**
 * keel_msr_get() - RDMSR, or KVM_GET_MSRS
 * @vcpu: the vCPU
 * @msr: its number
 * @val: its value
 * @from: who asks
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: 0, MSR_* or negative errno.
 */
int keel_msr_get(struct vcpu *vcpu, u32 msr, u64 *val, enum msr_from from);
/**
 * keel_msr_set() - WRMSR, or KVM_SET_MSRS
 * @vcpu: the vCPU
 * @msr: its number
 * @val: value
 * @from: who asks
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: 0, MSR_* or negative errno.
 */
int keel_msr_set(struct vcpu *vcpu, u32 msr, u64 val, enum msr_from from);
/**
 * keel_msr_reset() - values after reset
 * @vcpu: the vCPU
 * @init: an INIT and no reset: most are kept
 *
 * Context: the vCPU's own thread, loaded; may sleep.
 */
void keel_msr_reset(struct vcpu *vcpu, bool init);
/**
 * keel_msr_vcpu_destroy() - free what its MSRs have
 * @vcpu: one that runs no more
 *
 * Context: may sleep.
 */
void keel_msr_vcpu_destroy(struct vcpu *vcpu);
/**
 * keel_msr_list() - KVM_GET_MSR_INDEX_LIST
 * @indices: filled in
 * @n: room in, count out
 *
 * Context: may sleep. Return: 0; -E2BIG.
 */
int keel_msr_list(u32 *indices, u32 *n);
/**
 * keel_msr_feature_list() - KVM_GET_MSR_FEATURE_INDEX_LIST
 * @indices: filled in
 * @n: room in, count out
 *
 * Context: may sleep. Return: 0; -E2BIG.
 */
int keel_msr_feature_list(u32 *indices, u32 *n);
/**
 * keel_msr_feature_get() - KVM_GET_MSRS on the device
 * @msr: its number
 * @val: its value
 *
 * Context: may sleep. Return: 0, or 1 for an MSR that is none of them.
 */
int keel_msr_feature_get(u32 msr, u64 *val);
/**
 * keel_report_mce() - KVM_X86_SET_MCE (core/msr_mce.c)
 * @vcpu: the vCPU
 * @mce: the error
 *
 * Context: vcpu->mutex held, loaded; may sleep. Return: 0; -EINVAL, -ENOMEM.
 */
int keel_report_mce(struct vcpu *vcpu, const struct kvm_x86_mce *mce);
/**
 * keel_msr_make_room() - for all that keel_msr_copy() copies
 * @to: the vCPU
 * @from: the other
 *
 * Context: may sleep; nobody runs either. Return: 0; -ENOMEM.
 */
int keel_msr_make_room(struct vcpu *to, const struct vcpu *from);
/**
 * keel_msr_copy() - vcpu->msrs of another vCPU (core/msr_mce.c)
 * @to: the vCPU, which has room
 * @from: the other
 *
 * Context: nobody runs either.
 */
void keel_msr_copy(struct vcpu *to, const struct vcpu *from);
/**
 * keel_msr_filter_copy() - the filter of another VM
 * @to: the machine, new
 * @from: the other
 *
 * Context: may sleep; vm->lock of both held. Return: 0; -ENOMEM.
 */
int keel_msr_filter_copy(struct vm *to, struct vm *from);
/**
 * keel_msr_filter_set() - KVM_X86_SET_MSR_FILTER
 * @vm: the machine
 * @filter: kernel copy; its bitmaps are the launcher's
 *
 * Context: may sleep; takes vm->lock. Return: 0; -EINVAL, -EFAULT, -ENOMEM.
 */
int keel_msr_filter_set(struct vm *vm, const struct kvm_msr_filter *filter);
/**
 * keel_msr_vm_destroy() - free the filter
 * @vm: one without vCPUs that run
 *
 * Context: may sleep.
 */
void keel_msr_vm_destroy(struct vm *vm);

#endif
