/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SELFTESTS_HOSTMEM_H
#define SELFTESTS_HOSTMEM_H

#include "test.h"

/*
 * Bytes of free memory of the machine, settled. Takes about half a second. From then on this process, and what it forks, gets no
 * huge pages unless it asks again (PR_SET_THP_DISABLE).
 */
u64 host_free_memory(void);

/* Bytes of private memory that processes have written, exact right after host_free_memory(). */
u64 host_anonymous_memory(void);

/* Bytes that a process can have without swapping, by the kernel's estimate ("MemAvailable" of /proc/meminfo). */
u64 host_available_memory(void);

#endif
