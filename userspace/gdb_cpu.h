/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the debugger asks of KVM about one vCPU. It must be out of KVM_RUN.
 */
#ifndef KEEL_GDB_CPU_H
#define KEEL_GDB_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "gdb_regs.h"

struct vcpu;

/**
 * gdb_cpu_get() - read all registers
 * Return: 0 or a negative errno.
 */
int gdb_cpu_get(const struct vcpu *vcpu, struct gdb_registers *registers);

/**
 * gdb_cpu_set() - write @parts (GDB_PART_*) of the registers
 * Return: 0 or a negative errno, after which some may have been written.
 */
int gdb_cpu_set(const struct vcpu *vcpu, const struct gdb_registers *registers, unsigned int parts);

/**
 * gdb_cpu_translate() - where is linear @address, as this CPU is now?
 * Return: false if nowhere.
 */
bool gdb_cpu_translate(const struct vcpu *vcpu, uint64_t address, uint64_t *gpa);

/**
 * gdb_cpu_is_halted() - does it wait for an interrupt?
 */
bool gdb_cpu_is_halted(const struct vcpu *vcpu);

/**
 * gdb_cpu_debug() - KVM_SET_GUEST_DEBUG
 * Return: 0 or a negative errno.
 */
int gdb_cpu_debug(const struct vcpu *vcpu, const struct kvm_guest_debug *debug);

/**
 * gdb_cpu_add_dr6() - set bits in the guest's own DR6
 * Return: 0 or a negative errno.
 */
int gdb_cpu_add_dr6(const struct vcpu *vcpu, uint64_t bits);

#endif
