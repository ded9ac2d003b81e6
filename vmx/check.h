/* SPDX-License-Identifier: GPL-2.0-only */
/* The VM-entry checks of check.c, and the snapshot of a VMCS that they read. Also built in user space. */
#ifndef KEEL_VMX_CHECK_H
#define KEEL_VMX_CHECK_H

#include <linux/types.h>

/* Segments in the order of enum seg. */
enum { CHECK_ES, CHECK_CS, CHECK_SS, CHECK_DS, CHECK_FS, CHECK_GS, CHECK_LDTR, CHECK_TR, CHECK_SEGS };

struct vmx_snapshot_seg {
	__u64 base;
	__u32 limit;
	__u32 ar;
	__u16 selector;
};

/* Fields of a VMCS under the names of the manual's tables. */
struct vmx_snapshot {
	/* controls */
	__u32 pin, cpu, cpu2, exit, entry;
	__u16 vpid;
	__u32 cr3_target_count;
	__u64 msr_bitmap, eptp, tsc_multiplier;
	__u32 entry_info, entry_error, entry_length;
	/* host */
	__u64 host_cr0, host_cr3, host_cr4, host_efer, host_pat, host_rip;
	__u64 host_sysenter_esp, host_sysenter_eip;
	__u64 host_fs_base, host_gs_base, host_tr_base, host_gdtr_base, host_idtr_base;
	__u16 host_cs, host_ss, host_ds, host_es, host_fs, host_gs, host_tr;
	/* guest */
	__u64 cr0, cr3, cr4, dr7, debugctl, efer, pat, rip, rflags, sysenter_esp, sysenter_eip;
	struct vmx_snapshot_seg seg[CHECK_SEGS];
	__u64 gdtr_base, idtr_base;
	__u32 gdtr_limit, idtr_limit;
	__u32 activity, interruptibility;
	__u64 pending_debug, link_pointer;
	__u64 pdpte[4];
};

struct vmx_check_range {
	__u32 must;
	__u32 may;
};

/**
 * struct vmx_check_env - what the rules depend on besides the VMCS
 * @pin, @cpu, @cpu2, @exit, @entry: control bits that must be 1, and that may be
 * @cr0_must, @cr0_may, @cr4_must, @cr4_may: the same of CR0 and CR4 in VMX operation
 * @maxphyaddr: physical address width
 * @linear_bits: 48 or 57
 * @ept_ad: EPT accessed and dirty flags exist
 * @hlt_state: the activity state HLT exists
 * @zero_length: instruction length 0 may be injected
 */
struct vmx_check_env {
	struct vmx_check_range pin, cpu, cpu2, exit, entry;
	__u64 cr0_must, cr0_may, cr4_must, cr4_may;
	__u8 maxphyaddr;
	__u8 linear_bits;
	_Bool ept_ad;
	_Bool hlt_state;
	_Bool zero_length;
};

/**
 * struct vmx_violation - a rule that a VMCS breaks
 * @field: name as in the manual
 * @value: what it holds
 * @rule: what the manual asks for
 * @section: where
 */
struct vmx_violation {
	const char *field;
	__u64 value;
	const char *rule;
	const char *section;
};

/*
 * vmx_check() - find the rule that makes VM entry refuse @s
 *
 * Return: true and the first broken rule in @v; false if none is known.
 */
_Bool vmx_check(const struct vmx_snapshot *s, const struct vmx_check_env *env, struct vmx_violation *v);

#endif
