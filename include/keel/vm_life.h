/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is done to a whole VM: a fork of it, a mark in its life, a pause of all its vCPUs.
 */
#ifndef KEEL_VM_LIFE_H
#define KEEL_VM_LIFE_H

#include <linux/bits.h>

struct vm;

/**
 * keel_vm_fork() - a VM for current->mm that is in the state another one is in; its eventfds, coalesced zones and debuggers are not
 * @parent: the other one
 *
 * Its vCPUs are there, and unclaimed (keel_vcpu_claim()). The parent's are held meanwhile. Context: may sleep, no locks.
 * Return: the VM with one reference, or ERR_PTR(): what KEEL_FORK_VM says.
 */
struct vm *keel_vm_fork(struct vm *parent);

/**
 * keel_vm_mark() - remember the VM's state, in the place of what was remembered before
 * @vm: the machine
 *
 * Context: may sleep, no locks. Return: what KEEL_MARK_VM says.
 */
int keel_vm_mark(struct vm *vm);
/**
 * keel_vm_reset() - back to that state
 * @vm: the machine
 *
 * Context: may sleep, no locks. Return: what KEEL_RESET_VM says.
 */
int keel_vm_reset(struct vm *vm);

/* So many vCPUs are held at a time; each mutex is a class of its own to lockdep, which knows 8. */
#define KEEL_HOLD_MAX	8
/**
 * keel_vm_hold() - have every vCPU outside of the guest, its state complete, and none made
 * @vm: the machine
 *
 * vCPUs in KVM_RUN leave the guest as for a signal, and go on in keel_vm_release(). Returns with all vCPUs' mutexes and vm->lock.
 * Context: may sleep, no locks. Return: 0; -E2BIG (KEEL_HOLD_MAX), -EAGAIN (a vCPU was made meanwhile), -EINTR.
 */
int keel_vm_hold(struct vm *vm);
/**
 * keel_vm_release() - let them go on
 * @vm: held
 *
 * Context: who held it.
 */
void keel_vm_release(struct vm *vm);
/**
 * keel_vm_wait_released() - KVM_RUN gave way to keel_vm_hold()
 * @vm: the machine
 *
 * Context: may sleep, no locks. Return: 0, -EINTR if the thread is killed.
 */
int keel_vm_wait_released(struct vm *vm);

#endif
