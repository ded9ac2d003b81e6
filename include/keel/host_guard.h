/* SPDX-License-Identifier: GPL-2.0-only */
/* What stands between guests and host: mitigations and this CPU's faults (host/mitigations.c, host/bugs.c). */
#ifndef KEEL_HOST_GUARD_H
#define KEEL_HOST_GUARD_H

#include <linux/bits.h>
#include <linux/jump_label.h>
#include <linux/types.h>
#include <keel/bugs.h>

struct vendor_ops;

/**
 * keel_host_spec_switch() - must SPEC_CTRL be switched around a guest on this CPU?
 * @guest: the guest's value
 * @always: after every exit the host's is written, changed or not
 *
 * Context: on this CPU. Return: what entry.S is to know (RESTORE_SPEC_CTRL): the host's value with SPEC_SWITCH, or 0.
 */
u64 keel_host_spec_switch(u64 guest, bool always);
#define SPEC_SWITCH	BIT_ULL(63)
/**
 * keel_host_ibpb() - indirect branch prediction barrier, if the host uses it
 *
 * Context: on this CPU.
 */
void keel_host_ibpb(void);
/**
 * keel_host_pred_cmd() - a guest's barrier, whatever the host itself uses
 * @cmd: PRED_CMD_* bits that the CPU has
 *
 * Context: on this CPU.
 */
void keel_host_pred_cmd(u64 cmd);
/**
 * keel_host_wants_ibpb_on_switch() - does the host use that barrier between two guests?
 *
 * Context: any. Return: the answer.
 */
bool keel_host_wants_ibpb_on_switch(void);

/* What is done about this CPU's faults; const once keel_host_bugs_init() has read the CPU. */
extern struct host_plan keel_plan;
/**
 * keel_host_bugs_init() - read the CPU, make the plan, say so in the log and tell the kernel's sysfs files
 * @ops: the backend
 *
 * Context: module init, before the backend's setup. Return: 0; -EINVAL for a parameter that is not understood.
 */
int keel_host_bugs_init(const struct vendor_ops *ops);
/**
 * keel_host_bugs_exit() - undo it
 *
 * Context: module exit.
 */
void keel_host_bugs_exit(void);

/* keel_plan.clear_divider: a division before each entry, so that a guest that divides by 0 is left our quotient and no other. */
DECLARE_STATIC_KEY_FALSE(keel_host_divides);

enum host_ran {
	HOST_RAN_GUARDED,	/* since the last entry: nothing but code that touches the guest's own state */
	HOST_RAN_ANYTHING,
};

/* Must keel_host_flush() be called before each entry, on Intel's CPUs? const after init */
extern bool keel_host_flushes;
/**
 * keel_host_flush() - flush what the CPU would leak to the guest
 * @ran: what has run since the last entry
 *
 * That cache (L1TF), and fill buffers where entry.S does not (MMIO stale data).
 * Context: interrupts off; from here to the entry nothing may be touched but the guest's own state.
 * Return: true if the first-level data cache was flushed.
 */
bool keel_host_flush(enum host_ran ran);
/**
 * keel_host_pt_pause() - before VMX operation: Intel PT cannot trace in it on CPUs that lack IA32_VMX_MISC[14]
 *
 * Context: on this CPU, interrupts off.
 */
void keel_host_pt_pause(void);
/**
 * keel_host_pt_resume() - behind it
 *
 * Context: on this CPU, interrupts off.
 */
void keel_host_pt_resume(void);
/**
 * keel_host_note_guest_ran() - a guest has run: VMSCAPE and L1D hints to the kernel
 *
 * Context: on this CPU, interrupts off.
 */
void keel_host_note_guest_ran(void);
/**
 * keel_host_machine_check() - a machine check ended the guest: let the kernel's handler see it, as one of user mode
 *
 * Context: on this CPU, interrupts off.
 */
void keel_host_machine_check(void);
/**
 * keel_host_erratum_383() - was that machine check AMD's erratum 383, which the guest has caused by its page tables?
 *
 * Only where keel_plan.erratum_383.
 * Context: on this CPU, interrupts off. Return: true: it is cleared away, translations too, and the guest must not go on.
 */
bool keel_host_erratum_383(void);

#endif
