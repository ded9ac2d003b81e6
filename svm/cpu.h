/* SPDX-License-Identifier: GPL-2.0-only */
/* Per-CPU state, ASIDs, the TSC's ratio (cpu.c). */
#ifndef KEEL_SVM_CPU_H
#define KEEL_SVM_CPU_H

#include <linux/gfp.h>
#include <linux/types.h>
#include <keel/vendor.h>

struct svm_vcpu;
struct vcpu;

struct page *svm_page_alloc(int node, gfp_t gfp);
int svm_cpus_create(void);
void svm_cpus_destroy(void);
bool svm_cpu_busy(void);
int svm_cpu_enable(void);
void svm_cpu_disable(void);
void svm_cpu_load(struct svm_vcpu *svm);
void svm_cpu_put(struct svm_vcpu *svm);
void svm_asid_drop(struct svm_vcpu *svm);
void svm_tsc_ratio_load(struct svm_vcpu *svm);
void svm_tlb_flush(struct vcpu *vcpu, enum tlb_scope scope);

#endif
