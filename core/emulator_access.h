/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to core/: what the emulator is answered by its owner (struct emu_ops of emulate.h says what each is to do). */
#ifndef CORE_EMULATOR_ACCESS_H
#define CORE_EMULATOR_ACCESS_H

#include <linux/container_of.h>
#include <keel/emulate.h>
#include <keel/vcpu.h>

static inline struct vcpu *emulator_vcpu(struct emu *e)
{
	return container_of(e, struct vcpu, emu);
}

/* emulator_access.c */
int emulator_fetch(struct emu *e, u64 la, void *data, unsigned int size);
int emulator_read(struct emu *e, u64 la, void *data, unsigned int size, unsigned int acc);
int emulator_write(struct emu *e, u64 la, const void *data, unsigned int size, unsigned int acc);
int emulator_cmpxchg(struct emu *e, u64 la, void *old, const void *new, unsigned int size, unsigned int acc);
int emulator_probe(struct emu *e, u64 la, unsigned int size, unsigned int acc);
int emulator_port_in(struct emu *e, u16 port, void *data, unsigned int size, unsigned int count);
int emulator_port_out(struct emu *e, u16 port, const void *data, unsigned int size, unsigned int count);

/* All of them: emulator_registers.c */
extern const struct emu_ops emulator_ops;

#endif
