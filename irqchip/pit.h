/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to the 8254: one of its counters (pit_channel.c). All calls under the timer's lock. */
#ifndef IRQCHIP_PIT_H
#define IRQCHIP_PIT_H

#include <linux/types.h>
#include <uapi/linux/kvm.h>

/**
 * struct pit_channel - a counter with its registers
 * @s: in the form of the saved state; count is the count register, in ticks whatever the BCD bit
 *   says, 0 from a control word to the first count; count_load_time is when the counting element
 *   was loaded, in ns of the boot-time clock
 * @period: what the counting element was loaded with, 0 while nothing is loaded
 * @held: ticks counted when GATE stopped it; what a read finds while nothing is loaded
 * @due: modes 2 and 3: after how many ticks the new count is loaded
 * @paused: GATE holds it
 * @null: the count register has not been loaded yet
 */
struct pit_channel {
	struct kvm_pit_channel_state s;
	u32 period;
	bool paused;
	bool null;
	u64 held;
	u64 due;
};

void pit_channel_reset(struct pit_channel *c, int gate);
void pit_channel_set_gate(struct pit_channel *c, int gate);
bool pit_channel_output(struct pit_channel *c);

/* A control word for this counter, a byte of a count, a read of its port. */
void pit_channel_control(struct pit_channel *c, u8 val);
void pit_channel_write(struct pit_channel *c, u8 val);
u8 pit_channel_read(struct pit_channel *c);
void pit_channel_latch_count(struct pit_channel *c);
void pit_channel_latch_status(struct pit_channel *c);

/*
 * When does OUT rise? Return: in so many ns, 0 never if no more is written; *@period: and again
 * each so many, 0 for once. To be asked after each write.
 */
u64 pit_channel_next_tick(struct pit_channel *c, u64 *period);

void pit_channel_save(struct pit_channel *c, struct kvm_pit_channel_state *state);
/* Any state; @gate in place of its own. */
void pit_channel_restore(struct pit_channel *c, const struct kvm_pit_channel_state *state,
			 int gate);

#endif
