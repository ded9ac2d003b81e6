// SPDX-License-Identifier: GPL-2.0-only
/*
 * What intercepted instructions do, whether the CPU names them in an exit or the emulator has
 * found them, and the ends of a run: triple fault, debug exit, failed entry.
 *
 * One function for each. Those that may have to sleep have a short one beside it for the inner loop (msr.c, pv.c): keel_fast_*()
 * completes the instruction or returns RUN_SLOW with nothing changed.
 */
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <asm/cpufeature.h>
#include <asm/trapnr.h>
#include <keel/access.h>
#include <keel/emulate.h>
#include <keel/exit.h>
#include <keel/memory.h>
#include <keel/request.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include <keel/vfio.h>
#include "alignment.h"
#include "io.h"

static __always_inline void set_cpuid(u64 *gpr, const struct kvm_cpuid_entry2 *e)
{
	gpr[GPR_RAX] = e->eax;
	gpr[GPR_RBX] = e->ebx;
	gpr[GPR_RCX] = e->ecx;
	gpr[GPR_RDX] = e->edx;
}

static __always_inline u64 cpuid_asked(const u64 *gpr)
{
	return (u32)gpr[GPR_RAX] | gpr[GPR_RCX] << 32;
}

/* Not what was asked for last, or CPUID faulting, which the guest turns on in MISC_FEATURES_ENABLES: #GP outside ring 0. */
static noinline int cpuid_anew(struct vcpu *vcpu, unsigned int len)
{
	const struct kvm_cpuid_entry2 *e;
	u64 *gpr = vcpu->regs.gpr;

	if (vcpu->msrs.misc_features && vcpu_cpl(vcpu) > 0)
		return keel_do_gp(vcpu);
	e = keel_cpuid_find(vcpu, gpr[GPR_RAX], gpr[GPR_RCX]);
	vcpu->cpuid.last = e;
	vcpu->cpuid.last_asked = cpuid_asked(gpr);
	if (e) {
		set_cpuid(gpr, e);
	} else {
		struct kvm_cpuid_entry2 beyond = keel_cpuid_query(vcpu, gpr[GPR_RAX], gpr[GPR_RCX]);

		set_cpuid(gpr, &beyond);
	}
	return vcpu_advance(vcpu, len);
}

int keel_do_cpuid(struct vcpu *vcpu, unsigned int len)
{
	const struct kvm_cpuid_entry2 *e = vcpu->cpuid.last;
	u64 *gpr = vcpu->regs.gpr;

	if (unlikely(!e) || unlikely(vcpu->cpuid.last_asked != cpuid_asked(gpr)) || unlikely(vcpu->msrs.misc_features))
		return cpuid_anew(vcpu, len);
	set_cpuid(gpr, e);
	return vcpu_advance_valid(vcpu, len);
}

/*
 * #GP or, with KVM_CAP_X86_USER_SPACE_MSR, the launcher decides. @how is what keel_msr_get() or
 * keel_msr_set() has returned.
 */
static int msr_failed(struct vcpu *vcpu, u32 reason, u64 val, int how, unsigned int len)
{
	struct kvm_run *run = vcpu->run;
	u32 why = how == MSR_FILTERED ? KVM_MSR_EXIT_REASON_FILTER :
		  how == MSR_UNKNOWN ? KVM_MSR_EXIT_REASON_UNKNOWN : KVM_MSR_EXIT_REASON_INVAL;

	if (how < 0)
		return how;
	if (!(vcpu->vm->user_space_msr_mask & why))
		return keel_do_gp(vcpu);
	run->exit_reason = reason;
	run->msr.error = 0;
	memset(run->msr.pad, 0, sizeof(run->msr.pad));
	run->msr.reason = why;
	run->msr.index = vcpu->regs.gpr[GPR_RCX];
	run->msr.data = val;
	user_completes(vcpu, reason == KVM_EXIT_X86_RDMSR ? COMPLETE_RDMSR : COMPLETE_WRMSR, len);
	return RUN_USER;
}

static int read_msr(struct vcpu *vcpu, unsigned int len)
{
	u64 val;
	int ret = keel_msr_get(vcpu, vcpu->regs.gpr[GPR_RCX], &val, MSR_FROM_GUEST);

	if (ret)
		return msr_failed(vcpu, KVM_EXIT_X86_RDMSR, 0, ret, len);
	vcpu_set_edx_eax(vcpu, val);
	return vcpu_advance(vcpu, len);
}

static int write_msr(struct vcpu *vcpu, unsigned int len)
{
	u64 val = vcpu_edx_eax(vcpu);
	int ret = keel_msr_set(vcpu, vcpu->regs.gpr[GPR_RCX], val, MSR_FROM_GUEST);

	return ret ? msr_failed(vcpu, KVM_EXIT_X86_WRMSR, val, ret, len) : vcpu_advance(vcpu, len);
}

int keel_complete_msr(struct vcpu *vcpu, bool is_read)
{
	if (READ_ONCE(vcpu->run->msr.error))
		return keel_do_gp(vcpu);
	if (is_read)
		vcpu_set_edx_eax(vcpu, READ_ONCE(vcpu->run->msr.data));
	return vcpu_advance(vcpu, vcpu->io.complete_len);
}

