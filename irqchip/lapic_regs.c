// SPDX-License-Identifier: GPL-2.0-only
/*
 * Local APIC: its register page, modes (IA32_APIC_BASE), reset, INIT and start-up, saved state.
 *
 * All of it runs on the vCPU's own thread. Registers that senders look at (SPIV and the mode by
 * way of @accepting, LVTs, IDs) are written as single words.
 */
#include <linux/slab.h>
#include <linux/string.h>
#include <keel/access.h>
#include <keel/request.h>
#include <keel/state.h>
#include <keel/vcpu_life.h>
#include <keel/vendor.h>
#include "lapic.h"

/* ---- registers ---- */

#define REG_BIT(offset) BIT_ULL(LAPIC_REG(offset))
#define REG_RANGE8(offset) (0xffull << LAPIC_REG(offset))

/*
 * Registers a read finds; EOI and self-IPI are write-only, gaps are errors (SDM "Local APIC
 * Register Address Map").
 */
static const u64 readable =
	REG_BIT(APIC_ID) | REG_BIT(APIC_LVR) | REG_BIT(APIC_TASKPRI) | REG_BIT(APIC_ARBPRI) |
		REG_BIT(APIC_PROCPRI) |
	REG_BIT(APIC_LDR) | REG_BIT(APIC_DFR) | REG_BIT(APIC_SPIV) | REG_RANGE8(APIC_ISR) |
		REG_RANGE8(APIC_TMR) |
	REG_RANGE8(APIC_IRR) | REG_BIT(APIC_ESR) | REG_BIT(APIC_ICR) | REG_BIT(APIC_ICR2) |
		REG_BIT(APIC_LVTT) |
	REG_BIT(APIC_LVTTHMR) | REG_BIT(APIC_LVTPC) | REG_BIT(APIC_LVT0) | REG_BIT(APIC_LVT1) |
		REG_BIT(APIC_LVTERR) |
	REG_BIT(APIC_TMICT) | REG_BIT(APIC_TMCCT) | REG_BIT(APIC_TDCR);

/* Registers whose value is computed. */
static const u64 computed = REG_BIT(APIC_PROCPRI) | REG_BIT(APIC_TMCCT) | REG_RANGE8(APIC_ISR) |
	REG_RANGE8(APIC_IRR);

/* A word of IRR: what senders have requested, and what the CPU has taken over of it. */
u32 lapic_irr_word(const struct lapic *apic, unsigned int n)
{
	return (u32)(READ_ONCE(apic->irr[n / 2]) >> (n % 2 * 32)) |
	       lapic_reg(apic, APIC_IRR + n * 16);
}

static noinline u32 read_computed(struct lapic *apic, u32 offset)
{
	switch (offset) {
	case APIC_TMCCT:
		return lapic_timer_current(apic);
	case APIC_PROCPRI:
		lapic_sync_pv_eoi(apic);
		return lapic_ppr(apic);
	case APIC_IRR ... APIC_IRR + 0x70:
		return lapic_irr_word(apic, (offset - APIC_IRR) / 16);
	default:	/* ISR: the guest may have ended one through its flag */
		lapic_sync_pv_eoi(apic);
		return lapic_reg(apic, offset);
	}
}

/**
 * lapic_read_reg() - value of a register as the guest sees it
 * @apic: on its own thread
 * @offset: 0..0x3ff
 *
 * Return: the value; 0 and an ESR error for what does not exist.
 */
u32 lapic_read_reg(struct lapic *apic, u32 offset)
{
	u64 bit = REG_BIT(offset);

	if (unlikely(!(readable & bit))) {
		lapic_error(apic, LAPIC_ESR_ADDRESS);
		return 0;
	}
	if (unlikely(computed & bit))
		return read_computed(apic, offset & 0xff0);
	return lapic_reg(apic, offset & 0xff0);
}

int keel_lapic_mmio_read(struct vcpu *vcpu, u32 offset, unsigned int len, void *data)
{
	struct lapic *apic = vcpu->lapic;
	u32 byte = offset & 0xf;
	u32 val;

	if (unlikely(!apic))
		return -EOPNOTSUPP;
	/*
	 * only the first four bytes of each sixteen are a register; the rest, and all beyond
	 * 0x3ff, reads as zero
	 */
	if (unlikely(offset >= 0x400 || byte + len > 4)) {
		memset(data, 0, len);
		return 0;
	}
	val = lapic_read_reg(apic, offset);
	if (likely(len == 4))
		memcpy(data, &val, 4);
	else
		memcpy(data, (u8 *)&val + byte, len);
	return 0;
}

