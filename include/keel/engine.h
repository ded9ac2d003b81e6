/* SPDX-License-Identifier: GPL-2.0-only */
/* Who executes a vCPU's instructions: the CPU, or the emulator (core/engine.c). */
#ifndef KEEL_ENGINE_H
#define KEEL_ENGINE_H

#include <linux/types.h>

struct vcpu;

/**
 * keel_engine_set() - KVM_ENABLE_CAP(KEEL_CAP_ENGINE)
 * @vcpu: the vCPU, loaded, not in KVM_RUN
 * @engine: KEEL_ENGINE_*
 *
 * Context: process, vcpu->mutex. Return: 0 or -errno, as include/uapi/linux/keel.h says.
 */
int keel_engine_set(struct vcpu *vcpu, u64 engine);
/**
 * keel_engine_run() - a number of instructions in software
 * @vcpu: the vCPU
 *
 * Ends where an event can go in: REQ_ENGINE is clear then, and an entry delivers it.
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_engine_run(struct vcpu *vcpu);
/**
 * keel_engine_step() - the next instruction in software, or the breakpoint that is at it
 * @vcpu: the vCPU
 *
 * Context: the vCPU's own thread, loaded; may sleep. Return: as enum run_result says.
 */
int keel_engine_step(struct vcpu *vcpu);

#endif
