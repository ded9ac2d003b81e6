/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SELFTESTS_HOSTMEM_H
#define SELFTESTS_HOSTMEM_H

#include "test.h"

/* Bytes of free memory of the machine, settled. Takes about half a second. */
u64 host_free_memory(void);

#endif
