// SPDX-License-Identifier: GPL-2.0-only
/*
 * CMPXCHG8B and CMPXCHG16B to a page table that is in use: with shadow paging software executes them, atomically on the launcher's page (SDM,
 * "CMPXCHG8B/CMPXCHG16B"). They find what is there, store only where it is what was expected, and say which it was.
 */
#include "guest.h"

/* Two entries that nobody uses and that are not present, whatever they hold. */
#define ENTRY	508

static u8 exchange16(volatile u64 *at, u64 *low, u64 *high, u64 new_low, u64 new_high)
{
	u8 is_same;

	asm volatile("lock cmpxchg16b (%5); sete %0"
		     : "=q" (is_same), "+a" (*low), "+d" (*high) : "b" (new_low), "c" (new_high), "S" (at) : "memory", "cc");
	return is_same;
}

static u8 exchange8(volatile u64 *at, u64 *old, u64 new)
{
	u32 low = *old, high = *old >> 32;
	u8 is_same;

	asm volatile("lock cmpxchg8b (%5); sete %0"
		     : "=q" (is_same), "+a" (low), "+d" (high) : "b" ((u32)new), "c" ((u32)(new >> 32)), "S" (at) : "memory", "cc");
	*old = low | (u64)high << 32;
	return is_same;
}

static void guest_exchange(void)
{
	volatile u64 *at = (u64 *)(uintptr_t)VM_PML4 + ENTRY;
	u64 low = 0, high = 0, i;

	at[0] = 0;
	at[1] = 0;
	/* by now it is known for a table */
	for (i = 0; i < 3; i++) {
		GUEST_ROW("16 bytes, the same", 1, exchange16(at, &low, &high, 0x1111000 + i * 16, 0x2222000 + i * 16));
		GUEST_ROW("  low", 0x1111000 + i * 16, at[0]);
		GUEST_ROW("  high", 0x2222000 + i * 16, at[1]);
		low = at[0];
		high = 0x5555000;
		GUEST_ROW("16 bytes, half of it other", 0, exchange16(at, &low, &high, 0x3333000, 0x4444000));
		GUEST_ROW("  found low", 0x1111000 + i * 16, low);
		GUEST_ROW("  found high", 0x2222000 + i * 16, high);
		GUEST_ROW("  low", 0x1111000 + i * 16, at[0]);
		GUEST_ROW("  high", 0x2222000 + i * 16, at[1]);
		low = at[1];
		GUEST_ROW("8 bytes, the same", 1, exchange8(at + 1, &low, 0x6666000));
		GUEST_ROW("  stored", 0x6666000, at[1]);
		low = 0;
		GUEST_ROW("8 bytes, other", 0, exchange8(at + 1, &low, 0x7777000));
		GUEST_ROW("  found", 0x6666000, low);
		low = at[0];
		high = at[1];
	}
	at[0] = 0;
	at[1] = 0;
}

static void test_exchange(void)
{
	run_guest(VM_GUEST, guest_exchange);
}

static const struct test_case cases[] = {
	{ "exchange", test_exchange },
};

TEST_MAIN(cases)