int keel_do_hlt(struct vcpu *vcpu, unsigned int len)
{
	vcpu->stats.halt_exits++;
	/* also ends the shadow of an STI before the HLT */
	vcpu_advance(vcpu, len);
	if (!vcpu->lapic) {
		vcpu->run->exit_reason = KVM_EXIT_HLT;
		return RUN_USER;
	}
	if (keel_vcpu_has_events(vcpu)) {
		vcpu->pv.unhalt = false;
		vcpu_request(vcpu, REQ_EVENT);
		return RUN_RESUME;
	}
	vcpu->mp_state = KVM_MP_STATE_HALTED;
	return RUN_LEAVE;
}

static int xsetbv(struct vcpu *vcpu, unsigned int len)
{
	if (!(vcpu_cr4(vcpu) & X86_CR4_OSXSAVE))
		return keel_do_undefined(vcpu);
	if (vcpu_cpl(vcpu) || keel_set_xcr(vcpu, vcpu->regs.gpr[GPR_RCX], vcpu_edx_eax(vcpu)))
		return keel_do_gp(vcpu);
	return vcpu_advance(vcpu, len);
}

/* No monitor for guests: no-ops, as KVM has it; with the quirk off, #UD in a guest whose CPUID has no MWAIT. */
static int mwait(struct vcpu *vcpu, unsigned int len)
{
#ifdef KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS
	const struct kvm_cpuid_entry2 *e = keel_cpuid_find(vcpu, 1, 0);

	if ((vcpu->vm->disabled_quirks & KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS) && !(e && (e->ecx & BIT(X86_FEATURE_MWAIT & 31))))
		return keel_do_undefined(vcpu);
#endif
	return vcpu_cpl(vcpu) ? keel_do_undefined(vcpu) : vcpu_advance(vcpu, len);
}

/* RDTSC, RDTSCP, RDPID: the last two are there with TSC_AUX. No filter of MSRs concerns them. */
static int rdtsc_aux(struct vcpu *vcpu, enum emu_op op, unsigned int len)
{
	u32 aux = vcpu->msrs.tsc_aux;

	if (op != EMU_OP_RDTSC && !(vcpu->cpuid.flags & GUEST_HAS_RDTSCP))
		return keel_do_undefined(vcpu);
	if (op == EMU_OP_RDPID) {
		vcpu_set_gpr(vcpu, vcpu->emu.insn.rm, aux);
		return vcpu_advance(vcpu, len);
	}
	if ((vcpu_cr4(vcpu) & X86_CR4_TSD) && vcpu_cpl(vcpu))
		return keel_do_gp(vcpu);
	vcpu_set_edx_eax(vcpu, keel_tsc_read(vcpu));
	if (op == EMU_OP_RDTSCP)
		vcpu->regs.gpr[GPR_RCX] = aux;
	return vcpu_advance(vcpu, len);
}

int keel_do_insn(struct vcpu *vcpu, enum emu_op op, unsigned int len)
{
	vcpu_need(vcpu, RG_RIP | RG_RFLAGS);
	switch (op) {
	case EMU_OP_RDMSR:	return read_msr(vcpu, len);
	case EMU_OP_WRMSR:	return write_msr(vcpu, len);
	case EMU_OP_CPUID:	return keel_do_cpuid(vcpu, len);
	case EMU_OP_VMCALL:
	case EMU_OP_VMMCALL:	return keel_do_hypercall(vcpu, len);
	case EMU_OP_HLT:	return keel_do_hlt(vcpu, len);
	case EMU_OP_XSETBV:	return xsetbv(vcpu, len);
	case EMU_OP_MONITOR:
	case EMU_OP_MWAIT:	return mwait(vcpu, len);
	case EMU_OP_RDTSC:
	case EMU_OP_RDTSCP:
	case EMU_OP_RDPID:	return rdtsc_aux(vcpu, op, len);
	case EMU_OP_RDPMC:	return keel_do_gp(vcpu);
	case EMU_OP_PAUSE:
		vcpu_advance(vcpu, len);
		return keel_do_pause(vcpu);
	/* data that INVD would lose are the host's too */
	case EMU_OP_INVD:
	case EMU_OP_WBINVD:
		keel_vfio_write_back(vcpu);
		return vcpu_advance(vcpu, len);
	case EMU_OP_VMRUN ... EMU_OP_INVVPID:
	case EMU_OP_RSM:	return keel_do_undefined(vcpu);
	default:		return RUN_SLOW;
	}
}

/* The guest spins. Give the CPU to whoever holds what it waits for: any other runnable vCPU that is not running now. */
int keel_do_pause(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	unsigned int n = smp_load_acquire(&vm->nr_vcpus), i;

	for (i = 1; i < n; i++) {
		struct vcpu *other = keel_vm_vcpu(vm, (vcpu->index + i) % n);

		if (!other || READ_ONCE(other->mode) != VCPU_OUTSIDE || READ_ONCE(other->blocked))
			continue;
		if (keel_vcpu_yield_to(other))
			return RUN_RESUME;
	}
	cond_resched();
	return RUN_RESUME;
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
	arch->pc = vcpu_seg(vcpu, SEG_CS)->base + vcpu_rip(vcpu);
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

int keel_do_mov_to_cr(struct vcpu *vcpu, unsigned int n, unsigned int reg, unsigned int len)
{
	u64 val = vcpu_gpr(vcpu, reg);

	if (keel_set_cr(vcpu, n, vcpu_is_64bit_code(vcpu) ? val : (u32)val))
		return keel_do_gp(vcpu);
	return vcpu_advance(vcpu, len);
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
