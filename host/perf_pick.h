/* SPDX-License-Identifier: GPL-2.0-only */
/* Which of perf's MSRs must be switched around a guest. Also built in user space. */
#ifndef KEEL_HOST_PERF_PICK_H
#define KEEL_HOST_PERF_PICK_H

#include <asm/perf_event.h>

/* Keep of @n MSRs those whose two values differ, in their order. Return: how many. */
static inline unsigned int perf_pick(struct perf_guest_switch_msr *msrs, int n)
{
	unsigned int kept = 0;
	int i;

	for (i = 0; i < n; i++)
		if (msrs[i].host != msrs[i].guest)
			msrs[kept++] = msrs[i];
	return kept;
}

#endif
