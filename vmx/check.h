/* SPDX-License-Identifier: GPL-2.0-only */
/* The VM-entry checks of check.c, and the snapshot of a VMCS that they read. Also built in user space. */
#ifndef KEEL_VMX_CHECK_H
#define KEEL_VMX_CHECK_H

#include <linux/types.h>
#include <asm/trapnr.h>
#include <keel/emulate_types.h>
#include <keel/rule.h>
#include "fields.h"

/* An entry of an MSR-load area, as the CPU reads it. */
struct vmx_snapshot_msr {
	u32 index;
	u32 reserved;
	u64 value;
};

/*
 * struct vmx_snapshot - fields of a VMCS, by the names of fields.h; 0 for those that the CPU has not
 * @seg: the guest's segments
 * @vtpr: the virtual task priority
 * @msrs, @nr_msrs: the first entries of the entry's MSR-load area, NULL if they are not known
 *
 * Of the memory that fields point at nothing else is looked at.
 */
struct vmx_snapshot {
#define MEMBER(type, member, ...) type member;
	VMX_FIELDS(MEMBER)
#undef MEMBER
	struct segment seg[NR_SEGS];
	u8 vtpr;
	const struct vmx_snapshot_msr *msrs;
	u32 nr_msrs;
};

struct vmx_check_range {
	u32 must;
	u32 may;
};

/**
 * struct vmx_check_env - what the rules depend on besides the VMCS
 * @pin, @cpu, @cpu2, @exit, @entry: control bits that must be 1, and that may be
 * @cpu3, @exit2, @vm_functions: those that may be 1
 * @cr0_must, @cr0_may, @cr4_must, @cr4_may: bits of CR0 and CR4 in VMX operation
 * @cr3_tags: bits of CR3 above the physical address width that may be 1 (linear-address masking)
 * @debugctl, @perf_global, @rtit_ctl, @lbr_ctl: bits of these MSRs that the CPU has
 * @ept_vpid: IA32_VMX_EPT_VPID_CAP
 * @vmcs: physical address of the VMCS
 * @maxphyaddr: physical address width
 * @linear_bits: 48 or 57
 * @cr3_targets: how many there may be
 * @activities: states besides "active" that exist, a bit for each
 * @zero_length: instruction length 0 may be injected
 * @free_error_code: an exception may go in with or without an error code
 * @rtm, @bus_lock, @sgx: the CPU has transactional memory, bus-lock detection, enclaves
 */
struct vmx_check_env {
	struct vmx_check_range pin, cpu, cpu2, exit, entry;
	u64 cpu3, exit2, vm_functions;
	u64 cr0_must, cr0_may, cr4_must, cr4_may, cr3_tags;
	u64 debugctl, perf_global, rtit_ctl, lbr_ctl;
	u64 ept_vpid;
	u64 vmcs;
	u8 maxphyaddr;
	u8 linear_bits;
	u16 cr3_targets;
	u8 activities;
	bool zero_length;
	bool free_error_code;
	bool rtm, bus_lock, sgx;
};

/* Exceptions that push an error code in protected mode, and for which VM entry wants one: #DF #TS #NP #SS #GP #PF #AC. */
#define VMX_ERROR_CODE_VECTORS	(1u << X86_TRAP_DF | 1u << X86_TRAP_TS | 1u << X86_TRAP_NP | 1u << X86_TRAP_SS | \
				 1u << X86_TRAP_GP | 1u << X86_TRAP_PF | 1u << X86_TRAP_AC)

/* struct violation.kind, and how the CPU answers: VMfail with error 7 or 8, or an exit with reason 33 or 34. */
enum vmx_broken { VMX_BROKEN_NOTHING, VMX_BROKEN_CONTROL, VMX_BROKEN_HOST, VMX_BROKEN_GUEST, VMX_BROKEN_MSR };

/*
 * vmx_check() - find the rule that makes VM entry refuse @s
 *
 * Return: true and the first broken rule in @v; false if none is known.
 */
bool vmx_check(const struct vmx_snapshot *s, const struct vmx_check_env *env, struct violation *v);

/*
 * vmx_check_segments() - would VM entry refuse the guest's segments?
 * @s: its segments, CR0, RFLAGS and controls are looked at
 * @linear_bits: 48 or 57
 */
bool vmx_check_segments(const struct vmx_snapshot *s, u8 linear_bits);

/* explain.c: what vmx_check() has to know of the current VMCS (preemption off) and of this CPU. */
void vmx_snapshot_take(struct vmx_snapshot *s);
void vmx_check_this_cpu(struct vmx_check_env *env);

#endif
