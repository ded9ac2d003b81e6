/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SELFTESTS_STATS_H
#define SELFTESTS_STATS_H

#include "vm.h"

/* Value of a statistic of KVM_GET_STATS_FD now; a name that is not there ends the case. */
u64 vm_stat(struct vm *vm, const char *name);
u64 vcpu_stat(struct vcpu *vcpu, const char *name);

#endif