static void write_spiv(struct lapic *apic, u32 val)
{
	static const u16 lvts[LAPIC_LVT_ENTRIES] = {
		APIC_LVTT, APIC_LVTTHMR, APIC_LVTPC, APIC_LVT0, APIC_LVT1, APIC_LVTERR,
	};
	unsigned int i;

	lapic_set_reg(apic, APIC_SPIV, val & 0x3ff);
	lapic_update_enabled(apic);
	if (val & LAPIC_SPIV_ENABLED) {
		lapic_recheck_irr(apic);
		return;
	}
	for (i = 0; i < LAPIC_LVT_ENTRIES; i++)
		lapic_set_reg(apic, lvts[i], lapic_reg(apic, lvts[i]) | APIC_LVT_MASKED);
}

/* Writable bits of each LVT entry (SDM "Local Vector Table"). */
static u32 lvt_mask(u32 offset)
{
	switch (offset) {
	case APIC_LVTT:
		return APIC_VECTOR_MASK | APIC_LVT_MASKED | LAPIC_TIMER_MODE;
	case APIC_LVTERR:
		return APIC_VECTOR_MASK | APIC_LVT_MASKED;
	case APIC_LVT0:
	case APIC_LVT1:
		return APIC_VECTOR_MASK | APIC_MODE_MASK | APIC_INPUT_POLARITY |
			APIC_LVT_LEVEL_TRIGGER |
		       APIC_LVT_MASKED;
	default:
		return APIC_VECTOR_MASK | APIC_MODE_MASK | APIC_LVT_MASKED;
	}
}

static void write_lvt(struct lapic *apic, u32 offset, u32 val)
{
	val &= lvt_mask(offset);
	if (!(lapic_reg(apic, APIC_SPIV) & LAPIC_SPIV_ENABLED))
		val |= APIC_LVT_MASKED;
	if (offset == APIC_LVTT && !(apic->vcpu->cpuid.flags & GUEST_HAS_TSC_DEADLINE))
		val &= ~APIC_LVT_TIMER_TSCDEADLINE;
	lapic_set_reg(apic, offset, val);
	if (offset == APIC_LVTT)
		lapic_timer_mode_changed(apic);
	/* an ExtINT, or a launcher's wish to inject one, may have waited behind the mask */
	if (offset == APIC_LVT0)
		vcpu_request(apic->vcpu, REQ_EVENT);
}

static void write_icr(struct lapic *apic, u32 val)
{
	u32 dest = lapic_reg(apic, APIC_ICR2);

	/* the delivery status always reads idle; reserved bits as written, which KVM's own tests want */
	val &= ~APIC_ICR_BUSY;
	lapic_set_reg(apic, APIC_ICR, val);
	ipi_send(apic, val, apic->x2apic ? dest : dest >> 24);
}

/* Registers that only exist in xAPIC mode or that change who is found by logical destinations. */
static void write_address_reg(struct lapic *apic, u32 offset, u32 val)
{
	if (apic->x2apic)
		return;
	if (offset == APIC_DFR)
		val |= 0x0fffffff;
	else
		val &= 0xff000000;
	lapic_set_reg(apic, offset, val);
	ipi_map_update(apic);
}

/**
 * lapic_write_reg() - the guest wrote a register
 * @apic: on its own thread
 * @offset: aligned, 0..0x3f0
 * @val: value
 *
 * Context: interrupts may be off.
 */
void lapic_write_reg(struct lapic *apic, u32 offset, u32 val)
{
	/* no jump tables here: the order is that of frequency */
	if (likely(offset == APIC_EOI))
		return lapic_end_irq(apic);
	if (likely(offset == APIC_ICR))
		return write_icr(apic, val);

	switch (offset) {
	case APIC_ICR2:
		return lapic_set_reg(apic, APIC_ICR2, apic->x2apic ? val : val & 0xff000000);
	case APIC_TMICT:
		return lapic_timer_set_count(apic, val);
	case APIC_TASKPRI:
		vcpu_dirty(apic->vcpu, RG_TPR);
		return lapic_set_tpr(apic, val);
	case APIC_LVTT ... APIC_LVTERR:
		return write_lvt(apic, offset, val);
	case APIC_SPIV:
		return write_spiv(apic, val);
	case APIC_ESR:
		lapic_set_reg(apic, APIC_ESR, xchg(&apic->esr_pending, 0));
		return;
	case APIC_TDCR:
		return lapic_timer_set_divide(apic, val & 0xb);
	case APIC_ID:
	case APIC_LDR:
	case APIC_DFR:
		return write_address_reg(apic, offset, val);
	default:
		if (!(readable & REG_BIT(offset)))
			lapic_error(apic, LAPIC_ESR_ADDRESS);
	}
}

