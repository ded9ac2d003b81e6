/* SPDX-License-Identifier: GPL-2.0-only */
/* Events, windows, interruptibility, single steps (intr.c). */
#ifndef KEEL_VMX_INTR_H
#define KEEL_VMX_INTR_H

#include <linux/types.h>

struct event;
struct vmx_vcpu;
struct vcpu;

void vmx_inject(struct vcpu *vcpu, const struct event *event);
void vmx_windows(struct vcpu *vcpu, u32 windows);
void vmx_nmi_masked_changed(struct vcpu *vcpu);
void vmx_shadow_fetch(struct vmx_vcpu *vmx);
void vmx_shadow_write(struct vmx_vcpu *vmx);
void vmx_step_begin(struct vmx_vcpu *vmx);
void vmx_step_end(struct vmx_vcpu *vmx);
void vmx_event_give_back(struct vmx_vcpu *vmx, u32 info);
void vmx_inject_cancel(struct vmx_vcpu *vmx);
void vmx_nmi_reblock(struct vmx_vcpu *vmx);
void vmx_nmi_unblock(struct vmx_vcpu *vmx);
void vmx_exit_irq_window(struct vmx_vcpu *vmx);
void vmx_exit_nmi_window(struct vmx_vcpu *vmx);
int vmx_exit_task_gate(struct vmx_vcpu *vmx, u16 tss, u32 info);
int vmx_exit_db(struct vmx_vcpu *vmx, u32 info);
int vmx_exit_step(struct vmx_vcpu *vmx);

#endif
