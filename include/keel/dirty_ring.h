/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dirty rings (ept/dirty_ring.c): KVM's other way to tell a launcher which pages were written, api.rst, "KVM_CAP_DIRTY_LOG_RING".
 */
#ifndef KEEL_DIRTY_RING_H
#define KEEL_DIRTY_RING_H

#include <linux/mm_types.h>
#include <linux/types.h>
#include <uapi/linux/kvm.h>

/* Younger than the oldest kernel that Keel runs on. */
#ifndef KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP
#define KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP 225
#endif

/* Bytes of the largest ring: what the capabilities' value is. */
#define KEEL_DIRTY_RING_MAX	(65536 * sizeof(struct kvm_dirty_gfn))

struct vcpu;
struct vm;

/**
 * keel_dirty_ring_enable() - KVM_CAP_DIRTY_LOG_RING: vCPUs to come have a ring each
 * @vm: the machine; vm->lock held
 * @size: bytes of a ring, a power of two
 *
 * Context: may sleep; takes slots_lock. Return: 0; -EINVAL (size, a vCPU or a logged slot that is there, twice), -E2BIG.
 */
int keel_dirty_ring_enable(struct vm *vm, u64 size);
/**
 * keel_dirty_ring_with_bitmap() - KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP: what is in no ring is for KVM_GET_DIRTY_LOG
 * @vm: the machine; vm->lock held
 *
 * Context: may sleep; takes slots_lock. Return: 0; -EINVAL without rings, or when there are slots.
 */
int keel_dirty_ring_with_bitmap(struct vm *vm);
/**
 * keel_dirty_ring_create() - the ring of a new vCPU, if its VM has them
 * @vcpu: the vCPU, not yet published
 *
 * Context: may sleep. Return: 0 or -ENOMEM.
 */
int keel_dirty_ring_create(struct vcpu *vcpu);
/**
 * keel_dirty_ring_destroy() - free it
 * @vcpu: the vCPU; accepts one without a ring
 *
 * Context: may sleep.
 */
void keel_dirty_ring_destroy(struct vcpu *vcpu);
/**
 * keel_dirty_ring_page() - a page of the ring, for the launcher's mapping
 * @vcpu: the vCPU
 * @index: which, from 0
 *
 * Context: any. Return: the page, which lives as long as the vCPU; NULL behind the last one.
 */
struct page *keel_dirty_ring_page(struct vcpu *vcpu, unsigned long index);
/**
 * keel_dirty_ring_check() - serve REQ_DIRTY_RING
 * @vcpu: on its own thread, in KVM_RUN
 *
 * What was written by others than vCPUs, or found no room, comes into the ring now. Once that has little room left the launcher is
 * told. Context: may sleep; takes slots_lock. Return: RUN_RESUME, or RUN_USER with KVM_EXIT_DIRTY_RING_FULL.
 */
int keel_dirty_ring_check(struct vcpu *vcpu);
/**
 * keel_dirty_ring_reset() - KVM_RESET_DIRTY_RINGS: what the launcher has taken is clean again, and its place in the ring free
 * @vm: the machine
 *
 * A page's next write comes into a ring again. Context: may sleep; takes slots_lock. Return: number of entries; -EINVAL without rings.
 */
int keel_dirty_ring_reset(struct vm *vm);

#endif