int keel_lapic_mmio_write(struct vcpu *vcpu, u32 offset, unsigned int len, const void *data)
{
	struct lapic *apic = vcpu->lapic;
	u32 val;

	if (unlikely(!apic))
		return -EOPNOTSUPP;
	/* anything but a whole aligned register is undefined: ignored */
	if (unlikely(len != 4 || (offset & 0xf) || offset >= 0x400))
		return 0;
	memcpy(&val, data, 4);
	lapic_write_reg(apic, offset, val);
	return 0;
}

/* xAPIC mode, for a vCPU that has a local APIC here. */
static __always_inline bool has_mmio_page(const struct vcpu *vcpu)
{
	return (vcpu->apic.base & APIC_BASE_MODE) == MSR_IA32_APICBASE_ENABLE;
}

static __always_inline bool is_at_base(const struct vcpu *vcpu, gpa_t gpa)
{
	return ((gpa ^ vcpu->apic.base) & PAGE_MASK) == 0 && vcpu->lapic;
}

gpa_t keel_lapic_mmio_page(const struct vcpu *vcpu)
{
	return vcpu->lapic && has_mmio_page(vcpu) ? vcpu->apic.base & PAGE_MASK : KEEL_INVALID_GPA;
}

bool keel_lapic_claims(const struct vcpu *vcpu, gpa_t gpa)
{
	return is_at_base(vcpu, gpa) && has_mmio_page(vcpu);
}

bool keel_lapic_hole(const struct vcpu *vcpu, gpa_t gpa)
{
	return is_at_base(vcpu, gpa) && !has_mmio_page(vcpu) &&
	       !(vcpu->vm->disabled_quirks & KVM_X86_QUIRK_LAPIC_MMIO_HOLE);
}

/* ---- life, modes ---- */

static void set_id(struct lapic *apic)
{
	u32 id = apic->vcpu->id;

	if (apic->x2apic) {
		lapic_set_reg(apic, APIC_ID, id);
		lapic_set_reg(apic, APIC_LDR, lapic_x2apic_ldr(id));
	} else {
		lapic_set_reg(apic, APIC_ID, id << 24);
		lapic_set_reg(apic, APIC_LDR, 0);
	}
}

static bool base_is_valid(struct vcpu *vcpu, u64 val, bool host)
{
	u64 reserved = vcpu->cpuid.reserved_gpa | 0x2ff;
	u64 new = val & APIC_BASE_MODE;
	u64 old = vcpu->apic.base & APIC_BASE_MODE;

	if (!(vcpu->cpuid.flags & GUEST_HAS_X2APIC))
		reserved |= X2APIC_ENABLE;
	if ((val & reserved) || new == X2APIC_ENABLE)
		return false;
	if (host)
		return true;
	/*
	 * SDM "x2APIC State Transitions": only xAPIC leads to x2APIC, and x2APIC only to disabled
	 */
	if (old == APIC_BASE_MODE && new == MSR_IA32_APICBASE_ENABLE)
		return false;
	return old || new != APIC_BASE_MODE;
}

int keel_apic_base_set(struct vcpu *vcpu, u64 val, bool host)
{
	struct lapic *apic = vcpu->lapic;
	u64 old = vcpu->apic.base;

	if (!base_is_valid(vcpu, val, host))
		return 1;
	vcpu->apic.base = val;
	if (!apic) {
		if ((old ^ val) & MSR_IA32_APICBASE_ENABLE)
			keel_cpuid_update_runtime(vcpu);
		return 0;
	}
	if ((old ^ val) & (PAGE_MASK | APIC_BASE_MODE))
		vcpu_request(vcpu, REQ_APIC_BASE);
	if (!((old ^ val) & APIC_BASE_MODE)) {
		if ((old ^ val) & PAGE_MASK)
			vcpu_request(vcpu, REQ_INTERCEPTS);
		return 0;
	}

	lapic_update_enabled(apic);
	if (apic->enabled)
		set_id(apic);
	else
		lapic_timer_stop(apic);
	ipi_map_update(apic);
	if ((old ^ val) & MSR_IA32_APICBASE_ENABLE)
		keel_cpuid_update_runtime(vcpu);
	vcpu_request(vcpu, REQ_EVENT);
	/* the backend may have the CPU do what it could not in the other mode, or no more */
	vcpu_request(vcpu, REQ_INTERCEPTS);
	return 0;
}

