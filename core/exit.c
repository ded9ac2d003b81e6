// SPDX-License-Identifier: GPL-2.0-only
/*
 * The verbs behind intercepted instructions, neutral of the vendor: CPUID, RDMSR, WRMSR, hypercalls, HLT, XSETBV, and the ends of a
 * run: triple fault, internal error, failed entry.
 *
 * Each fast verb either completes the instruction or changes nothing; its slow twin completes it always.
 */
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <asm/trapnr.h>
#include <keel/exit.h>
#include <keel/memory.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include "insn.h"
#include "io.h"

enum exit_verdict keel_fast_cpuid(struct vcpu *vcpu, unsigned int len)
{
	struct vcpu_cpuid *cpuid = &vcpu->cpuid;
	const struct kvm_cpuid_entry2 *e = cpuid->last;
	u64 *gpr = vcpu->regs.gpr;
	u64 asked = (u32)gpr[GPR_RAX] | gpr[GPR_RCX] << 32;

	if (keel_cpuid_faults(vcpu)) {
		keel_queue_exception_error(vcpu, X86_TRAP_GP, 0);
		return EXIT_AGAIN;
	}
	if (unlikely(!e || cpuid->last_asked != asked)) {
		e = keel_cpuid_find(vcpu, gpr[GPR_RAX], gpr[GPR_RCX]);
		cpuid->last = e;
		cpuid->last_asked = asked;
	}
	if (likely(e)) {
		gpr[GPR_RAX] = e->eax;
		gpr[GPR_RBX] = e->ebx;
		gpr[GPR_RCX] = e->ecx;
		gpr[GPR_RDX] = e->edx;
	} else {
		keel_insn_cpuid(vcpu);
	}
	vcpu_advance(vcpu, len);
	return EXIT_AGAIN;
}

int keel_do_cpuid(struct vcpu *vcpu, unsigned int len)
{
	keel_fast_cpuid(vcpu, len);
	return RUN_RESUME;
}

static void rdmsr_done(struct vcpu *vcpu, u64 val, unsigned int len)
{
	vcpu->regs.gpr[GPR_RAX] = (u32)val;
	vcpu->regs.gpr[GPR_RDX] = val >> 32;
	vcpu_advance(vcpu, len);
}

/* EDX:EAX */
static u64 wrmsr_value(struct vcpu *vcpu)
{
	return (u32)vcpu->regs.gpr[GPR_RAX] | vcpu->regs.gpr[GPR_RDX] << 32;
}

enum exit_verdict keel_fast_rdmsr(struct vcpu *vcpu, unsigned int len)
{
	u64 val;

	if (keel_msr_get_fast(vcpu, vcpu->regs.gpr[GPR_RCX], &val))
		return EXIT_SLOW;
	rdmsr_done(vcpu, val, len);
	return EXIT_AGAIN;
}

enum exit_verdict keel_fast_wrmsr(struct vcpu *vcpu, unsigned int len)
{
	if (keel_msr_set_fast(vcpu, vcpu->regs.gpr[GPR_RCX], wrmsr_value(vcpu)))
		return EXIT_SLOW;
	vcpu_advance(vcpu, len);
	return EXIT_AGAIN;
}

/* KVM_CAP_X86_USER_SPACE_MSR: the launcher decides. */
static int user_msr(struct vcpu *vcpu, u32 reason, u32 msr, u64 val, u32 why, unsigned int len)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = reason;
	run->msr.error = 0;
	memset(run->msr.pad, 0, sizeof(run->msr.pad));
	run->msr.reason = why;
	run->msr.index = msr;
	run->msr.data = val;
	vcpu->complete = reason == KVM_EXIT_X86_RDMSR ? COMPLETE_RDMSR : COMPLETE_WRMSR;
	vcpu->complete_len = len;
	vcpu->io.rip = vcpu_rip(vcpu);
	return RUN_USER;
}

static int msr_failed(struct vcpu *vcpu, u32 reason, u32 msr, u64 val, int how, unsigned int len)
{
	u32 why = how == MSR_FILTERED ? KVM_MSR_EXIT_REASON_FILTER :
		  how == MSR_UNKNOWN ? KVM_MSR_EXIT_REASON_UNKNOWN : KVM_MSR_EXIT_REASON_INVAL;

	if (vcpu->vm->user_space_msr_mask & why)
		return user_msr(vcpu, reason, msr, val, why, len);
	return keel_do_gp(vcpu);
}

int keel_do_rdmsr(struct vcpu *vcpu, unsigned int len)
{
	u32 msr = vcpu->regs.gpr[GPR_RCX];
	u64 val = 0;
	int ret = keel_msr_get(vcpu, msr, &val, MSR_FROM_GUEST);

	if (ret < 0)
		return ret;
	if (ret)
		return msr_failed(vcpu, KVM_EXIT_X86_RDMSR, msr, 0, ret, len);
	rdmsr_done(vcpu, val, len);
	return RUN_RESUME;
}

int keel_do_wrmsr(struct vcpu *vcpu, unsigned int len)
{
	u32 msr = vcpu->regs.gpr[GPR_RCX];
	u64 val = wrmsr_value(vcpu);
	int ret = keel_msr_set(vcpu, msr, val, MSR_FROM_GUEST);

	if (ret < 0)
		return ret;
	if (ret)
		return msr_failed(vcpu, KVM_EXIT_X86_WRMSR, msr, val, ret, len);
	vcpu_advance(vcpu, len);
	return RUN_RESUME;
}

