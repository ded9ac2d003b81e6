// SPDX-License-Identifier: GPL-2.0-only
/*
 * 8254 interval timer: three channels at ports 0x40-0x43, and the speaker port 0x61.
 *
 * Channel 0 has an hrtimer that raises GSI 0 at each rising edge of its output. When
 * "reinjection" is on (the default), ticks that the guest has not yet acknowledged are counted and
 * delivered one by one as it acknowledges; else a tick that finds the line still waiting is lost.
 * The lock guards all state; the line is driven outside of it. What a counter does is in
 * pit_channel.c.
 */
#include <linux/hrtimer.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <keel/compat.h>
#include "irqchip.h"
#include "pit.h"

#define PIT_CHANNELS	3
#define PIT_PORT	0x40
#define SPEAKER_PORT	0x61
/* Ticks that may wait for a guest that does not acknowledge; some minutes at 1000 Hz. */
#define PIT_MAX_PENDING	200000

static unsigned int pit_min_period_us = 200;
module_param(pit_min_period_us, uint, 0644);
MODULE_PARM_DESC(pit_min_period_us,
		 "shortest period of a guest's 8254 timer, in microseconds (200)");

/*
 * struct pit - the timer of one VM
 * @ch: channels; GATE is tied high but for channel 2
 * @speaker_data: bit 1 of port 0x61
 * @flags: of the saved state (KVM_PIT_FLAGS_*)
 * @reinject: keep count of ticks not acknowledged
 * @wants_ack: what others know of @reinject, before it changes; irqchip.lock
 * @waiting: a tick was delivered and is not acknowledged yet
 * @pending: ticks to deliver after it
 * @period: of channel 0, ns, 0 when it ticks once
 * @has_speaker: port 0x61 is here as well
 * @stopped: the VM ends
 * @paused: @timer stands still for a moment
 * @due: and starts afterwards, when it was to expire
 */
struct pit {
	raw_spinlock_t lock;
	struct irqchip *irq;
	struct pit_channel ch[PIT_CHANNELS];
	bool speaker_data;
	bool reinject;
	bool wants_ack;
	bool waiting;
	bool has_speaker;
	bool stopped;
	bool paused;
	bool due;
	u32 flags;
	u32 pending;
	u64 period;
	struct hrtimer timer;
	struct bus_device dev, dev_speaker;
};

/* ---- channel 0 and its interrupt ---- */

static void pit_tick(struct pit *pit)
{
	/* a tick that nobody took (masked) is not waited for */
	if (route_pulse(pit->irq, PIT_GSI, IRQ_SOURCE_PIT) <= 0)
		WRITE_ONCE(pit->waiting, false);
}

/* A period ended. Under the lock. Return: drive the line now. */
static bool pit_account_tick(struct pit *pit)
{
	if (!pit->reinject)
		return true;
	if (!pit->waiting) {
		pit->waiting = true;
		return true;
	}
	if (pit->pending < PIT_MAX_PENDING)
		pit->pending++;
	return false;
}

static enum hrtimer_restart pit_expired(struct hrtimer *timer)
{
	struct pit *pit = container_of(timer, struct pit, timer);
	enum hrtimer_restart again = HRTIMER_NORESTART;
	unsigned long flags;
	bool fire, live;

	raw_spin_lock_irqsave(&pit->lock, flags);
	/* started anew while this callback waited for the lock: that expiry is void */
	if (hrtimer_is_queued(timer)) {
		raw_spin_unlock_irqrestore(&pit->lock, flags);
		return HRTIMER_NORESTART;
	}
	live = !pit->stopped;
	fire = live && pit_account_tick(pit);
	if (pit->period && !pit->stopped) {
		hrtimer_add_expires_ns(timer, pit->period);
		/* far behind (the host slept): do not run through all that was missed */
		if (ktime_before(hrtimer_get_expires(timer),
				 ktime_sub_ns(ktime_get(), NSEC_PER_SEC)))
			hrtimer_forward_now(timer, ns_to_ktime(pit->period));
		again = HRTIMER_RESTART;
	}
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	if (fire)
		pit_tick(pit);
	else if (live)
		pic_repeat_edge(pit->irq, PIT_GSI);
	return again;
}

