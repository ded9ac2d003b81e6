// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest TSC: the host's, scaled, plus an offset. vCPUs whose TSCs are in step form a generation
 * (struct vm_clock).
 */
#include <linux/math64.h>
#include <asm/msr.h>
#include <asm/tsc.h>
#include <keel/access.h>
#include <keel/irq.h>
#include <keel/request.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include <keel/vm.h>
#include "clock.h"

/* Frequencies this close to the host's need no scaling: parts per million. */
#define TSC_TOLERANCE_PPM	250

/*
 * Cycles at @khz in @ns, 0 if that is negative: instants taken on two CPUs need not come in order. In two parts, because
 * mul_u64_u64_div_u64() traps when its result is too large; this one wraps as the TSC does.
 */
static u64 khz_cycles(u32 khz, s64 ns)
{
	u32 rest;
	u64 ms;

	if (ns < 0)
		return 0;
	ms = div_u64_rem(ns, NSEC_PER_MSEC, &rest);
	return ms * khz + div_u64((u64)rest * khz, NSEC_PER_MSEC);
}

static bool is_scaled(const struct vcpu *vcpu)
{
	return keel_caps.tsc_scaling && vcpu->tsc.ratio != 1ull << keel_caps.tsc_ratio_frac_bits;
}

u64 keel_tsc_scale(struct vcpu *vcpu, u64 host_tsc)
{
	if (likely(!is_scaled(vcpu)))
		return host_tsc;
	return mul_u64_u64_shr(host_tsc, vcpu->tsc.ratio, keel_caps.tsc_ratio_frac_bits);
}

u64 keel_tsc_unscale(struct vcpu *vcpu, u64 delta)
{
	if (likely(!is_scaled(vcpu)))
		return delta;
	/* the division traps when its result is too large */
	if (unlikely(!(vcpu->tsc.ratio >> (keel_caps.tsc_ratio_frac_bits - 22))))
		return 1ull << 62;
	return mul_u64_u64_div_u64(delta, 1ull << keel_caps.tsc_ratio_frac_bits, vcpu->tsc.ratio);
}

u64 keel_tsc_read(struct vcpu *vcpu)
{
	return keel_tsc_scale(vcpu, rdtsc()) + vcpu->tsc.offset;
}

static void tsc_changed(struct vcpu *vcpu)
{
	vcpu_dirty(vcpu, RG_TSC);
	vcpu_request(vcpu, REQ_CLOCK);
	if (vcpu->lapic)
		keel_lapic_tsc_changed(vcpu);
}

static void tsc_add(struct vcpu *vcpu, s64 delta)
{
	vcpu->tsc.offset += delta;
	tsc_changed(vcpu);
}

/*
 * While the host's TSC is unstable the guest's must at least keep up with the time that passed. Less than a millisecond
 * is left alone: a host that merely does not trust its TSC would else move the vCPUs' TSCs apart by small steps.
 */
void keel_tsc_catch_up(struct vcpu *vcpu)
{
	struct vm_clock *c = &vcpu->vm->clock;
	s64 behind;

	if (likely(!check_tsc_unstable()) || vcpu->tsc.generation != READ_ONCE(c->tsc_generation))
		return;
	behind = c->last_tsc_write + khz_cycles(vcpu->tsc.khz, clock_host_ns() - c->last_tsc_ns) + vcpu->tsc.moved -
		 keel_tsc_read(vcpu);
	if (behind > (s64)vcpu->tsc.khz)
		tsc_add(vcpu, behind);
}

void keel_tsc_adjust(struct vcpu *vcpu, s64 delta)
{
	vcpu->tsc.moved += delta;
	tsc_add(vcpu, delta);
}

void keel_tsc_write_guest(struct vcpu *vcpu, u64 val)
{
	s64 delta = val - keel_tsc_read(vcpu);

	vcpu->tsc.adjust += delta;
	keel_tsc_adjust(vcpu, delta);
}

/*
 * Does writing @val now continue the current generation? 0 is what firmware and hotplug write to
 * mean "in step". The first value that a launcher gives begins one: the guest may be young, and come
 * from elsewhere.
 */
static bool tsc_write_matches(const struct vm_clock *c, u32 khz, u64 val, u64 elapsed)
{
	u64 expected = c->last_tsc_write + khz_cycles(khz, elapsed);
	u64 second = (u64)khz * MSEC_PER_SEC;

	if (!c->tsc_generation || khz != c->last_tsc_khz)
		return false;
	return !val || (c->tsc_set && val < expected + second && val + second > expected);
}

