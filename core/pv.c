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
#include <keel/guest_access.h>
#include <keel/host.h>
#include <keel/irq.h>
#include <keel/request.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vm.h>

/*
 * IPIs of one hypercall that are sent with interrupts off (Documentation/locking.rst, "Interrupts
 * off").
 */
#define PV_IPIS_ATOMIC	64

static bool guest_has(const struct vcpu *vcpu, unsigned int feature)
{
	return vcpu->pv.features & BIT(feature);
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

/* Hand KVM_HC_MAP_GPA_RANGE to user space, if that asked for it. */
static int map_gpa_range(struct vcpu *vcpu, const u64 args[4], u64 *ret)
{
	struct kvm_run *run = vcpu->run;
	u64 gpa = args[0], npages = args[1];

	*ret = -KVM_ENOSYS;
	if (!(vcpu->vm->hypercall_exits & BIT(KVM_HC_MAP_GPA_RANGE)))
		return RUN_RESUME;
	*ret = -KVM_EINVAL;
	if (!IS_ALIGNED(gpa, PAGE_SIZE) || !npages || gpa_to_gfn(gpa) + npages <= gpa_to_gfn(gpa))
		return RUN_RESUME;
	run->exit_reason = KVM_EXIT_HYPERCALL;
	run->hypercall.nr = KVM_HC_MAP_GPA_RANGE;
	run->hypercall.args[0] = gpa;
	run->hypercall.args[1] = npages;
	run->hypercall.args[2] = args[2];
	run->hypercall.keel_longmode = vcpu_is_64bit_code(vcpu);
	return RUN_USER;
}

/**
 * keel_pv_hypercall() - serve a hypercall
 * @vcpu: on its own thread, loaded
 * @nr: KVM_HC_*
 * @args: arguments, cut to 32 bits outside 64-bit mode
 * @ret: result for the guest, 0 or -KVM_E*
 * @may_sleep: interrupts are on
 *
 * Return: RUN_RESUME done; RUN_USER; RUN_SLOW: call again where it may sleep.
 */
int keel_pv_hypercall(struct vcpu *vcpu, u64 nr, const u64 args[4], u64 *ret, bool may_sleep)
{
	*ret = -KVM_ENOSYS;
	if (unlikely(vcpu_cpl(vcpu))) {
		*ret = -KVM_EPERM;
		return RUN_RESUME;
	}
	switch (nr) {
	case KVM_HC_VAPIC_POLL_IRQ:
		*ret = 0;
		break;
	case KVM_HC_KICK_CPU:
		if (guest_has(vcpu, KVM_FEATURE_PV_UNHALT))
			*ret = kick_cpu(vcpu, args[1]);
		break;
	case KVM_HC_SEND_IPI:
		if (!may_sleep && hweight64(args[0]) + hweight64(args[1]) > PV_IPIS_ATOMIC)
			return RUN_SLOW;
		if (guest_has(vcpu, KVM_FEATURE_PV_SEND_IPI))
			*ret = keel_pv_send_ipi(vcpu->vm, args[0], args[1], args[2], args[3], vcpu_is_64bit_code(vcpu));
		break;
	case KVM_HC_SCHED_YIELD:
		if (!guest_has(vcpu, KVM_FEATURE_PV_SCHED_YIELD))
			break;
		if (!may_sleep)
			return RUN_SLOW;
		*ret = sched_yield_to(vcpu, args[0]);
		break;
	case KVM_HC_CLOCK_PAIRING:
		if (!may_sleep)
			return RUN_SLOW;
		*ret = clock_pairing(vcpu, args[0], args[1]);
		break;
	case KVM_HC_MAP_GPA_RANGE:
		return map_gpa_range(vcpu, args, ret);
	}
	return RUN_RESUME;
}