/* A CPU takes the registers as a page; software needs them alone. The allocator aligns either to its size. */
static size_t registers_size(void)
{
	return keel_caps.apic_page ? PAGE_SIZE : LAPIC_NR_REGS * 16;
}

int keel_lapic_create(struct vcpu *vcpu)
{
	struct irqchip *irq = vcpu->vm->irq;
	struct lapic *apic;
	int ret;

	if (!irq)
		return -EINVAL;
	ret = ipi_ids_reserve(irq, vcpu->id);
	if (ret)
		return ret;
	apic = kzalloc(sizeof(*apic), GFP_KERNEL_ACCOUNT);
	if (!apic)
		return -ENOMEM;
	apic->vcpu = vcpu;
	apic->irq = irq;
	apic->isr_top = -1;
	apic->page = kzalloc(registers_size(), GFP_KERNEL_ACCOUNT);
	if (!apic->page) {
		kfree(apic);
		return -ENOMEM;
	}
	lapic_timer_init(apic);
	vcpu->lapic = apic;
	return 0;
}

void keel_lapic_publish(struct vcpu *vcpu)
{
	if (vcpu->lapic)
		ipi_publish(vcpu->lapic);
}

void keel_lapic_destroy(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->lapic;

	if (!apic)
		return;
	lapic_timer_stop(apic);
	if (apic->published)
		ipi_unpublish(apic);
	vcpu->lapic = NULL;
	kfree(apic->page);
	kfree(apic);
}

/*
 * Everything but identity and mode goes to the state after power-up (SDM "Local APIC State After
 * Power-Up or Reset").
 */
static void reset_registers(struct lapic *apic)
{
	u32 id = lapic_reg(apic, APIC_ID);
	u32 lvt;

	memset(apic->page, 0, LAPIC_NR_REGS * 16);
	memset(apic->irr, 0, sizeof(apic->irr));
	lapic_set_reg(apic, APIC_ID, id);
	lapic_set_reg(apic, APIC_LVR, LAPIC_VERSION);
	lapic_set_reg(apic, APIC_DFR, 0xffffffff);
	lapic_set_reg(apic, APIC_SPIV, 0xff);
	for (lvt = APIC_LVTT; lvt <= APIC_LVTERR; lvt += 0x10)
		lapic_set_reg(apic, lvt, APIC_LVT_MASKED);
	WRITE_ONCE(apic->isr_top, -1);
	apic->pv_eoi_set = false;
	/* who is started by INIT need not know that byte */
	apic->vcpu->pv.eoi = 0;
	apic->esr_pending = 0;
	apic->timer.period = 0;
	apic->timer.lvtt = APIC_LVT_MASKED;
}

void keel_lapic_reset(struct vcpu *vcpu, bool init)
{
	bool is_bsp = vcpu->id == vcpu->vm->bsp_id;
	struct lapic *apic = vcpu->lapic;

	if (!init)
		vcpu->apic.base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE |
				  (is_bsp ? MSR_IA32_APICBASE_BSP : 0);
	if (!apic)
		return;
	lapic_timer_stop(apic);
	vcpu->tsc.deadline = 0;
	reset_registers(apic);
	lapic_update_enabled(apic);
	vcpu_request(vcpu, REQ_APIC_BASE);
	if (!init)
		set_id(apic);
	else if (apic->x2apic)
		lapic_set_reg(apic, APIC_LDR, lapic_x2apic_ldr(vcpu->id));
	/* as firmware leaves it, for guests that start without one */
	if (!init && is_bsp && !(vcpu->vm->disabled_quirks & KVM_X86_QUIRK_LINT0_REENABLED))
		lapic_set_reg(apic, APIC_LVT0, APIC_MODE_EXTINT << 8);
	vcpu_dirty(vcpu, RG_TPR);
	ipi_map_update(apic);
}

