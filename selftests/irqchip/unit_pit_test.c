// SPDX-License-Identifier: GPL-2.0-only
/*
 * 8254, mode by mode: what GATE, a control word, the bytes of a count and a new count do to the
 * counter, to OUT and to the status, and when channel 0 ticks. Right values are those of the 8254
 * data sheet; each table names the section. The clock pulse in which the chip loads a count is
 * left out, here as in irqchip/pit_channel.c.
 */
#include "shim.h"
#include "irqchip.h"
#include "test.h"

/* A time of the host's at which nothing is special; far from zero, as every real one. */
s64 shim_clock;
struct hrtimer *shim_timer;
long shim_allocated;
static s64 origin;

static struct bus_device *devices[2];
static unsigned int nr_devices, pulses, repeats;
static int pulse_result;
static struct vm vm;
static struct irqchip irqchip;

/*
 * Guests at work beside an ioctl: what they do as soon as the ports are there, and when it is about to be found out who wants
 * acknowledgements. What the I/O APIC knew of that then decides who hears of a tick's end.
 */
static void (*at_ports)(void), (*at_notify)(void);
static bool told;

/* ---- what pit.c calls ---- */

int keel_bus_register(struct bus *bus, struct bus_device *dev)
{
	devices[nr_devices++] = dev;
	if (at_ports)
		at_ports();
	return 0;
}

void keel_bus_unregister(struct bus *bus, struct bus_device *dev) { }

void ioapic_update_notify(struct irqchip *irq)
{
	lockdep_assert_held(&irq->lock);
	if (at_notify)
		at_notify();
	told = pit_wants_ack(irq->pit);
}

void pic_repeat_edge(struct irqchip *irq, unsigned int pin) { repeats++; }

int route_pulse(struct irqchip *irq, u32 gsi, enum irq_source source)
{
	pulses++;
	return pulse_result;
}

/* ---- the test's hands ---- */

static void setup(void)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	vm.irq = &irqchip;
	vm.irq_mode = IRQCHIP_KERNEL;
	nr_devices = pulses = repeats = 0;
	pulse_result = 1;
	shim_clock = 3600 * NSEC_PER_SEC;
	ASSERT_EQ(keel_pit_create(&vm, &config), 0);
}

static void teardown(void)
{
	pit_destroy(&irqchip);
	CHECK_EQ("nothing is left in memory", 0, shim_allocated);
}

static void out(u16 port, u8 val)
{
	struct bus_device *dev = devices[port == 0x61];

	ASSERT_EQ(dev->ops->write(NULL, dev, port, 1, &val), 0);
}

static u8 in(u16 port)
{
	struct bus_device *dev = devices[port == 0x61];
	u8 val;

	ASSERT_EQ(dev->ops->read(NULL, dev, port, 1, &val), 0);
	return val;
}

/* The timer of channel 0 goes off if its time has come. */
static void run_timer(void)
{
	struct hrtimer *t = shim_timer;

	while (t->queued && t->expires <= shim_clock) {
		t->queued = false;
		if (t->function(t) == HRTIMER_RESTART)
			t->queued = true;
	}
}

/*
 * To the moment in which @ticks of the chip's clock have passed since @origin, and a part of one
 * more: with each step a larger part, so that ticks counted since any earlier step are whole.
 */
#define PARTS	64

static void at_part(u64 ticks, unsigned int part)
{
	shim_clock = origin + mul_u64_u32_div(ticks * PARTS + part, NSEC_PER_SEC, 1193182 * PARTS);
	run_timer();
}

static void at(u64 ticks)
{
	at_part(ticks, PARTS / 2);
}

static u16 latch(unsigned int n)
{
	u8 lo;

	out(0x43, n << 6);
	lo = in(0x40 + n);
	return lo | in(0x40 + n) << 8;
}

static u8 status(unsigned int n)
{
	out(0x43, 0xe0 | 2 << n);
	return in(0x40 + n);
}

#define OUT	0x80
#define NULLC	0x40
#define WORD	0x30

static void count(unsigned int n, u16 val)
{
	out(0x40 + n, val);
	out(0x40 + n, val >> 8);
}

/*
 * A script: steps on channel 2, each at a tick, and what is to be seen after it. @value -1: not
 * looked at. @out and @null as the status has them, OUT also as port 0x61 has it.
 */
