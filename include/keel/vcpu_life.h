/* SPDX-License-Identifier: GPL-2.0-only */
/* A vCPU from its creation to its end: reset, on a CPU and off it, run (core/vcpu.c, core/run.c). */
#ifndef KEEL_VCPU_LIFE_H
#define KEEL_VCPU_LIFE_H

#include <linux/types.h>
#include <keel/vcpu.h>

/**
 * keel_vcpu_create() - make a vCPU in its reset state and publish it
 * @vm: its machine; vm->lock held
 * @id: vcpu_id, below vm->max_vcpu_id and unused
 *
 * Context: may sleep. Return: the vCPU or ERR_PTR(-EEXIST, -EINVAL, -ENOMEM).
 */
struct vcpu *keel_vcpu_create(struct vm *vm, u32 id);
/**
 * keel_vcpu_claim() - a vCPU that came with a fork gets its file
 * @vm: its machine; vm->lock held
 * @id: vcpu_id
 *
 * Context: any. Return: the vCPU, the first time; else NULL.
 */
struct vcpu *keel_vcpu_claim(struct vm *vm, u32 id);
/**
 * keel_vcpu_destroy() - free a vCPU
 * @vcpu: one that can run no more; one that is half built is accepted
 * Context: may sleep.
 */
void keel_vcpu_destroy(struct vcpu *vcpu);
enum vcpu_reset_kind { VCPU_RESET, VCPU_INIT };
/**
 * keel_vcpu_reset() - architectural reset (SDM, "Processor State After Reset")
 * @vcpu: on its own thread, loaded
 * @kind: INIT keeps what the manual says that it keeps
 *
 * Context: interrupts on.
 */
void keel_vcpu_reset(struct vcpu *vcpu, enum vcpu_reset_kind kind);
/**
 * keel_vcpu_load() - put the vCPU on this CPU; around every vCPU ioctl that touches hardware state
 * @vcpu: vcpu->mutex held
 * Context: preemptible.
 */
void keel_vcpu_load(struct vcpu *vcpu);
/**
 * keel_vcpu_put() - take it off again
 * @vcpu: vcpu->mutex held
 * Context: preemptible.
 */
void keel_vcpu_put(struct vcpu *vcpu);
/**
 * keel_xstate_host() - have the host's PKRU, XCR0 and XSS in the CPU, in the midst of the inner loop
 * @vcpu: on its own thread
 *
 * keel_xstate_guest() ends it.
 * Context: interrupts off; RCU need not watch.
 */
void keel_xstate_host(struct vcpu *vcpu);
/**
 * keel_xstate_guest() - have the guest's there again
 * @vcpu: on its own thread
 * Context: interrupts off; RCU need not watch.
 */
void keel_xstate_guest(struct vcpu *vcpu);
/**
 * keel_vcpu_complete() - have what a vCPU needs from its first ioctl on, but not for being created (core/first_use.c)
 * @vcpu: @run and @pio_data, which a fault on the launcher's mapping may have made already, @fpu and the backend's part are made
 *
 * Context: vcpu->mutex held, not loaded, may sleep. Return: 0; -ENOMEM, and the next call tries again.
 */
int keel_vcpu_complete(struct vcpu *vcpu);
/* Pages that user space maps: vcpu->run, vcpu->pio_data. */
enum vcpu_user_page { USER_PAGE_RUN, USER_PAGE_PIO, NR_USER_PAGES };
/**
 * keel_vcpu_user_page() - a page that user space maps, made if it is not there yet
 * @vcpu: whose it is
 * @which: USER_PAGE_*
 * Context: any thread, may sleep. Return: its address, NULL without memory.
 */
void *keel_vcpu_user_page(struct vcpu *vcpu, unsigned int which);

static inline int vcpu_make_complete(struct vcpu *vcpu)
{
	return likely(vcpu->fpu.priv) ? 0 : keel_vcpu_complete(vcpu);
}

/**
 * keel_vcpu_run() - the body of KVM_RUN
 * @vcpu: vcpu->mutex held; not loaded
 * Context: may sleep. Return: 0 or negative errno.
 */
int keel_vcpu_run(struct vcpu *vcpu);

#endif
