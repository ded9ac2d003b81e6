// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ends of a run that no instruction asks for: triple fault, breakpoints and steps of a debugger, alignment checks, exits without
 * a handler, failed entries.
 */
#include <asm/cpufeature.h>
#include <asm/trapnr.h>
#include <keel/access.h>
#include <keel/compat.h>
#include <keel/debug.h>
#include <keel/exit.h>
#include <keel/explain.h>
#include <keel/host.h>
#include <keel/vcpu.h>
#include "alignment.h"
#include "io.h"

int keel_memory_gone(struct vcpu *vcpu, gpa_t gpa)
{
	/* run->memory_fault, which the oldest kernel's header does not have */
	struct {
		u64 flags, gpa, size;
	} *fault = (void *)vcpu->run->padding;

	vcpu->run->exit_reason = KVM_EXIT_MEMORY_FAULT;
	fault->flags = 0;
	fault->gpa = gpa & PAGE_MASK;
	fault->size = PAGE_SIZE;
	keel_explain(vcpu->vm, vcpu->id, "the launcher has no memory at its address for guest address %#llx, or not for this access (rip %#llx)",
		     gpa, vcpu_rip(vcpu));
	return -EFAULT;
}

int keel_do_triple_fault(struct vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	return RUN_USER;
}

int keel_do_debug_exit(struct vcpu *vcpu, u32 vector, u64 dr6, u64 dr7)
{
	struct kvm_debug_exit_arch *arch = &vcpu->run->debug.arch;

	vcpu->run->exit_reason = KVM_EXIT_DEBUG;
	memset(arch, 0, sizeof(*arch));
	arch->exception = vector;
	arch->pc = vcpu_linear_rip(vcpu);
	arch->dr6 = dr6;
	arch->dr7 = dr7;
	return RUN_USER;
}

int keel_do_breakpoint(struct vcpu *vcpu)
{
	if (vcpu->debug.control & KVM_GUESTDBG_USE_SW_BP)
		return keel_do_debug_exit(vcpu, X86_TRAP_BP, 0, 0);
	keel_queue_exception(vcpu, X86_TRAP_BP);
	return RUN_RESUME;
}

int keel_do_alignment_check(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (!boot_cpu_has(X86_FEATURE_SPLIT_LOCK_DETECT) ||
	    alignment_check_is_guests(vcpu_cr0(vcpu), vcpu_rflags(vcpu), vcpu_cpl(vcpu))) {
		keel_queue_exception_error(vcpu, X86_TRAP_AC, 0);
		return RUN_RESUME;
	}
	if (keel_host_split_lock(vcpu_rip(vcpu)))
		return RUN_RESUME;
	run->exit_reason = KVM_EXIT_EXCEPTION;
	run->ex.exception = X86_TRAP_AC;
	run->ex.error_code = 0;
	return RUN_USER;
}

int keel_debug_step_exit(struct vcpu *vcpu)
{
	u64 dr6 = DR6_FIXED | vcpu->io.watch_hits;

	vcpu->io.watch_hits = 0;
	if (vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP)
		dr6 |= DR_STEP;
	return keel_do_debug_exit(vcpu, X86_TRAP_DB, dr6, vcpu->debug.dr7);
}

int keel_do_unknown_exit(struct vcpu *vcpu, u64 reason, const char *name)
{
	keel_explain(vcpu->vm, vcpu->id, "exit %#llx (%s) has no handler, rip %#llx", reason, name,
		     vcpu_rip(vcpu));
	return keel_internal_error(vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, 2, reason, (u64)vcpu->cpu);
}

int keel_do_failed_entry(struct vcpu *vcpu, u64 reason)
{
	vcpu->run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	vcpu->run->fail_entry.hardware_entry_failure_reason = reason;
	vcpu->run->fail_entry.cpu = vcpu->cpu;
	vcpu->origin.refused++;
	return RUN_USER;
}