struct step {
	const char *name;
	u32 tick;
	enum { LOOK, CONTROL, FIRST, SECOND, COUNT, GATE } what;
	u32 arg;
	int value;
	int out;
	int null;
};

static void check_step(const struct step *s, unsigned int mode)
{
	u8 st = status(2);

	test_note("mode %u, tick %u: %s", mode, s->tick, s->name);
	CHECK_EQ("OUT", s->out, !!(st & OUT));
	CHECK_EQ("OUT at port 0x61", s->out, !!(in(0x61) & 0x20));
	CHECK_EQ("null count", s->null, !!(st & NULLC));
	if (s->value >= 0)
		CHECK_EQ("value", s->value, latch(2));
}

static void play(unsigned int mode, bool gate, const struct step *steps, size_t n)
{
	size_t i;

	setup();
	origin = shim_clock;
	out(0x61, gate);
	for (i = 0; i < n; i++) {
		const struct step *s = &steps[i];

		at_part(s->tick, i + 1);
		switch (s->what) {
		case LOOK:
			break;
		case CONTROL:
			out(0x43, 0x80 | WORD | s->arg);
			break;
		case FIRST:
		case SECOND:
			out(0x42, s->arg);
			break;
		case COUNT:
			count(2, s->arg);
			break;
		case GATE:
			out(0x61, s->arg);
			break;
		}
		check_step(s, mode);
	}
	teardown();
}

#define PLAY(mode, gate, steps)	play(mode, gate, steps, ARRAY_SIZE(steps))

/* "Mode 0: Interrupt on Terminal Count" */
static void test_mode0(void)
{
	static const struct step steps[] = {
		{ "control word: OUT low", 0, CONTROL, 0x0, -1, 0, 1 },
		{ "no count: nothing happens", 9000, LOOK, 0, -1, 0, 1 },
		{ "first byte", 9000, FIRST, 0xe8, -1, 0, 1 },
		{ "second byte loads", 9000, SECOND, 0x03, 1000, 0, 0 },
		{ "one before the end", 9999, LOOK, 0, 1, 0, 0 },
		{ "terminal count", 10000, LOOK, 0, 0, 1, 0 },
		{ "it wraps and goes on", 10001, LOOK, 0, 0xffff, 1, 0 },
		{ "GATE low", 10100, GATE, 0, 0xff9c, 1, 0 },
		{ "holds", 20000, LOOK, 0, 0xff9c, 1, 0 },
		{ "GATE high", 20000, GATE, 1, 0xff9c, 1, 0 },
		{ "goes on", 20010, LOOK, 0, 0xff92, 1, 0 },
		{ "first byte: stops, OUT low", 20010, FIRST, 0x64, 0xff92, 0, 0 },
		{ "stands", 30000, LOOK, 0, 0xff92, 0, 0 },
		{ "second byte", 30000, SECOND, 0x00, 100, 0, 0 },
		{ "new count at once", 30050, COUNT, 500, 500, 0, 0 },
		{ "GATE low in the middle", 30150, GATE, 0, 400, 0, 0 },
		{ "count with GATE low is loaded", 40000, COUNT, 300, 300, 0, 0 },
		{ "and waits", 50000, LOOK, 0, 300, 0, 0 },
		{ "GATE high", 50000, GATE, 1, 300, 0, 0 },
		{ "not yet", 50299, LOOK, 0, 1, 0, 0 },
		{ "ends as many ticks later", 50300, LOOK, 0, 0, 1, 0 },
		{ "control word: OUT low, the count stands", 50310, CONTROL, 0x0, 0xfff6, 0, 1 },
		{ "stands", 60000, LOOK, 0, 0xfff6, 0, 1 },
		{ "0 is 65536", 60000, COUNT, 0, 0, 0, 0 },
		{ "not yet", 60000 + 65535, LOOK, 0, 1, 0, 0 },
		{ "ended", 60000 + 65536, LOOK, 0, 0, 1, 0 },
	};

	PLAY(0, 1, steps);
}

