// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hypercalls of KVM's paravirtual interface (Documentation/virt/kvm/x86/hypercalls.rst).
 *
 * They are served in the inner loop where they need no sleeping; the few others ask to be called again outside.
 * A guest may use all of them or, with KVM_CAP_ENFORCE_PV_FEATURE_CPUID, those that its CPUID names.
 */
#include <linux/bitops.h>
#include <linux/kvm_para.h>
#include <linux/timekeeping.h>
#include <keel/access.h>
#include <keel/compat.h>
#include <keel/exit.h>
#include <keel/exit_fast.h>
#include <keel/guest_access.h>
#include <keel/host.h>
#include <keel/irq.h>
#include <keel/request.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "io.h"

/*
 * IPIs of one hypercall that are sent with interrupts off (Documentation/locking.rst, "Interrupts
 * off").
 */
#define PV_IPIS_ATOMIC	64

static bool guest_has(const struct vcpu *vcpu, unsigned int feature)
{
	return vcpu->pv.features & BIT(feature);
}

/* Number, arguments and answer by mode: 64-bit code uses full registers, all else the low halves. RG_CODE is valid. */
static __always_inline u64 cut(const struct vcpu *vcpu, u64 val)
{
	return likely(regs_are_64bit_code(&vcpu->regs)) ? val : (u32)val;
}

static u64 arg(const struct vcpu *vcpu, unsigned int reg)
{
	return cut(vcpu, vcpu->regs.gpr[reg]);
}

static __always_inline int answer(struct vcpu *vcpu, unsigned int len, u64 ret)
{
	vcpu->stats.hypercalls++;
	vcpu->regs.gpr[GPR_RAX] = cut(vcpu, ret);
	return vcpu_advance_valid(vcpu, len);
}

static u64 clock_pairing(struct vcpu *vcpu, gpa_t gpa, u64 type)
{
	struct kvm_clock_pairing pairing = {};
	struct timespec64 real;
	u64 tsc;

	if (type != KVM_CLOCK_PAIRING_WALLCLOCK || !keel_clock_tsc_pair(vcpu, &real, &tsc))
		return -KVM_EOPNOTSUPP;
	pairing.sec = real.tv_sec;
	pairing.nsec = real.tv_nsec;
	pairing.tsc = tsc;
	return keel_write_guest(vcpu->vm, gpa, &pairing, sizeof(pairing)) ? -KVM_EFAULT : 0;
}

static u64 kick_cpu(struct vcpu *vcpu, u64 apic_id)
{
	struct vcpu *target = keel_vm_vcpu_by_id(vcpu->vm, apic_id);

	if (target) {
		/* pairs with the check of the sleeper in HLT between declaring itself asleep and sleeping */
		WRITE_ONCE(target->pv.unhalt, true);
		vcpu_request(target, REQ_EVENT);
		keel_vcpu_kick(target);
	}
	return 0;
}

static u64 sched_yield_to(struct vcpu *vcpu, u64 apic_id)
{
	struct vcpu *target = keel_vm_vcpu_by_id(vcpu->vm, apic_id);

	if (target && target != vcpu)
		keel_vcpu_yield_to(target);
	return 0;
}

/* Handed to user space, if that asked for it. */
static int map_gpa_range(struct vcpu *vcpu, unsigned int len)
{
	struct kvm_run *run = vcpu->run;
	u64 gpa = arg(vcpu, GPR_RBX), npages = arg(vcpu, GPR_RCX);

	if (!(vcpu->vm->hypercall_exits & BIT(KVM_HC_MAP_GPA_RANGE)))
		return answer(vcpu, len, -KVM_ENOSYS);
	if (!IS_ALIGNED(gpa, PAGE_SIZE) || !npages || gpa_to_gfn(gpa) + npages <= gpa_to_gfn(gpa))
		return answer(vcpu, len, -KVM_EINVAL);
	run->exit_reason = KVM_EXIT_HYPERCALL;
	run->hypercall.nr = KVM_HC_MAP_GPA_RANGE;
	run->hypercall.args[0] = gpa;
	run->hypercall.args[1] = npages;
	run->hypercall.args[2] = arg(vcpu, GPR_RDX);
	run->hypercall.keel_longmode = regs_are_64bit_code(&vcpu->regs);
	user_completes(vcpu, COMPLETE_HYPERCALL, len);
	return RUN_USER;
}

