// SPDX-License-Identifier: GPL-2.0-only
/*
 * Local APICs: messages reach exactly those that match one by one, priorities follow a plain model, mode changes and
 * saved state obey the rules, and no register access or state does harm.
 */
#include "unit_model.h"

static struct model *m;

/* ---- destinations against a reference ---- */

/* Does @vcpu take a message to @dest? The SDM's matching rules, one APIC at a time. */
static bool reference_match(struct vcpu *vcpu, bool from_x2apic, bool from_device, u32 dest,
			    bool logical)
{
	struct lapic *apic = vcpu->lapic;
	u32 ldr = lapic_reg(apic, APIC_LDR);

	if (!(vcpu->apic.base & MSR_IA32_APICBASE_ENABLE))
		return false;
	if (dest == ~0u)
		return true;
	if (dest == 0xff && !from_x2apic &&
	    !(from_device && m->vm.x2apic_no_bcast_quirk && apic->x2apic))
		return true;
	if (apic->x2apic) {
		if (!logical)
			return dest == vcpu->id;
		return dest >> 16 == vcpu->id >> 4 && (dest >> (vcpu->id & 15) & 1);
	}
	if (!logical)
		return dest == (vcpu->id > 0xff ? vcpu->id : lapic_reg(apic, APIC_ID) >> 24);
	if (lapic_reg(apic, APIC_DFR) >> 28 == 0xf)
		return (ldr >> 24) & dest & 0xff;
	return (ldr >> 28) == ((dest >> 4) & 15) && ((ldr >> 24) & dest & 15);
}

enum style { STYLE_FLAT, STYLE_CLUSTER, STYLE_X2APIC, STYLE_MIXED, NR_STYLES };

static void randomize(struct vcpu *vcpu, enum style style)
{
	u64 r = model_random();
	bool x2apic = style == STYLE_X2APIC || (style == STYLE_MIXED && (r & 1));

	/* through "disabled", the only way back from x2APIC */
	ASSERT_EQ(keel_apic_base_set(vcpu, 0xfee00000, false), 0);
	if (style == STYLE_MIXED && !(r & 0xe))
		return;
	ASSERT_EQ(keel_apic_base_set(vcpu, 0xfee00800, false), 0);
	lapic_put(vcpu, APIC_SPIV, 0x1ff);
	if (x2apic) {
		ASSERT_EQ(keel_apic_base_set(vcpu, 0xfee00c00, false), 0);
		return;
	}
	switch (style) {
	case STYLE_FLAT:
		lapic_put(vcpu, APIC_DFR, ~0u);
		lapic_put(vcpu, APIC_LDR, r & 0x100 ? BIT(24 + vcpu->id % 8) : (u32)(r >> 32));
		break;
	case STYLE_CLUSTER:
		lapic_put(vcpu, APIC_DFR, 0);
		lapic_put(vcpu, APIC_LDR, (u32)(vcpu->id / 4 << 28) | (u32)BIT(24 + vcpu->id % 4));
		break;
	default:
		lapic_put(vcpu, APIC_DFR, r & 0x200 ? ~0u : 0);
		lapic_put(vcpu, APIC_LDR, r >> 32);
		if (!(r & 0xc00))
			lapic_put(vcpu, APIC_ID, (u32)(r >> 20));
	}
}

static u32 random_dest(u64 r)
{
	static const u32 special[] = { 0xff, ~0u, 0xfe, 0, 0x1ffff, 0xffff };

	switch (r & 7) {
	case 0:
		return special[(r >> 8) % ARRAY_SIZE(special)];
	case 1:
		return r >> 32;
	case 2:
		return (r >> 8 & 3) << 16 | (r >> 16 & 0xffff);
	default:
		return r >> 8 & 0xff;
	}
}

/* Send one message and compare the receivers. */
static void check_message(enum style style)
{
	bool waits;
	u64 r = model_random();
	struct vcpu *from = &m->vcpu[(r >> 16) % m->nr];
	bool device = r & BIT(60), logical = r & BIT(61);
	struct irq_msg msg = { .mode = DELIVER_NMI, .assert = true, .logical = logical };
	unsigned int i, want;

	if (!from->lapic->enabled)
		return;
	msg.dest = random_dest(model_random());
	if (!device && !from->lapic->x2apic)
		msg.dest &= 0xff;
	for (i = 0; i < m->nr; i++)
		m->vcpu[i].nmis = 0;
	/* in a large VM what is for many waits until interrupts are on, and all else must not */
	shim_irqs_off = model_random() & 1;
	waits = ipi_deliver(m->vm.irq, device ? NULL : from->lapic, &msg) == IPI_WAITS;
	shim_irqs_off = 0;
	if (waits)
		ipi_deliver(m->vm.irq, device ? NULL : from->lapic, &msg);
	for (i = 0; i < m->nr; i++) {
		want = reference_match(&m->vcpu[i], !device && from->lapic->x2apic, device,
				       msg.dest, logical);
		if (m->vcpu[i].nmis != want)
			FAIL("style %d, %s %s 0x%x: vCPU %u got %u, wanted %u", style,
			     device ? "device" : "IPI",
			     logical ? "logical" : "physical", msg.dest, i, m->vcpu[i].nmis, want);
	}
}

