/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What state_devices.h knows by its parts, of a whole machine.
 */
#ifndef KEEL_STATE_MACHINE_H
#define KEEL_STATE_MACHINE_H

#include "machine.h"
#include "state_devices.h"

static inline struct state_board_devices state_board_of(struct machine *machine)
{
	return (struct state_board_devices){
		&machine->vm, &machine->serial, &machine->rtc, &machine->power, &machine->pci,
	};
}

#endif
