/* SPDX-License-Identifier: GPL-2.0-only */
/* What a vCPU remembers of its look-ups, each with what makes it true. */
#ifndef KEEL_KNOWN_H
#define KEEL_KNOWN_H

#include <linux/types.h>
#include <keel/bus.h>
#include <keel/code.h>
#include <keel/types.h>

/**
 * struct vcpu_hole - frames that the last look-up found to be in no slot (ept/memslot.c)
 * @base: first frame
 * @npages: how many, 0 for none
 * @generation: of the slots that this is true for
 */
struct vcpu_hole {
	gfn_t base;
	u64 npages;
	u64 generation;
};

/**
 * struct vcpu_doorbell - the doorbell that was rung last (core/io.c)
 * @gpa: its address
 * @dev: on vm->mmio; used only while @bus_generation is that of the bus
 * @bus_generation: when @dev was found
 * @slots_generation: of the slots, when no slot was at @gpa. 0 for no doorbell
 * @apic_base: when the local APIC was not
 */
struct vcpu_doorbell {
	gpa_t gpa;
	struct bus_device *dev;
	u64 bus_generation;
	u64 slots_generation;
	u64 apic_base;
};

/**
 * struct vcpu_known - all of it
 * @slot: compared, never followed without RCU and a check
 * @slot_generation: of the slots, when @slot was found
 * @hole: frames without a slot
 * @bell: a device that took any write
 * @ports, @mmio: devices by address
 * @code: instructions that access devices
 */
struct vcpu_known {
	struct memslot *slot;
	u64 slot_generation;
	struct vcpu_hole hole;
	struct vcpu_doorbell bell;
	struct bus_known ports, mmio;
	struct vcpu_code code;
};

#endif