static void test_destinations(void)
{
	unsigned int n, i;
	enum style style;

	for (style = 0; style < NR_STYLES; style++) {
		for (n = 0; n < 150; n++) {
			unsigned int nr = 1 + model_random() % 20;

			m = model_create(IRQCHIP_KERNEL, nr);
			m->vm.x2apic_no_bcast_quirk = n & 1;
			if (style != STYLE_FLAT && n % 5 == 0)
				model_add_vcpu(m, 300);
			for (i = 0; i < m->nr; i++)
				randomize(&m->vcpu[i], style);
			for (i = 0; i < 200; i++)
				check_message(style);
			model_destroy(m);
		}
	}
}

static void test_shorthands(void)
{
	static const struct { const char *name; u32 icr; u32 wanted; } rows[] = {
		{ "self", 0x40400, 0x2 }, { "all", 0x80400, 0xf }, { "others", 0xc0400, 0xd },
	};
	unsigned int i, j;

	m = model_create(IRQCHIP_SPLIT, 4);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 got = 0;

		lapic_put(&m->vcpu[1], APIC_ICR, rows[i].icr);
		for (j = 0; j < 4; j++) {
			got |= m->vcpu[j].nmis << j;
			m->vcpu[j].nmis = 0;
		}
		CHECK_EQ(rows[i].name, rows[i].wanted, got);
	}
	/* lowest priority: one of those that match, always the same for one vector */
	lapic_put(&m->vcpu[1], APIC_ICR2, 0xff000000);
	lapic_put(&m->vcpu[1], APIC_ICR, 0x4151);
	for (i = 0, j = 0; j < 4; j++)
		i += keel_irq_pending(&m->vcpu[j]) == 0x51;
	CHECK_EQ("lowest priority: receivers", 1, i);
	lapic_put(&m->vcpu[1], APIC_ICR, 0x4000 | 5);
	lapic_put(&m->vcpu[1], APIC_ESR, 0);
	CHECK_EQ("bad vector", BIT(5), lapic_get(&m->vcpu[1], APIC_ESR));
	model_destroy(m);
}

/*
 * What a guest of a large VM does with interrupts off is done before its next instruction, and not
 * at once.
 */
static void test_waiting(void)
{
	struct vcpu *from, *far;

	m = model_create(IRQCHIP_SPLIT, 3);
	far = model_add_vcpu(m, 100);
	from = &m->vcpu[1];
	from->requests = 0;
	shim_irqs_off = 1;
	lapic_put(from, APIC_ICR2, 2 << 24);
	lapic_put(from, APIC_ICR, 0x400);
	CHECK_EQ("to one: at once", 1, m->vcpu[2].nmis);
	CHECK_EQ("and no request", 0, from->requests & BIT(REQ_IPI));
	lapic_put(from, APIC_ICR, 0xc0400);
	CHECK_EQ("to the others: requested", BIT(REQ_IPI), from->requests & BIT(REQ_IPI));
	CHECK_EQ("not yet", 0, far->nmis);
	shim_irqs_off = 0;
	keel_ipi_flush(from);
	CHECK_EQ("then", 1, far->nmis);
	CHECK_EQ("each once", 2, m->vcpu[2].nmis);
	CHECK_EQ("not to itself", 0, from->nmis);
	keel_ipi_flush(from);
	CHECK_EQ("once for all", 1, far->nmis);

	from->requests = 0;
	shim_irqs_off = 1;
	lapic_put(far, APIC_LDR, 0x10000000);
	shim_irqs_off = 0;
	CHECK_EQ("a new logical ID: requested", BIT(REQ_IPI), far->requests & BIT(REQ_IPI));
	keel_ipi_flush(far);
	lapic_put(from, APIC_ICR2, 0x10000000);
	lapic_put(from, APIC_ICR, 0xc00);
	CHECK_EQ("found by it", 2, far->nmis);
	model_destroy(m);
}

static void test_pv_ipi(void)
{
	u32 got = 0;
	unsigned int i;

	m = model_create(IRQCHIP_SPLIT, 8);
	CHECK_EQ("three of them", 3, keel_pv_send_ipi(&m->vm, 0x29, 0, 1, 0x400, true));
	for (i = 0; i < 8; i++)
		got |= m->vcpu[i].nmis << i;
	CHECK_EQ("the right ones", 0x52, got);
	CHECK_EQ("nobody there", 0, keel_pv_send_ipi(&m->vm, ~0ul, ~0ul, 8, 0x400, true));
	CHECK_EQ("ids beyond 32 bits", 0,
		 keel_pv_send_ipi(&m->vm, ~0ul, ~0ul, ~0u - 3, 0x400, true));
	CHECK_EQ("32-bit words", 1, keel_pv_send_ipi(&m->vm, BIT(40) | 1, 0, 7, 0x400, false));
	CHECK_EQ("shorthand refused", (u64)-EINVAL,
		 keel_pv_send_ipi(&m->vm, 1, 0, 0, 0x40400, true));
	CHECK_EQ("logical refused", (u64)-EINVAL, keel_pv_send_ipi(&m->vm, 1, 0, 0, 0xc00, true));
	model_destroy(m);
}

