/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fields of a VMCS that VM entry looks at, one row each: type and name in struct vmx_snapshot, encoding, the manual's name, and the
 * group of registers that an ioctl sets it by; 0 for what Keel alone writes. The segments' are in struct vmx_snapshot.seg.
 *
 * An encoding is a number where <asm/vmx.h> of some supported kernel lacks its name ("Field Encoding in VMCS").
 */
#ifndef KEEL_VMX_FIELDS_H
#define KEEL_VMX_FIELDS_H

#define VMX_FIELDS(X) \
	/* execution, exit and entry controls */ \
	X(u32, pin, PIN_BASED_VM_EXEC_CONTROL, "pin-based VM-execution controls", 0) \
	X(u32, cpu, CPU_BASED_VM_EXEC_CONTROL, "primary processor-based VM-execution controls", 0) \
	X(u32, cpu2, SECONDARY_VM_EXEC_CONTROL, "secondary processor-based VM-execution controls", 0) \
	X(u64, cpu3, TERTIARY_VM_EXEC_CONTROL, "tertiary processor-based VM-execution controls", 0) \
	X(u32, exit, VM_EXIT_CONTROLS, "VM-exit controls", 0) \
	X(u64, exit2, 0x2044, "secondary VM-exit controls", 0) \
	X(u32, entry, VM_ENTRY_CONTROLS, "VM-entry controls", 0) \
	X(u16, vpid, VIRTUAL_PROCESSOR_ID, "VPID", 0) \
	X(u16, posted_vector, POSTED_INTR_NV, "posted-interrupt notification vector", 0) \
	X(u16, last_pid, LAST_PID_POINTER_INDEX, "last PID-pointer index", 0) \
	X(u32, cr3_target_count, CR3_TARGET_COUNT, "CR3-target count", 0) \
	X(u32, tpr_threshold, TPR_THRESHOLD, "TPR threshold", 0) \
	X(u64, io_bitmap_a, IO_BITMAP_A, "I/O-bitmap address A", 0) \
	X(u64, io_bitmap_b, IO_BITMAP_B, "I/O-bitmap address B", 0) \
	X(u64, msr_bitmap, MSR_BITMAP, "MSR-bitmap address", 0) \
	X(u64, virtual_apic, VIRTUAL_APIC_PAGE_ADDR, "virtual-APIC address", 0) \
	X(u64, apic_access, APIC_ACCESS_ADDR, "APIC-access address", 0) \
	X(u64, posted_desc, POSTED_INTR_DESC_ADDR, "posted-interrupt descriptor address", 0) \
	X(u64, eptp, EPT_POINTER, "EPT pointer", 0) \
	X(u64, tsc_multiplier, TSC_MULTIPLIER, "TSC multiplier", 0) \
	X(u64, pml, PML_ADDRESS, "PML address", 0) \
	X(u64, vm_functions, VM_FUNCTION_CONTROL, "VM-function controls", 0) \
	X(u64, eptp_list, EPTP_LIST_ADDRESS, "EPTP-list address", 0) \
	X(u64, vmread_bitmap, VMREAD_BITMAP, "VMREAD-bitmap address", 0) \
	X(u64, vmwrite_bitmap, VMWRITE_BITMAP, "VMWRITE-bitmap address", 0) \
	X(u64, ve_info, 0x202a, "virtualization-exception information address", 0) \
	X(u64, sppt, 0x2030, "sub-page-permission-table pointer", 0) \
	X(u64, hlat, 0x2040, "HLAT pointer", 0) \
	X(u64, pid_table, PID_POINTER_TABLE, "PID-pointer table address", 0) \
	X(u64, pasid_low, 0x2038, "low PASID directory address", 0) \
	X(u64, pasid_high, 0x203a, "high PASID directory address", 0) \
	X(u32, exit_store_count, VM_EXIT_MSR_STORE_COUNT, "VM-exit MSR-store count", 0) \
	X(u64, exit_store_addr, VM_EXIT_MSR_STORE_ADDR, "VM-exit MSR-store address", 0) \
	X(u32, exit_load_count, VM_EXIT_MSR_LOAD_COUNT, "VM-exit MSR-load count", 0) \
	X(u64, exit_load_addr, VM_EXIT_MSR_LOAD_ADDR, "VM-exit MSR-load address", 0) \
	X(u32, entry_load_count, VM_ENTRY_MSR_LOAD_COUNT, "VM-entry MSR-load count", 0) \
	X(u64, entry_load_addr, VM_ENTRY_MSR_LOAD_ADDR, "VM-entry MSR-load address", 0) \
	X(u32, entry_info, VM_ENTRY_INTR_INFO_FIELD, "VM-entry interruption information", RG_EVENT) \
	X(u32, entry_error, VM_ENTRY_EXCEPTION_ERROR_CODE, "VM-entry exception error code", RG_EVENT) \
	X(u32, entry_length, VM_ENTRY_INSTRUCTION_LEN, "VM-entry instruction length", RG_EVENT) \
	/* the host */ \
	X(u64, host_cr0, HOST_CR0, "host CR0", 0) \
	X(u64, host_cr3, HOST_CR3, "host CR3", 0) \
	X(u64, host_cr4, HOST_CR4, "host CR4", 0) \
	X(u64, host_efer, HOST_IA32_EFER, "host IA32_EFER", 0) \
	X(u64, host_pat, HOST_IA32_PAT, "host IA32_PAT", 0) \
	X(u64, host_perf_global, HOST_IA32_PERF_GLOBAL_CTRL, "host IA32_PERF_GLOBAL_CTRL", 0) \
	X(u64, host_rip, HOST_RIP, "host RIP", 0) \
	X(u64, host_pkrs, 0x2c06, "host IA32_PKRS", 0) \
	X(u64, host_s_cet, 0x6c18, "host IA32_S_CET", 0) \
	X(u64, host_ssp, 0x6c1a, "host SSP", 0) \
	X(u64, host_ssp_table, 0x6c1c, "host IA32_INTERRUPT_SSP_TABLE_ADDR", 0) \
	X(u64, host_sysenter_esp, HOST_IA32_SYSENTER_ESP, "host IA32_SYSENTER_ESP", 0) \
	X(u64, host_sysenter_eip, HOST_IA32_SYSENTER_EIP, "host IA32_SYSENTER_EIP", 0) \
	X(u64, host_fs_base, HOST_FS_BASE, "host FS base", 0) \
	X(u64, host_gs_base, HOST_GS_BASE, "host GS base", 0) \
	X(u64, host_tr_base, HOST_TR_BASE, "host TR base", 0) \
	X(u64, host_gdtr_base, HOST_GDTR_BASE, "host GDTR base", 0) \
	X(u64, host_idtr_base, HOST_IDTR_BASE, "host IDTR base", 0) \
	X(u16, host_cs, HOST_CS_SELECTOR, "host CS selector", 0) \
	X(u16, host_ss, HOST_SS_SELECTOR, "host SS selector", 0) \
	X(u16, host_ds, HOST_DS_SELECTOR, "host DS selector", 0) \
	X(u16, host_es, HOST_ES_SELECTOR, "host ES selector", 0) \
	X(u16, host_fs, HOST_FS_SELECTOR, "host FS selector", 0) \
	X(u16, host_gs, HOST_GS_SELECTOR, "host GS selector", 0) \
	X(u16, host_tr, HOST_TR_SELECTOR, "host TR selector", 0) \
	/* the guest */ \
	X(u64, cr0, GUEST_CR0, "guest CR0", RG_CR0) \
	X(u64, cr3, GUEST_CR3, "guest CR3", RG_CR3) \
	X(u64, cr4, GUEST_CR4, "guest CR4", RG_CR4) \
	X(u64, dr7, GUEST_DR7, "guest DR7", RG_DR) \
	X(u64, debugctl, GUEST_IA32_DEBUGCTL, "guest IA32_DEBUGCTL", RG_BACKEND_MSR) \
	X(u64, efer, GUEST_IA32_EFER, "guest IA32_EFER", RG_EFER) \
	X(u64, pat, GUEST_IA32_PAT, "guest IA32_PAT", RG_PAT) \
	X(u64, perf_global, GUEST_IA32_PERF_GLOBAL_CTRL, "guest IA32_PERF_GLOBAL_CTRL", 0) \
	X(u64, bndcfgs, GUEST_BNDCFGS, "guest IA32_BNDCFGS", 0) \
	X(u64, rtit_ctl, GUEST_IA32_RTIT_CTL, "guest IA32_RTIT_CTL", 0) \
	X(u64, lbr_ctl, 0x2816, "guest IA32_LBR_CTL", 0) \
	X(u64, pkrs, 0x2818, "guest IA32_PKRS", 0) \
	X(u64, s_cet, 0x6828, "guest IA32_S_CET", 0) \
	X(u64, ssp, 0x682a, "guest SSP", 0) \
	X(u64, ssp_table, 0x682c, "guest IA32_INTERRUPT_SSP_TABLE_ADDR", 0) \
	X(u64, rip, GUEST_RIP, "guest RIP", RG_RIP) \
	X(u64, rflags, GUEST_RFLAGS, "guest RFLAGS", RG_RFLAGS) \
	X(u64, sysenter_esp, GUEST_SYSENTER_ESP, "guest IA32_SYSENTER_ESP", RG_SYSCALL) \
	X(u64, sysenter_eip, GUEST_SYSENTER_EIP, "guest IA32_SYSENTER_EIP", RG_SYSCALL) \
	X(u16, uinv, 0x0814, "guest UINV", 0) \
	X(u64, gdtr_base, GUEST_GDTR_BASE, "guest GDTR base", RG_DT) \
	X(u32, gdtr_limit, GUEST_GDTR_LIMIT, "guest GDTR limit", RG_DT) \
	X(u64, idtr_base, GUEST_IDTR_BASE, "guest IDTR base", RG_DT) \
	X(u32, idtr_limit, GUEST_IDTR_LIMIT, "guest IDTR limit", RG_DT) \
	X(u32, activity, GUEST_ACTIVITY_STATE, "activity state", 0) \
	X(u32, interruptibility, GUEST_INTERRUPTIBILITY_INFO, "interruptibility state", RG_SHADOW) \
	X(u64, pending_debug, GUEST_PENDING_DBG_EXCEPTIONS, "pending debug exceptions", 0) \
	X(u64, link_pointer, VMCS_LINK_POINTER, "VMCS link pointer", 0) \
	X(u64, pdpte0, GUEST_PDPTR0, "guest PDPTE0", RG_CR3) \
	X(u64, pdpte1, GUEST_PDPTR1, "guest PDPTE1", RG_CR3) \
	X(u64, pdpte2, GUEST_PDPTR2, "guest PDPTE2", RG_CR3) \
	X(u64, pdpte3, GUEST_PDPTR3, "guest PDPTE3", RG_CR3)

#endif
