/* SPDX-License-Identifier: GPL-2.0-only */
/* Who wrote a register that an entry was refused for (core/explain.c). */
#ifndef KEEL_EXPLAIN_H
#define KEEL_EXPLAIN_H

#include <linux/types.h>
#include <keel/types.h>

struct violation;

/* Ioctls that put values where an entry may find them wrong (core/explain.c). */
enum vcpu_ioctl {
	BY_SET_REGS,
	BY_SET_SREGS,
	BY_SET_SREGS2,
	BY_SET_MSRS,
	BY_SET_DEBUGREGS,
	BY_SET_VCPU_EVENTS,
	BY_SET_GUEST_DEBUG,
	BY_INTERRUPT,
	BY_NMI,
	BY_RUN,			/* KVM_CAP_SYNC_REGS */
	NR_VCPU_IOCTLS,
};

/**
 * struct vcpu_origin - which ioctl wrote which registers since the last entry that succeeded, for messages
 * @groups: per ioctl, the RG_* that it was the last to write
 * @entries: how many entries had succeeded when that was noted
 * @refused: turns through the inner loop that were no entry: stats.exits counts them as well
 */
struct vcpu_origin {
	u32 groups[NR_VCPU_IOCTLS];
	u64 entries;
	u64 refused;
};

/* An exit's number and name, for messages; a table of the backend's, and a look into it. */
struct exit_name {
	u64 code;
	const char *name;
};

/**
 * keel_exit_name() - the name of an exit
 * @names: a table of the backend's
 * @n: its rows
 * @code: the exit's number
 *
 * Context: any. Return: its name, or "unknown".
 */
const char *keel_exit_name(const struct exit_name *names, unsigned int n, u64 code);

/**
 * keel_origin_note() - an ioctl has written registers
 * @vcpu: vcpu->mutex held
 * @by: the ioctl
 * @groups: RG_*
 *
 * Context: may sleep.
 */
void keel_origin_note(struct vcpu *vcpu, enum vcpu_ioctl by, u32 groups);
/**
 * keel_origin_note_msr() - KVM_SET_MSRS has written one
 * @vcpu: vcpu->mutex held
 * @msr: its number
 *
 * Context: may sleep.
 */
void keel_origin_note_msr(struct vcpu *vcpu, u32 msr);
/**
 * keel_origin_forget() - no ioctl has written any register
 * @vcpu: vcpu->mutex held
 *
 * Context: any.
 */
void keel_origin_forget(struct vcpu *vcpu);
/**
 * keel_explain_rule() - tell the rule that an entry was refused for, and the ioctl that wrote the field unless the guest has run since
 * @vcpu: on its own thread
 * @what: the entry, in words
 * @v: field, value and rule
 *
 * Context: interrupts on.
 */
void keel_explain_rule(struct vcpu *vcpu, const char *what, const struct violation *v);
/**
 * keel_do_unknown_exit() - hardware delivered an exit that Keel does not know
 * @vcpu: the vCPU
 * @reason: the hardware's number
 * @name: its name
 *
 * Ends in KVM_EXIT_INTERNAL_ERROR, and a line in the log once in a while.
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_do_unknown_exit(struct vcpu *vcpu, u64 reason, const char *name);
/**
 * keel_do_failed_entry() - the entry was refused; the backend has logged the field, value and rule
 * @vcpu: the vCPU
 * @reason: for run->fail_entry
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_do_failed_entry(struct vcpu *vcpu, u64 reason);

/**
 * keel_internal_error() - end this KVM_RUN with KVM_EXIT_INTERNAL_ERROR
 * @vcpu: running vCPU
 * @suberror: KVM_INTERNAL_ERROR_*
 * @ndata: number of u64 that follow (at most 16)
 *
 * Context: any, on the vCPU's own thread. Return: RUN_USER, so that a handler can return it.
 */
int keel_internal_error(struct vcpu *vcpu, u32 suberror, unsigned int ndata, ...);

#endif
