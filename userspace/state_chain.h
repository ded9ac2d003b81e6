/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files that another one is about to stand on.
 */
#ifndef KEEL_STATE_CHAIN_H
#define KEEL_STATE_CHAIN_H

#include <stdbool.h>

struct state_error;
struct state_identity;

/**
 * state_chain_check() - could a file at @path, which is to be written, be restored if it stood on the one that it calls @name?
 * @base: gets who that one is
 *
 * All but memory is read of that one, and of all that it stands on.
 *
 * Return: false with @error if one of them is not what it should be, or would be replaced, or if there are too many.
 */
bool state_chain_check(const char *path, const char *name, struct state_identity *base, struct state_error *error);

#endif
