/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sizes as people write them.
 */
#ifndef KEEL_SIZE_H
#define KEEL_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/**
 * size_parse() - read "256", "64K", "512M", "2G" or "1T" as bytes
 * Return: false if @text is no such number or overflows 64 bits.
 */
bool size_parse(const char *text, uint64_t *size);

#endif
