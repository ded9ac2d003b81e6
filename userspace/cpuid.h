/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What CPUID tells the guest.
 */
#ifndef KEEL_CPUID_H
#define KEEL_CPUID_H

#include <stdbool.h>
#include <stdint.h>

struct kvm_cpuid2;
struct vm;

/**
 * cpuid_get_supported() - all that the host's CPU and kernel can offer
 * Return: an allocated table, or NULL with errno set.
 */
struct kvm_cpuid2 *cpuid_get_supported(const struct vm *vm);

/**
 * cpuid_set_topology() - make @table that of CPU @index of @count
 *
 * One package, one thread a core, identifiers from 0; the last-level cache is
 * shared by all.
 */
void cpuid_set_topology(struct kvm_cpuid2 *table, unsigned int index, unsigned int count);

/**
 * cpuid_set_deadline_timer() - announce the TSC deadline timer
 */
void cpuid_set_deadline_timer(struct kvm_cpuid2 *table);

/**
 * cpuid_has_mtrr() - does @table announce memory type range registers?
 */
bool cpuid_has_mtrr(const struct kvm_cpuid2 *table);

/**
 * cpuid_address_bits() - how wide the CPU's physical addresses are
 * Return: 0 if it does not say.
 */
unsigned int cpuid_address_bits(const struct vm *vm);

/**
 * cpuid_arch_capabilities() - what guests are told by IA32_ARCH_CAPABILITIES
 * Return: 0 if the node does not say.
 */
uint64_t cpuid_arch_capabilities(const struct vm *vm);

#endif
