/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `keel dma`: which PCI device reaches which memory, as the module tells it.
 */
#ifndef KEEL_DMA_SHOW_H
#define KEEL_DMA_SHOW_H

#include <stdio.h>

struct keel_dma_list;
struct options;

/**
 * dma_show() - ask the node of @options and print the answer on standard output
 *
 * Return: 0, or a status after a line on stderr.
 */
int dma_show(const struct options *options);

/**
 * dma_print_table() - for people: a row a device, how many reach all of memory, and what to do about it
 */
void dma_print_table(FILE *out, const struct keel_dma_list *list);

/**
 * dma_print_json() - for programs: one line, an object with an array of devices
 */
void dma_print_json(FILE *out, const struct keel_dma_list *list);

#endif
