// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time: what the kvmclock counts, KVM_GET_CLOCK and KVM_SET_CLOCK. The pages by which guests read it: kvmclock.c.
 *
 * The kvmclock counts nanoseconds of the host's raw monotonic clock plus time asleep. While the host keeps time by its TSC
 * and the vCPUs' TSCs are in step, it is one pair (nanoseconds, host TSC) from which host and guests extrapolate alike:
 * all vCPUs read the same clock, and it is announced as stable. Otherwise each vCPU gets a pair of its own whenever it is
 * put on a CPU. Changing from one to the other, the clock goes on where it was.
 *
 * The notifier of the timekeeper watches for the host leaving or taking up its TSC as clock source; each such change
 * bumps an epoch, and a vCPU that is put on a CPU with an old epoch writes its clock again. Slewing of the host's
 * wall clock by NTP changes neither the raw clock nor, therefore, the kvmclock.
 */
#include <linux/clocksource.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/pvclock_gtod.h>
#include <linux/seqlock.h>
#include <linux/syscore_ops.h>
#include <linux/timekeeper_internal.h>
#include <linux/timekeeping.h>
#include <asm/msr.h>
#include <asm/pvclock.h>
#include <asm/tsc.h>
#include <keel/access.h>
#include <keel/irq.h>
#include <keel/request.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vm.h>
#include "clock.h"

#define CLOCK_FLAGS	(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

static bool host_uses_tsc;	/* the timekeeper's clock source is the TSC */
u32 clock_host_epoch;		/* counts changes of host_uses_tsc */

static struct ns_scale host_scale;

static LIST_HEAD(clocks);	/* vm->clock of all VMs */
static DEFINE_RAW_SPINLOCK(clocks_lock);

struct ns_scale clock_ns_scale(u32 khz)
{
	u64 num = USEC_PER_SEC, den = khz;
	struct ns_scale s = {};

	/* normalise so that the quotient lies in [1/2, 1) and keeps 32 significant bits */
	for (; num >= den; den <<= 1)
		s.shift++;
	for (; num << 1 < den; num <<= 1)
		s.shift--;
	s.mul = div64_u64(num << 32, den);
	return s;
}

/* ---- the host's clock ----------------------------------------------------------------------------------------------- */

static bool host_clock_is_stable(void)
{
	return READ_ONCE(host_uses_tsc) && !check_tsc_unstable();
}

/* Raw time plus time asleep, the host TSC at that instant (if host_uses_tsc), and real time. */
static u64 host_clock_pair(u64 *tsc, ktime_t *real)
{
	struct system_time_snapshot snap;

	ktime_get_snapshot(&snap);
	*tsc = snap.cycles;
	*real = snap.real;
	return ktime_to_ns(ktime_mono_to_any(snap.raw, TK_OFFS_BOOT));
}

/* Called from the tick, interrupts off, the timekeeper locked: nothing here may read the time. */
static int timekeeper_changed(struct notifier_block *nb, unsigned long was_set, void *data)
{
	const struct timekeeper *tk = data;
	bool tsc = tk->tkr_mono.clock->vdso_clock_mode == VDSO_CLOCKMODE_TSC;

	if (tsc != READ_ONCE(host_uses_tsc)) {
		WRITE_ONCE(host_uses_tsc, tsc);
		WRITE_ONCE(clock_host_epoch, clock_host_epoch + 1);
	}
	return NOTIFY_OK;
}

static struct notifier_block timekeeper_notifier = {
	.notifier_call = timekeeper_changed,
};

/* ---- kvmclock ----------------------------------------------------------------------------------------------------------- */

void keel_clock_vm_init(struct vm *vm)
{
	struct vm_clock *c = &vm->clock;
	unsigned long flags;

	raw_spin_lock_init(&c->lock);
	seqcount_init(&c->seq);
	c->kvmclock_offset = -clock_host_ns();
	raw_spin_lock_irqsave(&clocks_lock, flags);
	list_add(&c->link, &clocks);
	raw_spin_unlock_irqrestore(&clocks_lock, flags);
}

void keel_clock_vm_destroy(struct vm *vm)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&clocks_lock, flags);
	list_del(&vm->clock.link);
	raw_spin_unlock_irqrestore(&clocks_lock, flags);
}

/* The same host: what ties the guest's time to the host's stays true. */
void keel_clock_copy(struct vm *to, struct vm *from)
{
	struct vm_clock *c = &to->clock, now;
	unsigned long flags;

	raw_spin_lock_irqsave(&from->clock.lock, flags);
	now = from->clock;
	raw_spin_unlock_irqrestore(&from->clock.lock, flags);

	raw_spin_lock_irqsave(&c->lock, flags);
	write_seqcount_begin(&c->seq);
	c->kvmclock_offset = now.kvmclock_offset;
	c->master_tsc = now.master_tsc;
	c->master_ns = now.master_ns;
	c->master = now.master;
	write_seqcount_end(&c->seq);
	c->tsc_offset = now.tsc_offset;
	c->last_tsc_write = now.last_tsc_write;
	c->last_tsc_ns = now.last_tsc_ns;
	c->last_tsc_khz = now.last_tsc_khz;
	c->tsc_generation = now.tsc_generation;
	c->nr_in_step = now.nr_in_step;
	c->tsc_set = now.tsc_set;
	raw_spin_unlock_irqrestore(&c->lock, flags);
}

