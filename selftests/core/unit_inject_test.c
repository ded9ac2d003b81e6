// SPDX-License-Identifier: GPL-2.0-only
/* What goes in at an entry, and what an instruction leaves that software has completed (core/inject.c). No local APIC: the launcher has one. */
#include "test.h"
#include <keel/access.h>
#include <keel/debug.h>
#include <keel/events.h>
#include <keel/request.h>

#define V	0x45
#define IF	BIT(9)
#define TF	BIT(8)
#define RF	BIT(16)
#define CODE	0x1000

static struct event injected;
static u32 windows_wanted;

static void inject(struct vcpu *vcpu, const struct event *event)
{
	injected = *event;
	injected.valid = true;
}

static void windows(struct vcpu *vcpu, u32 windows)
{
	windows_wanted = windows;
}

static void nmi_masked_changed(struct vcpu *vcpu) { }

static void regs_fetch(struct vcpu *vcpu, u32 groups)
{
	FAIL("all groups are valid");
}

static const struct vendor_ops ops = {
	.regs_fetch = regs_fetch, .inject = inject, .windows = windows, .nmi_masked_changed = nmi_masked_changed,
};

const struct vendor_ops *keel_vendor = &ops;

bool keel_lapic_takes_extint(struct vcpu *vcpu) { return true; }
int keel_irq_pending(struct vcpu *vcpu) { return -1; }
int keel_irq_ack(struct vcpu *vcpu) { return -1; }
int keel_irq_blocked_by_tpr(struct vcpu *vcpu) { return -1; }
void keel_lapic_accel_sync(struct vcpu *vcpu, struct lapic_levels *levels) { }
bool keel_lapic_accel_deliverable(struct vcpu *vcpu) { return false; }

static struct vm vm;
static struct kvm_run run;
static struct vcpu vcpu;

static void setup(u64 rflags)
{
	vcpu = (struct vcpu){ .vm = &vm, .run = &run, .events.user_irq = -1 };
	vcpu.regs = (struct vcpu_regs){ .valid = ~0u, .rip = CODE, .rflags = 2 | rflags, .cr0 = 0x80000011, .efer = EFER_LMA };
	vcpu.regs.seg[SEG_CS].ar = SEG_L;
	injected = (struct event){ };
	windows_wanted = 0;
}

/* To the next entry. Which vector goes in, -1 for none. */
static int enter(void)
{
	injected.valid = false;
	vcpu.requests = 0;
	keel_events_prepare(&vcpu);
	return injected.valid ? injected.vector : -1;
}

