/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to core/: what the guest's TSC and the kvmclock share. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <linux/ktime.h>
#include <keel/types.h>

/* The host's clock of both: raw time plus time asleep. */
static inline u64 clock_host_ns(void)
{
	return ktime_to_ns(ktime_mono_to_any(ktime_get_raw(), TK_OFFS_BOOT));
}

/* On the vCPU's own thread, loaded, before its kvmclock is written. */
void keel_tsc_catch_up(struct vcpu *vcpu);

#endif
