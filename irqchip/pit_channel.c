// SPDX-License-Identifier: GPL-2.0-only
/*
 * A counter of the 8254: what its modes, GATE, control words and counts do (8254 data sheet, "Mode
 * Definitions", "Gate Pin Operations Summary", "Read-Back Command").
 *
 * It is not stepped but computed from the time since it was loaded, when somebody looks. What a
 * mode does is in @mode_flags, counter() and pit_channel_output(). The clock pulse in which the
 * chip loads a count is left out. The timer's lock is held.
 */
#include <linux/hrtimer.h>
#include <linux/math64.h>
#include "irqchip.h"
#include "pit.h"

#define PIT_HZ	1193182u

/* read_state, write_state and rw_mode of struct kvm_pit_channel_state */
enum { RW_LATCHED, RW_LOW, RW_HIGH, RW_WORD_LOW, RW_WORD_HIGH };

enum {
	GATE_HOLDS = BIT(0),	/* a low GATE stops the counter */
	GATE_LOADS = BIT(1),	/* a rising GATE loads it */
	WAITS = BIT(2),		/* nothing else does */
	PERIODIC = BIT(3),	/* loaded again at its end, and with a new count no earlier */
};

static const u8 mode_flags[] = {
	[0] = GATE_HOLDS,
	[1] = GATE_LOADS | WAITS,
	[2] = GATE_LOADS | GATE_HOLDS | PERIODIC,
	[3] = GATE_LOADS | GATE_HOLDS | PERIODIC,
	[4] = GATE_HOLDS,
	[5] = GATE_LOADS | WAITS,
};

static u64 pit_now(void)
{
	return ktime_get_boottime_ns();
}

static u64 ticks_to_ns(u64 ticks)
{
	/* rounded up: after that time elapsed() says @ticks */
	return mul_u64_u32_div(ticks, NSEC_PER_SEC, PIT_HZ) + 1;
}

/* Clock ticks since the channel was loaded. */
static u64 elapsed(const struct pit_channel *c)
{
	s64 ns = pit_now() - c->s.count_load_time;

	return ns > 0 ? mul_u64_u32_div(ns, PIT_HZ, NSEC_PER_SEC) : 0;
}

/* Ticks of a period in which the output is high in mode 3. */
static u32 high_half(u32 count)
{
	return (count + 1) / 2;
}

static bool has(const struct pit_channel *c, u8 flag)
{
	return mode_flags[c->s.mode] & flag;
}

/* The counting element takes the count register, or took it at time @at. */
static void load(struct pit_channel *c, s64 at)
{
	c->period = c->s.count;
	c->s.count_load_time = at;
	c->null = false;
	c->held = 0;
	c->paused = has(c, GATE_HOLDS) && !c->s.gate;
}

/* Is the new count of mode 3 loaded in the middle of a period? */
static bool due_at_half(const struct pit_channel *c)
{
	u32 part;

	div_u64_rem(c->due, c->period, &part);
	return part;
}

/* Ticks that were counted; loads a new count that was due meanwhile. */
static u64 counted(struct pit_channel *c)
{
	u64 ticks, ns;

	if (c->paused)
		return c->held;
	ticks = elapsed(c);
	if (c->period && c->null && has(c, PERIODIC) && ticks >= c->due) {
		ns = ticks_to_ns(c->due);
		if (due_at_half(c))
			ns -= ticks_to_ns(high_half(c->s.count));
		load(c, c->s.count_load_time + ns);
		ticks = elapsed(c);
	}
	return ticks;
}

static u16 to_bcd(u32 n)
{
	return n / 1000 % 10 << 12 | n / 100 % 10 << 8 | n / 10 % 10 << 4 | n % 10;
}

static u32 from_bcd(u16 n)
{
	return (n >> 12) * 1000 + (n >> 8 & 15) * 100 + (n >> 4 & 15) * 10 + (n & 15);
}

