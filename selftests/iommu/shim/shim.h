/* SPDX-License-Identifier: GPL-2.0-only */
/* What iommu/ needs of the kernel, for its unit tests in user space, on one thread. */
#ifndef IOMMU_SHIM_H
#define IOMMU_SHIM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

#include "scnprintf.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define BIT(n)			(1ULL << (n))
#define PAGE_SHIFT		12
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))
#define min_t(t, a, b)		((t)(a) < (t)(b) ? (t)(a) : (t)(b))
#define wmb()			__atomic_thread_fence(__ATOMIC_SEQ_CST)

/* A lock taken twice, or dropped when it is not held, ends the test. */
struct mutex { int held; };
static inline void mutex_init(struct mutex *l) { l->held = 0; }
static inline void mutex_lock(struct mutex *l) { if (l->held++) abort(); }
static inline void mutex_unlock(struct mutex *l) { if (l->held-- != 1) abort(); }

#endif
