/* SPDX-License-Identifier: GPL-2.0-only */
/* Entries with broken VMCBs, for a module made with KEEL_DEBUG=1; nothing otherwise. */
#ifndef KEEL_SVM_MUTATE_H
#define KEEL_SVM_MUTATE_H

struct svm_vcpu;

#ifdef KEEL_DEBUG
void svm_mutate(struct svm_vcpu *svm);
#else
static inline void svm_mutate(struct svm_vcpu *svm)
{
}
#endif

#endif