/* GSI 0 was acknowledged. No locks held. */
void pit_acked(struct pit *pit)
{
	unsigned long flags;
	bool fire;

	raw_spin_lock_irqsave(&pit->lock, flags);
	fire = pit->reinject && pit->waiting && pit->pending;
	if (fire)
		pit->pending--;
	else
		pit->waiting = false;
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	if (fire)
		pit_tick(pit);
}

/*
 * GSI 0 was unmasked, or drives other pins: what was counted meanwhile is not made up for, and an
 * acknowledgement may never come.
 */
void pit_forget(struct pit *pit)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pit->lock, flags);
	pit->pending = 0;
	pit->waiting = false;
	raw_spin_unlock_irqrestore(&pit->lock, flags);
}

bool pit_wants_ack(const struct pit *pit)
{
	return pit && READ_ONCE(pit->wants_ack);
}

/* No tick waits for an acknowledgement before all know that it is wanted. irqchip.lock is held. */
static void pit_set_reinject(struct pit *pit, bool reinject)
{
	unsigned long flags;

	WRITE_ONCE(pit->wants_ack, reinject);
	ioapic_update_notify(pit->irq);
	raw_spin_lock_irqsave(&pit->lock, flags);
	pit->reinject = reinject;
	pit->pending = 0;
	pit->waiting = false;
	raw_spin_unlock_irqrestore(&pit->lock, flags);
}

/*
 * Channel 0 was loaded, stopped or given a new count: when will it tick? Under the lock. A
 * callback under way on another CPU finds the new period; hrtimer_start() takes a queued timer off
 * by itself.
 */
static void pit_start_channel0(struct pit *pit)
{
	u64 min_ns = (u64)READ_ONCE(pit_min_period_us) * NSEC_PER_USEC, ns;

	pit->pending = 0;
	pit->waiting = false;
	pit->due = false;
	hrtimer_try_to_cancel(&pit->timer);
	ns = pit_channel_next_tick(&pit->ch[0], &pit->period);
	if (pit->stopped || !ns || (pit->flags & KVM_PIT_FLAGS_HPET_LEGACY)) {
		pit->period = 0;
		return;
	}
	if (pit->period)
		pit->period = max(pit->period, min_ns);
	if (unlikely(pit->paused)) {
		hrtimer_set_expires(&pit->timer, ktime_add_ns(ktime_get(), ns));
		pit->due = true;
		return;
	}
	hrtimer_start(&pit->timer, ktime_add_ns(ktime_get(), ns), HRTIMER_MODE_ABS_HARD);
}

/* ---- registers ---- */

static void read_back(struct pit *pit, u8 val)
{
	unsigned int n;

	for (n = 0; n < PIT_CHANNELS; n++) {
		if (!(val & BIT(n + 1)))
			continue;
		if (!(val & BIT(5)))
			pit_channel_latch_count(&pit->ch[n]);
		if (!(val & BIT(4)))
			pit_channel_latch_status(&pit->ch[n]);
	}
}

static void write_control(struct pit *pit, u8 val)
{
	unsigned int n = val >> 6;

	if (n == 3)
		return read_back(pit, val);
	if (!(val & 0x30))
		return pit_channel_latch_count(&pit->ch[n]);
	pit_channel_control(&pit->ch[n], val);
	if (n == 0)
		pit_start_channel0(pit);
}

static void write_counter(struct pit *pit, unsigned int n, u8 val)
{
	pit_channel_write(&pit->ch[n], val);
	if (n == 0)
		pit_start_channel0(pit);
}

static int pit_read(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, unsigned int len,
		    void *data)
{
	struct pit *pit = container_of(dev, struct pit, dev);
	unsigned int n = addr & 3;
	unsigned long flags;

	memset(data, 0, len);
	if (n == 3)
		return 0;
	raw_spin_lock_irqsave(&pit->lock, flags);
	*(u8 *)data = pit_channel_read(&pit->ch[n]);
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	return 0;
}

static int pit_write(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, unsigned int len,
		     const void *data)
{
	struct pit *pit = container_of(dev, struct pit, dev);
	u8 val = *(const u8 *)data;
	unsigned long flags;

	raw_spin_lock_irqsave(&pit->lock, flags);
	if ((addr & 3) == 3)
		write_control(pit, val);
	else
		write_counter(pit, addr & 3, val);
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	return 0;
}

