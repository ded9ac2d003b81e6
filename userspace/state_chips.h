/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel keeps for the whole VM: interrupt controllers, interval
 * timer, clock.
 */
#ifndef KEEL_STATE_CHIPS_H
#define KEEL_STATE_CHIPS_H

#include <linux/kvm.h>
#include <stdbool.h>

struct state_error;
struct state_layout;
struct vm;

struct state_chips {
	struct kvm_pic_state pics[2];	/* master, slave */
	struct kvm_ioapic_state ioapic;
	struct kvm_pit_state2 pit;
	struct kvm_clock_data clock;
};

extern const struct state_layout state_pic_layout;
extern const struct state_layout state_ioapic_layout;
extern const struct state_layout state_pit_layout;
extern const struct state_layout state_clock_layout;

/**
 * state_chips_take() - read them; no vCPU is in the guest
 */
bool state_chips_take(const struct vm *vm, struct state_chips *chips, struct state_error *error);

/**
 * state_chips_give() - make those of a new VM what was saved
 *
 * Time stood still: the clock goes on where it was.
 */
bool state_chips_give(const struct vm *vm, const struct state_chips *chips, struct state_error *error);

#endif