/* The counting element as a read finds it. */
static u16 counter(struct pit_channel *c)
{
	u32 wrap = c->s.bcd ? 10000 : 0x10000, value, part, high;
	u64 ticks = counted(c);

	if (!c->period)
		return c->held;
	div_u64_rem(ticks, has(c, PERIODIC) ? c->period : wrap, &part);
	if (c->s.mode == 3) {	/* by two, from an even number, twice a period */
		high = high_half(c->period);
		value = (c->period & ~1u) - 2 * (part < high ? part : part - high);
	} else {
		value = c->period + (has(c, PERIODIC) ? 0 : wrap) - part;
	}
	value %= wrap;
	return c->s.bcd ? to_bcd(value) : value;
}

bool pit_channel_output(struct pit_channel *c)
{
	u64 ticks = counted(c);
	u32 part;

	if (!c->period)		/* as the control word left it */
		return c->s.mode != 0;
	switch (c->s.mode) {
	case 0:
	case 1:
		return ticks >= c->period;
	case 2:		/* low for the last tick of a period */
		div_u64_rem(ticks, c->period, &part);
		return c->paused || part != c->period - 1;
	case 3:
		div_u64_rem(ticks, c->period, &part);
		return c->paused || part < high_half(c->period);
	default:	/* strobes: low for one tick at the end */
		return ticks != c->period;
	}
}

/* Nothing is loaded any more. */
static void unload(struct pit_channel *c)
{
	c->held = counter(c);
	c->period = 0;
	c->paused = false;
}

void pit_channel_set_gate(struct pit_channel *c, int gate)
{
	u64 ticks = counted(c);
	bool rose = gate && !c->s.gate;

	c->s.gate = !!gate;
	if (rose && has(c, GATE_LOADS)) {
		if (c->s.count)
			load(c, pit_now());
	} else if (rose && c->paused) {
		c->s.count_load_time = pit_now() - ticks_to_ns(ticks);
		c->paused = false;
	} else if (!gate && c->period && has(c, GATE_HOLDS)) {
		c->held = ticks;
		c->paused = true;
	}
}

static void write_count(struct pit_channel *c, u16 val)
{
	u32 count = c->s.bcd ? from_bcd(val) : val, half;
	u64 ticks = counted(c), periods;

	if (!count)
		count = c->s.bcd ? 10000 : 0x10000;
	/* modes 2 and 3 cannot count from one */
	if (count == 1 && has(c, PERIODIC))
		count = 2;
	c->s.count = count;
	c->null = true;
	if (has(c, PERIODIC) && c->period) {
		half = high_half(c->period);
		periods = div_u64_rem(ticks, c->period, &count);
		c->due = periods * c->period + (c->s.mode == 3 && count < half ? half : c->period);
	} else if (!has(c, WAITS)) {
		load(c, pit_now());
	}
}

/* Ticks to the end of the period under way, be it of a new count from its middle on. */
static u64 ticks_to_end(struct pit_channel *c)
{
	u64 ticks = counted(c);
	u32 part;

	if (c->null)
		return c->due - ticks + (due_at_half(c) ? c->s.count - high_half(c->s.count) : 0);
	div_u64_rem(ticks, c->period, &part);
	return c->period - part;
}

u64 pit_channel_next_tick(struct pit_channel *c, u64 *period)
{
	u64 ticks = counted(c);

	*period = 0;
	if (!c->period || has(c, WAITS))
		return 0;
	if (!has(c, PERIODIC))
		return ticks < c->period ? ticks_to_ns(c->period - ticks) : 0;
	*period = ticks_to_ns(c->s.count);
	return ticks_to_ns(ticks_to_end(c));
}

/* ---- registers ---- */

void pit_channel_latch_count(struct pit_channel *c)
{
	if (c->s.count_latched)
		return;
	c->s.latched_count = counter(c);
	c->s.count_latched = c->s.rw_mode;
}

void pit_channel_latch_status(struct pit_channel *c)
{
	if (c->s.status_latched)
		return;
	c->s.status = pit_channel_output(c) << 7 | c->null << 6 | c->s.rw_mode << 4 |
		      c->s.mode << 1 | c->s.bcd;
	c->s.status_latched = 1;
}

