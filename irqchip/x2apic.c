// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC through MSRs 0x800-0x8ff (x2APIC mode), and its state as the ioctls save and
 * load it.
 *
 * MSR 0x800 + n is the register at offset n << 4. ICR is one 64-bit register with a 32-bit
 * destination; here it stays split into ICR and ICR2, which is also how user space sees it.
 * Reserved bits, and registers that do not exist, are #GP.
 */
#include <linux/string.h>
#include "lapic.h"

#define X2APIC_MSR(offset) (APIC_BASE_MSR + ((offset) >> 4))

/* Registers that are there to be written, and the bits that they take (SDM "x2APIC Register Address Space"). */
static __always_inline bool may_write(u32 offset, u64 val)
{
	switch (offset) {
	case APIC_TASKPRI:
	case APIC_SELF_IPI:
		return !(val & ~0xffull);
	case APIC_EOI:
	case APIC_ESR:
		return !val;
	case APIC_SPIV:
		return !(val & ~0x3ffull);
	case APIC_ICR:
		return !(val & 0xfff33000ull & ~(u64)APIC_ICR_BUSY);
	case APIC_TDCR:
		return !(val & ~0xbull);
	case APIC_LVTT ... APIC_LVTERR:
		return !(val & ~0x7ffffull);
	case APIC_TMICT:
		return !(val & ~0xffffffffull);
	default:
		return false;
	}
}

static bool is_readable(u32 offset)
{
	if (offset >= APIC_ISR && offset < APIC_ESR)
		return true;
	switch (offset) {
	case APIC_ID:
	case APIC_LVR:
	case APIC_PROCPRI:
	case APIC_LDR:
	case APIC_TMCCT:
		return true;
	case APIC_EOI:
	case APIC_SELF_IPI:
		return false;
	default:
		return may_write(offset, 0);
	}
}

int keel_lapic_msr_get(struct vcpu *vcpu, u32 msr, u64 *val)
{
	struct lapic *apic = vcpu->lapic;
	u32 offset = (msr - APIC_BASE_MSR) << 4;

	if (!apic || !apic->x2apic || msr - APIC_BASE_MSR >= LAPIC_NR_REGS || !is_readable(offset))
		return 1;
	*val = lapic_read_reg(apic, offset);
	if (offset == APIC_ICR)
		*val |= (u64)lapic_reg(apic, APIC_ICR2) << 32;
	return 0;
}

int keel_lapic_msr_set(struct vcpu *vcpu, u32 msr, u64 val)
{
	struct lapic *apic = vcpu->lapic;
	u32 offset = (msr - APIC_BASE_MSR) << 4;

	if (unlikely(!apic || !apic->x2apic || msr - APIC_BASE_MSR >= LAPIC_NR_REGS))
		return 1;
	if (msr == X2APIC_MSR(APIC_EOI) && !val) {
		lapic_write_reg(apic, APIC_EOI, 0);
		return 0;
	}
	if (msr == X2APIC_MSR(APIC_ICR) && may_write(APIC_ICR, val)) {
		lapic_set_reg(apic, APIC_ICR2, val >> 32);
		lapic_write_reg(apic, APIC_ICR, val);
		return 0;
	}
	if (!may_write(offset, val))
		return 1;
	if (offset == APIC_SELF_IPI)
		ipi_send(apic, APIC_DEST_SELF | (u32)val, 0);
	else
		lapic_write_reg(apic, offset, val);
	return 0;
}

/* ---- KVM_GET_LAPIC, KVM_SET_LAPIC ---- */

/*
 * The ID register of the saved page has xAPIC's form, unless the launcher asked for 32-bit IDs
 * and the APIC is in x2APIC mode (api.rst, KVM_GET_LAPIC).
 */
static u32 id_to_user(const struct lapic *apic, u32 id)
{
	return apic->x2apic && !apic->vcpu->vm->x2apic_32bit_ids ? id << 24 : id;
}

int keel_lapic_get_state(struct vcpu *vcpu, struct kvm_lapic_state *state)
{
	struct lapic *apic = vcpu->lapic;
	unsigned int i;

	if (!apic)
		return -EINVAL;
	irq_deliver_now(apic->irq);
	keel_lapic_sync_pv_eoi(vcpu);
	memset(state, 0, sizeof(*state));
	for (i = 0; i < LAPIC_NR_REGS; i++)
		memcpy(state->regs + i * 16, apic->page + i * 16, sizeof(u32));
	for (i = 0; i < 8; i++) {
		u32 word = lapic_irr_word(apic, i);

		memcpy(state->regs + APIC_IRR + i * 16, &word, sizeof(word));
	}
	i = id_to_user(apic, lapic_reg(apic, APIC_ID));
	memcpy(state->regs + APIC_ID, &i, sizeof(u32));
	i = lapic_ppr(apic);
	memcpy(state->regs + APIC_PROCPRI, &i, sizeof(u32));
	i = lapic_timer_current(apic);
	memcpy(state->regs + APIC_TMCCT, &i, sizeof(u32));
	return 0;
}

static u32 state_reg(const struct kvm_lapic_state *state, u32 offset)
{
	u32 val;

	memcpy(&val, state->regs + offset, sizeof(val));
	return val;
}

int keel_lapic_set_state(struct vcpu *vcpu, const struct kvm_lapic_state *state)
{
	struct lapic *apic = vcpu->lapic;
	u32 id = state_reg(state, APIC_ID);

	if (!apic)
		return -EINVAL;
	/* in x2APIC mode the ID is wired to the vcpu_id: eight bits of it are ignored, all must match */
	if (apic->x2apic && vcpu->vm->x2apic_32bit_ids && id != vcpu->id)
		return -EINVAL;
	lapic_load_state(apic, state);
	return 0;
}
