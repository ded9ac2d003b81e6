/* SPDX-License-Identifier: GPL-2.0-only */
/* Registers between struct vcpu and the VMCS (regs.c). */
#ifndef KEEL_VMX_REGS_H
#define KEEL_VMX_REGS_H

#include <linux/types.h>

struct vcpu_regs;
struct vmx_vcpu;
struct vcpu;

void vmx_regs_fetch(struct vcpu *vcpu, u32 groups);
void vmx_code_fetch(struct vcpu_regs *r);
void vmx_regs_write(struct vmx_vcpu *vmx, u32 groups);
int vmx_pdptes_load(struct vmx_vcpu *vmx, bool atomic);
bool vmx_pdpte(struct vcpu *vcpu, unsigned int n, u64 *pdpte, bool put);

#endif