/* ---- priorities against a model ---- */

struct prio {
	bool irr[256], isr[256];
	u8 tpr;
};

static int prio_top(const bool *set)
{
	int v;

	for (v = 255; v >= 0 && !set[v]; v--)
		;
	return v;
}

static int prio_deliverable(const struct prio *p)
{
	int irr = prio_top(p->irr), isr = prio_top(p->isr);
	int limit = p->tpr >> 4;

	if (isr >= 0 && isr >> 4 > limit)
		limit = isr >> 4;
	return irr >= 0 && irr >> 4 > limit ? irr : -1;
}

static void prio_step(struct prio *p, struct vcpu *vcpu)
{
	u64 r = model_random();
	int v, before = prio_deliverable(p);

	vcpu->requests = 0;
	switch (r & 3) {
	case 0:
		v = 16 + (r >> 8) % 240;
		lapic_accept(vcpu->lapic, v, false);
		p->irr[v] = true;
		break;
	case 1:
		p->tpr = r >> 8;
		lapic_put(vcpu, APIC_TASKPRI, p->tpr);
		break;
	case 2:
		lapic_put(vcpu, APIC_EOI, 0);
		v = prio_top(p->isr);
		if (v >= 0)
			p->isr[v] = false;
		break;
	case 3:
		v = keel_irq_ack(vcpu);
		ASSERT_EQ(v, before);
		if (v >= 0) {
			p->irr[v] = false;
			p->isr[v] = true;
		}
		break;
	}
	ASSERT_EQ(keel_irq_pending(vcpu), prio_deliverable(p));
	/* the vCPU must have been told of what became deliverable by anything but its own taking */
	if (before < 0 && prio_deliverable(p) >= 0)
		ASSERT(vcpu->requests & BIT(REQ_EVENT), "no request for vector %d",
		       prio_deliverable(p));
	v = prio_top(p->isr);
	ASSERT_EQ(lapic_get(vcpu, APIC_PROCPRI) >> 4, v >= 0 &&
		  v >> 4 > p->tpr >> 4 ? v >> 4 : p->tpr >> 4);
}

static void test_priority(void)
{
	struct prio p = { };
	unsigned int n;

	m = model_create(IRQCHIP_SPLIT, 1);
	for (n = 0; n < 200000; n++)
		prio_step(&p, &m->vcpu[0]);
	model_destroy(m);
}

static void test_tpr_window(void)
{
	struct vcpu *vcpu;

	m = model_create(IRQCHIP_SPLIT, 1);
	vcpu = &m->vcpu[0];
	keel_lapic_set_tpr(vcpu, 6);
	lapic_accept(vcpu->lapic, 0x55, false);
	CHECK_EQ("held back", -1, keel_irq_pending(vcpu));
	CHECK_EQ("by the TPR", 0x55, keel_irq_blocked_by_tpr(vcpu));
	keel_lapic_set_tpr(vcpu, 4);
	CHECK_EQ("taken", 0x55, keel_irq_ack(vcpu));
	lapic_accept(vcpu->lapic, 0x54, false);
	CHECK_EQ("held back by the one in service", -1, keel_irq_pending(vcpu));
	keel_lapic_set_tpr(vcpu, 9);
	CHECK_EQ("not by the TPR", -1, keel_irq_blocked_by_tpr(vcpu));
	CHECK_EQ("TPR as CR8", 9, keel_lapic_get_tpr(vcpu));
	model_destroy(m);
}

/* ---- paravirtual EOI ---- */

static void test_pv_eoi(void)
{
	struct vcpu *vcpu;

	m = model_create(IRQCHIP_KERNEL, 1);
	vcpu = &m->vcpu[0];
	CHECK_EQ("reserved bit", 1, keel_lapic_set_pv_eoi(vcpu, 0x1003));
	CHECK_EQ("on", 0, keel_lapic_set_pv_eoi(vcpu, 0x1001));
	shim_flag = 0;
	lapic_accept(vcpu->lapic, 0x40, false);
	CHECK_EQ("taken", 0x40, keel_irq_ack(vcpu));
	CHECK_EQ("armed", 1, shim_flag);
	shim_flag = 0;
	lapic_accept(vcpu->lapic, 0x41, false);
	CHECK_EQ("ended by the flag: next", 0x41,
		 keel_irq_ack(vcpu) < 0 ? keel_irq_pending(vcpu) : 0x41);
	keel_irq_ack(vcpu);
	model_destroy(m);

	m = model_create(IRQCHIP_KERNEL, 1);
	vcpu = &m->vcpu[0];
	keel_lapic_set_pv_eoi(vcpu, 0x1001);
	shim_flag = 0;
	lapic_accept(vcpu->lapic, 0x40, false);
	keel_irq_ack(vcpu);
	lapic_accept(vcpu->lapic, 0x42, false);
	CHECK_EQ("not ended: held back", -1, keel_irq_pending(vcpu));
	CHECK_EQ("flag taken away", 0, shim_flag);
	lapic_put(vcpu, APIC_EOI, 0);
	CHECK_EQ("ended by the register", 0x42, keel_irq_ack(vcpu));
	lapic_put(vcpu, APIC_EOI, 0);
	lapic_accept(vcpu->lapic, 0x43, true);
	CHECK_EQ("level", 0x43, keel_irq_ack(vcpu));
	CHECK_EQ("never armed", 0, shim_flag);
	lapic_put(vcpu, APIC_EOI, 0);
	lapic_accept(vcpu->lapic, 0x44, false);
	keel_irq_ack(vcpu);
	shim_page_gone = true;
	lapic_accept(vcpu->lapic, 0x51, false);
	vcpu->requests = 0;
	keel_irq_pending(vcpu);
	CHECK_EQ("page away: asked for", 1, !!(vcpu->requests & BIT(REQ_PV_EOI)));
	keel_lapic_sync_pv_eoi(vcpu);
	vcpu->requests = 0;
	keel_irq_pending(vcpu);
	CHECK_EQ("page gone for good: not asked for without end", 0,
		 !!(vcpu->requests & BIT(REQ_PV_EOI)));
	shim_page_gone = false;
	model_destroy(m);
}

