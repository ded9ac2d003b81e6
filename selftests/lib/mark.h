/* SPDX-License-Identifier: GPL-2.0-only */
/* VMs that go back to a mark (KEEL_MARK_VM, KEEL_RESET_VM), with memory put back by the dirty log. */
#ifndef SELFTESTS_MARK_H
#define SELFTESTS_MARK_H

#include "guest.h"

/* As vm_create(); skips where VMs cannot be marked, or no dirty log is kept. */
struct vm *vm_create_markable(unsigned int flags);
/* KEEL_MARK_VM and KEEL_RESET_VM: 0 or -errno; the asserting twins. */
int __vm_mark(struct vm *vm);
int __vm_reset(struct vm *vm);
void vm_mark(struct vm *vm);
void vm_reset(struct vm *vm);

/* Mark it with its memory; what is written from now on is logged. One VM of a case at a time. */
void vm_mark_all(struct vm *vm);
/* Memory alone, where the log says that it was written. Return: how many pages. */
unsigned int vm_put_memory_back(struct vm *vm);
/* Both: the VM as it was. */
void vm_go_back(struct vm *vm);

#endif
