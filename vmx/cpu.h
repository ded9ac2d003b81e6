/* SPDX-License-Identifier: GPL-2.0-only */
/* Per-CPU state, VPIDs, invalidation (cpu.c). */
#ifndef KEEL_VMX_CPU_H
#define KEEL_VMX_CPU_H

#include <linux/percpu.h>
#include <linux/types.h>
#include <keel/vendor.h>

struct vmx_vcpu;
struct vcpu;

int vmx_cpus_create(void);
void vmx_cpus_destroy(void);
bool vmx_cpu_busy(void);
int vmx_cpu_enable(void);
void vmx_cpu_disable(void);

/* The VMCS that VMPTRLD made current on a CPU. Its vCPU was loaded there last, and nowhere else since. */
DECLARE_PER_CPU(const void *, vmx_current_vmcs);
/**
 * vmx_cpu_load() - make this CPU the vCPU's
 * @vmx: loaded nowhere, and its VMCS is not current here
 *
 * Context: preemption off, interrupts on. Return: true if it was on another CPU before, or on none.
 */
bool vmx_cpu_load(struct vmx_vcpu *vmx);
void vmx_vmcs_release(struct vmx_vcpu *vmx);
void vmx_vmcs_clear(struct vmx_vcpu *vmx);
u16 vmx_vpid_get(void);
void vmx_vpid_put(u16 vpid);
void vmx_tlb_flush(struct vcpu *vcpu, enum tlb_scope scope);
void vmx_flush_now(struct vmx_vcpu *vmx);

#endif
