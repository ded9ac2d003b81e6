/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A saved machine whose memory is read later, a block at a time, from the file that is held open.
 */
#ifndef KEEL_STATE_LAZY_H
#define KEEL_STATE_LAZY_H

#include <stdbool.h>
#include <stdint.h>

struct state_block;
struct state_error;
struct state_image;
struct state_reader;

/* The blocks that are in a file, and where. */
struct state_lazy;

/**
 * state_lazy_open() - read and check all of a file but memory: of that, the index
 * @reader: as state_open() has left it
 * @image: zeroed; to be freed in any case
 *
 * Return: allocated, of which the descriptor is a duplicate; NULL if the file has no index, and with @error where
 * something is wrong.
 */
struct state_lazy *state_lazy_open(struct state_reader *reader, struct state_image *image, struct state_error *error);

/**
 * state_lazy_free() - release it; may be NULL
 */
void state_lazy_free(struct state_lazy *lazy);

/**
 * state_lazy_stack() - have what @lazy has stand on what @base has: pages that are not in it are that one's
 * @base: is @lazy's from here on, in any case
 * @name: of @base's file, for what is told of it; copied
 */
bool state_lazy_stack(struct state_lazy *lazy, struct state_lazy *base, const char *name, struct state_error *error);

/**
 * state_lazy_count() - how many blocks there are
 */
uint32_t state_lazy_count(const struct state_lazy *lazy);

/**
 * state_lazy_address() - the guest-physical address of block @n, higher than that of the one before
 */
uint64_t state_lazy_address(const struct state_lazy *lazy, uint32_t n);

/**
 * state_lazy_find() - which block is at @address, a multiple of STATE_BLOCK?
 * Return: its number; state_lazy_count() if none is.
 */
uint32_t state_lazy_find(const struct state_lazy *lazy, uint64_t address);

/**
 * state_lazy_load() - read a block and check all of it
 * @block: gets which pages it has
 *
 * Return: the pages, one after the other, until the next call; NULL with @error if the file is damaged, or no longer what it was.
 */
const uint8_t *state_lazy_load(struct state_lazy *lazy, uint32_t n, struct state_block *block, struct state_error *error);

#endif
