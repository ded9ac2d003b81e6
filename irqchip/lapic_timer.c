// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC's timer: one-shot, periodic and TSC-deadline mode on one hrtimer.
 *
 * Where the backend can watch a deadline while the guest runs, the hrtimer is not used for it until
 * the vCPU blocks. In between, on the way to the launcher or while another thread has the CPU, nobody
 * watches: a deadline that passes then is found at the next entry, before any guest code.
 *
 * The callback delivers LVTT by itself, from the host's timer interrupt: the vCPU finds the
 * vector in its IRR at the next entry, without a detour. The vCPU's thread cancels the timer
 * before it changes mode, count or deadline, so callback and thread never disagree about which
 * setting has expired. Counts run at 1 GHz, or as KVM_CAP_X86_APIC_BUS_CYCLES_NS says, divided by
 * TDCR. Periods are clamped from below, so that a guest cannot keep the host in its timer
 * interrupt.
 */
#include <linux/bitops.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/moduleparam.h>
#include <keel/access.h>
#include <keel/compat.h>
#include <keel/request.h>
#include <keel/state.h>
#include <keel/vendor.h>
#include "irqchip.h"

static unsigned int lapic_min_period_us = 200;
module_param(lapic_min_period_us, uint, 0644);
MODULE_PARM_DESC(lapic_min_period_us,
		 "shortest period of a guest's periodic local APIC timer, in microseconds (200)");

/*
 * Expiry is looked at on the CPU that runs the vCPU, in the hard interrupt also where hrtimers
 * are threaded.
 */
#define LAPIC_TIMER_HRMODE HRTIMER_MODE_ABS_PINNED_HARD

/* @ns, but not below the shortest period of a periodic timer. */
static u64 periodic_ns(u64 ns)
{
	return max_t(u64, ns, (u64)READ_ONCE(lapic_min_period_us) * NSEC_PER_USEC);
}

/* With what is said to a guest that was held: here its watchdogs come from. */
static void deliver(struct lapic *apic)
{
	if (unlikely(READ_ONCE(apic->vcpu->pv.held_until)))
		vcpu_request(apic->vcpu, REQ_CLOCK);
	lapic_deliver_local(apic, APIC_LVTT);
}

static enum hrtimer_restart lapic_timer_expired(struct hrtimer *hrtimer)
{
	struct lapic *apic = container_of(hrtimer, struct lapic, timer.hrtimer);
	u32 mode = lapic_reg(apic, APIC_LVTT) & LAPIC_TIMER_MODE;

	if (mode == APIC_LVT_TIMER_TSCDEADLINE)
		WRITE_ONCE(apic->vcpu->tsc.deadline, 0);
	deliver(apic);
	if (mode != APIC_LVT_TIMER_PERIODIC || !apic->timer.period)
		return HRTIMER_NORESTART;
	/*
	 * that of a one-shot count, if the guest, or the CPU for it, has written the mode a moment
	 * ago
	 */
	hrtimer_forward_now(hrtimer, ns_to_ktime(periodic_ns(READ_ONCE(apic->timer.period))));
	return HRTIMER_RESTART;
}

/* The backend stops to watch for the deadline. */
static void deadline_unwatch(struct vcpu *vcpu)
{
	vcpu->tsc.host_deadline = 0;
	vcpu_dirty(vcpu, RG_DEADLINE);
}

void lapic_timer_init(struct lapic *apic)
{
	keel_hrtimer_setup(&apic->timer.hrtimer, lapic_timer_expired, CLOCK_MONOTONIC,
			   LAPIC_TIMER_HRMODE);
	apic->timer.cpu = -1;
}

/*
 * Stop the timer and wait for a callback under way on another CPU. Interrupts may be off: the
 * callback takes no locks.
 */
void lapic_timer_stop(struct lapic *apic)
{
	hrtimer_cancel(&apic->timer.hrtimer);
	if (apic->vcpu->tsc.host_deadline)
		deadline_unwatch(apic->vcpu);
}

