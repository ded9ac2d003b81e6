// SPDX-License-Identifier: GPL-2.0-only
/*
 * Words for the numbers of failed entries (SDM, "VM-Instruction Error Numbers" and "VMX Basic Exit
 * Reasons"; APM, "Canonicalization and Consistency Checks"), of exits and of internal errors.
 */
#include <linux/kvm.h>
#include <stddef.h>

#include "reason.h"
#include "util.h"

/* Bit 31 of a VMX exit reason: the entry failed. The reason proper is below. */
#define FAILED_ENTRY		0x80000000u
#define VMEXIT_INVALID		0xffffffffu

struct words {
	uint32_t number;
	const char *text;
};

static const struct words failed_exits[] = {
	{ 33, "VM-entry failure due to invalid guest state" },
	{ 34, "VM-entry failure due to MSR loading" },
	{ 41, "VM-entry failure due to machine-check event" },
};

static const struct words instruction_errors[] = {
	{ 1, "VMCALL executed in VMX root operation" },
	{ 2, "VMCLEAR with invalid physical address" },
	{ 3, "VMCLEAR with VMXON pointer" },
	{ 4, "VMLAUNCH with non-clear VMCS" },
	{ 5, "VMRESUME with non-launched VMCS" },
	{ 6, "VMRESUME after VMXOFF" },
	{ 7, "VM entry with invalid control field(s)" },
	{ 8, "VM entry with invalid host-state field(s)" },
	{ 9, "VMPTRLD with invalid physical address" },
	{ 10, "VMPTRLD with VMXON pointer" },
	{ 11, "VMPTRLD with incorrect VMCS revision identifier" },
	{ 12, "VMREAD/VMWRITE from/to unsupported VMCS component" },
	{ 13, "VMWRITE to read-only VMCS component" },
	{ 15, "VMXON executed in VMX root operation" },
	{ 16, "VM entry with invalid executive-VMCS pointer" },
	{ 17, "VM entry with non-launched executive VMCS" },
	{ 18, "VM entry with executive-VMCS pointer not VMXON pointer" },
	{ 19, "VMCALL with non-clear VMCS" },
	{ 20, "VMCALL with invalid VM-exit control fields" },
	{ 22, "VMCALL with incorrect MSEG revision identifier" },
	{ 23, "VMXOFF under dual-monitor treatment of SMIs and SMM" },
	{ 24, "VMCALL with invalid SMM-monitor features" },
	{ 25, "VM entry with invalid VM-execution control fields in executive VMCS" },
	{ 26, "VM entry with events blocked by MOV SS" },
	{ 28, "invalid operand to INVEPT/INVVPID" },
};

#define EXIT(name)	{ KVM_EXIT_##name, "KVM_EXIT_" #name }
static const struct words exits[] = {
	EXIT(UNKNOWN), EXIT(EXCEPTION), EXIT(IO), EXIT(HYPERCALL), EXIT(DEBUG), EXIT(HLT), EXIT(MMIO),
	EXIT(IRQ_WINDOW_OPEN), EXIT(SHUTDOWN), EXIT(FAIL_ENTRY), EXIT(INTR), EXIT(SET_TPR),
	EXIT(TPR_ACCESS), EXIT(NMI), EXIT(INTERNAL_ERROR), EXIT(SYSTEM_EVENT), EXIT(IOAPIC_EOI),
	EXIT(HYPERV), EXIT(X86_RDMSR), EXIT(X86_WRMSR), EXIT(DIRTY_RING_FULL), EXIT(X86_BUS_LOCK),
	EXIT(XEN),
};

static const struct words internal_errors[] = {
	{ KVM_INTERNAL_ERROR_EMULATION, "an instruction could not be emulated" },
	{ KVM_INTERNAL_ERROR_SIMUL_EX, "exceptions met while one was delivered" },
	{ KVM_INTERNAL_ERROR_DELIVERY_EV, "an exit during event delivery" },
	{ KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, "an exit the module does not know" },
};

static const char *find(const struct words *words, size_t n, uint32_t number, const char *otherwise)
{
	for (size_t i = 0; i < n; i++)
		if (words[i].number == number)
			return words[i].text;
	return otherwise;
}

const char *reason_of_entry(uint64_t hardware)
{
	if (!hardware)
		return "there is no current VMCS";
	/* as 32 bits, or sign-extended to 64 */
	if (hardware == VMEXIT_INVALID || hardware == UINT64_MAX)
		return "VMRUN found invalid guest state or controls";
	if (hardware >> 32)
		return "a reason that no manual lists";
	if (hardware & FAILED_ENTRY)
		return find(failed_exits, ARRAY_SIZE(failed_exits), hardware & 0xffff,
			    "VM-entry failure of a kind that the manual does not list");
	return find(instruction_errors, ARRAY_SIZE(instruction_errors), hardware,
		    "a VM-instruction error that the manual does not list");
}

const char *reason_of_exit(uint32_t exit_reason)
{
	return find(exits, ARRAY_SIZE(exits), exit_reason, "an exit unknown to this launcher");
}

const char *reason_of_internal(uint32_t suberror)
{
	return find(internal_errors, ARRAY_SIZE(internal_errors), suberror, "unknown kind");
}