/* "Mode 1: Hardware Retriggerable One-Shot" */
static void test_mode1(void)
{
	static const struct step steps[] = {
		{ "control word: OUT high", 0, CONTROL, 0x2, -1, 1, 1 },
		{ "trigger without a count", 10, GATE, 1, -1, 1, 1 },
		{ "GATE low", 20, GATE, 0, -1, 1, 1 },
		{ "count: armed", 100, COUNT, 1000, -1, 1, 1 },
		{ "not started", 5000, LOOK, 0, -1, 1, 1 },
		{ "trigger", 5000, GATE, 1, 1000, 0, 0 },
		{ "GATE low changes nothing", 5100, GATE, 0, 900, 0, 0 },
		{ "goes on", 5200, LOOK, 0, 800, 0, 0 },
		{ "retrigger", 5200, GATE, 1, 1000, 0, 0 },
		{ "new count waits for a trigger", 5300, COUNT, 200, 900, 0, 1 },
		{ "still the old one", 6199, LOOK, 0, 1, 0, 1 },
		{ "end", 6200, LOOK, 0, 0, 1, 1 },
		{ "wraps", 6201, LOOK, 0, 0xffff, 1, 1 },
		{ "GATE low", 6300, GATE, 0, -1, 1, 1 },
		{ "trigger loads the new count", 7000, GATE, 1, 200, 0, 0 },
		{ "end", 7200, LOOK, 0, 0, 1, 0 },
	};

	PLAY(1, 0, steps);
}

/* "Mode 2: Rate Generator" */
static void test_mode2(void)
{
	static const struct step steps[] = {
		{ "control word: OUT high", 0, CONTROL, 0x4, -1, 1, 1 },
		{ "count", 0, COUNT, 100, 100, 1, 0 },
		{ "two", 98, LOOK, 0, 2, 1, 0 },
		{ "one: OUT low", 99, LOOK, 0, 1, 0, 0 },
		{ "again from the count", 100, LOOK, 0, 100, 1, 0 },
		{ "GATE low", 150, GATE, 0, 50, 1, 0 },
		{ "holds", 1000, LOOK, 0, 50, 1, 0 },
		{ "GATE high loads", 1000, GATE, 1, 100, 1, 0 },
		{ "OUT low", 1099, LOOK, 0, 1, 0, 0 },
		{ "GATE low there: OUT high at once", 1099, GATE, 0, 1, 1, 0 },
		{ "GATE high", 2000, GATE, 1, 100, 1, 0 },
		{ "a new count waits", 2030, COUNT, 40, 70, 1, 1 },
		{ "half of it changes nothing", 2040, FIRST, 60, 60, 1, 1 },
		{ "and again", 2050, SECOND, 0, 50, 1, 1 },
		{ "to the end of the period", 2099, LOOK, 0, 1, 0, 1 },
		{ "then it counts", 2100, LOOK, 0, 60, 1, 0 },
		{ "its end", 2159, LOOK, 0, 1, 0, 0 },
		{ "a new count", 2180, COUNT, 500, 40, 1, 1 },
		{ "GATE low", 2190, GATE, 0, 30, 1, 1 },
		{ "a trigger loads it before the end", 2191, GATE, 1, 500, 1, 0 },
		{ "seen late", 2191 + 500 * 3 + 20, LOOK, 0, 480, 1, 0 },
		{ "a new count", 2191 + 500 * 3 + 20, COUNT, 70, 480, 1, 1 },
		{ "seen late, after its load", 2191 + 500 * 4 + 29, LOOK, 0, 41, 1, 0 },
		{ "control word in the pulse", 2191 + 500 * 4 + 69, CONTROL, 0x4, 1, 1, 1 },
	};

	PLAY(2, 1, steps);
}

