/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Configuration space of the devices on a VM's bus 0, through the ports.
 */
#ifndef SELFTESTS_FAKE_CONFIG_H
#define SELFTESTS_FAKE_CONFIG_H

#include "test.h"
#include "userspace/vm.h"

static inline void fake_config_select(struct vm *vm, u32 slot, u32 offset)
{
	bus_write(&vm->ports, 0xcf8, 4, 1u << 31 | slot << 11 | (offset & 0xfc));
}

static inline u32 fake_config_get(struct vm *vm, u32 slot, u32 offset, u32 len)
{
	fake_config_select(vm, slot, offset);
	return (u32)bus_read(&vm->ports, 0xcfc + (offset & 3), len);
}

static inline void fake_config_put(struct vm *vm, u32 slot, u32 offset, u32 len, u32 value)
{
	fake_config_select(vm, slot, offset);
	bus_write(&vm->ports, 0xcfc + (offset & 3), len, value);
}

#endif
