/* SPDX-License-Identifier: GPL-2.0-only */
/* Forked VMs (KEEL_FORK_VM), each in a child process. */
#ifndef SELFTESTS_FORK_H
#define SELFTESTS_FORK_H

#include "guest.h"

/*
 * A child's second-level tables are empty, and the parent's lose what fork() makes read-only. Bochs loses an interrupt that it delivers by
 * itself where the delivery ends in a fault of theirs (emulated_by_bochs() in vmx/caps.c).
 */
int host_loses_interrupts(void);

/* As vm_create(); skips where VMs cannot be forked. */
struct vm *vm_create_forkable(unsigned int flags);
/* KEEL_FORK_VM on @vm: the descriptor, or -errno. vm_fork() makes a struct vm of it, with the same addresses. */
int __vm_fork(struct vm *vm);
struct vm *vm_fork(struct vm *vm);

/**
 * vm_fork_child() - a child process that forks the VM and then does something with it
 * @vm: not of the child's memory
 * @fn: gets the new VM; what it checks counts for the child. NULL: each of @vcpus vCPUs runs to DONE, one after the other
 * @vcpus: for @fn NULL
 *
 * Return: the child, once it has its VM. It dies with its parent.
 */
pid_t vm_fork_child(struct vm *vm, void (*fn)(struct vm *forked), unsigned int vcpus);
/* Wait for it: a row, failed unless all was well there. */
void fork_join(const char *name, pid_t child);

#endif
