/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SVM_SHIM_TYPES_H
#define SVM_SHIM_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include_next <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#endif
