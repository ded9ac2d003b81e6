/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which pages of guest memory were written: by the guest, which the kernel logs, and by this process, which says so (memory_note()).
 */
#ifndef KEEL_DIRTY_H
#define KEEL_DIRTY_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

struct state_error;
struct vm;

#define DIRTY_PAGE	4096u
#define DIRTY_WORD_BITS	64u

/** dirty_words() - words of a bitmap with a bit a page, from the first page of the first region on */
static inline uint64_t dirty_words(const struct memory *memory)
{
	return (memory_pages(memory) + DIRTY_WORD_BITS - 1) / DIRTY_WORD_BITS;
}

/**
 * dirty_watch() - have the kernel log what the guest writes, or no longer; it may run
 * Return: 0 or a negative errno: some of its memory is as before.
 */
int dirty_watch(const struct vm *vm, bool is_watched);

/**
 * dirty_gather() - take what the kernel has logged since the last time into vm->memory.written
 * @log: room: dirty_words()
 */
bool dirty_gather(const struct vm *vm, uint64_t *log, struct state_error *error);

/**
 * dirty_take() - move all bits of vm->memory.written to @taken
 *
 * What is written at the same time may be in neither: nobody may write, or be about to.
 * Return: how many there are.
 */
uint64_t dirty_take(const struct vm *vm, uint64_t *taken);

#endif
