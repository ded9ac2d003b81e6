/* SPDX-License-Identifier: GPL-2.0-only */
/* Exits (exit.c), and what is said of them (explain.c). */
#ifndef KEEL_SVM_EXIT_H
#define KEEL_SVM_EXIT_H

struct svm_vcpu;
struct vcpu;

int svm_exit_fast(struct vcpu *vcpu);
int svm_exit_slow(struct vcpu *vcpu);
void svm_explain_entry(struct svm_vcpu *svm);

#endif
