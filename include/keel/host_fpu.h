/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest FPU and extended state (host/fpu.c). */
#ifndef KEEL_HOST_FPU_H
#define KEEL_HOST_FPU_H

#include <linux/types.h>
#include <keel/types.h>

struct kvm_fpu;
struct xmm_data;
struct ymm_data;

/* Whose state is where, while interrupts are on. */
enum host_fpu_place {
	FPU_APART,		/* the thread's FPU context is its own, the guest's state is in the container */
	FPU_VISITED,		/* the same, after an inner loop of this KVM_RUN */
	FPU_SWAPPED,		/* the thread's FPU context is the guest's: scheduler and softirqs save and restore that */
};

/* Guest FPU and extended state of one vCPU; contents private to host/fpu.c. */
struct host_fpu {
	void *priv;
	enum host_fpu_place place;
};

/* ---- the container ---- */

/**
 * keel_host_fpu_create() - a container, in its initial state
 * @fpu: the container
 *
 * Context: may sleep. Return: 0 or -ENOMEM.
 */
int keel_host_fpu_create(struct host_fpu *fpu);
/**
 * keel_host_fpu_destroy() - free it; one that was not made is accepted
 * @fpu: the container
 *
 * Context: may sleep.
 */
void keel_host_fpu_destroy(struct host_fpu *fpu);
/**
 * keel_host_fpu_init_state() - architectural reset state
 * @fpu: the container
 *
 * Context: it is not loaded.
 */
void keel_host_fpu_init_state(struct host_fpu *fpu);
/**
 * keel_host_fpu_image() - the state as the kernel has it, to be kept and put into any container of this machine
 * @fpu: the container
 * @size: set to its bytes, a multiple of 8; zeros at the end may be left out
 *
 * Context: it is not loaded. Return: where it is, aligned to 64 bytes.
 */
void *keel_host_fpu_image(const struct host_fpu *fpu, size_t *size);
/**
 * keel_host_fpu_swap() - make the guest's state the thread's FPU context until the end of KVM_RUN, if it is not yet
 * @fpu: the container
 *
 * Context: in KVM_RUN; preemptible.
 */
void keel_host_fpu_swap(struct host_fpu *fpu);
/**
 * keel_host_fpu_swap_back() - undo it
 * @fpu: the container
 *
 * Context: preemptible.
 */
void keel_host_fpu_swap_back(struct host_fpu *fpu);
/**
 * keel_host_fpu_end() - the end of KVM_RUN: the thread's FPU context is its own, the guest's state is in the container
 * @fpu: the container
 *
 * Context: preemptible.
 */
static inline void keel_host_fpu_end(struct host_fpu *fpu)
{
	if (fpu->place == FPU_SWAPPED)
		keel_host_fpu_swap_back(fpu);
	fpu->place = FPU_APART;
}
/**
 * keel_host_fpu_enter() - have the guest's state in the registers
 * @fpu: the container
 *
 * Context: before the inner loop, interrupts off.
 */
void keel_host_fpu_enter(struct host_fpu *fpu);
/**
 * keel_host_fpu_leave() - interrupts will be on again: have the thread's, whosever context that is
 * @fpu: the container
 *
 * Context: not swapped; behind the inner loop, interrupts off; XCR0 and XSS are the host's.
 */
void keel_host_fpu_leave(struct host_fpu *fpu);

/* ---- for ioctls, outside KVM_RUN ---- */

/**
 * keel_host_fpu_supported_xcr0() - what guests may have in XCR0: the host's, of x87 to AVX-512 and PKRU
 *
 * Context: any. Return: the bits.
 */
u64 keel_host_fpu_supported_xcr0(void);
/**
 * keel_host_fpu_uabi_size() - bytes of KVM_GET_XSAVE2
 * @fpu: the container
 *
 * Context: any. Return: the size.
 */
unsigned int keel_host_fpu_uabi_size(struct host_fpu *fpu);
/**
 * keel_host_fpu_get_xsave() - the state as XSAVE has it
 * @fpu: the container
 * @buf: filled in
 * @size: of it
 * @xcr0_allowed: components that the guest may have
 * @pkru: the guest's PKRU
 *
 * Context: any.
 */
void keel_host_fpu_get_xsave(struct host_fpu *fpu, void *buf, unsigned int size, u64 xcr0_allowed, u32 pkru);
/**
 * keel_host_fpu_set_xsave() - and back
 * @fpu: the container
 * @buf: the state
 * @xcr0_allowed: components that may be in it
 * @pkru: set to the guest's PKRU
 *
 * Context: any. Return: 0; -EINVAL.
 */
int keel_host_fpu_set_xsave(struct host_fpu *fpu, const void *buf, u64 xcr0_allowed, u32 *pkru);
/**
 * keel_host_fpu_get_fpu() - x87 and SSE state
 * @fpu: the container
 * @out: filled in
 *
 * Context: any. Return: 0.
 */
int keel_host_fpu_get_fpu(struct host_fpu *fpu, struct kvm_fpu *out);
/**
 * keel_host_fpu_set_fpu() - and back
 * @fpu: the container
 * @in: the state
 *
 * Context: any. Return: 0 or -EINVAL.
 */
int keel_host_fpu_set_fpu(struct host_fpu *fpu, const struct kvm_fpu *in);

/* ---- around the guest ---- */

/**
 * keel_host_xcr0_load() - have the guest's XCR0, and no XSS, where they differ from the host's
 * @guest_xcr0: its value
 *
 * Context: interrupts off; RCU need not watch.
 */
void keel_host_xcr0_load(u64 guest_xcr0);
/**
 * keel_host_xcr0_restore() - have the host's again
 * @guest_xcr0: as there
 *
 * Context: interrupts off; RCU need not watch.
 */
void keel_host_xcr0_restore(u64 guest_xcr0);

/* ---- registers for the emulator, which have the guest's state swapped in ---- */

/**
 * keel_host_xmm_read() - an XMM register
 * @fpu: the container
 * @n: 0 to 15
 * @data: filled in
 *
 * Context: in KVM_RUN; preemptible.
 */
void keel_host_xmm_read(struct host_fpu *fpu, unsigned int n, struct xmm_data *data);
/**
 * keel_host_xmm_write() - and back
 * @fpu: the container
 * @n: 0 to 15
 * @data: its value
 *
 * Context: in KVM_RUN; preemptible.
 */
void keel_host_xmm_write(struct host_fpu *fpu, unsigned int n, const struct xmm_data *data);
/**
 * keel_host_ymm_read() - a YMM register, where the host has AVX on
 * @fpu: the container
 * @n: 0 to 15
 * @data: filled in
 *
 * Context: in KVM_RUN; preemptible.
 */
void keel_host_ymm_read(struct host_fpu *fpu, unsigned int n, struct ymm_data *data);
/**
 * keel_host_ymm_write() - and back; the upper half of ZMM is cleared
 * @fpu: the container
 * @n: 0 to 15
 * @data: its value
 *
 * Context: in KVM_RUN; preemptible.
 */
void keel_host_ymm_write(struct host_fpu *fpu, unsigned int n, const struct ymm_data *data);
/**
 * keel_host_fpregs_lock() - before any use of the guest's x87 and vector registers: not preempted, no softirq
 * @fpu: the container
 *
 * Context: in KVM_RUN; preemptible.
 */
void keel_host_fpregs_lock(struct host_fpu *fpu);
/**
 * keel_host_fpregs_unlock() - behind it
 *
 * Context: after keel_host_fpregs_lock().
 */
void keel_host_fpregs_unlock(void);

#endif