/* The kvmclock at host TSC @tsc; c->master. */
static u64 master_ns_at(const struct vm_clock *c, u64 tsc)
{
	/* another CPU's TSC may be a little behind the pair's */
	if (unlikely((s64)(tsc - c->master_tsc) < 0))
		return c->master_ns;
	return c->master_ns + pvclock_scale_delta(tsc - c->master_tsc, host_scale.mul, host_scale.shift);
}

u64 clock_guest_ns(struct vm *vm)
{
	struct vm_clock *c = &vm->clock;
	unsigned int seq;
	u64 ns;

	do {
		seq = read_seqcount_begin(&c->seq);
		if (c->master)
			ns = master_ns_at(c, rdtsc_ordered());
		else
			ns = clock_host_ns() + c->kvmclock_offset;
	} while (read_seqcount_retry(&c->seq, seq));
	return ns;
}

/* Make the kvmclock be @ns at the instant of (@host_ns, @tsc); lock held. */
static void clock_set_locked(struct vm_clock *c, bool master, u64 ns, u64 host_ns, u64 tsc)
{
	write_seqcount_begin(&c->seq);
	c->master = master;
	c->master_tsc = tsc;
	c->master_ns = ns;
	c->kvmclock_offset = ns - host_ns;
	write_seqcount_end(&c->seq);
}

void clock_review(struct vm *vm)
{
	struct vm_clock *c = &vm->clock;
	unsigned long flags;
	bool changed = false;

	raw_spin_lock_irqsave(&c->lock, flags);
	if (c->master != (host_clock_is_stable() && c->nr_in_step == READ_ONCE(vm->nr_vcpus))) {
		ktime_t real;
		u64 tsc, host_ns = host_clock_pair(&tsc, &real);

		clock_set_locked(c, !c->master, c->master ? master_ns_at(c, rdtsc_ordered()) : host_ns + c->kvmclock_offset,
				 host_ns, tsc);
		changed = true;
	}
	raw_spin_unlock_irqrestore(&c->lock, flags);
	if (changed)
		keel_vm_request(vm, REQ_CLOCK, 0);
}

int keel_clock_get(struct vm *vm, struct kvm_clock_data *data)
{
	struct vm_clock *c = &vm->clock;
	unsigned long flags;
	ktime_t real;
	u64 tsc, host_ns;

	memset(data, 0, sizeof(*data));
	raw_spin_lock_irqsave(&c->lock, flags);
	host_ns = host_clock_pair(&tsc, &real);
	if (c->master && host_clock_is_stable()) {
		data->clock = master_ns_at(c, tsc);
		data->realtime = ktime_to_ns(real);
		data->host_tsc = tsc;
		data->flags = CLOCK_FLAGS;
	} else {
		data->clock = host_ns + c->kvmclock_offset;
	}
	raw_spin_unlock_irqrestore(&c->lock, flags);
	return 0;
}

int keel_clock_set(struct vm *vm, const struct kvm_clock_data *data)
{
	struct vm_clock *c = &vm->clock;
	u64 ns = data->clock, tsc, host_ns;
	unsigned long flags;
	ktime_t real;

	if (data->flags & ~CLOCK_FLAGS)
		return -EINVAL;
	raw_spin_lock_irqsave(&c->lock, flags);
	host_ns = host_clock_pair(&tsc, &real);
	/* time went on while the machine was on its way; a host whose clock is behind does not set it back */
	if (data->flags & KVM_CLOCK_REALTIME && ktime_to_ns(real) > (s64)data->realtime)
		ns += ktime_to_ns(real) - data->realtime;
	clock_set_locked(c, host_clock_is_stable() && c->nr_in_step == READ_ONCE(vm->nr_vcpus), ns, host_ns, tsc);
	raw_spin_unlock_irqrestore(&c->lock, flags);
	keel_vm_request(vm, REQ_CLOCK, 0);
	return 0;
}

/**
 * keel_clock_tsc_pair() - real time and guest TSC of the same instant (KVM_HC_CLOCK_PAIRING)
 * @vcpu: on its own thread
 * @real: real time
 * @guest_tsc: TSC
 *
 * Return: false when the host's clock is not kept by its TSC.
 */
