/* SPDX-License-Identifier: GPL-2.0-only */
/* Exits (exit_fast.c, exit_slow.c), and what is said of them (explain.c). */
#ifndef KEEL_VMX_EXIT_H
#define KEEL_VMX_EXIT_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/vmx.h>
#include "insn.h"

struct vmx_vcpu;
struct vcpu;

/* What <asm/vmx.h> lacks. */
#define VMX_EXIT_REASON_GETSEC	11

/* Of the instruction that was intercepted. */
static __always_inline unsigned int vmx_insn_length(void)
{
	return vmcs_read32(VM_EXIT_INSTRUCTION_LEN);
}

int vmx_exit_fast(struct vcpu *vcpu);
int vmx_exit_slow(struct vcpu *vcpu);
const char *vmx_exit_name(u32 reason);
void vmx_explain_entry(struct vmx_vcpu *vmx, u32 error);

#endif
