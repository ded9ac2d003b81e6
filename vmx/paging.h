/* SPDX-License-Identifier: GPL-2.0-only */
/* Guests on shadow tables (paging.c, software.c). */
#ifndef KEEL_VMX_PAGING_H
#define KEEL_VMX_PAGING_H

#include <linux/types.h>

struct vmx_vcpu;

void vmx_efer_init(struct vmx_vcpu *vmx);
void vmx_shadow_control_write(struct vmx_vcpu *vmx, u32 groups);
void vmx_shadow_root_write(struct vmx_vcpu *vmx);
void vmx_native_update(struct vmx_vcpu *vmx);
int vmx_exit_page_fault(struct vmx_vcpu *vmx);
int vmx_exit_invlpg(struct vmx_vcpu *vmx);
int vmx_exit_software(struct vmx_vcpu *vmx);

#endif