/* ---- INIT and start-up ---- */

static void start_at(struct vcpu *vcpu, u8 page)
{
	struct segment *cs = vcpu_seg(vcpu, SEG_CS);

	cs->selector = page << 8;
	cs->base = page << 12;
	vcpu->regs.rip = 0;
	vcpu_dirty(vcpu, RG_SEG | RG_RIP);
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
}

void keel_lapic_accept_init_sipi(struct vcpu *vcpu)
{
	struct lapic *apic = vcpu->lapic;

	if (!apic)
		return;
	if (test_and_clear_bit(LAPIC_EVENT_INIT, &apic->events)) {
		keel_vcpu_reset(vcpu, VCPU_INIT);
		vcpu->mp_state = vcpu->id == vcpu->vm->bsp_id ? KVM_MP_STATE_RUNNABLE :
			KVM_MP_STATE_INIT_RECEIVED;
	}
	/* pairs with lapic_signal_sipi() */
	if (test_and_clear_bit(LAPIC_EVENT_SIPI, &apic->events) &&
	    vcpu->mp_state == KVM_MP_STATE_INIT_RECEIVED)
		start_at(vcpu, READ_ONCE(apic->sipi_vector));
}

/* ---- saved state ---- */

/* Bits of a saved register that may be kept; the rest is not there in hardware. */
static u32 saved_mask(u32 offset)
{
	switch (offset) {
	case APIC_TASKPRI:
		return 0xff;
	case APIC_SPIV:
		return 0x3ff;
	case APIC_ICR:
		return ~(u32)APIC_ICR_BUSY;
	case APIC_TDCR:
		return 0xb;
	case APIC_LVTT ... APIC_LVTERR:
		return lvt_mask(offset);
	default:
		return readable & REG_BIT(offset) ? ~0u : 0;
	}
}

/**
 * lapic_load_state() - load registers saved by keel_lapic_get_state()
 * @apic: on its own thread, vCPU loaded
 * @state: from user space; every register is cut to what hardware could hold
 */
void lapic_load_state(struct lapic *apic, const struct kvm_lapic_state *state)
{
	struct vcpu *vcpu = apic->vcpu;
	u32 id = lapic_reg(apic, APIC_ID);
	u32 val, count;
	unsigned int i;

	lapic_timer_stop(apic);
	apic->pv_eoi_set = false;
	for (i = 0; i < LAPIC_NR_REGS; i++) {
		memcpy(&val, state->regs + i * 16, sizeof(val));
		lapic_set_reg(apic, i << 4, val & saved_mask(i << 4));
	}
	count = lapic_reg(apic, APIC_TMCCT);
	apic->timer.lvtt = lapic_reg(apic, APIC_LVTT);
	/* requests are where senders make them */
	for (i = 0; i < 4; i++) {
		WRITE_ONCE(apic->irr[i], lapic_reg(apic, APIC_IRR + i * 32) |
			   (unsigned long)lapic_reg(apic, APIC_IRR + i * 32 + 16) << 32);
		lapic_set_reg(apic, APIC_IRR + i * 32, 0);
		lapic_set_reg(apic, APIC_IRR + i * 32 + 16, 0);
	}
	/* vectors below 16 may be there; no priority lets them through */
	if (!apic->accelerated)
		WRITE_ONCE(apic->isr_top, page_highest(apic, APIC_ISR, 255));
	lapic_set_reg(apic, APIC_LVR, LAPIC_VERSION);
	if (apic->x2apic) {
		lapic_set_reg(apic, APIC_ID, id);
		lapic_set_reg(apic, APIC_LDR, lapic_x2apic_ldr(id));
	} else {
		lapic_set_reg(apic, APIC_ID, lapic_reg(apic, APIC_ID) & 0xff000000);
		lapic_set_reg(apic, APIC_LDR, lapic_reg(apic, APIC_LDR) & 0xff000000);
		lapic_set_reg(apic, APIC_DFR, lapic_reg(apic, APIC_DFR) | 0x0fffffff);
	}
	lapic_update_enabled(apic);
	lapic_timer_restore(apic, count);
	ipi_map_update(apic);
	vcpu_dirty(vcpu, RG_TPR);
	vcpu_request(vcpu, REQ_EVENT);
}
