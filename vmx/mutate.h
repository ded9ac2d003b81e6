/* SPDX-License-Identifier: GPL-2.0-only */
/* Entries with broken VMCSs, for a module made with KEEL_DEBUG=1; nothing otherwise. */
#ifndef KEEL_VMX_MUTATE_H
#define KEEL_VMX_MUTATE_H

struct vmx_vcpu;

#ifdef KEEL_DEBUG
void vmx_mutate(struct vmx_vcpu *vmx);
#else
static inline void vmx_mutate(struct vmx_vcpu *vmx)
{
}
#endif

#endif
