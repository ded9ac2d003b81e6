/* SPDX-License-Identifier: GPL-2.0-only */
/* The VM-entry checks of check.c, and the snapshot of a VMCS that they read. Also built in user space. */
#ifndef KEEL_VMX_CHECK_H
#define KEEL_VMX_CHECK_H

#include <keel/rule.h>

/* Segments in the order of enum seg. */
enum { CHECK_ES, CHECK_CS, CHECK_SS, CHECK_DS, CHECK_FS, CHECK_GS, CHECK_LDTR, CHECK_TR, CHECK_SEGS };

struct vmx_snapshot_seg {
	__u64 base;
	__u32 limit;
	__u32 ar;
	__u16 selector;
};

/* An entry of an MSR-load area, as the CPU reads it. */
struct vmx_snapshot_msr {
	__u32 index;
	__u32 reserved;
	__u64 value;
};

/* Areas of MSRs in memory: count and address. */
struct vmx_snapshot_area {
	__u32 count;
	__u64 address;
};

/*
 * Fields of a VMCS under the names of the manual's tables; 0 for those that the CPU has not. Of the memory that fields point at,
 * only the virtual task priority and the entry's MSR-load area are looked at.
 */
struct vmx_snapshot {
	/* execution, exit and entry controls */
	__u32 pin, cpu, cpu2, exit, entry;
	__u64 cpu3, exit2;
	__u16 vpid, posted_vector, last_pid;
	__u32 cr3_target_count, tpr_threshold;
	__u64 io_bitmap_a, io_bitmap_b, msr_bitmap, virtual_apic, apic_access, posted_desc, eptp, tsc_multiplier, pml;
	__u64 vm_functions, eptp_list, vmread_bitmap, vmwrite_bitmap, ve_info, sppt, hlat, pid_table, pasid_low, pasid_high;
	__u8 vtpr;
	struct vmx_snapshot_area exit_store, exit_load, entry_load;
	__u32 entry_info, entry_error, entry_length;
	/* host */
	__u64 host_cr0, host_cr3, host_cr4, host_efer, host_pat, host_perf_global, host_rip, host_pkrs;
	__u64 host_s_cet, host_ssp, host_ssp_table;
	__u64 host_sysenter_esp, host_sysenter_eip;
	__u64 host_fs_base, host_gs_base, host_tr_base, host_gdtr_base, host_idtr_base;
	__u16 host_cs, host_ss, host_ds, host_es, host_fs, host_gs, host_tr;
	/* guest */
	__u64 cr0, cr3, cr4, dr7, debugctl, efer, pat, perf_global, bndcfgs, rtit_ctl, lbr_ctl, pkrs, s_cet, ssp, ssp_table;
	__u64 rip, rflags, sysenter_esp, sysenter_eip;
	__u16 uinv;
	struct vmx_snapshot_seg seg[CHECK_SEGS];
	__u64 gdtr_base, idtr_base;
	__u32 gdtr_limit, idtr_limit;
	__u32 activity, interruptibility;
	__u64 pending_debug, link_pointer;
	__u64 pdpte[4];
	/* the first entries of entry_load, NULL if they are not known */
	const struct vmx_snapshot_msr *msrs;
	__u32 nr_msrs;
};

struct vmx_check_range {
	__u32 must;
	__u32 may;
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
	__u64 cpu3, exit2, vm_functions;
	__u64 cr0_must, cr0_may, cr4_must, cr4_may, cr3_tags;
	__u64 debugctl, perf_global, rtit_ctl, lbr_ctl;
	__u64 ept_vpid;
	__u64 vmcs;
	__u8 maxphyaddr;
	__u8 linear_bits;
	__u16 cr3_targets;
	__u8 activities;
	_Bool zero_length;
	_Bool free_error_code;
	_Bool rtm, bus_lock, sgx;
};

/* struct violation.kind, and how the CPU answers: VMfail with error 7 or 8, or an exit with reason 33 or 34. */
enum vmx_broken { VMX_BROKEN_NOTHING, VMX_BROKEN_CONTROL, VMX_BROKEN_HOST, VMX_BROKEN_GUEST, VMX_BROKEN_MSR };

/*
 * vmx_check() - find the rule that makes VM entry refuse @s
 *
 * Return: true and the first broken rule in @v; false if none is known.
 */
_Bool vmx_check(const struct vmx_snapshot *s, const struct vmx_check_env *env, struct violation *v);

/* explain.c: what vmx_check() has to know of the current VMCS (preemption off) and of this CPU. */
void vmx_snapshot_take(struct vmx_snapshot *s);
void vmx_check_this_cpu(struct vmx_check_env *env);

#endif
