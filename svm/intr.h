/* SPDX-License-Identifier: GPL-2.0-only */
/* Events, windows, single steps (intr.c). */
#ifndef KEEL_SVM_INTR_H
#define KEEL_SVM_INTR_H

#include <linux/types.h>
#include <keel/emulate_op.h>

struct event;
struct svm_vcpu;
struct vcpu;

void svm_inject(struct vcpu *vcpu, const struct event *event);
void svm_windows(struct vcpu *vcpu, u32 windows);
void svm_nmi_masked_changed(struct vcpu *vcpu);
void svm_event_interrupted(struct svm_vcpu *svm);
void svm_intr_before(struct svm_vcpu *svm);
void svm_intr_after(struct svm_vcpu *svm);
void svm_exit_vintr(struct svm_vcpu *svm);
void svm_exit_iret(struct svm_vcpu *svm);
void svm_iret_faulted(struct svm_vcpu *svm);
int svm_exit_iret_fault(struct svm_vcpu *svm, u8 vector);
int svm_exit_db(struct svm_vcpu *svm);
enum emu_op svm_interrupted_op(const struct svm_vcpu *svm);
int svm_exit_task_gate(struct svm_vcpu *svm, unsigned int len);

#endif
