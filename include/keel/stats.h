/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters published through KVM_GET_STATS_FD. One list each: the struct, the descriptors (chardev/stats.c) and the names
 * come from it. Most are cumulative counts of events, written without locks by the thread that causes them; those of
 * VM_STATS marked LEVEL are present amounts.
 */
#ifndef KEEL_STATS_H
#define KEEL_STATS_H

#include <linux/types.h>

#define VCPU_STATS(X) \
	X(exits)		/* VM exits */ \
	X(fast_exits)		/* of these, served with interrupts off */ \
	X(io_exits)		/* port accesses that went to user space */ \
	X(mmio_exits)		/* MMIO accesses that went to user space */ \
	X(signal_exits)		/* KVM_RUN ended by a signal */ \
	X(irq_exits)		/* host interrupts taken while the guest ran */ \
	X(irq_window_exits) \
	X(nmi_window_exits) \
	X(halt_exits) \
	X(halt_wakeups) \
	X(request_irq_exits)	/* the launcher asked for an interrupt window */ \
	X(insn_emulation)	/* instructions emulated */ \
	X(insn_emulation_fail) \
	X(hypercalls) \
	X(irq_injections) \
	X(nmi_injections) \
	X(exception_injections) \
	X(pf_fixed)		/* nested faults resolved */ \
	X(pf_around)		/* further pages mapped around them */ \
	X(tlb_flush) \
	X(preempted)		/* scheduled out in KVM_RUN */ \
	X(guest_mode)		/* entries to the inner loop */ \
	X(l1d_flush)		/* first-level data cache flushed before an entry */

#define VM_STATS(EVENT, LEVEL) \
	LEVEL(pages_4k) \
	LEVEL(pages_2m) \
	LEVEL(pages_1g)			/* second-level leaf entries present */ \
	LEVEL(table_pages)		/* pages used by second-level tables */ \
	EVENT(remote_tlb_flush) \
	EVENT(mmu_invalidations)	/* MMU notifier ranges that removed something */

#define KEEL_STAT_MEMBER(name) u64 name;
struct vcpu_stats { VCPU_STATS(KEEL_STAT_MEMBER) };
struct vm_stats { VM_STATS(KEEL_STAT_MEMBER, KEEL_STAT_MEMBER) };
#undef KEEL_STAT_MEMBER

#endif
