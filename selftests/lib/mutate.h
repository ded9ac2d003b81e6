/* SPDX-License-Identifier: GPL-2.0-only */
/* Driving a module made with KEEL_DEBUG=1 (core/mutate.c): broken entries, and where CPU and prediction may differ. */
#ifndef MUTATE_H
#define MUTATE_H

#include "guest.h"

/**
 * struct mutate_known - a known deviation of an emulator
 * @field, @rule: what was to be refused (a part of the field, the beginning of the rule), or a field that was changed and "no rule"
 * @answer: what the emulator did (beginning)
 * @bits: all values it did so with have these
 * @why: for the report
 */
struct mutate_known {
	const char *field;
	const char *rule;
	const char *answer;
	u64 bits;
	const char *why;
};

/* At least 10,000 broken entries in the mode that @start starts the vCPU in, at a gpa; then the report. Skips on another module. */
void mutate_run(void (*start)(struct vcpu *vcpu, u64 gpa), const struct mutate_known *known, size_t n);
void mutate_start_long(struct vcpu *vcpu, u64 gpa);
void mutate_start_real(struct vcpu *vcpu, u64 gpa);

#endif
