/* SPDX-License-Identifier: GPL-2.0-only */
/* The entry checks of check.c. */
#ifndef KEEL_SVM_CHECK_H
#define KEEL_SVM_CHECK_H

#include <keel/rule.h>

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

/*
 * svm_check() - find the rule that makes VMRUN refuse @vmcb
 *
 * Return: true and the first broken rule in @v; false if none is known.
 */
bool svm_check(const struct vmcb *vmcb, const struct svm_check_env *env, struct violation *v);

/* explain.c: what svm_check() has to know of this CPU. */
void svm_check_this_cpu(struct svm_check_env *env);

#endif