/* @vcpu's TSC, @val at the host's @ns, goes on with the present generation or begins another one. Lock held. */
static void tsc_join(struct vcpu *vcpu, bool matches, u64 val, u64 ns, u64 offset)
{
	struct vm_clock *c = &vcpu->vm->clock;

	if (!matches) {
		c->tsc_generation++;
		c->nr_in_step = 0;
		c->tsc_offset = offset;
		c->last_tsc_write = val;
		c->last_tsc_ns = ns;
		c->last_tsc_khz = vcpu->tsc.khz;
	}
	if (vcpu->tsc.generation != c->tsc_generation) {
		vcpu->tsc.generation = c->tsc_generation;
		c->nr_in_step++;
	}
}

static void tsc_take_offset(struct vcpu *vcpu, u64 offset)
{
	vcpu->tsc.offset = offset;
	vcpu->tsc.moved = 0;
	tsc_changed(vcpu);
}

/**
 * keel_tsc_write() - the launcher (or creation) sets the guest TSC
 * @vcpu: vCPU, its mutex held
 * @val: TSC now
 *
 * A launcher that restores a machine writes each vCPU's TSC in turn, some time apart, and means them to be in step: values
 * within a second of what the first that it wrote would be now join its generation.
 */
void keel_tsc_write(struct vcpu *vcpu, u64 val)
{
	struct vm_clock *c = &vcpu->vm->clock;
	u64 ns, elapsed, offset;
	unsigned long flags;
	bool matches;

	raw_spin_lock_irqsave(&c->lock, flags);
	ns = clock_host_ns();
	elapsed = ns - c->last_tsc_ns;
	offset = val - keel_tsc_scale(vcpu, rdtsc());
	matches = tsc_write_matches(c, vcpu->tsc.khz, val, elapsed);
	c->tsc_set |= !!val;
	if (matches && !check_tsc_unstable())
		offset = c->tsc_offset;
	else if (matches)
		offset += c->last_tsc_write + khz_cycles(vcpu->tsc.khz, elapsed) - val;
	tsc_join(vcpu, matches, val, ns, offset);
	raw_spin_unlock_irqrestore(&c->lock, flags);
	tsc_take_offset(vcpu, offset);
}

/**
 * keel_tsc_set_offset() - the launcher sets what is between the guest's TSC and the host's (KVM_VCPU_TSC_OFFSET)
 * @vcpu: vCPU, its mutex held
 * @offset: guest TSC less host TSC, scaled
 *
 * vCPUs with the same offset are in step; those to come, and TSCs that are written, join them.
 */
void keel_tsc_set_offset(struct vcpu *vcpu, u64 offset)
{
	struct vm_clock *c = &vcpu->vm->clock;
	unsigned long flags;

	raw_spin_lock_irqsave(&c->lock, flags);
	c->tsc_set = true;
	tsc_join(vcpu, c->tsc_generation && vcpu->tsc.khz == c->last_tsc_khz && offset == c->tsc_offset,
		 keel_tsc_scale(vcpu, rdtsc()) + offset, clock_host_ns(), offset);
	raw_spin_unlock_irqrestore(&c->lock, flags);
	tsc_take_offset(vcpu, offset);
}

/**
 * keel_tsc_set_khz() - set the guest TSC's frequency
 * @vcpu: vCPU, its mutex held
 * @khz: frequency, 0 for the host's
 *
 * Return: 0, -EINVAL when the CPU cannot scale that far.
 */
int keel_tsc_set_khz(struct vcpu *vcpu, u32 khz)
{
	u64 one = 1ull << keel_caps.tsc_ratio_frac_bits;
	u32 slack = mult_frac(tsc_khz, TSC_TOLERANCE_PPM, 1000000u);
	u64 ratio = one;

	if (!khz)
		khz = tsc_khz;
	if (khz < tsc_khz - slack || khz > tsc_khz + slack) {
		if (!keel_caps.tsc_scaling || khz > keel_caps.max_tsc_khz)
			return -EINVAL;
		ratio = mul_u64_u32_div(one, khz, tsc_khz);
		if (!ratio)
			return -EINVAL;
	}
	vcpu->tsc.khz = khz;
	vcpu->tsc.ratio = ratio;
	tsc_changed(vcpu);
	return 0;
}
