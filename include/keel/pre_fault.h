/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory mapped before the guest touches it (ept/pre_fault.c): api.rst, "KVM_PRE_FAULT_MEMORY".
 */
#ifndef KEEL_PRE_FAULT_H
#define KEEL_PRE_FAULT_H

#include <linux/types.h>
#include <uapi/linux/kvm.h>

/* Younger than the oldest kernel that Keel runs on. */
#ifndef KVM_PRE_FAULT_MEMORY
#define KVM_CAP_PRE_FAULT_MEMORY 236

/**
 * struct kvm_pre_fault_memory - the argument of KVM_PRE_FAULT_MEMORY
 * @gpa: begin, a page's; after the call that of what is left
 * @size: bytes, whole pages; after the call those that are left
 * @flags: 0
 * @padding: not looked at
 */
struct kvm_pre_fault_memory {
	__u64 gpa;
	__u64 size;
	__u64 flags;
	__u64 padding[5];
};

#define KVM_PRE_FAULT_MEMORY _IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)
#endif

struct vcpu;

/**
 * keel_memory_pre_fault() - KVM_PRE_FAULT_MEMORY
 * @vcpu: loaded, on its own thread
 * @range: what to map; changed to what is left of it
 *
 * Each page is mapped as if the guest had read it, which counts as an access; one that only a write can give memory of its own gets it when it
 * is written. What is mapped may be unmapped again at any time, as after any fault.
 * Context: may sleep, no locks. Return: 0 if there was progress; else -EINVAL (flags; not whole pages, none, or beyond 2^64), -EOPNOTSUPP with
 * shadow paging, -ENOENT (outside the slots), -EINTR, -EFAULT (the launcher has nothing there), -ENOMEM.
 */
int keel_memory_pre_fault(struct vcpu *vcpu, struct kvm_pre_fault_memory *range);

#endif