/* "Mode 3: Square Wave Mode", even and odd counts */
static void test_mode3(void)
{
	static const struct step steps[] = {
		{ "control word: OUT high", 0, CONTROL, 0x6, -1, 1, 1 },
		{ "even count", 0, COUNT, 100, 100, 1, 0 },
		{ "by two", 1, LOOK, 0, 98, 1, 0 },
		{ "end of the half", 49, LOOK, 0, 2, 1, 0 },
		{ "OUT low", 50, LOOK, 0, 100, 0, 0 },
		{ "end of the period", 99, LOOK, 0, 2, 0, 0 },
		{ "OUT high", 100, LOOK, 0, 100, 1, 0 },
		{ "GATE low in the low half: OUT high at once", 160, GATE, 0, 80, 1, 0 },
		{ "holds", 500, LOOK, 0, 80, 1, 0 },
		{ "GATE high loads", 500, GATE, 1, 100, 1, 0 },
		{ "new count in the high half", 520, COUNT, 30, 60, 1, 1 },
		{ "waits for the end of the half", 549, LOOK, 0, 2, 1, 1 },
		{ "low half of the new one", 550, LOOK, 0, 30, 0, 0 },
		{ "its last", 564, LOOK, 0, 2, 0, 0 },
		{ "high half", 565, LOOK, 0, 30, 1, 0 },
		{ "new count in the low half", 585, COUNT, 1000, 20, 0, 1 },
		{ "starts high", 595, LOOK, 0, 1000, 1, 0 },
		{ "control word, odd count", 600, CONTROL, 0x6, 990, 1, 1 },
		{ "counts from one less", 1000, COUNT, 5, 4, 1, 0 },
		{ "", 1001, LOOK, 0, 2, 1, 0 },
		{ "high for half and a tick", 1002, LOOK, 0, 0, 1, 0 },
		{ "low", 1003, LOOK, 0, 4, 0, 0 },
		{ "", 1004, LOOK, 0, 2, 0, 0 },
		{ "high", 1005, LOOK, 0, 4, 1, 0 },
	};

	PLAY(3, 1, steps);
}

/* "Mode 4: Software Triggered Strobe" */
static void test_mode4(void)
{
	static const struct step steps[] = {
		{ "control word: OUT high", 0, CONTROL, 0x8, -1, 1, 1 },
		{ "count", 0, COUNT, 100, 100, 1, 0 },
		{ "GATE low", 40, GATE, 0, 60, 1, 0 },
		{ "holds", 400, LOOK, 0, 60, 1, 0 },
		{ "GATE high", 400, GATE, 1, 60, 1, 0 },
		{ "strobe", 460, LOOK, 0, 0, 0, 0 },
		{ "one tick", 461, LOOK, 0, 0xffff, 1, 0 },
		{ "new count at once", 500, COUNT, 300, 300, 1, 0 },
		{ "first byte changes nothing", 510, FIRST, 50, 290, 1, 0 },
		{ "second byte loads", 520, SECOND, 0, 50, 1, 0 },
		{ "strobe", 570, LOOK, 0, 0, 0, 0 },
	};

	PLAY(4, 1, steps);
}

/* "Mode 5: Hardware Triggered Strobe" */
static void test_mode5(void)
{
	static const struct step steps[] = {
		{ "control word: OUT high", 0, CONTROL, 0xa, -1, 1, 1 },
		{ "count: armed", 0, COUNT, 100, -1, 1, 1 },
		{ "not started", 100, LOOK, 0, -1, 1, 1 },
		{ "trigger", 1000, GATE, 1, 100, 1, 0 },
		{ "GATE low changes nothing", 1010, GATE, 0, 90, 1, 0 },
		{ "retrigger", 1050, GATE, 1, 100, 1, 0 },
		{ "new count waits", 1060, COUNT, 20, 90, 1, 1 },
		{ "strobe", 1150, LOOK, 0, 0, 0, 1 },
		{ "over", 1151, LOOK, 0, 0xffff, 1, 1 },
	};

	PLAY(5, 0, steps);
}

