/* SPDX-License-Identifier: GPL-2.0-only */
/* Intercepts and permission maps (control.c). */
#ifndef KEEL_SVM_CONTROL_H
#define KEEL_SVM_CONTROL_H

struct svm_vcpu;
struct vcpu;

int svm_maps_create(void);
void svm_maps_destroy(void);
void svm_vmcb_init(struct svm_vcpu *svm);
void svm_intercepts_changed(struct vcpu *vcpu);
void svm_cr_intercepts(struct svm_vcpu *svm);

#endif
