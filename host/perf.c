// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the host's own watchers want around guests: perf, and the detection of split locks.
 */
#include <asm/cpu.h>
#include <asm/perf_event.h>
#include <keel/host.h>
#include "keel_have.h"
#include "perf_pick.h"

/* perf's list is this CPU's, and written anew at each call: it may be thinned out in place. */
struct host_perf_msrs keel_host_perf_msrs(void)
{
	struct host_perf_msrs perf = { };
#ifdef KEEL_HAVE_PERF_GUEST_MSRS
	int n = 0;

	perf.msrs = perf_guest_get_msrs(&n, NULL);
	if (perf.msrs)
		perf.n = perf_pick(perf.msrs, n);
#endif
	return perf;
}

void keel_host_perf_svm_on(void)
{
#ifdef KEEL_HAVE_AMD_PMU_VIRT
	amd_pmu_enable_virt();
#endif
}

void keel_host_perf_svm_off(void)
{
#ifdef KEEL_HAVE_AMD_PMU_VIRT
	amd_pmu_disable_virt();
#endif
}

bool keel_host_split_lock(u64 rip)
{
#ifdef KEEL_HAVE_SPLIT_LOCK
	return handle_guest_split_lock(rip);
#else
	return false;
#endif
}