static void pv_eoi_by_pending(struct vcpu *vcpu)
{
	lapic_accept(vcpu->lapic, 0x51, false);
	keel_irq_pending(vcpu);
}

static void pv_eoi_by_saving(struct vcpu *vcpu)
{
	struct kvm_lapic_state state;

	ASSERT_EQ(keel_lapic_get_state(vcpu, &state), 0);
}

static void pv_eoi_by_msr(struct vcpu *vcpu) { ASSERT_EQ(keel_lapic_set_pv_eoi(vcpu, 0), 0); }
static void pv_eoi_by_acceleration(struct vcpu *vcpu) { keel_lapic_accel_begin(vcpu); }
static void pv_eoi_by_register(struct vcpu *vcpu) { lapic_put(vcpu, APIC_EOI, 0); }

/* Vector 0x40 is in service, and the guest may end it by its flag. */
static void take_with_flag(struct vcpu *vcpu)
{
	keel_lapic_set_pv_eoi(vcpu, 0x1001);
	lapic_accept(vcpu->lapic, 0x40, false);
	ASSERT_EQ(keel_irq_ack(vcpu), 0x40);
	ASSERT_EQ(shim_flag, 1);
}

/*
 * The flag's page is not present, or there to be read only, when the flag is looked at: no EOI gets lost, the guest's or the one
 * that it will write to the register as the flag was taken away.
 */
static void test_pv_eoi_away(void)
{
	static const struct { const char *name; void (*by)(struct vcpu *vcpu); } rows[] = {
		{ "another interrupt", pv_eoi_by_pending }, { "KVM_GET_LAPIC", pv_eoi_by_saving },
		{ "the MSR", pv_eoi_by_msr }, { "acceleration", pv_eoi_by_acceleration },
		{ "the EOI register", pv_eoi_by_register },
	};
	unsigned int i;

	for (i = 0; i < 4 * ARRAY_SIZE(rows); i++) {
		bool ended = i & 1, shared = i & 2;
		struct vcpu *vcpu;

		m = model_create(IRQCHIP_KERNEL, 1);
		vcpu = &m->vcpu[0];
		take_with_flag(vcpu);
		if (ended)
			shim_flag = 0;
		shim_page_away = !shared;
		shim_page_shared = shared;
		rows[i / 4].by(vcpu);
		/* before the guest goes on */
		if (vcpu->requests & BIT(REQ_PV_EOI))
			keel_lapic_sync_pv_eoi(vcpu);
		test_note("%s, %s, %s", rows[i / 4].name, ended ? "ended" : "not ended", shared ? "read-only" : "away");
		CHECK_EQ("flag", 0, shim_flag);
		CHECK_EQ("in service", !ended && rows[i / 4].by != pv_eoi_by_register, lapic_get(vcpu, APIC_ISR + 0x20) & 1);
		shim_page_away = shim_page_shared = false;
		model_destroy(m);
	}
}

/* As Linux does it: by the flag if it is set, else by the register. */
static void guest_eoi(struct vcpu *vcpu)
{
	if (shim_flag)
		shim_flag = 0;
	else
		lapic_put(vcpu, APIC_EOI, 0);
}

/* A higher interrupt comes while the lower one's flag cannot be taken away at once. */
static void test_pv_eoi_nested(void)
{
	unsigned int i, taken;

	for (i = 0; i < 2; i++) {
		struct vcpu *vcpu;

		m = model_create(IRQCHIP_KERNEL, 1);
		vcpu = &m->vcpu[0];
		take_with_flag(vcpu);
		shim_page_away = !i;
		shim_page_shared = i;
		vcpu->requests = 0;
		lapic_accept(vcpu->lapic, 0x81, false);
		for (taken = 0; taken < 2; taken++) {
			if (keel_irq_pending(vcpu) >= 0)
				keel_irq_ack(vcpu);
			if (vcpu->requests & BIT(REQ_PV_EOI))
				keel_lapic_sync_pv_eoi(vcpu);
		}
		test_note(i ? "read-only" : "away");
		CHECK_EQ("the higher one is in service", BIT(1), lapic_get(vcpu, APIC_ISR + 0x40));
		guest_eoi(vcpu);
		CHECK_EQ("ended", 0, lapic_get(vcpu, APIC_ISR + 0x40));
		guest_eoi(vcpu);
		CHECK_EQ("so is the lower one", 0, lapic_get(vcpu, APIC_ISR + 0x20));
		shim_page_away = shim_page_shared = false;
		model_destroy(m);
	}
}

