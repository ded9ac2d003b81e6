/* SPDX-License-Identifier: GPL-2.0-only */
/* A vCPU's life, its time on a CPU, and the entry (vcpu.c). */
#ifndef KEEL_VMX_VCPU_H
#define KEEL_VMX_VCPU_H

#include <linux/types.h>
#include <keel/vendor.h>

struct vcpu;

int vmx_vcpu_create(struct vcpu *vcpu);
void vmx_vcpu_destroy(struct vcpu *vcpu);
int vmx_vcpu_first_use(struct vcpu *vcpu);
void vmx_vcpu_reset(struct vcpu *vcpu);
void vmx_vcpu_load(struct vcpu *vcpu);
void vmx_vcpu_put(struct vcpu *vcpu);
void vmx_enter(struct vcpu *vcpu);
int vmx_msr(struct vcpu *vcpu, u32 msr, u64 *val, enum vendor_msr how);

#endif
