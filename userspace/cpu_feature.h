/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUID's features by name, as a set. The names are those of /proc/cpuinfo where Linux has one.
 */
#ifndef KEEL_CPU_FEATURE_H
#define KEEL_CPU_FEATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kvm_cpuid_entry2;

/* Registers of leaves, each bit of which a CPU has or has not. */
#define CPU_WORDS	18

struct cpu_features {
	uint32_t words[CPU_WORDS];
};

/**
 * cpuid_find() - the entry of a leaf
 * Return: NULL if there is none.
 */
struct kvm_cpuid_entry2 *cpuid_find(const struct kvm_cpuid_entry2 *entries, uint32_t count, uint32_t function, uint32_t index);

/**
 * cpu_features_read() - the features that these leaves tell of
 */
struct cpu_features cpu_features_read(const struct kvm_cpuid_entry2 *entries, uint32_t count);

/**
 * cpu_features_write() - have those leaves tell of @features and of no others; what is no feature stays
 */
void cpu_features_write(const struct cpu_features *features, struct kvm_cpuid_entry2 *entries, uint32_t count);

/**
 * cpu_features_add() - put the feature of that name in
 * @name: '.' and '-' are as good as '_'
 * @length: of the name
 *
 * Return: false if there is none.
 */
bool cpu_features_add(struct cpu_features *features, const char *name, size_t length);

/**
 * cpu_features_add_list() - put those in whose names have commas between them
 * Return: false if one of them is none.
 */
bool cpu_features_add_list(struct cpu_features *features, const char *list);

/**
 * cpu_features_has() - is the feature of that name in it?
 */
bool cpu_features_has(const struct cpu_features *features, const char *name);

/**
 * cpu_features_use() - is there one of that leaf?
 */
bool cpu_features_use(const struct cpu_features *features, uint32_t function, uint32_t index);

/**
 * cpu_features_join() - put @more in
 */
void cpu_features_join(struct cpu_features *features, const struct cpu_features *more);

/**
 * cpu_features_lacks() - those of @features that @there has not
 */
struct cpu_features cpu_features_lacks(const struct cpu_features *features, const struct cpu_features *there);

/**
 * cpu_features_is_empty() - is nothing in it?
 */
bool cpu_features_is_empty(const struct cpu_features *features);

/**
 * cpu_features_drop() - take @gone out, and what is of no use without them
 */
void cpu_features_drop(struct cpu_features *features, const struct cpu_features *gone);

/**
 * cpu_features_unmet() - a feature in it that is of no use without another one, which is not
 * @needs: that other one's name
 *
 * Return: its name, NULL if there is none.
 */
const char *cpu_features_unmet(const struct cpu_features *features, const char **needs);

/**
 * cpu_features_next() - go through them
 * @at: 0 at first
 * @name: of the next one; without one of its own that is the leaf's, the register's and the bit's
 * @size: of @name, 32 are enough
 *
 * Return: false at the end.
 */
bool cpu_features_next(const struct cpu_features *features, unsigned int *at, char *name, size_t size);

/**
 * cpu_features_list() - their names, with commas; as many as fit, and how many more there are
 */
void cpu_features_list(const struct cpu_features *features, char *text, size_t size);

/**
 * cpu_features_xcr0() - the components of XSAVE that they need
 * @known: those that some feature stands for
 */
uint64_t cpu_features_xcr0(const struct cpu_features *features, uint64_t *known);

#endif
