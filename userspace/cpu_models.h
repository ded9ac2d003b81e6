/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `keel cpu-models`: which models a host has.
 */
#ifndef KEEL_CPU_MODELS_H
#define KEEL_CPU_MODELS_H

#include <stdio.h>

struct kvm_cpuid2;
struct options;

/**
 * cpu_models_show() - ask the node of @options and print the answer on standard output
 * Return: 0, or a status after a line on stderr.
 */
int cpu_models_show(const struct options *options);

/**
 * cpu_models_print_table() - for people: a row a model
 */
void cpu_models_print_table(FILE *out, const struct kvm_cpuid2 *supported);

/**
 * cpu_models_print_json() - for programs: one line, an object with the models and the host's features
 */
void cpu_models_print_json(FILE *out, const struct kvm_cpuid2 *supported);

#endif
