// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steal time (Documentation/virt/kvm/x86/msr.rst): how long a vCPU's thread waited for a CPU, and
 * that it does.
 */
#include <linux/bits.h>
#include <linux/kvm_para.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <keel/guest_access.h>
#include <keel/host.h>
#include <keel/memory.h>
#include <keel/request.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vm.h>

#define STEAL_ENABLED	BIT_ULL(0)
#define STEAL_RESERVED	GENMASK_ULL(5, 1)

#define STEAL_FROM_NOW	(~0ull)		/* pv.steal_last: nothing is known of the vCPU's thread */

int keel_pv_set_steal_time(struct vcpu *vcpu, u64 val)
{
	if (val & STEAL_RESERVED)
		return 1;
	vcpu->pv.steal_time = val & STEAL_ENABLED ? val : 0;
	if (!vcpu->pv.steal_time)
		return 0;
	/* a launcher may set it from any thread, whose delays are not the vCPU's: those count from where the vCPU goes on */
	vcpu->pv.steal_last = rcu_access_pointer(vcpu->thread.pid) == task_pid(current) ? keel_host_run_delay() : STEAL_FROM_NOW;
	vcpu_request(vcpu, REQ_STEAL);
	return 0;
}

void keel_pv_thread_changed(struct vcpu *vcpu)
{
	vcpu->pv.steal_last = keel_host_run_delay();
}

static gpa_t steal_gpa(const struct vcpu *vcpu)
{
	return vcpu->pv.steal_time & ~(STEAL_ENABLED | STEAL_RESERVED);
}

/* Take back "preempted"; other vCPUs may have asked for a TLB flush meanwhile, by compare and exchange on the same byte. */
static void steal_resume(struct vcpu *vcpu, gpa_t gpa)
{
	u64 flags = 0;
	int ret;

	gpa += offsetof(struct kvm_steal_time, preempted);
	if (keel_read_guest(vcpu->vm, gpa, &flags, 1) || !(u8)flags)
		return;
	do {
		ret = keel_cmpxchg_guest(vcpu->vm, gpa, 1, &flags, 0);
		cond_resched();
	} while (ret == 1 && !signal_pending(current));
	/* or the guest runs while others think that its flushes can wait */
	if (ret == 1)
		vcpu_request(vcpu, REQ_STEAL);
	if (!ret && flags & KVM_VCPU_FLUSH_TLB && (vcpu->pv.features & BIT(KVM_FEATURE_PV_TLB_FLUSH)))
		vcpu_request(vcpu, REQ_TLB_FLUSH_GUEST);
}

/**
 * keel_pv_update_steal() - serve REQ_STEAL: add the time the thread waited for a CPU since the last time
 * @vcpu: on its own thread, loaded
 *
 * Context: may sleep.
 */
void keel_pv_update_steal(struct vcpu *vcpu)
{
	gpa_t gpa = steal_gpa(vcpu);
	struct {
		u64 steal;
		u32 version;
	} st;
	u64 delay;

	static_assert(offsetof(struct kvm_steal_time, version) == offsetof(typeof(st), version));
	if (!vcpu->pv.steal_time)
		return;
	steal_resume(vcpu, gpa);
	if (keel_read_guest(vcpu->vm, gpa, &st, offsetofend(typeof(st), version)))
		return;
	delay = keel_host_run_delay();
	if (vcpu->pv.steal_last != STEAL_FROM_NOW)
		st.steal += delay - vcpu->pv.steal_last;
	vcpu->pv.steal_last = delay;
	keel_write_versioned(vcpu->vm, gpa, &st, offsetofend(typeof(st), version), offsetof(typeof(st), version));
}

/*
 * Only where nothing is said yet: the vCPU may be preempted again before REQ_STEAL is served, and the flush that others have
 * asked for by then must not be lost. A page that is not present is left alone: the guest then merely sees a vCPU that runs.
 */
void keel_pv_preempted(struct vcpu *vcpu)
{
	u64 runs = 0;

	if (vcpu->pv.steal_time)
		keel_cmpxchg_guest_atomic(vcpu->vm, steal_gpa(vcpu) + offsetof(struct kvm_steal_time, preempted), 1, &runs,
					  KVM_VCPU_PREEMPTED);
}
