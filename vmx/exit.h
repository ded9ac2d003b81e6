/* SPDX-License-Identifier: GPL-2.0-only */
/* Exits (exit.c), and what is said of them (explain.c). */
#ifndef KEEL_VMX_EXIT_H
#define KEEL_VMX_EXIT_H

#include <linux/types.h>

struct vmx_vcpu;
struct vcpu;

/* What <asm/vmx.h> lacks. */
#define VMX_EXIT_REASON_GETSEC	11

int vmx_exit_fast(struct vcpu *vcpu);
int vmx_exit_slow(struct vcpu *vcpu);
const char *vmx_exit_name(u32 reason);
void vmx_explain_entry(struct vmx_vcpu *vmx, u32 error);

#endif
