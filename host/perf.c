// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the host's own watchers want around guests: perf, and the detection of split locks.
 */
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <asm/cpu.h>
#include <asm/perf_event.h>
#include <keel/host.h>
#include "keel_have.h"
#include "perf_pick.h"

#ifdef KEEL_DEBUG
/* For a test where there is no PMU: an MSR in place of perf's, its value for the host and its value for guests. */
static unsigned long perf_msr[3];
module_param_array(perf_msr, ulong, NULL, 0644);

static unsigned int forced(struct perf_guest_switch_msr **msrs)
{
	static DEFINE_PER_CPU(struct perf_guest_switch_msr, list);

	*msrs = this_cpu_ptr(&list);
	**msrs = (struct perf_guest_switch_msr){
		.msr = READ_ONCE(perf_msr[0]), .host = READ_ONCE(perf_msr[1]), .guest = READ_ONCE(perf_msr[2]),
	};
	return perf_pick(*msrs, !!(*msrs)->msr);
}
#else
static unsigned int forced(struct perf_guest_switch_msr **msrs)
{
	return 0;
}
#endif

/* perf's list is this CPU's, and written anew at each call: it may be thinned out in place. */
unsigned int keel_host_perf_msrs(struct perf_guest_switch_msr **msrs)
{
	unsigned int n_forced = forced(msrs);
#ifdef KEEL_HAVE_PERF_GUEST_MSRS
	int n = 0;

	if (n_forced)
		return n_forced;

	*msrs = perf_guest_get_msrs(&n, NULL);
	return *msrs ? perf_pick(*msrs, n) : 0;
#else
	return n_forced;
#endif
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
