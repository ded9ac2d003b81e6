/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to core/: one VM in the state of another one (fork.c), for forks and to go back to a mark. vCPUs of both are held, vm->lock of both
 * too, and one of the two nobody else knows.
 */
#ifndef CORE_COPY_H
#define CORE_COPY_H

struct vm;

/* Controllers and vCPUs in their reset state, for an empty VM; without slots. 0 or -ENOMEM. */
int vm_make_like(struct vm *to, struct vm *from);
/* Timers of the kernel's stand still, and go on. */
void vm_pause(struct vm *vm);
void vm_resume(struct vm *vm);
/* All state to a new VM; @from is paused, and then @to is as well. */
void vm_copy(struct vm *to, struct vm *from);
/* All state to one that is in use; both are paused, and @to stays so. */
void vm_copy_back(struct vm *to, struct vm *from);

#endif