/* Number and arguments by mode: 64-bit code uses full registers, all else the low halves. */
static u64 hypercall_args(struct vcpu *vcpu, u64 args[4])
{
	const u64 *gpr = vcpu->regs.gpr;
	u64 mask = vcpu_is_64bit_code(vcpu) ? ~0ull : ~0u;

	args[0] = gpr[GPR_RBX] & mask;
	args[1] = gpr[GPR_RCX] & mask;
	args[2] = gpr[GPR_RDX] & mask;
	args[3] = gpr[GPR_RSI] & mask;
	return gpr[GPR_RAX] & mask;
}

static void hypercall_done(struct vcpu *vcpu, u64 ret, unsigned int len)
{
	vcpu->regs.gpr[GPR_RAX] = vcpu_is_64bit_code(vcpu) ? ret : (u32)ret;
	vcpu->stats.hypercalls++;
	vcpu_advance(vcpu, len);
}

enum exit_verdict keel_fast_hypercall(struct vcpu *vcpu, unsigned int len)
{
	u64 args[4], ret;
	u64 nr = hypercall_args(vcpu, args);

	if (keel_pv_hypercall(vcpu, nr, args, &ret, true) != 1)
		return EXIT_SLOW;
	hypercall_done(vcpu, ret, len);
	return EXIT_AGAIN;
}

int keel_do_hypercall(struct vcpu *vcpu, unsigned int len)
{
	u64 args[4], ret;
	u64 nr = hypercall_args(vcpu, args);

	if (keel_pv_hypercall(vcpu, nr, args, &ret, false) != 1) {
		vcpu->complete = COMPLETE_HYPERCALL;
		vcpu->complete_len = len;
		vcpu->io.rip = vcpu_rip(vcpu);
		return RUN_USER;
	}
	hypercall_done(vcpu, ret, len);
	return RUN_RESUME;
}

enum exit_verdict keel_fast_hlt(struct vcpu *vcpu, unsigned int len)
{
	if (!vcpu->lapic)
		return EXIT_SLOW;
	vcpu->stats.halt_exits++;
	/* also ends the shadow of an STI before the HLT */
	vcpu_advance(vcpu, len);
	if (keel_vcpu_has_events(vcpu)) {
		vcpu->pv.unhalt = false;
		vcpu_request(vcpu, REQ_EVENT);
		return EXIT_AGAIN;
	}
	vcpu->mp_state = KVM_MP_STATE_HALTED;
	return EXIT_LEAVE;
}

int keel_do_hlt(struct vcpu *vcpu, unsigned int len)
{
	vcpu->stats.halt_exits++;
	vcpu_advance(vcpu, len);
	if (vcpu->lapic) {
		vcpu->mp_state = KVM_MP_STATE_HALTED;
		return RUN_RESUME;
	}
	vcpu->run->exit_reason = KVM_EXIT_HLT;
	return RUN_USER;
}

int keel_do_xsetbv(struct vcpu *vcpu, unsigned int len)
{
	if (!(vcpu_cr4(vcpu) & X86_CR4_OSXSAVE))
		return keel_do_undefined(vcpu);
	if (vcpu_cpl(vcpu) || keel_set_xcr(vcpu, vcpu->regs.gpr[GPR_RCX], wrmsr_value(vcpu)))
		return keel_do_gp(vcpu);
	vcpu_advance(vcpu, len);
	return RUN_RESUME;
}

int keel_do_invd(struct vcpu *vcpu, unsigned int len)
{
	vcpu_advance(vcpu, len);
	return RUN_RESUME;
}

/* No monitor for guests: no-ops, as KVM has it; with the quirk off, #UD in a guest whose CPUID has no MWAIT. */
int keel_do_mwait(struct vcpu *vcpu, unsigned int len)
{
#ifdef KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS
	const struct kvm_cpuid_entry2 *e = keel_cpuid_find(vcpu, 1, 0);

	if ((vcpu->vm->disabled_quirks & KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS) && !(e && (e->ecx & BIT(X86_FEATURE_MWAIT & 31))))
		return keel_do_undefined(vcpu);
#endif
	vcpu_advance(vcpu, len);
	return RUN_RESUME;
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

int keel_do_undefined(struct vcpu *vcpu)
{
	keel_queue_exception(vcpu, X86_TRAP_UD);
	return RUN_RESUME;
}

int keel_do_gp(struct vcpu *vcpu)
{
	keel_queue_exception_error(vcpu, X86_TRAP_GP, 0);
	return RUN_RESUME;
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

int keel_debug_step_exit(struct vcpu *vcpu)
{
	u64 dr6 = DR6_FIXED | vcpu->io.watch_hits;

	vcpu->io.watch_hits = 0;
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)
		dr6 |= DR_STEP;
	return keel_do_debug_exit(vcpu, X86_TRAP_DB, dr6, vcpu->debug_dr7);
}

int keel_internal_error(struct vcpu *vcpu, u32 suberror, unsigned int ndata, ...)
{
	struct kvm_run *run = vcpu->run;
	unsigned int i;
	va_list ap;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = suberror;
	ndata = min_t(unsigned int, ndata, ARRAY_SIZE(run->internal.data));
	run->internal.ndata = ndata;
	va_start(ap, ndata);
	for (i = 0; i < ndata; i++)
		run->internal.data[i] = va_arg(ap, u64);
	va_end(ap);
	return RUN_USER;
}

int keel_do_unknown_exit(struct vcpu *vcpu, u64 reason)
{
	keel_explain(vcpu->vm, vcpu->id, "exit %#llx (%s) has no handler, rip %#llx", reason,
		     keel_vendor->describe_exit(reason), vcpu_rip(vcpu));
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