/* The CPU is about to take the 8259's interrupt when a higher one of the local APIC comes, with a lower one's flag set. */
static void test_pv_eoi_extint(void)
{
	struct vcpu *vcpu;

	m = model_create(IRQCHIP_KERNEL, 1);
	vcpu = &m->vcpu[0];
	port_out(m, 0x20, 0x11);
	port_out(m, 0x21, 0x20);
	port_out(m, 0x21, 0x04);
	port_out(m, 0x21, 0x01);
	port_out(m, 0x21, 0);
	lapic_put(vcpu, APIC_LVT0, 0x700);
	take_with_flag(vcpu);
	keel_irq_line(&m->vm, 3, 1);
	CHECK_EQ("the 8259's", 0x23, keel_irq_pending(vcpu));
	lapic_accept(vcpu->lapic, 0x81, false);
	CHECK_EQ("taken", 0x23, keel_irq_ack(vcpu));
	port_out(m, 0x20, 0x20);
	CHECK_EQ("then the higher one", 0x81, keel_irq_pending(vcpu));
	keel_irq_ack(vcpu);
	guest_eoi(vcpu);
	CHECK_EQ("ended", 0, lapic_get(vcpu, APIC_ISR + 0x40));
	guest_eoi(vcpu);
	CHECK_EQ("so is the lower one", 0, lapic_get(vcpu, APIC_ISR + 0x20));
	model_destroy(m);
}

/* ---- modes, state ---- */

static void test_mode_changes(void)
{
	static const struct { const char *name; u64 from, to; int wanted; } rows[] = {
		{ "disabled to xAPIC", 0, 0x800, 0 }, { "disabled to x2APIC", 0, 0xc00, 1 },
		{ "disabled to EXTD alone", 0, 0x400, 1 }, { "xAPIC to x2APIC", 0x800, 0xc00, 0 },
		{ "xAPIC to disabled", 0x800, 0, 0 }, { "x2APIC to xAPIC", 0xc00, 0x800, 1 },
		{ "x2APIC to disabled", 0xc00, 0, 0 }, { "x2APIC to EXTD alone", 0xc00, 0x400, 1 },
		{ "reserved bit 0", 0x800, 0x801, 1 }, { "reserved bit 9", 0x800, 0xa00, 1 },
		{ "beyond MAXPHYADDR", 0x800, BIT(41) | 0x800, 1 },
	};
	unsigned int i;

	m = model_create(IRQCHIP_SPLIT, 1);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_EQ(keel_apic_base_set(&m->vcpu[0], 0xfee00000 | rows[i].from, true), 0);
		CHECK_EQ(rows[i].name, rows[i].wanted,
			 keel_apic_base_set(&m->vcpu[0], 0xfee00000 | rows[i].to, false));
	}
	ASSERT_EQ(keel_apic_base_set(&m->vcpu[0], 0xfee00800, true), 0);
	m->vcpu[0].cpuid.flags = 0;
	CHECK_EQ("x2APIC without CPUID", 1, keel_apic_base_set(&m->vcpu[0], 0xfee00c00, true));
	CHECK_EQ("relocated", 0, keel_apic_base_set(&m->vcpu[0], 0x12345800, false));
	CHECK_EQ("claims the new page", 1, keel_lapic_claims(&m->vcpu[0], 0x12345020));
	CHECK_EQ("not the old one", 0, keel_lapic_claims(&m->vcpu[0], 0xfee00020));
	model_destroy(m);
}

static void test_init_sipi(void)
{
	struct vcpu *vcpu;

	m = model_create(IRQCHIP_SPLIT, 2);
	vcpu = &m->vcpu[1];
	lapic_put(&m->vcpu[0], APIC_ICR2, 1 << 24);
	vcpu->mp_state = KVM_MP_STATE_UNINITIALIZED;
	lapic_put(&m->vcpu[0], APIC_ICR, 0x4612);
	keel_lapic_accept_init_sipi(vcpu);
	CHECK_EQ("SIPI before INIT is ignored", KVM_MP_STATE_UNINITIALIZED, vcpu->mp_state);
	lapic_put(&m->vcpu[0], APIC_ICR, 0xc500);
	lapic_put(&m->vcpu[0], APIC_ICR, 0x8500);
	keel_lapic_accept_init_sipi(vcpu);
	CHECK_EQ("INIT", KVM_MP_STATE_INIT_RECEIVED, vcpu->mp_state);
	CHECK_EQ("once: de-assert does nothing", 1, vcpu->inits);
	lapic_put(&m->vcpu[0], APIC_ICR, 0x4612);
	keel_lapic_accept_init_sipi(vcpu);
	CHECK_EQ("SIPI", KVM_MP_STATE_RUNNABLE, vcpu->mp_state);
	CHECK_EQ("start", 0x12000, vcpu->regs.cs.base);
	lapic_put(&m->vcpu[0], APIC_ICR, 0x4613);
	keel_lapic_accept_init_sipi(vcpu);
	CHECK_EQ("a second SIPI is ignored", 0x12000, vcpu->regs.cs.base);
	CHECK_EQ("nothing left", 0, vcpu->lapic->events);
	model_destroy(m);
}

