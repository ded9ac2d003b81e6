/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to core/: what clock.c, kvmclock.c and tsc.c share. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <linux/ktime.h>
#include <keel/types.h>

/* The host's clock of both: raw time plus time asleep. */
static inline u64 clock_host_ns(void)
{
	return ktime_to_ns(ktime_mono_to_any(ktime_get_raw(), TK_OFFS_BOOT));
}

/* Nanoseconds = (cycles << shift) * mul >> 32; negative shifts go right. */
struct ns_scale {
	u32 mul;
	s8 shift;
};

/* For a clock of @khz. */
struct ns_scale clock_ns_scale(u32 khz);
/* Changes with the host's clock source. */
extern u32 clock_host_epoch;
/* Enter or leave the master clock as the state of things wants. */
void clock_review(struct vm *vm);
/* The kvmclock now. */
u64 clock_guest_ns(struct vm *vm);

/* On the vCPU's own thread, loaded, before its kvmclock is written. */
void keel_tsc_catch_up(struct vcpu *vcpu);

#endif
