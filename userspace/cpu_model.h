/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which CPU the guest is to see: all that the host has, or one that several hosts have.
 *
 * Keel's models are the levels of the x86-64 psABI. What such a guest sees depends on the model, the number of CPUs and the
 * size of memory alone, so that it goes on wherever the model can be had.
 */
#ifndef KEEL_CPU_MODEL_H
#define KEEL_CPU_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu_feature.h"

#define CPU_MODEL_WORD_MAX	255	/* bytes of what --cpu-model says of features */
#define CPU_MODEL_LACKS_MAX	1024	/* of what a host lacks, in words */
#define CPU_VENDOR_NEUTRAL	"Keel neutral"

struct kvm_cpuid2;

/* Zeroed: the host's. */
struct cpu_model {
	unsigned int level;		/* cpu_model_name(); 0: what the host has */
	bool has_host_vendor;		/* else a level has a neutral one */
	struct cpu_features added, removed;
};

/* The machine that the CPUs are those of. */
struct cpu_board {
	unsigned int cpus;
	uint64_t memory;		/* bytes, */
	uint64_t pluggable;		/* and that can be plugged besides */
};

/**
 * cpu_model_name() - the name of model @level
 * Return: NULL behind the last one.
 */
const char *cpu_model_name(unsigned int level);

/**
 * cpu_model_address_bits() - how wide physical addresses of @level are at least
 */
unsigned int cpu_model_address_bits(unsigned int level);

/**
 * cpu_model_parse() - MODEL[,+FEATURE|,-FEATURE|,vendor=host|,vendor=neutral]..., or the path of a file with such words
 * @text: a path has a '/'
 * @why: what is wrong with it
 *
 * Return: false if something is.
 */
bool cpu_model_parse(struct cpu_model *model, const char *text, char *why, size_t size);

/**
 * cpu_model_features() - what the model has, but for what the kernel does
 * @host: all that this host has; of no interest to a level
 *
 * What is taken away goes with all that needs it; what is added does not bring what it needs.
 */
struct cpu_features cpu_model_features(const struct cpu_model *model, const struct cpu_features *host);

/**
 * cpu_model_check() - has what was added all that it needs?
 * @set: cpu_model_features()
 * @why: if not, which
 */
bool cpu_model_check(const struct cpu_model *model, const struct cpu_features *set, char *why, size_t size);

/**
 * cpu_model_lacks() - the features of the model that @supported has not
 */
struct cpu_features cpu_model_lacks(const struct cpu_model *model, const struct kvm_cpuid2 *supported);

/* ---- cpu_leaves.c ---- */

/**
 * cpu_model_cpuid() - the leaves of the model, but for which CPU of the machine it is
 * @supported: all that this host can offer
 * @why: if there are none, what this host lacks
 *
 * Return: allocated; NULL if the model cannot be had here.
 */
struct kvm_cpuid2 *cpu_model_cpuid(const struct cpu_model *model, const struct kvm_cpuid2 *supported,
				   const struct cpu_board *board, char *why, size_t size);

#endif
