/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to core/: the emulator's owner side. */
#ifndef CORE_EMULATOR_H
#define CORE_EMULATOR_H

#include <keel/emulate.h>
#include <keel/types.h>
#include <keel/vcpu.h>

/* Set vcpu->emu up; once, at creation. */
void keel_emulator_init(struct vcpu *vcpu);
/* Execution mode of the code at CS:RIP. */
enum emu_mode keel_emulator_mode(struct vcpu *vcpu);
/* Emulate (again) the instruction in vcpu->emu; @decoded if emu.insn is still valid. Return rule of exit.h. */
int keel_emulator_run(struct vcpu *vcpu);
/* Registers to vcpu->emu. */
void keel_emulator_begin(struct vcpu *vcpu);
/* What becomes of a result of the emulator, @rflags before it. Return rule of exit.h. */
int keel_emulator_finish(struct vcpu *vcpu, int result, u64 rflags);
/* keel_watch_access(): what the access is, by the R/W field that waits for it */
#define WATCH_WRITE	BIT(1)
#define WATCH_IO	BIT(2)
#define WATCH_DATA	BIT(3)	/* a read or a write */
/*
 * An access of @size bytes or ports at @at, a linear address or a port, has been made in software: note in io.watch_hits the breakpoints that
 * it meets (SDM, "Breakpoint Field Recognition"). They go off in keel_instruction_done().
 */
void keel_watch_access(struct vcpu *vcpu, u64 at, unsigned int size, u32 kinds);
#endif
