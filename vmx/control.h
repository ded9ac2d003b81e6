/* SPDX-License-Identifier: GPL-2.0-only */
/* Controls, bitmaps, the log of modified pages, and the host's state in a VMCS (control.c, pml.c, hoststate.c). */
#ifndef KEEL_VMX_CONTROL_H
#define KEEL_VMX_CONTROL_H

#include <asm/processor-flags.h>

struct vmx_vcpu;
struct vcpu;

/* CR0 bits that the guest changes without an exit. */
#define CR0_GUEST_OWNED		(X86_CR0_TS | X86_CR0_MP | X86_CR0_EM | X86_CR0_AM | X86_CR0_WP)

int vmx_maps_create(void);
void vmx_maps_destroy(void);
void vmx_controls_init(struct vmx_vcpu *vmx);
void vmx_vmcs_init(struct vmx_vcpu *vmx);
void vmx_controls_write(struct vmx_vcpu *vmx);
void vmx_intercepts_changed(struct vcpu *vcpu);

int vmx_pml_create(struct vmx_vcpu *vmx);
void vmx_pml_destroy(struct vmx_vcpu *vmx);
/* VMCS current, and nothing logged yet; without the log it waits for that. */
void vmx_pml_init(struct vmx_vcpu *vmx);
void vmx_dirty_flush(struct vcpu *vcpu);

void vmx_host_init(void);
void vmx_host_tables_write(struct vmx_vcpu *vmx);

#endif
