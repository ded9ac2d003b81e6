// SPDX-License-Identifier: GPL-2.0-only
/*
 * What intercepted instructions do, whether the CPU names them in an exit or the emulator has found them. CPUID: cpuid.c; IN and OUT: io.c.
 *
 * One function for each. Those that may have to sleep have a short one beside it for the inner loop (msr.c, pv.c): keel_fast_*()
 * completes the instruction or returns RUN_SLOW with nothing changed.
 */
#include <linux/sched.h>
#include <asm/cpufeature.h>
#include <keel/access.h>
#include <keel/cpuid.h>
#include <keel/emulate.h>
#include <keel/exit.h>
#include <keel/exit_fast.h>
#include <keel/request.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vfio.h>
#include "io.h"

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

int keel_do_mov_to_cr(struct vcpu *vcpu, unsigned int n, unsigned int reg, unsigned int len)
{
	u64 val = vcpu_gpr(vcpu, reg);

	if (keel_set_cr(vcpu, n, vcpu_is_64bit_code(vcpu) ? val : (u32)val))
		return keel_do_gp(vcpu);
	return vcpu_advance(vcpu, len);
}
