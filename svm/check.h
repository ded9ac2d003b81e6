/* SPDX-License-Identifier: GPL-2.0-only */
/* The entry checks of check.c. */
#ifndef KEEL_SVM_CHECK_H
#define KEEL_SVM_CHECK_H

#include <linux/types.h>

struct vmcb;

/**
 * struct svm_check_env - what the rules depend on besides the VMCB
 * @maxphyaddr: physical address width as in CPUID, memory encryption's bit included
 * @nr_asids: as in CPUID
 * @long_mode: the CPU has it
 * @cr4: bits of CR4 that the CPU has
 * @efer: bits of EFER that it has
 */
struct svm_check_env {
	u8 maxphyaddr;
	u32 nr_asids;
	bool long_mode;
	u64 cr4;
	u64 efer;
};

/**
 * struct svm_violation - a rule that a VMCB breaks
 * @field: name as in the manual
 * @value: what it holds
 * @rule: what the manual asks for
 * @section: where, by title
 * @groups: registers that an ioctl may have put there (RG_*), 0 for what Keel alone writes
 */
struct svm_violation {
	const char *field;
	u64 value;
	const char *rule;
	const char *section;
	u32 groups;
};

/*
 * svm_check() - find the rule that makes VMRUN refuse @vmcb
 *
 * Return: true and the first broken rule in @v; false if none is known.
 */
bool svm_check(const struct vmcb *vmcb, const struct svm_check_env *env, struct svm_violation *v);

#endif