/* "Control Word Format", "Write Operations", "Read Operations", "Read-Back Command" */
static void test_access(void)
{
	unsigned int mode;

	setup();
	origin = shim_clock;
	out(0x61, 1);
	for (mode = 0; mode < 8; mode++) {
		out(0x43, 0x80 | WORD | mode << 1 | (mode & 1));
		CHECK_EQ("status: access, mode (6, 7 are 2, 3), BCD",
			 WORD | (mode > 5 ? mode & 3 : mode) << 1 | (mode & 1), status(2) & 0x3f);
	}
	out(0x43, 0x90 | 4);		/* low byte only */
	out(0x42, 200);
	CHECK_EQ("low byte loads", 200, in(0x42));
	CHECK_EQ("and is read alone", 200, in(0x42));
	out(0x43, 0xa0 | 4);		/* high byte only */
	out(0x42, 2);
	CHECK_EQ("high byte loads", 2, in(0x42));
	CHECK_EQ("access in the status", 0x20, status(2) & 0x30);
	out(0x43, 0x80 | WORD | 4);
	count(2, 0x1234);
	CHECK_EQ("low byte first", 0x34, in(0x42));
	CHECK_EQ("then the high one", 0x12, in(0x42));
	out(0x43, 0x80);
	at(0x234);
	out(0x43, 0x80);		/* a second latch command is ignored */
	out(0x43, 0xc0 | 0x8);		/* both by read-back: status first, then the count */
	CHECK_EQ("status first", OUT | WORD | 4, in(0x42));
	CHECK_EQ("first latch, low", 0x34, in(0x42));
	CHECK_EQ("first latch, high", 0x12, in(0x42));
	CHECK_EQ("then the counter", 0x00, in(0x42));
	CHECK_EQ("", 0x10, in(0x42));
	out(0x43, 0x80);
	out(0x43, 0x80 | WORD | 4);
	CHECK_EQ("a control word drops what is latched", NULLC, status(2) & NULLC);
	out(0x43, 0xd0 | 0xe);		/* counts of all three */
	out(0x43, 0xe0 | 0xe);		/* and their status */
	CHECK_EQ("channel 0 after reset: nothing programmed", 6, in(0x40) & 0x3f);
	CHECK_EQ("channel 2", WORD | 4, in(0x42) & 0x3f);
	CHECK_EQ("port 0x43 cannot be read", 0, in(0x43));
	teardown();
}

/* "Counter": BCD counts from 10^4; "Mode 2": 1 is no count */
static void test_bcd(void)
{
	static const struct step steps[] = {
		{ "mode 0", 0, CONTROL, 0x1, -1, 0, 1 },
		{ "digits", 0, COUNT, 0x1000, 0x1000, 0, 0 },
		{ "borrow", 1, LOOK, 0, 0x0999, 0, 0 },
		{ "end", 1000, LOOK, 0, 0, 1, 0 },
		{ "wraps to 9999", 1001, LOOK, 0, 0x9999, 1, 0 },
		{ "mode 2", 2000, CONTROL, 0x5, -1, 1, 1 },
		{ "0 is 10000", 2000, COUNT, 0, 0, 1, 0 },
		{ "", 2001, LOOK, 0, 0x9999, 1, 0 },
		{ "", 11999, LOOK, 0, 1, 0, 0 },
		{ "", 12000, LOOK, 0, 0, 1, 0 },
		{ "binary again", 13000, CONTROL, 0x4, -1, 1, 1 },
		{ "1 counts as 2", 13000, COUNT, 1, 2, 1, 0 },
		{ "", 13001, LOOK, 0, 1, 0, 0 },
	};

	PLAY(0, 1, steps);
}

/* ---- channel 0 ---- */

static void check_ticks(const char *name, u64 tick, unsigned int wanted)
{
	/* each tick is acknowledged */
	while (shim_clock < origin + (s64)mul_u64_u32_div(tick, NSEC_PER_SEC, 1193182)) {
		shim_clock += NSEC_PER_SEC / 10000;
		run_timer();
		pit_acked(irqchip.pit);
	}
	CHECK_EQ(name, wanted, pulses);
	pulses = 0;
}

static void test_ticks(void)
{
	setup();
	origin = shim_clock;
	out(0x43, WORD | 4);
	check_ticks("a control word stops the timer", 200000, 0);
	count(0, 11932);
	check_ticks("mode 2, 100 Hz", 200000 + 11932 * 10 + 100, 10);
	check_ticks("in the middle of a period", 200000 + 11932 * 10 + 6000, 0);
	out(0x40, 2000 & 0xff);
	check_ticks("half a count leaves the period as it is", 200000 + 11932 * 11 + 300, 1);
	out(0x40, 2000 >> 8);
	CHECK_EQ("the new count waits", NULLC, status(0) & NULLC);
	check_ticks("the old period ends, then the new ones", 200000 + 11932 * 12 + 2000 * 5 + 500, 6);
	out(0x43, WORD | 0);
	check_ticks("stopped", 400000, 0);
	count(0, 6000);
	check_ticks("mode 0 ticks once", 500000, 1);
	count(0, 6000);
	out(0x40, 1);
	check_ticks("half a count stops mode 0", 600000, 0);
	out(0x40, 1);
	check_ticks("the other half starts it", 700000, 1);
	out(0x43, WORD | 2);
	count(0, 6000);
	check_ticks("mode 1 has no trigger here", 800000, 0);
	out(0x43, WORD | 8);
	count(0, 6000);
	check_ticks("on its way", 805000, 0);
	out(0x40, 0x70);
	check_ticks("mode 4: half a count changes nothing", 806300, 1);
	check_ticks("it ticks once", 900000, 0);
	out(0x40, 0x17);
	check_ticks("mode 4 ticks once", 900000 + 7000, 1);
	out(0x43, WORD | 6);
	check_ticks("stopped", 910000, 0);
	count(0, 12000);
	check_ticks("mode 3", 910000 + 12000 * 5 + 3000, 5);
	count(0, 4000);
	check_ticks("a new count from the half on", 910000 + 12000 * 5 + 6000 + 2000 + 4000 * 2 + 500, 3);
	teardown();
}