bool keel_clock_tsc_pair(struct vcpu *vcpu, struct timespec64 *real, u64 *guest_tsc)
{
	ktime_t now;
	u64 tsc;

	if (!READ_ONCE(vcpu->vm->clock.master) || !host_clock_is_stable())
		return false;
	host_clock_pair(&tsc, &now);
	*real = ktime_to_timespec64(now);
	*guest_tsc = keel_tsc_scale(vcpu, tsc) + vcpu->tsc.offset;
	return true;
}

/* ---- a vCPU's clock ---- */

void keel_clock_vcpu_init(struct vcpu *vcpu)
{
	if (keel_tsc_set_khz(vcpu, vcpu->vm->clock.default_tsc_khz))
		keel_tsc_set_khz(vcpu, 0);
	keel_tsc_write(vcpu, 0);
}

void keel_clock_vcpu_load(struct vcpu *vcpu)
{
	u64 tsc;

	vcpu->tsc.unstable = check_tsc_unstable();
	if (unlikely(vcpu->tsc.unstable) && vcpu->tsc.last_host) {
		/* this CPU's TSC may be behind that of the last one: the guest's never goes back */
		tsc = keel_tsc_read(vcpu);
		if ((s64)(tsc - vcpu->tsc.last_guest) < 0) {
			vcpu->tsc.offset += vcpu->tsc.last_guest - tsc;
			vcpu_dirty(vcpu, RG_TSC);
		}
		vcpu_request(vcpu, REQ_CLOCK);
	} else if (vcpu->pv.system_time & 1 &&
		   (!READ_ONCE(vcpu->vm->clock.master) || vcpu->pv.clock_epoch != READ_ONCE(clock_host_epoch))) {
		vcpu_request(vcpu, REQ_CLOCK);
	}
}

void keel_clock_note_tsc(struct vcpu *vcpu)
{
	vcpu->tsc.last_host = rdtsc();
	vcpu->tsc.last_guest = keel_tsc_scale(vcpu, vcpu->tsc.last_host) + vcpu->tsc.offset;
}

/* ---- the machine sleeps ----------------------------------------------------------------------------------------------- */

/* Host TSC and host clock when it went to sleep. */
static struct {
	u64 tsc;
	u64 ns;
} asleep;

/*
 * The host's TSC, now @tsc, began anew while the machine slept: the guest's goes on where it was, as if no time had passed, and
 * the kvmclock with the time asleep added. All vCPU threads are frozen outside the guest, and will be put on a CPU again.
 */
static void clock_rebase(struct vm *vm, u64 tsc)
{
	struct vm_clock *c = &vm->clock;
	u64 host_ns = clock_host_ns(), in_step = 0;
	struct vcpu *vcpu;
	unsigned int i;

	raw_spin_lock(&c->lock);
	vm_for_each_vcpu(vm, i, vcpu) {
		u64 shift = keel_tsc_scale(vcpu, asleep.tsc) - keel_tsc_scale(vcpu, tsc);

		vcpu->tsc.offset += shift;
		vcpu_dirty(vcpu, RG_TSC);
		if (vcpu->tsc.generation == c->tsc_generation)
			in_step = shift;
		if (vcpu->tsc.host_deadline) {
			vcpu->tsc.host_deadline -= asleep.tsc - tsc;
			vcpu_dirty(vcpu, RG_DEADLINE);
		}
		vcpu_request(vcpu, REQ_CLOCK);
	}
	c->tsc_offset += in_step;
	c->last_tsc_ns += host_ns - asleep.ns;
	if (c->master)
		clock_set_locked(c, true, max(master_ns_at(c, asleep.tsc), host_ns + c->kvmclock_offset), host_ns, tsc);
	raw_spin_unlock(&c->lock);
}

/* One CPU left, interrupts off, the timekeeper goes to sleep later. */
static int clock_suspend(void)
{
	asleep.tsc = rdtsc();
	asleep.ns = clock_host_ns();
	return 0;
}

/* The timekeeper is awake. A TSC that went on counting took the guests' along. */
static void clock_resume(void)
{
	u64 tsc = rdtsc();
	struct vm *vm;

	if ((s64)(tsc - asleep.tsc) >= 0)
		return;
	raw_spin_lock(&clocks_lock);
	list_for_each_entry(vm, &clocks, clock.link)
		clock_rebase(vm, tsc);
	raw_spin_unlock(&clocks_lock);
}

static struct syscore_ops clock_syscore = {
	.suspend	= clock_suspend,
	.resume		= clock_resume,
};

int keel_clock_module_init(void)
{
	int ret;

	host_scale = clock_ns_scale(tsc_khz);
	/* registration calls back at once with the present state */
	ret = pvclock_gtod_register_notifier(&timekeeper_notifier);
	if (!ret)
		register_syscore_ops(&clock_syscore);
	return ret;
}

void keel_clock_module_exit(void)
{
	unregister_syscore_ops(&clock_syscore);
	pvclock_gtod_unregister_notifier(&timekeeper_notifier);
}