/* The calls that there are, at CPL 0. What has more to do than fits with interrupts off is for @may_sleep. */
static noinline int serve(struct vcpu *vcpu, unsigned int len, bool may_sleep)
{
	u64 ret = -KVM_ENOSYS, b = arg(vcpu, GPR_RBX), c = arg(vcpu, GPR_RCX);

	switch (arg(vcpu, GPR_RAX)) {
	case KVM_HC_VAPIC_POLL_IRQ:
		ret = 0;
		break;
	case KVM_HC_KICK_CPU:
		if (guest_has(vcpu, KVM_FEATURE_PV_UNHALT))
			ret = kick_cpu(vcpu, c);
		break;
	case KVM_HC_SEND_IPI:
		if (!may_sleep && hweight64(b) + hweight64(c) > PV_IPIS_ATOMIC)
			return RUN_SLOW;
		if (guest_has(vcpu, KVM_FEATURE_PV_SEND_IPI))
			ret = keel_pv_send_ipi(vcpu->vm, b, c, arg(vcpu, GPR_RDX), arg(vcpu, GPR_RSI),
					       regs_are_64bit_code(&vcpu->regs));
		break;
	case KVM_HC_SCHED_YIELD:
		if (!guest_has(vcpu, KVM_FEATURE_PV_SCHED_YIELD))
			break;
		if (!may_sleep)
			return RUN_SLOW;
		ret = sched_yield_to(vcpu, b);
		break;
	case KVM_HC_CLOCK_PAIRING:
		if (!may_sleep)
			return RUN_SLOW;
		ret = clock_pairing(vcpu, b, c);
		break;
	case KVM_HC_MAP_GPA_RANGE:
		return map_gpa_range(vcpu, len);
	}
	return answer(vcpu, len, ret);
}

/* What needs no call comes first, and so no frame. */
static __always_inline int hypercall(struct vcpu *vcpu, unsigned int len, bool may_sleep)
{
	if (unlikely(seg_dpl(&vcpu->regs.seg[SEG_SS])))
		return answer(vcpu, len, -KVM_EPERM);
	if (unlikely(cut(vcpu, vcpu->regs.gpr[GPR_RAX]) > KVM_HC_MAP_GPA_RANGE))
		return answer(vcpu, len, -KVM_ENOSYS);
	return serve(vcpu, len, may_sleep);
}

/**
 * keel_fast_hypercall() - serve a hypercall in the inner loop
 * @vcpu: loaded; RIP, RFLAGS, CS and CPL are valid
 * @len: bytes of the instruction
 *
 * Return: as enum run_result says; RUN_SLOW: keel_do_hypercall() where it may sleep.
 */
int keel_fast_hypercall(struct vcpu *vcpu, unsigned int len)
{
	return hypercall(vcpu, len, false);
}

/**
 * keel_do_hypercall() - serve a hypercall
 * @vcpu: loaded, on its own thread
 * @len: bytes of the instruction
 *
 * Context: may sleep. Return: as enum run_result says.
 */
int keel_do_hypercall(struct vcpu *vcpu, unsigned int len)
{
	vcpu_need(vcpu, RG_RIP | RG_RFLAGS | RG_EFER);
	vcpu_need_code(vcpu);
	return hypercall(vcpu, len, true);
}

/* The answer of user space. */
int keel_complete_hypercall(struct vcpu *vcpu, u64 ret, unsigned int len)
{
	vcpu->regs.gpr[GPR_RAX] = vcpu_is_64bit_code(vcpu) ? ret : (u32)ret;
	return vcpu_advance(vcpu, len);
}
