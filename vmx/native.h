/* SPDX-License-Identifier: GPL-2.0-only */
/* Guests without unrestricted mode: what hardware holds, and whether it can run them (native.c). Also built in user space. */
#ifndef KEEL_VMX_NATIVE_H
#define KEEL_VMX_NATIVE_H

#include <linux/types.h>
#include <keel/emulate_types.h>

/* Caching off has no meaning for memory that the host caches as well. */
#define CR0_UNCACHED	(X86_CR0_CD | X86_CR0_NW)

/* Control registers that paging depends on. */
struct vmx_control_regs {
	u64 cr0, cr4, efer;
};

u32 vmx_entry_rights(const struct segment *s, unsigned int n);
struct vmx_control_regs vmx_shadow_control(const struct vmx_control_regs *guest);
bool vmx_is_native(const struct vmx_control_regs *guest, u64 rflags, const struct segment *seg, u8 linear_bits);

#endif