/* Ticks that wait are counted; each of them is an edge all the same, which LINT0 may want. */
static void test_reinject(void)
{
	setup();
	origin = shim_clock;
	out(0x43, WORD | 4);
	count(0, 10000);
	at(50500);
	CHECK_EQ("one is on its way", 1, pulses);
	CHECK_EQ("the others are edges", 4, repeats);
	pit_acked(irqchip.pit);
	CHECK_EQ("the next at the acknowledgement", 2, pulses);
	pulse_result = 0;
	pit_forget(irqchip.pit);
	pulses = 0;
	at(100500);
	CHECK_EQ("taken by nobody: none waits", 5, pulses);
	teardown();
}

/* The guest takes each tick and ends it, and whoever the I/O APIC knows of hears it. */
static void guest_runs(void)
{
	unsigned int i, before;

	for (i = 0; i < 3; i++) {
		before = pulses;
		shim_clock += 9 * NSEC_PER_SEC / 1000;
		run_timer();
		if (pulses != before && told && irqchip.pit)
			pit_acked(irqchip.pit);
	}
}

static void guest_starts(void)
{
	at_ports = NULL;
	out(0x43, WORD | 4);
	count(0, 10000);
	guest_runs();
}

/* Who hears of acknowledgements changes while ticks come: the ones that nobody heard of hold no others back. */
static void test_ticks_meanwhile(void)
{
	struct kvm_reinject_control control = { };

	told = false;
	at_ports = guest_starts;
	setup();
	pulses = 0;
	guest_runs();
	CHECK_EQ("made under way", 3, pulses);
	at_notify = guest_runs;
	ASSERT_EQ(keel_pit_reinject(&vm, &control), 0);
	pulses = 0;
	guest_runs();
	CHECK_EQ("not counted any more", 3, pulses);
	CHECK_EQ("and no end is told", 0, told);
	control.pit_reinject = 1;
	ASSERT_EQ(keel_pit_reinject(&vm, &control), 0);
	pulses = 0;
	guest_runs();
	CHECK_EQ("counted again", 3, pulses);
	at_notify = NULL;
	teardown();
}

