/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stands between the thread and guest mode and is looked at so often that a call costs more than the look: the kernel's pending
 * work, this CPU's state, the FPU, RCU and the accounting of time. What there is to do, if anything, is done in host/.
 */
#ifndef KEEL_ENTRY_WORK_H
#define KEEL_ENTRY_WORK_H

#include <linux/entry-kvm.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/vtime.h>
#include <keel/host_fpu.h>

DECLARE_PER_CPU(bool, keel_host_enabled);
DECLARE_PER_CPU(unsigned long, keel_host_noted_jiffies);

/**
 * keel_host_cpu_enabled() - is virtualization on, on this CPU?
 *
 * Context: preemption off. Return: false during unplug; the entry is then refused with -EIO.
 */
static __always_inline bool keel_host_cpu_enabled(void)
{
	return __this_cpu_read(keel_host_enabled);
}

/**
 * keel_host_work_pending() - is a signal, a reschedule or task work pending?
 *
 * Context: sure with interrupts off, a hint with them on: the last look before an entry is with them off.
 */
static __always_inline bool keel_host_work_pending(void)
{
	return __xfer_to_guest_mode_work_pending();
}

/**
 * keel_host_do_work() - do what keel_host_work_pending() tells of
 *
 * Context: interrupts on, may sleep. Return: 0, or -EINTR when a signal waits.
 */
int keel_host_do_work(void);

/**
 * keel_host_fpu_entry() - keel_host_fpu_enter(), but that mostly the guest's state is there already in a KVM_RUN that lasts
 * @fpu: the container
 *
 * Context: before the inner loop, interrupts off.
 */
static __always_inline void keel_host_fpu_entry(struct host_fpu *fpu)
{
	if (fpu->place != FPU_SWAPPED || unlikely(test_thread_flag(TIF_NEED_FPU_LOAD)))
		keel_host_fpu_enter(fpu);
}

/**
 * keel_host_fpu_exit() - keel_host_fpu_leave(), if there is anything to do
 * @fpu: the container
 *
 * Context: behind the inner loop, interrupts off; XCR0 and XSS are the host's.
 */
static __always_inline void keel_host_fpu_exit(struct host_fpu *fpu)
{
	if (fpu->place != FPU_SWAPPED)
		keel_host_fpu_leave(fpu);
}

/**
 * keel_host_note_tick() - the part of keel_host_note_quiescent() for the first time in a tick
 * @now: jiffies
 *
 * Context: interrupts off.
 */
void keel_host_note_tick(unsigned long now);

/**
 * keel_host_note_quiescent() - tell RCU that no reader is under way on this CPU
 *
 * A vCPU that does nothing but run must still count as quiescent. Once a tick is enough, as for a task in user mode, and every tick
 * ends the inner loop; without a tick (nohz_full) context tracking is on, and the backend announces every entry.
 * Context: before each inner loop, interrupts off.
 */
static __always_inline void keel_host_note_quiescent(void)
{
	unsigned long now = jiffies;

	if (unlikely(__this_cpu_read(keel_host_noted_jiffies) != now))
		keel_host_note_tick(now);
}

/**
 * keel_host_guest_time_begin() - what passes from here to keel_host_guest_time_end() counts as guest time
 *
 * Context: before the inner loop, interrupts off.
 */
static __always_inline void keel_host_guest_time_begin(void)
{
	vtime_account_guest_enter();
}

/**
 * keel_host_guest_time_account() - keel_host_guest_time_end() where times are accounted at each change
 *
 * Context: as there.
 */
void keel_host_guest_time_account(void);

/**
 * keel_host_guest_time_end() - guest time is over, the host's timer tick that ended it included
 *
 * Context: behind the inner loop, interrupts on: the tick has been taken, with PF_VCPU still set.
 */
static __always_inline void keel_host_guest_time_end(void)
{
	if (vtime_accounting_enabled_this_cpu())
		keel_host_guest_time_account();
	else
		current->flags &= ~PF_VCPU;
}

#endif
