/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine on the kernel of fake_kvm.h, as machine.c builds one: two vCPUs, and the board, with nothing in its slots yet.
 */
#ifndef SELFTESTS_FAKE_BOARD_H
#define SELFTESTS_FAKE_BOARD_H

#include "fake_kvm.h"
#include "fake_vm.h"
#include "userspace/machine.h"

/* @number: which of the kernel's VMs; @now: the host's clock. */
static void fake_board(struct machine *machine, unsigned int number, u64 size, u64 (*now)(void))
{
	memset(machine, 0, sizeof(*machine));
	fake_vm_init(&machine->vm, size);
	machine->vm.node = NODE;
	machine->vm.fd = VM + (int)number;
	ASSERT_EQ(serial_init(&machine->serial, &machine->vm, &machine->console), 0);
	ASSERT_EQ(power_init(&machine->power, &machine->vm), 0);
	ASSERT_EQ(rtc_init(&machine->rtc, &machine->vm), 0);
	ASSERT_EQ(pci_init(&machine->pci, &machine->vm), 0);
	ASSERT_EQ(generation_add(&machine->generation, &machine->vm, &machine->power), 0);
	machine->rtc.now = now;
	machine->power.now = now;
	for (unsigned int i = 0; i < 2; i++)
		machine->vcpus[i] = (struct vcpu){ .vm = &machine->vm, .index = i, .fd = VCPU + (int)(2 * number + i) };
	machine->vcpu_count = 2;
}

#endif
