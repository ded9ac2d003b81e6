/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that no device may write to: filled with words that differ, and looked at again, by a guest too. */
#ifndef SELFTESTS_IOMMU_PATTERN_H
#define SELFTESTS_IOMMU_PATTERN_H

#include "test.h"

static __always_inline u64 pattern(u64 i)
{
	return (i + 1) * 0x9e3779b97f4a7c15ULL;
}

static inline void pattern_fill(u64 *words, u64 n)
{
	u64 i;

	for (i = 0; i < n; i++)
		words[i] = pattern(i);
}

/* Return: how many are others now. */
static __always_inline u64 pattern_changed(const volatile u64 *words, u64 n)
{
	u64 i, changed = 0;

	for (i = 0; i < n; i++)
		changed += words[i] != pattern(i);
	return changed;
}

#endif