static int speaker_read(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, unsigned int len,
			void *data)
{
	struct pit *pit = container_of(dev, struct pit, dev_speaker);
	unsigned long flags;
	u8 refresh, val;

	raw_spin_lock_irqsave(&pit->lock, flags);
	/* bit 4 toggles with each memory refresh, every 15 us */
	refresh = (ktime_get_boottime_ns() >> 14) & 1;
	val = pit->ch[2].s.gate | pit->speaker_data << 1 | refresh << 4 |
	      pit_channel_output(&pit->ch[2]) << 5;
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	memset(data, 0, len);
	*(u8 *)data = val;
	return 0;
}

static int speaker_write(struct vcpu *vcpu, struct bus_device *dev, gpa_t addr, unsigned int len,
			 const void *data)
{
	struct pit *pit = container_of(dev, struct pit, dev_speaker);
	u8 val = *(const u8 *)data;
	unsigned long flags;

	raw_spin_lock_irqsave(&pit->lock, flags);
	pit->speaker_data = (val >> 1) & 1;
	pit_channel_set_gate(&pit->ch[2], val & 1);
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	return 0;
}

static const struct bus_ops pit_ops = { .read = pit_read, .write = pit_write };
static const struct bus_ops speaker_ops = { .read = speaker_read, .write = speaker_write };

/* ---- life, saved state ---- */

static struct pit *pit_alloc(struct irqchip *irq)
{
	struct pit *pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);
	unsigned int n;

	if (!pit)
		return NULL;
	raw_spin_lock_init(&pit->lock);
	pit->irq = irq;
	for (n = 0; n < PIT_CHANNELS; n++)
		pit_channel_reset(&pit->ch[n], n != 2);
	keel_hrtimer_setup(&pit->timer, pit_expired, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);
	pit->dev = (struct bus_device) { .ops = &pit_ops, .base = PIT_PORT, .len = 4 };
	pit->dev_speaker = (struct bus_device) {
		.ops = &speaker_ops, .base = SPEAKER_PORT, .len = 1,
	};
	return pit;
}

/* No tick after this returns. */
static void stop(struct pit *pit)
{
	unsigned long flags;

	if (pit->stopped)
		return;
	raw_spin_lock_irqsave(&pit->lock, flags);
	pit->stopped = true;
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	hrtimer_cancel(&pit->timer);
}

int keel_pit_create(struct vm *vm, const struct kvm_pit_config *config)
{
	struct irqchip *irq = vm->irq;
	struct pit *pit;
	int ret;

	if (vm->irq_mode != IRQCHIP_KERNEL)
		return -ENOENT;
	if (irq->pit)
		return -EEXIST;
	pit = pit_alloc(irq);
	if (!pit)
		return -ENOMEM;
	ret = keel_bus_register(&vm->pio, &pit->dev);
	if (ret)
		goto err_free;
	if (config->flags & KVM_PIT_SPEAKER_DUMMY) {
		ret = keel_bus_register(&vm->pio, &pit->dev_speaker);
		if (ret)
			goto err_unregister;
		pit->has_speaker = true;
	}
	mutex_lock(&irq->lock);
	smp_store_release(&irq->pit, pit);
	/* a vCPU may have found the ports meanwhile, and have ticks; none of them waits */
	pit_set_reinject(pit, true);
	mutex_unlock(&irq->lock);
	return 0;

err_unregister:
	keel_bus_unregister(&vm->pio, &pit->dev);
	/* a vCPU may have found the ports meanwhile and started the timer */
	stop(pit);
err_free:
	kfree(pit);
	return ret;
}

void pit_stop(struct irqchip *irq)
{
	if (irq->pit)
		stop(irq->pit);
}

void pit_destroy(struct irqchip *irq)
{
	pit_stop(irq);
	kfree(irq->pit);
	irq->pit = NULL;
}

int keel_pit_get(struct vm *vm, struct kvm_pit_state2 *state)
{
	struct pit *pit = vm->irq ? smp_load_acquire(&vm->irq->pit) : NULL;
	unsigned long flags;
	unsigned int n;

	if (!pit)
		return -ENXIO;
	memset(state, 0, sizeof(*state));
	raw_spin_lock_irqsave(&pit->lock, flags);
	for (n = 0; n < PIT_CHANNELS; n++)
		pit_channel_save(&pit->ch[n], &state->channels[n]);
	state->flags = pit->flags;
	if (pit->speaker_data)
		state->flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	return 0;
}

