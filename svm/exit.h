/* SPDX-License-Identifier: GPL-2.0-only */
/* Exits (exit_fast.c, exit_slow.c; insn_length.c), and what is said of them (explain.c). */
#ifndef KEEL_SVM_EXIT_H
#define KEEL_SVM_EXIT_H

#include <keel/emulate_op.h>
#include <keel/types.h>

struct svm_vcpu;
struct vcpu;

/* Linear address of the instruction. */
gva_t svm_linear_rip(const struct svm_vcpu *svm);

/*
 * Look at the bytes of the instruction that was intercepted as an @op. Return: its length; 0 if it is none, or cannot be had.
 * The first never sleeps: it is for a page of code that is met for the first time, prefixes, not 64-bit code. The other may.
 */
unsigned int svm_measure_fast(struct svm_vcpu *svm, enum emu_op op);
unsigned int svm_measure_slow(struct svm_vcpu *svm, enum emu_op op);

int svm_exit_fast(struct vcpu *vcpu);
int svm_exit_slow(struct vcpu *vcpu);
void svm_explain_entry(struct svm_vcpu *svm);

#endif
