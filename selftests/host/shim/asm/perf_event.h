/* SPDX-License-Identifier: GPL-2.0-only */
/* The one struct of the kernel's header that host/perf_pick.h needs. */
#ifndef SHIM_ASM_PERF_EVENT_H
#define SHIM_ASM_PERF_EVENT_H

#include <linux/types.h>

struct perf_guest_switch_msr {
	unsigned int msr;
	__u64 host, guest;
};

#endif