static void lapic_timer_start(struct lapic *apic, u64 ns)
{
	apic->timer.cpu = raw_smp_processor_id();
	hrtimer_start(&apic->timer.hrtimer, ktime_add_safe(ktime_get(), ns_to_ktime(ns)),
		      LAPIC_TIMER_HRMODE);
}

/* TDCR bits 3, 1, 0 give 2, 4 .. 128, and 1 for 0xb. */
static unsigned int lapic_timer_divisor(const struct lapic *apic)
{
	u32 tdcr = lapic_reg(apic, APIC_TDCR);
	unsigned int code = (tdcr & 3) | (tdcr & 8) >> 1;

	return 1u << ((code + 1) & 7);
}

/* Nanoseconds for one count. */
static u64 count_ns(const struct lapic *apic)
{
	return (u64)lapic_timer_divisor(apic) * (apic->irq->apic_bus_ns ?: 1);
}

/* Of @count: two years at most, so that neither the hrtimer nor another divisor overflows. */
static u64 to_ns(const struct lapic *apic, u32 count)
{
	return min_t(u64, count * count_ns(apic), 1ull << 56);
}

/* Set @period from the initial count; false when the count is zero. */
static bool lapic_timer_load_period(struct lapic *apic)
{
	u64 ns = to_ns(apic, lapic_reg(apic, APIC_TMICT));

	if (ns && (lapic_reg(apic, APIC_LVTT) & APIC_LVT_TIMER_PERIODIC))
		ns = periodic_ns(ns);
	WRITE_ONCE(apic->timer.period, ns);
	apic->timer.divisor = lapic_timer_divisor(apic);
	return ns;
}

/**
 * lapic_timer_set_count() - the guest wrote the initial count
 * @apic: on its own thread
 * @count: 0 stops the timer; ignored in TSC-deadline mode
 */
void lapic_timer_set_count(struct lapic *apic, u32 count)
{
	if (lapic_in_deadline_mode(apic)) {
		/* the CPU may have written it */
		lapic_set_reg(apic, APIC_TMICT, 0);
		return;
	}
	lapic_timer_stop(apic);
	lapic_set_reg(apic, APIC_TMICT, count);
	if (lapic_timer_load_period(apic))
		lapic_timer_start(apic, apic->timer.period);
}

/* Current count register. */
u32 lapic_timer_current(struct lapic *apic)
{
	s64 left;

	if (lapic_in_deadline_mode(apic) || !lapic_reg(apic, APIC_TMICT) ||
	    !hrtimer_active(&apic->timer.hrtimer))
		return 0;
	left = ktime_to_ns(hrtimer_get_remaining(&apic->timer.hrtimer));
	if (left <= 0)
		return 0;
	return min_t(u64, left / count_ns(apic), lapic_reg(apic, APIC_TMICT));
}

/*
 * Nanoseconds until the guest's TSC reaches @deadline; 0 if it has. Bounded, so that no product
 * overflows.
 */
static u64 deadline_to_ns(struct vcpu *vcpu, u64 deadline)
{
	u64 now = keel_tsc_read(vcpu);
	u64 khz = vcpu->tsc.khz ?: 1;
	u64 delta;

	if (deadline <= now)
		return 0;
	/* 2^40 ms are 34 years; of a fast TSC, which scaling allows, not so many */
	delta = min(deadline - now, min(khz, U64_MAX >> 40) << 40);
	return mul_u64_u64_div_u64(delta, NSEC_PER_MSEC, khz);
}

/* Further away than this the host's timers do better. */
#define WATCH_MAX	(1ull << 40)

/* Have the backend watch for @deadline. False: it cannot. */
static bool deadline_watch(struct vcpu *vcpu, u64 deadline)
{
	u64 host = rdtsc();
	u64 delta = deadline - (keel_tsc_scale(vcpu, host) + vcpu->tsc.offset);

	/* also one in the past */
	if (delta - 1 >= WATCH_MAX)
		return false;
	WRITE_ONCE(vcpu->tsc.deadline, deadline);
	vcpu->tsc.host_deadline = host + keel_tsc_unscale(vcpu, delta);
	vcpu_dirty(vcpu, RG_DEADLINE);
	return true;
}