/* Paused: what was due ticks afterwards. On the way back to a mark that may be long ago, and then it is one tick, in phase. */
static void test_paused(void)
{
	static const struct { const char *name; u8 mode; u32 until; bool skips; u32 ticks, next; } rows[] = {
		{ "not due yet", 2, 9000, true, 0, 10000 }, { "the first is due", 2, 10500, true, 1, 20000 },
		{ "twenty are due", 2, 200500, false, 20, 210000 }, { "twenty, skipped", 2, 200500, true, 1, 210000 },
		{ "ten minutes, skipped", 2, 716000500, true, 1, 716010000 }, { "once", 0, 200500, true, 1, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		setup();
		origin = shim_clock;
		out(0x43, WORD | rows[i].mode << 1);
		count(0, 10000);
		pit_pause(&irqchip);
		pulses = repeats = 0;
		shim_clock = origin + rows[i].until * (u64)NSEC_PER_SEC / 1193182;
		if (rows[i].skips)
			pit_skip_missed(&irqchip);
		CHECK_EQ(rows[i].name, 0, pulses);
		pit_resume(&irqchip);
		at(rows[i].until);
		CHECK_EQ("  ticks", rows[i].ticks, pulses + repeats);
		CHECK_EQ("  goes on", rows[i].next != 0, shim_timer->queued);
		if (rows[i].next) {
			at(rows[i].next + 100);
			CHECK_EQ("  in phase", rows[i].ticks + 1, pulses + repeats);
		}
		teardown();
	}
}

/* ---- saved state ---- */

static void move(void)
{
	struct kvm_pit_state2 state, back;

	ASSERT_EQ(keel_pit_get(&vm, &state), 0);
	ASSERT_EQ(keel_pit_set(&vm, &state), 0);
	ASSERT_EQ(keel_pit_get(&vm, &back), 0);
	/* channel 0 begins a period, and a paused counter's time is rounded to ticks */
	ASSERT(!memcmp(&state.channels[1], &back.channels[1], sizeof(back.channels[1])), "changed");
}

static void test_move(void)
{
	static const struct { const char *name; u8 mode, gate; u32 ticks; int value, out; } rows[] = {
		{ "mode 0 runs", 0, 1, 400, 600, 0 }, { "mode 0 paused", 0, 0, 400, 1000, 0 },
		{ "mode 0 ended", 0, 1, 1001, 0xffff, 1 }, { "mode 1 waits", 1, 0, 400, -1, 1 },
		{ "mode 2 runs", 2, 1, 1400, 600, 1 }, { "mode 2 paused", 2, 0, 400, 1000, 1 },
		{ "mode 3 runs", 3, 1, 600, 800, 0 }, { "mode 4 paused", 4, 0, 1000, 1000, 1 },
		{ "mode 5 waits", 5, 0, 1000, -1, 1 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		setup();
		origin = shim_clock;
		out(0x61, rows[i].gate);
		out(0x43, 0x80 | WORD | rows[i].mode << 1);
		count(2, 1000);
		at(rows[i].ticks);
		move();
		test_note("%s", rows[i].name);
		CHECK_EQ("OUT", rows[i].out, !!(in(0x61) & 0x20));
		if (rows[i].value >= 0)
			CHECK_EQ("value", rows[i].value, latch(2));
		teardown();
	}
	setup();
	out(0x43, 0x80 | WORD);
	move();
	CHECK_EQ("no count yet", NULLC, status(2) & (OUT | NULLC));
	teardown();
}

/* Any state, any accesses, any time: the sanitizers watch, and mode and count stay in their ranges. */
static void test_hostile(void)
{
	struct kvm_pit_state2 state, back;
	unsigned int n, i;
	u64 x = 0x9e3779b97f4a7c15ull;
	u8 *bytes = (u8 *)&state;

	setup();
	for (n = 0; n < 3000; n++) {
		for (i = 0; i < sizeof(state); i++)
			bytes[i] = xorshift(&x);
		ASSERT_EQ(keel_pit_set(&vm, &state), 0);
		for (i = 0; i < 60; i++) {
			u64 r = xorshift(&x);
			u16 port = r & 4 ? 0x61 : 0x40 + (r & 3);

			if (r & 8)
				out(port, r >> 8);
			else
				in(port);
			shim_clock += r & 16 ? (r >> 20) % NSEC_PER_SEC : (r >> 20) % 2000;
			/* what would be run late is not run at all */
			if (shim_timer->queued && shim_timer->expires < shim_clock) {
				shim_timer->queued = false;
				shim_timer->queued = shim_timer->function(shim_timer) == HRTIMER_RESTART;
			}
		}
		ASSERT_EQ(keel_pit_get(&vm, &back), 0);
		for (i = 0; i < 3; i++) {
			ASSERT_LE(back.channels[i].mode, 5);
			ASSERT_LE(back.channels[i].count, 0x10000);
			ASSERT_GE(back.channels[i].count_load_time, 0);
		}
	}
	teardown();
}

static const struct test_case cases[] = {
	{ "mode0", test_mode0 },
	{ "mode1", test_mode1 },
	{ "mode2", test_mode2 },
	{ "mode3", test_mode3 },
	{ "mode4", test_mode4 },
	{ "mode5", test_mode5 },
	{ "access", test_access },
	{ "bcd", test_bcd },
	{ "ticks", test_ticks },
	{ "reinject", test_reinject },
	{ "ticks_meanwhile", test_ticks_meanwhile },
	{ "paused", test_paused },
	{ "move", test_move },
	{ "hostile", test_hostile },
};

TEST_MAIN(cases)
