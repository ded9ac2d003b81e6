/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What Keel asks of the Linux it runs in, where that depends on the kernel's version or on exports made for KVM (host/).
 */
#ifndef KEEL_HOST_H
#define KEEL_HOST_H

#include <linux/types.h>
#include <keel/host_fpu.h>
#include <keel/host_guard.h>
#include <keel/types.h>

struct vendor_ops;
struct eventfd_ctx;
struct perf_guest_switch_msr;

/* ---- virtualization on this machine (host/enable.c) ---- */

/**
 * keel_host_enable_get() - have virtualization on, on every CPU, for one more VM
 *
 * The first caller turns it on everywhere after making sure that nobody else owns it. Refusals are one pr_err line that names the
 * remedy.
 * Context: may sleep. Return: 0, -EBUSY (another owner), -EIO.
 */
int keel_host_enable_get(void);
/**
 * keel_host_enable_put() - a VM less; the last one turns it off
 *
 * Context: may sleep.
 */
void keel_host_enable_put(void);
/**
 * keel_host_enable_init() - hooks for hotplug, suspend, reboot and crash
 * @ops: the backend
 *
 * Context: module init. Return: 0 or negative errno.
 */
int keel_host_enable_init(const struct vendor_ops *ops);
/**
 * keel_host_enable_exit() - undo it
 *
 * Context: module exit, may sleep.
 */
void keel_host_enable_exit(void);

/* ---- the thread (host/xfer.c; keel/entry_work.h has what is done around each entry) ---- */

/**
 * keel_host_run_delay() - how long current has waited for a CPU, for steal time
 *
 * Context: any. Return: ns.
 */
u64 keel_host_run_delay(void);

/* Selector of the local descriptor table, 0 for none. */
static inline u16 host_ldt(void)
{
	u16 selector;

	/* a register: with its address taken each caller's stack would be guarded */
	asm volatile("sldt %0" : "=r" (selector));
	return selector;
}

/* ---- MSRs switched lazily: guest value stays until KVM_RUN ends or the next vCPU comes (host/uret.c) ---- */

/**
 * keel_host_uret_init() - find out which there are
 *
 * Context: module init.
 */
void keel_host_uret_init(void);
/**
 * keel_host_uret_tsc_aux() - have the guest's IA32_TSC_AUX
 * @guest_value: its value
 *
 * Context: interrupts or preemption off.
 */
void keel_host_uret_tsc_aux(u64 guest_value);
/**
 * keel_host_uret_syscall() - have the guest's MSRs of SYSCALL
 * @star: IA32_STAR
 * @lstar: IA32_LSTAR
 * @sfmask: IA32_FMASK
 *
 * Context: interrupts off.
 */
void keel_host_uret_syscall(u64 star, u64 lstar, u64 sfmask);
/**
 * keel_host_uret_leave() - have the host's values: the thread is about to return to user mode
 *
 * Context: preemption off.
 */
void keel_host_uret_leave(void);
/**
 * keel_host_uret_defer() - have them as soon as any thread returns to user mode on this CPU, if no vCPU comes before
 *
 * Context: the scheduler is about to take the thread off the CPU.
 */
void keel_host_uret_defer(void);

/* ---- the host's watchers (host/perf.c) ---- */

/**
 * struct host_perf_msrs - the MSRs that perf wants changed while a guest runs
 * @msrs: a list of this CPU's, with the host's value and the guest's; they differ
 * @n: its length, 0 while perf is idle
 */
struct host_perf_msrs {
	struct perf_guest_switch_msr *msrs;
	unsigned long n;
};

/**
 * keel_host_perf_msrs() - ask for them
 *
 * PEBS stores records through a linear address, and that would be the guest's (SDM, "Processor Event-Based Sampling"); counters with
 * exclude_guest stop. The list stands until the next call; what perf wants changes only by an interrupt or an NMI.
 * Context: interrupts off. Return: the list.
 */
struct host_perf_msrs keel_host_perf_msrs(void);
/**
 * keel_host_perf_svm_on() - tell perf that EFER.SVME is set: only then do the counters' host-only and guest-only bits work
 *
 * Context: on this CPU, interrupts off.
 */
void keel_host_perf_svm_on(void);
/**
 * keel_host_perf_svm_off() - tell it that it is clear
 *
 * Context: on this CPU, interrupts off; also from an NMI at a crash.
 */
void keel_host_perf_svm_off(void);
/**
 * keel_host_split_lock() - the host's detection of split locks has caught the guest
 * @rip: where
 *
 * The kernel warns and lets this CPU off for a moment, or sends the thread SIGBUS (kernel parameter split_lock_detect).
 * Context: may sleep. Return: true: the guest goes on.
 */
bool keel_host_split_lock(u64 rip);

/* ---- shims for what changed between kernels (keel/compat.h does the rest) ---- */

/**
 * keel_host_eventfd_signal() - add 1 to an eventfd
 * @ctx: the eventfd
 *
 * Context: any.
 */
void keel_host_eventfd_signal(struct eventfd_ctx *ctx);
/**
 * keel_host_pfn_is_ram() - is a frame RAM? What is not may be a device, to be mapped uncached
 * @pfn: the frame
 *
 * Context: any. Return: the answer.
 */
bool keel_host_pfn_is_ram(u64 pfn);

#endif