/* Any saved state: taken in part or refused, then stable, and accesses of any kind do no harm. */
static void test_hostile(void)
{
	struct kvm_lapic_state state, back, again;
	unsigned int n, i;
	u64 val;

	m = model_create(IRQCHIP_KERNEL, 3);
	for (n = 0; n < 3000; n++) {
		struct vcpu *vcpu = &m->vcpu[n % 3];
		bool x2apic = n % 7 == 0;

		ASSERT_EQ(keel_apic_base_set(vcpu, x2apic ? 0xfee00c00 : 0xfee00800, true), 0);
		for (i = 0; i < sizeof(state.regs); i++)
			state.regs[i] = model_random();
		if (x2apic)
			memcpy(state.regs + APIC_ID, &(u32){ vcpu->id << 24 }, 4);
		ASSERT_EQ(keel_lapic_set_state(vcpu, &state), 0);
		ASSERT_EQ(keel_lapic_get_state(vcpu, &back), 0);
		ASSERT_EQ(keel_lapic_set_state(vcpu, &back), 0);
		ASSERT_EQ(keel_lapic_get_state(vcpu, &again), 0);
		ASSERT(!memcmp(&back, &again, sizeof(back)), "state changed in a round trip");
		for (i = 0; i < 100; i++) {
			u64 r = model_random(), data = model_random();

			keel_lapic_mmio_write(vcpu, r & 0xfff, 1 + (r >> 16) % 8, &data);
			keel_lapic_mmio_read(vcpu, (r >> 32) & 0xfff, 1 + (r >> 48) % 8, &data);
			lapic_put(vcpu, (r >> 20) & 0xff0, data);
			keel_lapic_msr_set(vcpu, 0x800 + (r >> 8) % 0x100,
					   r & BIT(3) ? data : data & 0xff);
			keel_lapic_msr_get(vcpu, 0x800 + (r >> 24) % 0x100, &val);
			keel_irq_ack(vcpu);
			keel_lapic_accept_init_sipi(vcpu);
		}
	}
	model_destroy(m);
}

static void test_state_refusals(void)
{
	struct kvm_lapic_state state = { };

	m = model_create(IRQCHIP_SPLIT, 2);
	ASSERT_EQ(keel_apic_base_set(&m->vcpu[1], 0xfee00c00, true), 0);
	state.regs[APIC_ID + 3] = 7;
	CHECK_RET("x2APIC: another ID", 0, keel_lapic_set_state(&m->vcpu[1], &state));
	ASSERT_EQ(keel_lapic_get_state(&m->vcpu[1], &state), 0);
	CHECK_EQ("is ignored", 1, state.regs[APIC_ID + 3]);
	state.regs[APIC_ID + 3] = 1;
	CHECK_RET("xAPIC form", 0, keel_lapic_set_state(&m->vcpu[1], &state));
	m->vm.x2apic_32bit_ids = true;
	CHECK_RET("32-bit IDs: xAPIC form", -EINVAL, keel_lapic_set_state(&m->vcpu[1], &state));
	state.regs[APIC_ID + 3] = 0;
	state.regs[APIC_ID] = 1;
	CHECK_RET("32-bit form", 0, keel_lapic_set_state(&m->vcpu[1], &state));
	ASSERT_EQ(keel_lapic_get_state(&m->vcpu[1], &state), 0);
	CHECK_EQ("read back", 1, state.regs[APIC_ID]);
	model_destroy(m);
}

/* ---- registers ---- */

/*
 * What each register keeps of all bits and of none, software-enabled; SDM, "Local APIC Register
 * Address Map" and the figures of the registers. Read-only and reserved ones keep what they are.
 */
