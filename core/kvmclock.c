// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kvmclock as guests see it: the pages that they read (Documentation/virt/kvm/x86/msr.rst) and the MSRs that say where those are.
 */
#include <linux/kvm_para.h>
#include <linux/timekeeping.h>
#include <asm/msr.h>
#include <asm/pvclock.h>
#include <keel/clock.h>
#include <keel/guest_access.h>
#include <keel/request.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "clock.h"

/*
 * How long a vCPU's watchdogs are told that it was held. The vCPUs do not come back at one moment, least of all on a host that is short of CPUs,
 * and one of them moves the guest's clock: Linux's watchdogs, which look at the flag once and clear it, would find the others having stood for
 * all the time that this takes at once.
 */
#define HELD_NS		(2ull * NSEC_PER_SEC)

/* The pair a vCPU's page shall show; false without the master clock. */
static bool clock_pair_for(struct vcpu *vcpu, u64 *ns, u64 *guest_tsc)
{
	struct vm_clock *c = &vcpu->vm->clock;
	unsigned int seq;
	bool master;
	u64 tsc;

	do {
		seq = read_seqcount_begin(&c->seq);
		master = c->master;
		preempt_disable();
		tsc = master ? c->master_tsc : rdtsc();
		*ns = master ? c->master_ns : clock_host_ns() + c->kvmclock_offset;
		preempt_enable();
	} while (read_seqcount_retry(&c->seq, seq));
	*guest_tsc = keel_tsc_scale(vcpu, tsc) + vcpu->tsc.offset;
	return master;
}

void keel_write_versioned(struct vm *vm, gpa_t gpa, void *record, unsigned int len, unsigned int version_at)
{
	u32 *version = record + version_at, done;

	*version = (*version | 1) + (*version & 1 ? 2 : 0);
	done = *version + 1;
	if (keel_write_guest(vm, gpa + version_at, version, sizeof(*version)))
		return;
	/* the parts must become visible in this order */
	smp_wmb();
	keel_write_guest(vm, gpa, record, len);
	smp_wmb();
	keel_write_guest(vm, gpa + version_at, &done, sizeof(done));
}

static void write_time_info(struct vcpu *vcpu, struct pvclock_vcpu_time_info *info)
{
	gpa_t gpa = vcpu->pv.system_time & ~1ull;
	struct vm *vm = vcpu->vm;
	u8 flags;

	if (keel_read_guest(vm, gpa, &info->version, sizeof(info->version)) ||
	    keel_read_guest(vm, gpa + offsetof(struct pvclock_vcpu_time_info, flags), &flags, 1))
		return;
	/* not yet seen by the guest */
	info->flags |= flags & PVCLOCK_GUEST_STOPPED;
	keel_write_versioned(vm, gpa, info, sizeof(*info), offsetof(struct pvclock_vcpu_time_info, version));
}

/* For the last time when the time is over. */
static u8 held_flag(struct vcpu *vcpu)
{
	u64 until = vcpu->pv.held_until;

	if (until && clock_host_ns() >= until)
		WRITE_ONCE(vcpu->pv.held_until, 0);
	return until ? PVCLOCK_GUEST_STOPPED : 0;
}

/**
 * keel_clock_update() - serve REQ_CLOCK: write the vCPU's time structure
 * @vcpu: on its own thread, loaded
 *
 * Context: may sleep.
 */
void keel_clock_update(struct vcpu *vcpu)
{
	struct pvclock_vcpu_time_info info = { .flags = held_flag(vcpu) };
	struct ns_scale scale;

	vcpu->pv.clock_epoch = READ_ONCE(clock_host_epoch);
	clock_review(vcpu->vm);
	keel_tsc_catch_up(vcpu);
	if (!(vcpu->pv.system_time & 1))
		return;
	if (clock_pair_for(vcpu, &info.system_time, &info.tsc_timestamp))
		info.flags |= PVCLOCK_TSC_STABLE_BIT;
	scale = clock_ns_scale(vcpu->tsc.khz);
	info.tsc_to_system_mul = scale.mul;
	info.tsc_shift = scale.shift;
	write_time_info(vcpu, &info);
}

static void write_wall_clock(struct vm *vm, gpa_t gpa)
{
	struct pvclock_wall_clock wall;
	struct timespec64 boot;

	if (!gpa || keel_read_guest(vm, gpa, &wall.version, sizeof(wall.version)))
		return;
	/* real time at which the kvmclock was 0 */
	boot = ns_to_timespec64(ktime_get_real_ns() - clock_guest_ns(vm));
	wall.sec = boot.tv_sec;
	wall.nsec = boot.tv_nsec;
	keel_write_versioned(vm, gpa, &wall, sizeof(wall), offsetof(struct pvclock_wall_clock, version));
}

/**
 * keel_clock_msr_set() - write of a kvmclock MSR, by old or new number
 * @vcpu: on its own thread, loaded
 * @msr: MSR_KVM_WALL_CLOCK(_NEW), MSR_KVM_SYSTEM_TIME(_NEW)
 * @val: value
 *
 * Context: may sleep. Return: 0, 1 for an MSR that is none of these.
 */
int keel_clock_msr_set(struct vcpu *vcpu, u32 msr, u64 val)
{
	switch (msr) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		vcpu->pv.wall_clock = val;
		write_wall_clock(vcpu->vm, val);
		return 0;
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		vcpu->pv.system_time = val;
		if (val & 1)
			vcpu_request(vcpu, REQ_CLOCK);
		return 0;
	default:
		return 1;
	}
}

int keel_clock_kvmclock_ctrl(struct vcpu *vcpu)
{
	if (!(vcpu->pv.system_time & 1))
		return -EINVAL;
	WRITE_ONCE(vcpu->pv.held_until, clock_host_ns() + HELD_NS);
	vcpu_request(vcpu, REQ_CLOCK);
	return 0;
}