/* An exit has cut the delivery of an event short, and the launcher comes between. */
static void test_given_back(void)
{
	static const struct {
		const char *name;
		u8 type, vector;
		u64 rflags;
		int first, then;	/* what goes in with these flags, and with IF set */
		u32 window;
	} t[] = {
		{ "interrupt", EVENT_INTR, V, IF, V, -1, 0 },
		{ "interrupt, IF cleared", EVENT_INTR, V, 0, -1, V, WINDOW_IRQ },
		{ "NMI, IF cleared", EVENT_NMI, 2, 0, 2, -1, 0 },
		{ "exception, IF cleared", EVENT_EXCEPTION, X86_TRAP_UD, 0, X86_TRAP_UD, -1, 0 },
		{ "software interrupt, IF cleared", EVENT_SOFT_INTR, 0x80, 0, 0x80, -1, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct event event = { .valid = true, .type = t[i].type, .vector = t[i].vector };

		setup(IF);
		keel_event_interrupted(&vcpu, &event);
		vcpu.regs.rflags = 2 | t[i].rflags;
		CHECK_EQ(t[i].name, t[i].first, enter());
		CHECK_EQ("  window", t[i].window, windows_wanted);
		vcpu.regs.rflags |= IF;
		CHECK_EQ("  with IF", t[i].then, enter());
		CHECK_EQ("  once", -1, enter());
	}
}

/* RIP, RF, the shadow and single step behind an instruction of two bytes (SDM, "Instruction-Breakpoint Exception Condition", "Single-Step Exception Condition"). */
static void test_advance(void)
{
	static const struct {
		const char *name;
		u64 rip, rflags;
		u8 shadow;
		bool is_16;		/* compatibility mode */
		u64 rip_after, rflags_after;
		u64 trap;		/* bits for DR6 */
	} t[] = {
		{ "plain", CODE, IF, 0, false, CODE + 2, IF, 0 },
		{ "RF", CODE, IF | RF, 0, false, CODE + 2, IF, 0 },
		{ "TF", CODE, TF, 0, false, CODE + 2, TF, DR_STEP },
		{ "TF and RF", CODE, TF | RF, 0, false, CODE + 2, TF, DR_STEP },
		{ "shadow", CODE, IF, SHADOW_STI, false, CODE + 2, IF, 0 },
		{ "shadow and RF", CODE, IF | RF, SHADOW_MOVSS, false, CODE + 2, IF, 0 },
		{ "wrap at 4G", 0xfffffffe, RF, 0, true, 0, 0, 0 },
		{ "none in 64-bit code", 0xfffffffe, RF, 0, false, 0x100000000, 0, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		setup(t[i].rflags);
		vcpu.regs.rip = t[i].rip;
		vcpu.events.shadow = t[i].shadow;
		if (t[i].is_16)
			vcpu.regs.seg[SEG_CS].ar = 0;
		vcpu_advance(&vcpu, 2);
		CHECK_EQ(t[i].name, t[i].rip_after, vcpu.regs.rip);
		CHECK_EQ("  rflags", 2 | t[i].rflags_after, vcpu.regs.rflags);
		CHECK_EQ("  written", t[i].rflags & RF ? RG_RIP | RG_RFLAGS : RG_RIP, vcpu.regs.dirty & (RG_RIP | RG_RFLAGS));
		CHECK_EQ("  shadow", 0, vcpu.events.shadow);
		CHECK_EQ("  trap", t[i].trap, vcpu.events.exception.valid ? vcpu.events.payload : 0);
	}
}

/* keel_event_goes_in() says what keel_events_prepare() does; where the emulator is the engine that ends the guest at once. */
static void test_goes_in(void)
{
	static const struct event irq = { .valid = true, .type = EVENT_INTR, .vector = V }, soft = { .valid = true, .type = EVENT_SOFT_INTR, .vector = 0x80 };
	static const struct event ud = { .valid = true, .type = EVENT_EXCEPTION, .vector = X86_TRAP_UD };
	static const struct {
		const char *name;
		u64 rflags;
		u8 shadow;
		u32 debug;
		struct event exception, given_back;
		int user_irq, nmis;
		bool nmi_masked;
		int wanted;
	} t[] = {
		{ "nothing", IF, 0, 0, { }, { }, -1, 0, false, -1 },
		{ "exception", 0, SHADOW_STI, 0, ud, { }, -1, 0, false, X86_TRAP_UD },
		{ "exception before an interrupt", IF, 0, 0, ud, { }, V, 0, false, X86_TRAP_UD },
		{ "exception, interrupts blocked", 0, 0, KVM_GUESTDBG_BLOCKIRQ, ud, { }, -1, 0, false, X86_TRAP_UD },
		{ "interrupt", IF, 0, 0, { }, { }, V, 0, false, V },
		{ "interrupt, no IF", 0, 0, 0, { }, { }, V, 0, false, -1 },
		{ "interrupt in a shadow", IF, SHADOW_MOVSS, 0, { }, { }, V, 0, false, -1 },
		{ "interrupt, blocked", IF, 0, KVM_GUESTDBG_BLOCKIRQ, { }, { }, V, 0, false, -1 },
		{ "interrupt given back", IF, 0, 0, { }, irq, -1, 0, false, V },
		{ "interrupt given back, no IF", 0, 0, 0, { }, irq, -1, 0, false, -1 },
		{ "INT given back, no IF", 0, 0, 0, { }, soft, -1, 0, false, 0x80 },
		{ "NMI", 0, 0, 0, { }, { }, -1, 1, false, 2 },
		{ "NMI in an NMI", 0, 0, 0, { }, { }, -1, 1, true, -1 },
		{ "NMI in a shadow", IF, SHADOW_STI, 0, { }, { }, -1, 1, false, -1 },
	};
	unsigned int i, emulates;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		for (emulates = 0; emulates < 2; emulates++) {
			setup(t[i].rflags);
			vcpu.emulates = emulates;
			vcpu.events.shadow = t[i].shadow;
			vcpu.debug.control = t[i].debug;
			vcpu.events.exception = t[i].exception;
			vcpu.events.injected = t[i].given_back;
			vcpu.events.user_irq = t[i].user_irq;
			atomic_add_unless(&vcpu.events.nmi_pending, t[i].nmis, 2);
			vcpu.events.nmi_masked = t[i].nmi_masked;
			CHECK_EQ(t[i].name, t[i].wanted >= 0, keel_event_goes_in(&vcpu));
			CHECK_EQ("  vector", t[i].wanted, enter());
			CHECK_EQ("  the guest ends at once", emulates, vcpu_test_request(&vcpu, REQ_ENGINE));
		}
	}
}

static const struct test_case cases[] = {
	{ "given_back", test_given_back },
	{ "advance", test_advance },
	{ "goes_in", test_goes_in },
};

TEST_MAIN(cases)
