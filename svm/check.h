/* SPDX-License-Identifier: GPL-2.0-only */
/* The entry checks of check.c. */
#ifndef KEEL_SVM_CHECK_H
#define KEEL_SVM_CHECK_H

#include <linux/types.h>

struct vmcb;

/**
 * struct svm_check_env - what the rules depend on besides the VMCB
 * @maxphyaddr: physical address width
 * @nr_asids: as in CPUID
 * @long_mode: the CPU has it
 */
struct svm_check_env {
	u8 maxphyaddr;
	u32 nr_asids;
	bool long_mode;
};

/**
 * struct svm_violation - a rule that a VMCB breaks
 * @field: name as in the manual
 * @value: what it holds
 * @rule: what the manual asks for
 */
struct svm_violation {
	const char *field;
	u64 value;
	const char *rule;
};

/*
 * svm_check() - find the rule that makes VMRUN refuse @vmcb
 *
 * Return: true and the first broken rule in @v; false if none is known.
 */
bool svm_check(const struct vmcb *vmcb, const struct svm_check_env *env, struct svm_violation *v);

#endif
