/* SPDX-License-Identifier: GPL-2.0-only */
/* The local APIC's register page in the hands of the CPU (apic.c). */
#ifndef KEEL_VMX_APIC_H
#define KEEL_VMX_APIC_H

#include <keel/types.h>

struct fault_exit;
struct lapic_levels;
struct vmx_vcpu;
struct vcpu;

int vmx_apic_setup(void);
void vmx_apic_teardown(void);
void vmx_apic_create(struct vmx_vcpu *vmx);
void vmx_apic_destroy(struct vmx_vcpu *vmx);
bool vmx_has_tpr_shadow(struct vmx_vcpu *vmx);
void vmx_apic_init(struct vmx_vcpu *vmx);
void vmx_apic_changed(struct vmx_vcpu *vmx);
void vmx_levels_write(const struct lapic_levels *levels);
void vmx_tpr_threshold(struct vmx_vcpu *vmx, u8 class);
int vmx_exit_apic_write(struct vmx_vcpu *vmx);
int vmx_exit_eoi(struct vmx_vcpu *vmx);
int vmx_exit_tpr(struct vmx_vcpu *vmx);
void vmx_decode_apic_access(struct fault_exit *fault);
bool vmx_apic_page_wanted(const struct vmx_vcpu *vmx, gpa_t gpa);
bool vmx_apic_page_map(struct vmx_vcpu *vmx);

#endif
