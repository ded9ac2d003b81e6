/* SPDX-License-Identifier: GPL-2.0-only */
/* Registers between struct vcpu and the VMCB (regs.c), the task priority among them (apic.c). */
#ifndef KEEL_SVM_REGS_H
#define KEEL_SVM_REGS_H

#include <linux/types.h>

struct svm_vcpu;
struct vcpu;

void svm_regs_fetch(struct vcpu *vcpu, u32 groups);
void svm_regs_write(struct svm_vcpu *svm, u32 groups);
void svm_tpr_write(struct svm_vcpu *svm);
void svm_tpr_changed(struct svm_vcpu *svm);

#endif