static void deadline_start_hrtimer(struct lapic *apic, u64 deadline)
{
	struct vcpu *vcpu = apic->vcpu;
	u64 ns = deadline_to_ns(vcpu, deadline);

	if (ns) {
		WRITE_ONCE(vcpu->tsc.deadline, deadline);
		lapic_timer_start(apic, ns);
	} else {
		WRITE_ONCE(vcpu->tsc.deadline, 0);
		deliver(apic);
	}
}

/*
 * Not where the guest's own MWAIT can take the CPU into a C-state in which the backend's timer stands still (SDM, "VMX-Preemption
 * Timer").
 */
static bool backend_may_watch(const struct vcpu *vcpu)
{
	return keel_caps.deadline_timer &&
	       !(READ_ONCE(vcpu->vm->disabled_exits) & KVM_X86_DISABLE_EXITS_MWAIT);
}

static void deadline_start(struct lapic *apic, u64 deadline)
{
	if (deadline && !(backend_may_watch(apic->vcpu) && deadline_watch(apic->vcpu, deadline)))
		deadline_start_hrtimer(apic, deadline);
}

void keel_lapic_deadline_reached(struct vcpu *vcpu)
{
	u64 host_deadline = vcpu->tsc.host_deadline;

	if (!host_deadline || (s64)(rdtsc() - host_deadline) < 0)
		return;
	deadline_unwatch(vcpu);
	WRITE_ONCE(vcpu->tsc.deadline, 0);
	deliver(vcpu->lapic);
}

void keel_lapic_timer_block(struct vcpu *vcpu)
{
	u64 deadline = vcpu->tsc.deadline;

	deadline_unwatch(vcpu);
	deadline_start_hrtimer(vcpu->lapic, deadline);
}

u64 keel_lapic_get_deadline(struct vcpu *vcpu)
{
	return READ_ONCE(vcpu->tsc.deadline);
}

void keel_lapic_set_deadline(struct vcpu *vcpu, u64 val)
{
	struct lapic *apic = vcpu->lapic;

	/* ignored in the other modes (SDM "TSC-Deadline Mode") */
	if (!apic || !apic->enabled || !lapic_in_deadline_mode(apic))
		return;
	lapic_timer_stop(apic);
	WRITE_ONCE(vcpu->tsc.deadline, 0);
	deadline_start(apic, val);
}

void keel_lapic_tsc_changed(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->lapic;

	if (apic && lapic_in_deadline_mode(apic))
		keel_lapic_set_deadline(vcpu, READ_ONCE(vcpu->tsc.deadline));
}

/**
 * lapic_timer_mode_changed() - LVTT was written
 * @apic: on its own thread
 *
 * A change to or from TSC-deadline mode disarms the timer; between one-shot and periodic the
 * count runs on and the mode counts at its expiry (SDM "APIC Timer").
 */
void lapic_timer_mode_changed(struct lapic *apic)
{
	u32 changed = lapic_reg(apic, APIC_LVTT) ^ apic->timer.lvtt;

	apic->timer.lvtt ^= changed;
	if (changed & APIC_LVT_TIMER_TSCDEADLINE) {
		lapic_timer_stop(apic);
		WRITE_ONCE(apic->vcpu->tsc.deadline, 0);
		lapic_set_reg(apic, APIC_TMICT, 0);
		apic->timer.period = 0;
	} else if (changed & APIC_LVT_TIMER_PERIODIC) {
		lapic_timer_load_period(apic);
	}
}

/**
 * lapic_timer_set_divide() - the guest wrote the divide configuration
 * @apic: on its own thread
 * @tdcr: value
 *
 * A count that runs goes on from where it is at the new rate; one that is due stays due.
 */
