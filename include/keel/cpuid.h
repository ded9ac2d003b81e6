/* SPDX-License-Identifier: GPL-2.0-only */
/* CPUID as guests see it (core/cpuid*.c). */
#ifndef KEEL_CPUID_H
#define KEEL_CPUID_H

#include <uapi/linux/kvm.h>
#include <keel/types.h>

/**
 * keel_cpuid_module_init() - compute what is supported: the host's CPUID and the allow-list
 *
 * Context: module init, after the vendor's setup.
 */
void keel_cpuid_module_init(void);
/**
 * keel_cpuid_supported() - KVM_GET_SUPPORTED_CPUID
 * @entries: filled in
 * @nent: room in, count out
 *
 * Context: may sleep. Return: 0; -E2BIG with *@nent untouched.
 */
int keel_cpuid_supported(struct kvm_cpuid_entry2 *entries, u32 *nent);
/**
 * keel_cpuid_emulated() - KVM_GET_EMULATED_CPUID
 * @entries: filled in
 * @nent: room in, count out
 *
 * Context: may sleep. Return: 0; -E2BIG with *@nent untouched.
 */
int keel_cpuid_emulated(struct kvm_cpuid_entry2 *entries, u32 *nent);
/**
 * keel_cpuid_copy() - the leaves of another vCPU
 * @to: the vCPU, new
 * @from: the other
 *
 * Context: may sleep; nobody runs either. Return: 0; -ENOMEM.
 */
int keel_cpuid_copy(struct vcpu *to, const struct vcpu *from);
/**
 * keel_cpuid_set() - give a vCPU its leaves
 * @vcpu: the vCPU
 * @entries: kvmalloc'ed array; core/'s own from now on, also on failure
 * @nent: how many, at most 256
 *
 * Context: vcpu->mutex held, loaded; may sleep.
 * Return: 0; -E2BIG; -EINVAL for a contradiction, or for a change after the vCPU has run.
 */
int keel_cpuid_set(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nent);
/**
 * keel_cpuid_enforce_pv() - KVM_CAP_ENFORCE_PV_FEATURE_CPUID
 * @vcpu: the vCPU
 * @on: the guest may use those features alone that its CPUID has
 *
 * Context: vcpu->mutex held, loaded; may sleep.
 */
void keel_cpuid_enforce_pv(struct vcpu *vcpu, bool on);
/**
 * keel_cpuid_destroy() - free its leaves
 * @vcpu: one that runs no more
 *
 * Context: may sleep.
 */
void keel_cpuid_destroy(struct vcpu *vcpu);
/**
 * keel_cpuid_query() - answer CPUID for the guest as the CPU would
 * @vcpu: the vCPU
 * @function: EAX
 * @index: ECX
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: the four registers.
 */
struct kvm_cpuid_entry2 keel_cpuid_query(struct vcpu *vcpu, u32 function, u32 index);
/**
 * keel_cpuid_find() - the leaf that the launcher has given
 * @vcpu: the vCPU
 * @function: EAX
 * @index: ECX, where it matters
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off. Return: the leaf, or NULL.
 */
struct kvm_cpuid_entry2 *keel_cpuid_find(struct vcpu *vcpu, u32 function, u32 index);
/**
 * keel_cpuid_update_runtime() - the bits that follow CR4, XCR0, XSS, the APIC base and MISC_ENABLE, after such a change
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; interrupts may be off.
 */
void keel_cpuid_update_runtime(struct vcpu *vcpu);

#endif
