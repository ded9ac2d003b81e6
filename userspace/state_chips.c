// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sections "pic", "ioapic", "pit" and "clock".
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "state_chips.h"
#include "state_fields.h"
#include "vm.h"

#define PIC(member)	STATE_ROW_UINT(#member, struct kvm_pic_state, member)

static const struct state_row pic_rows[] = {
	PIC(last_irr), PIC(irr), PIC(imr), PIC(isr), PIC(priority_add), PIC(irq_base), PIC(read_reg_select), PIC(poll),
	PIC(special_mask), PIC(init_state), PIC(auto_eoi), PIC(rotate_on_auto_eoi), PIC(special_fully_nested_mode),
	PIC(init4), PIC(elcr), PIC(elcr_mask),
};

static const struct state_column redirection[] = { { 0, sizeof(uint64_t) } };

static const struct state_row ioapic_rows[] = {
	STATE_ROW_UINT("base_address", struct kvm_ioapic_state, base_address),
	STATE_ROW_UINT("ioregsel", struct kvm_ioapic_state, ioregsel),
	STATE_ROW_UINT("id", struct kvm_ioapic_state, id),
	STATE_ROW_UINT("irr", struct kvm_ioapic_state, irr),
	STATE_ROW_TABLE("redirection(entry)", struct kvm_ioapic_state, redirtbl, redirection, STATE_FIXED),
};

#define CHANNEL(member)	STATE_COLUMN(struct kvm_pit_channel_state, member)

static const struct state_column channel[] = {
	CHANNEL(count), CHANNEL(latched_count), CHANNEL(count_latched), CHANNEL(status_latched), CHANNEL(status),
	CHANNEL(read_state), CHANNEL(write_state), CHANNEL(write_latch), CHANNEL(rw_mode), CHANNEL(mode), CHANNEL(bcd),
	CHANNEL(gate), CHANNEL(count_load_time),
};

static const struct state_row pit_rows[] = {
	STATE_ROW_TABLE("channels(count,latched_count,count_latched,status_latched,status,read_state,write_state,"
			"write_latch,rw_mode,mode,bcd,gate,count_load_time)", struct kvm_pit_state2, channels, channel,
			STATE_FIXED),
	STATE_ROW_UINT("flags", struct kvm_pit_state2, flags),
};

static const struct state_row clock_rows[] = {
	STATE_ROW_UINT("clock", struct kvm_clock_data, clock),
	STATE_ROW_UINT("flags", struct kvm_clock_data, flags),
	STATE_ROW_UINT("realtime", struct kvm_clock_data, realtime),
	STATE_ROW_UINT("host_tsc", struct kvm_clock_data, host_tsc),
};

#define LAYOUT(symbol, label, type, table) \
	const struct state_layout symbol = { .name = label, .version = 1, .rows = table, \
					     .row_count = ARRAY_SIZE(table), .size = sizeof(type) }

LAYOUT(state_pic_layout, "pic", struct kvm_pic_state, pic_rows);
LAYOUT(state_ioapic_layout, "ioapic", struct kvm_ioapic_state, ioapic_rows);
LAYOUT(state_pit_layout, "pit", struct kvm_pit_state2, pit_rows);
LAYOUT(state_clock_layout, "clock", struct kvm_clock_data, clock_rows);

static bool ask(const struct vm *vm, unsigned long request, void *argument, const char *name, struct state_error *error)
{
	if (ioctl(vm->fd, request, argument) >= 0)
		return true;
	return state_refuse(error, "%s: %s", name, strerror(errno));
}

#define ASK(vm, request, argument, error)	ask(vm, request, argument, #request, error)

bool state_chips_take(const struct vm *vm, struct state_chips *chips, struct state_error *error)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	memset(chips, 0, sizeof(*chips));
	if (!ASK(vm, KVM_GET_IRQCHIP, &chip, error))
		return false;
	chips->pics[0] = chip.chip.pic;
	chip.chip_id = KVM_IRQCHIP_PIC_SLAVE;
	if (!ASK(vm, KVM_GET_IRQCHIP, &chip, error))
		return false;
	chips->pics[1] = chip.chip.pic;
	chip.chip_id = KVM_IRQCHIP_IOAPIC;
	if (!ASK(vm, KVM_GET_IRQCHIP, &chip, error))
		return false;
	chips->ioapic = chip.chip.ioapic;
	return ASK(vm, KVM_GET_PIT2, &chips->pit, error) && ASK(vm, KVM_GET_CLOCK, &chips->clock, error);
}

bool state_chips_give(const struct vm *vm, const struct state_chips *chips, struct state_error *error)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER, .chip.pic = chips->pics[0] };
	struct kvm_clock_data clock = { .clock = chips->clock.clock };
	struct kvm_pit_state2 pit = chips->pit;

	if (!ASK(vm, KVM_SET_IRQCHIP, &chip, error))
		return false;
	chip = (struct kvm_irqchip){ .chip_id = KVM_IRQCHIP_PIC_SLAVE, .chip.pic = chips->pics[1] };
	if (!ASK(vm, KVM_SET_IRQCHIP, &chip, error))
		return false;
	chip = (struct kvm_irqchip){ .chip_id = KVM_IRQCHIP_IOAPIC, .chip.ioapic = chips->ioapic };
	return ASK(vm, KVM_SET_IRQCHIP, &chip, error) && ASK(vm, KVM_SET_PIT2, &pit, error) &&
	       ASK(vm, KVM_SET_CLOCK, &clock, error);
}
