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

const char *keel_exit_name(const struct exit_name *names, unsigned int n, u64 code);

/* An ioctl has written @groups. */
void keel_origin_note(struct vcpu *vcpu, enum vcpu_ioctl by, u32 groups);
void keel_origin_note_msr(struct vcpu *vcpu, u32 msr);
void keel_origin_forget(struct vcpu *vcpu);
/* The entry (@what) was refused for this; names the ioctl that wrote it, unless the guest has run since. */
void keel_explain_rule(struct vcpu *vcpu, const char *what, const struct violation *v);

#endif