static void test_registers(void)
{
	static const struct { const char *name; u32 offset, ones, zeros; } rows[] = {
		{ "ID", APIC_ID, 0xff000000, 0 }, { "version", APIC_LVR, 0x50014, 0x50014 },
		{ "TPR", APIC_TASKPRI, 0xff, 0 }, { "PPR", APIC_PROCPRI, 0, 0 },
		{ "LDR", APIC_LDR, 0xff000000, 0 }, { "DFR", APIC_DFR, 0xffffffff, 0x0fffffff },
		{ "ISR", APIC_ISR, 0, 0 }, { "TMR", APIC_TMR + 0x70, 0, 0 },
		{ "IRR", APIC_IRR + 0x30, 0, 0 }, { "ICR high", APIC_ICR2, 0xff000000, 0 },
		{ "LVT timer, mode reserved or deadline", APIC_LVTT, 0x700ff, 0 },
		{ "LVT thermal", APIC_LVTTHMR, 0x107ff, 0 }, { "LVT PMC", APIC_LVTPC, 0x107ff, 0 },
		{ "LVT LINT0", APIC_LVT0, 0x1a7ff, 0 }, { "LVT LINT1", APIC_LVT1, 0x1a7ff, 0 },
		{ "LVT error", APIC_LVTERR, 0x100ff, 0 }, { "divide", APIC_TDCR, 0xb, 0 },
		{ "SVR", APIC_SPIV, 0x3ff, 0 }, { "EOI reads as 0", APIC_EOI, 0, 0 },
		{ "reserved 0x00", 0x00, 0, 0 }, { "reserved 0x40", 0x40, 0, 0 },
		{ "reserved 0x290", 0x290, 0, 0 }, { "reserved 0x3f0", 0x3f0, 0, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vcpu *vcpu;

		m = model_create(IRQCHIP_SPLIT, 1);
		vcpu = &m->vcpu[0];
		lapic_put(vcpu, rows[i].offset, ~0u);
		test_note("%s", rows[i].name);
		CHECK_EQ("of all bits", rows[i].ones, lapic_get(vcpu, rows[i].offset));
		lapic_put(vcpu, rows[i].offset, 0);
		CHECK_EQ("of none", rows[i].zeros, lapic_get(vcpu, rows[i].offset));
		model_destroy(m);
	}
	m = model_create(IRQCHIP_SPLIT, 1);
	/* a destination that is nobody's, so that only the register changes */
	lapic_put(&m->vcpu[0], APIC_ICR2, 0x77000000);
	lapic_put(&m->vcpu[0], APIC_ICR, 0xfff3f9ff);
	CHECK_EQ("ICR low: reserved bits, status", 0xfff3e9ff, lapic_get(&m->vcpu[0], APIC_ICR));
	model_destroy(m);
}

/* "Local APIC State After It Has Been Software Disabled": masks are set, and cannot be cleared. */
static void test_software_disable(void)
{
	static const u16 lvts[] = { APIC_LVTT, APIC_LVTTHMR, APIC_LVTPC, APIC_LVT0, APIC_LVT1, APIC_LVTERR };
	struct vcpu *vcpu;
	unsigned int i;

	m = model_create(IRQCHIP_SPLIT, 1);
	vcpu = &m->vcpu[0];
	for (i = 0; i < ARRAY_SIZE(lvts); i++)
		lapic_put(vcpu, lvts[i], 0x40 + i);
	lapic_accept(vcpu->lapic, 0x61, false);
	lapic_put(vcpu, APIC_SPIV, 0xff);
	for (i = 0; i < ARRAY_SIZE(lvts); i++) {
		CHECK_EQ("masked", 0x10040 + i, lapic_get(vcpu, lvts[i]));
		lapic_put(vcpu, lvts[i], 0x50 + i);
		CHECK_EQ("the mask stays", 0x10050 + i, lapic_get(vcpu, lvts[i]));
	}
	CHECK_EQ("IRR is kept", BIT(1), lapic_get(vcpu, APIC_IRR + 0x30));
	CHECK_EQ("a new one is not taken", 0, lapic_accept(vcpu->lapic, 0x62, false));
	lapic_put(vcpu, APIC_SPIV, 0x1ff);
	for (i = 0; i < ARRAY_SIZE(lvts); i++)
		CHECK_EQ("enabled: still masked", 0x10050 + i, lapic_get(vcpu, lvts[i]));
	CHECK_EQ("enabled: what waited", 0x61, keel_irq_ack(vcpu));
	model_destroy(m);
}

/* LINT0 by delivery mode, "Local Vector Table". */
static void test_lint(void)
{
	static const struct { const char *name; u32 lvt0; int vector; u32 nmis, events, esr; } rows[] = {
		{ "fixed", 0x61, 0x61, 0, 0, 0 }, { "fixed, level", 0x8061, 0x61, 0, 0, 0 },
		{ "fixed, bad vector", 0x01, -1, 0, 0, BIT(6) },
		{ "SMI, which nobody has", 0x200, -1, 0, 0, 0 }, { "NMI", 0x400, -1, 1, 0, 0 },
		{ "NMI, whatever the vector", 0x4ff, -1, 1, 0, 0 },
		{ "INIT", 0x500, -1, 0, BIT(LAPIC_EVENT_INIT), 0 },
		{ "reserved mode 1", 0x161, 0x61, 0, 0, 0 }, { "reserved mode 3", 0x361, -1, 0, 0, 0 },
		{ "masked", 0x10061, -1, 0, 0, 0 }, { "masked NMI", 0x10400, -1, 0, 0, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vcpu *vcpu;

		m = model_create(IRQCHIP_SPLIT, 1);
		vcpu = &m->vcpu[0];
		lapic_put(vcpu, APIC_LVT0, rows[i].lvt0);
		lapic_lint0(vcpu->lapic);
		test_note("%s", rows[i].name);
		CHECK_EQ("vector", rows[i].vector, keel_irq_ack(vcpu));
		CHECK_EQ("NMIs", rows[i].nmis, vcpu->nmis);
		CHECK_EQ("events", rows[i].events, vcpu->lapic->events);
		lapic_put(vcpu, APIC_ESR, 0);
		CHECK_EQ("ESR", rows[i].esr, lapic_get(vcpu, APIC_ESR));
		model_destroy(m);
	}
}

/* "Error Handling": errors show after a write, which forgets those before; the first one interrupts. */
static void test_esr(void)
{
	struct vcpu *vcpu;

	m = model_create(IRQCHIP_SPLIT, 1);
	vcpu = &m->vcpu[0];
	lapic_put(vcpu, APIC_LVTERR, 0x71);
	lapic_get(vcpu, 0x40);
	CHECK_EQ("not before a write", 0, lapic_get(vcpu, APIC_ESR));
	CHECK_EQ("interrupt", 0x71, keel_irq_ack(vcpu));
	lapic_put(vcpu, APIC_EOI, 0);
	lapic_get(vcpu, 0x40);
	CHECK_EQ("no second one", -1, keel_irq_ack(vcpu));
	lapic_put(vcpu, APIC_ESR, ~0u);
	CHECK_EQ("illegal register address", BIT(7), lapic_get(vcpu, APIC_ESR));
	lapic_put(vcpu, APIC_ESR, ~0u);
	CHECK_EQ("forgotten", 0, lapic_get(vcpu, APIC_ESR));
	lapic_put(vcpu, APIC_ICR, 0x40005);
	CHECK_EQ("the next one interrupts", 0x71, keel_irq_ack(vcpu));
	lapic_put(vcpu, APIC_ESR, 0);
	CHECK_EQ("illegal vector sent, and to itself", 0, lapic_get(vcpu, APIC_ESR) & ~(BIT(5) | BIT(6)));
	model_destroy(m);
}

/* KVM_SIGNAL_MSI counts vCPUs that take it or have it pending; api.rst. */
static void test_msi_count(void)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x61 };

	m = model_create(IRQCHIP_SPLIT, 2);
	CHECK_EQ("taken", 1, keel_signal_msi(&m->vm, &msi));
	CHECK_EQ("pending already", 1, keel_signal_msi(&m->vm, &msi));
	CHECK_EQ("delivered", 0x61, keel_irq_ack(&m->vcpu[0]));
	CHECK_EQ("once", -1, keel_irq_ack(&m->vcpu[0]));
	CHECK_EQ("in service", 1, keel_signal_msi(&m->vm, &msi));
	msi.address_lo = 0xfeeff000;
	CHECK_EQ("all", 2, keel_signal_msi(&m->vm, &msi));
	msi.data = 5;
	CHECK_EQ("bad vector", 0, keel_signal_msi(&m->vm, &msi));
	msi.data = 0x61;
	lapic_put(&m->vcpu[0], APIC_SPIV, 0xff);
	CHECK_EQ("one is off in software", 1, keel_signal_msi(&m->vm, &msi));
	model_destroy(m);
}