int keel_pit_set(struct vm *vm, const struct kvm_pit_state2 *state)
{
	struct pit *pit = vm->irq ? smp_load_acquire(&vm->irq->pit) : NULL;
	unsigned long flags;
	unsigned int n;

	if (!pit)
		return -ENXIO;
	raw_spin_lock_irqsave(&pit->lock, flags);
	/* HPET legacy mode takes channel 0's interrupt away; leaving it gives it back */
	pit->flags = state->flags & KVM_PIT_FLAGS_HPET_LEGACY;
	pit->speaker_data = state->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	for (n = 0; n < PIT_CHANNELS; n++)
		pit_channel_restore(&pit->ch[n], &state->channels[n],
				    n != 2 || state->channels[n].gate);
	pit->ch[0].s.count_load_time = ktime_get_boottime_ns();
	pit_start_channel0(pit);
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	return 0;
}

int keel_pit_reinject(struct vm *vm, const struct kvm_reinject_control *control)
{
	struct pit *pit = vm->irq ? smp_load_acquire(&vm->irq->pit) : NULL;

	if (!pit)
		return -ENXIO;
	mutex_lock(&vm->irq->lock);
	pit_set_reinject(pit, control->pit_reinject);
	mutex_unlock(&vm->irq->lock);
	return 0;
}

/* ---- copying ---- */

int pit_make_like(struct vm *to, struct vm *from)
{
	const struct pit *pit = from->irq->pit;
	struct kvm_pit_config config = { };

	if (!pit)
		return 0;
	if (pit->has_speaker)
		config.flags = KVM_PIT_SPEAKER_DUMMY;
	return keel_pit_create(to, &config);
}

void pit_pause(struct irqchip *irq)
{
	struct pit *pit = irq->pit;
	unsigned long flags;
	int ran;

	if (!pit)
		return;
	/* a callback that waits for the lock is let through; the launcher may set the timer at any time, which does not start it now */
	do {
		raw_spin_lock_irqsave(&pit->lock, flags);
		ran = hrtimer_try_to_cancel(&pit->timer);
		if (ran >= 0) {
			pit->paused = true;
			pit->due = ran;
		}
		raw_spin_unlock_irqrestore(&pit->lock, flags);
		cpu_relax();
	} while (ran < 0);
}

void pit_resume(struct irqchip *irq)
{
	struct pit *pit = irq->pit;
	unsigned long flags;

	if (!pit)
		return;
	raw_spin_lock_irqsave(&pit->lock, flags);
	if (pit->due)
		hrtimer_start(&pit->timer, hrtimer_get_expires(&pit->timer), HRTIMER_MODE_ABS_HARD);
	pit->paused = pit->due = false;
	raw_spin_unlock_irqrestore(&pit->lock, flags);
}

void pit_skip_missed(struct irqchip *irq)
{
	struct pit *pit = irq->pit;
	unsigned long flags;

	if (!pit)
		return;
	raw_spin_lock_irqsave(&pit->lock, flags);
	if (pit->due && pit->period && hrtimer_forward_now(&pit->timer, ns_to_ktime(pit->period)))
		hrtimer_set_expires(&pit->timer, ktime_sub_ns(hrtimer_get_expires(&pit->timer), pit->period));
	raw_spin_unlock_irqrestore(&pit->lock, flags);
}

void pit_copy(struct irqchip *to, struct irqchip *from)
{
	struct pit *src = from->pit, *dst = to->pit;
	unsigned long flags;

	if (!src)
		return;
	raw_spin_lock_irqsave(&src->lock, flags);
	raw_spin_lock_nested(&dst->lock, SINGLE_DEPTH_NESTING);
	memcpy(dst->ch, src->ch, sizeof(dst->ch));
	dst->speaker_data = src->speaker_data;
	dst->reinject = src->reinject;
	dst->wants_ack = src->reinject;
	dst->waiting = src->waiting;
	dst->flags = src->flags;
	dst->pending = src->pending;
	dst->period = src->period;
	dst->paused = true;
	dst->due = src->due;
	hrtimer_set_expires(&dst->timer, hrtimer_get_expires(&src->timer));
	raw_spin_unlock(&dst->lock);
	raw_spin_unlock_irqrestore(&src->lock, flags);
}