void lapic_timer_set_divide(struct lapic *apic, u32 tdcr)
{
	struct hrtimer *hrtimer = &apic->timer.hrtimer;
	unsigned int old = apic->timer.divisor, new;
	bool runs = !lapic_in_deadline_mode(apic) && hrtimer_cancel(hrtimer);
	s64 left;

	lapic_set_reg(apic, APIC_TDCR, tdcr);
	if (lapic_in_deadline_mode(apic))
		return;
	new = lapic_timer_divisor(apic);
	lapic_timer_load_period(apic);
	if (!runs)
		return;
	left = max_t(s64, ktime_to_ns(hrtimer_get_remaining(hrtimer)), 0);
	/* both are powers of two; what came of 2^56 ns by a divisor is below 2^63 by any */
	lapic_timer_start(apic, new > old ? (u64)left << __ffs(new / old) : (u64)left >> __ffs(old / new));
}

/**
 * lapic_timer_restore() - start the timer from saved registers
 * @apic: stopped, registers loaded
 * @current_count: current count register as saved
 *
 * QEMU does not save the current count. With none, a period begins anew and one shot is over at once: one interrupt too many
 * if it had been taken before, where the other way round a guest that sleeps until it would sleep for good.
 */
void lapic_timer_restore(struct lapic *apic, u32 current_count)
{
	u64 ns = to_ns(apic, current_count);

	if (lapic_in_deadline_mode(apic)) {
		deadline_start(apic, READ_ONCE(apic->vcpu->tsc.deadline));
		return;
	}
	/* there is none in these modes (SDM, "TSC-Deadline Mode"), nor may it wait for the next change to that one */
	WRITE_ONCE(apic->vcpu->tsc.deadline, 0);
	if (!lapic_timer_load_period(apic))
		return;
	if (current_count)
		lapic_timer_start(apic, min(ns, apic->timer.period));
	else if (lapic_reg(apic, APIC_LVTT) & APIC_LVT_TIMER_PERIODIC)
		lapic_timer_start(apic, apic->timer.period);
	else
		deliver(apic);
}

void keel_lapic_pause(struct vcpu *vcpu)
{
	struct lapic_timer *timer = &vcpu->lapic->timer;

	/* a callback is over then, and what it has delivered is there */
	timer->paused = hrtimer_cancel(&timer->hrtimer) == 1 || vcpu->tsc.host_deadline;
	if (vcpu->tsc.host_deadline)
		deadline_unwatch(vcpu);
}

void keel_lapic_resume(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->lapic;
	struct lapic_timer *timer = &apic->timer;

	if (!timer->paused)
		return;
	timer->paused = false;
	if (lapic_in_deadline_mode(apic)) {
		deadline_start(apic, READ_ONCE(vcpu->tsc.deadline));
		return;
	}
	timer->cpu = raw_smp_processor_id();
	hrtimer_start(&timer->hrtimer, hrtimer_get_expires(&timer->hrtimer), LAPIC_TIMER_HRMODE);
}

/* Both are paused, and @to is afterwards as @from is. */
void lapic_timer_copy(struct lapic *to, struct lapic *from)
{
	to->timer.period = from->timer.period;
	to->timer.divisor = from->timer.divisor;
	to->timer.lvtt = from->timer.lvtt;
	to->timer.paused = from->timer.paused;
	hrtimer_set_expires(&to->timer.hrtimer, hrtimer_get_expires(&from->timer.hrtimer));
	WRITE_ONCE(to->vcpu->tsc.deadline, READ_ONCE(from->vcpu->tsc.deadline));
}

static noinline void timer_follow(struct lapic_timer *timer, int cpu)
{
	/*
	 * a callback that runs now on the old CPU delivers first; the timer then follows at the
	 * next load
	 */
	if (hrtimer_try_to_cancel(&timer->hrtimer) == 1) {
		timer->cpu = cpu;
		hrtimer_start_expires(&timer->hrtimer, LAPIC_TIMER_HRMODE);
	}
}

void keel_lapic_vcpu_load(struct vcpu *vcpu)
{
	struct lapic_timer *timer = &vcpu->lapic->timer;
	int cpu = raw_smp_processor_id();

	if (unlikely(timer->cpu != cpu) && unlikely(hrtimer_is_queued(&timer->hrtimer)))
		timer_follow(timer, cpu);
}