/* The CPU gets a page, where it takes one; else there are the registers, and nothing reaches beyond them (ASan). */
static void test_page(void)
{
	static const struct {
		const char *name;
		bool apic_page;
	} rows[] = { { "registers alone", false }, { "a page", true } };
	struct kvm_lapic_state state;
	struct vcpu *vcpu;
	unsigned int i;
	u32 offset;
	u64 val;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		keel_caps.apic_page = rows[i].apic_page;
		m = model_create(IRQCHIP_KERNEL, 1);
		vcpu = &m->vcpu[0];
		CHECK_EQ(rows[i].name, rows[i].apic_page, !!keel_lapic_page(vcpu));
		if (keel_lapic_page(vcpu))
			memset((u8 *)keel_lapic_page(vcpu) + 0x400, 0xff, PAGE_SIZE - 0x400);
		for (offset = 0; offset < PAGE_SIZE; offset += 16) {
			keel_lapic_mmio_write(vcpu, offset, 4, &offset);
			ASSERT_EQ(keel_lapic_mmio_read(vcpu, offset, 4, &val), 0);
		}
		CHECK_EQ("beyond them it reads as zero", 0, (u32)val);
		ASSERT_EQ(keel_apic_base_set(vcpu, 0xfee00c00, false), 0);
		for (offset = 0; offset < 0x100; offset++) {
			keel_lapic_msr_set(vcpu, 0x800 + offset, 0);
			keel_lapic_msr_get(vcpu, 0x800 + offset, &val);
		}
		ASSERT_EQ(keel_lapic_get_state(vcpu, &state), 0);
		CHECK_EQ("version", LAPIC_VERSION, *(u32 *)(state.regs + APIC_LVR));
		model_destroy(m);
	}
}

static const struct test_case cases[] = {
	{ "page", test_page },
	{ "destinations", test_destinations },
	{ "shorthands", test_shorthands },
	{ "waiting", test_waiting },
	{ "pv_ipi", test_pv_ipi },
	{ "priority", test_priority },
	{ "tpr_window", test_tpr_window },
	{ "pv_eoi", test_pv_eoi },
	{ "pv_eoi_away", test_pv_eoi_away },
	{ "pv_eoi_nested", test_pv_eoi_nested },
	{ "pv_eoi_extint", test_pv_eoi_extint },
	{ "mode_changes", test_mode_changes },
	{ "init_sipi", test_init_sipi },
	{ "registers", test_registers },
	{ "software_disable", test_software_disable },
	{ "lint", test_lint },
	{ "esr", test_esr },
	{ "msi_count", test_msi_count },
	{ "hostile", test_hostile },
	{ "state_refusals", test_state_refusals },
};

TEST_MAIN(cases)