void pit_channel_control(struct pit_channel *c, u8 val)
{
	unload(c);
	c->null = true;
	c->s.count = 0;
	c->s.rw_mode = (val >> 4) & 3;
	c->s.read_state = c->s.rw_mode;
	c->s.write_state = c->s.rw_mode;
	c->s.mode = (val >> 1) & 7;
	if (c->s.mode > 5)
		c->s.mode &= 3;	/* modes 6 and 7 are 2 and 3 */
	c->s.bcd = val & 1;
	c->s.count_latched = 0;
	c->s.status_latched = 0;
}

void pit_channel_write(struct pit_channel *c, u8 val)
{
	switch (c->s.write_state) {
	case RW_LOW:
		write_count(c, val);
		break;
	case RW_HIGH:
		write_count(c, val << 8);
		break;
	case RW_WORD_LOW:
		c->s.write_latch = val;
		c->s.write_state = RW_WORD_HIGH;
		/* half a count stops mode 0 and takes OUT low */
		if (c->s.mode == 0)
			unload(c);
		break;
	case RW_WORD_HIGH:
		c->s.write_state = RW_WORD_LOW;
		write_count(c, c->s.write_latch | val << 8);
		break;
	}
}

u8 pit_channel_read(struct pit_channel *c)
{
	u8 state = c->s.count_latched;
	u32 count;

	if (c->s.status_latched) {
		c->s.status_latched = 0;
		return c->s.status;
	}
	if (state) {
		count = c->s.latched_count;
		c->s.count_latched = state == RW_WORD_LOW ? RW_WORD_HIGH : 0;
	} else {
		state = c->s.read_state;
		count = counter(c);
		if (state >= RW_WORD_LOW)
			c->s.read_state = state == RW_WORD_LOW ? RW_WORD_HIGH : RW_WORD_LOW;
	}
	return state == RW_HIGH || state == RW_WORD_HIGH ? count >> 8 : count;
}

/* ---- saved state ---- */

void pit_channel_reset(struct pit_channel *c, int gate)
{
	c->s.mode = 3;
	c->s.gate = gate;
	c->s.count = 0x10000;
	load(c, pit_now());
}

/*
 * The saved state has a load time and GATE, no more: a paused counter is told as loaded so many
 * ticks ago, one that waits for a trigger as run out, and a new count as loaded.
 */
void pit_channel_save(struct pit_channel *c, struct kvm_pit_channel_state *state)
{
	u64 ticks = counted(c), ago = 0;

	if (c->paused)
		ago = ticks_to_ns(ticks);
	else if (!c->period)
		ago = ticks_to_ns(0x10001);
	*state = c->s;
	if (ago)
		state->count_load_time = max_t(s64, pit_now() - ago, 0);
}

void pit_channel_restore(struct pit_channel *c, const struct kvm_pit_channel_state *state, int gate)
{
	struct kvm_pit_channel_state *s = &c->s;
	u64 ticks;

	*s = *state;
	s->count = min_t(u32, s->count, 0x10000);
	if (s->mode > 5)
		s->mode &= 3;
	if (s->count == 1 && has(c, PERIODIC))
		s->count = 2;
	s->gate = !!gate;
	s->bcd = !!s->bcd;
	s->status_latched = !!s->status_latched;
	s->rw_mode = min_t(u8, s->rw_mode, RW_WORD_LOW);
	s->count_latched = min_t(u8, s->count_latched, RW_WORD_HIGH);
	s->read_state = min_t(u8, s->read_state, RW_WORD_HIGH);
	s->write_state = min_t(u8, s->write_state, RW_WORD_HIGH);
	/* loaded on another host, or in the future */
	if (s->count_load_time < 0 || s->count_load_time > pit_now())
		s->count_load_time = pit_now();
	ticks = elapsed(c);
	load(c, s->count_load_time);
	if (c->paused)
		c->held = ticks;
	c->null = !s->count;
}
