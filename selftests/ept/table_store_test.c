// SPDX-License-Identifier: GPL-2.0-only
/*
 * CMPXCHG8B and CMPXCHG16B to a page table that is in use: with shadow paging software executes them, atomically on the launcher's page (SDM,
 * "CMPXCHG8B/CMPXCHG16B"). They find what is there, store only where it is what was expected, and say which it was. A directory in use that REP STOS
 * clears, or REP MOVS copies to, is what was stored, and the CPU does it: software would take 512 times as long.
 */
#include "guest.h"
#include "stats.h"

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

#define WINDOW	(0xffff000000000000ULL | (u64)ENTRY_OF_WINDOW << 39)
#define ENTRY_OF_WINDOW	507
#define TABLE(n)	((volatile u64 *)(uintptr_t)(VM_SCRATCH + (n) * PAGE_SIZE))
#define ENTRY_TO(n)	((u64)(uintptr_t)TABLE(n) | 0x63)
#define PDPT	0
#define PD	1
#define PT	2
#define DATA	3	/* two pages */
#define OTHER	5	/* a directory to copy */

static void fill(volatile u64 *to, u64 value, u64 n)
{
	asm volatile("rep stosq" : "+D" (to), "+c" (n) : "a" (value) : "memory");
}

static void copy(volatile u64 *to, const volatile u64 *from, u64 n)
{
	asm volatile("rep movsq" : "+D" (to), "+S" (from), "+c" (n) : : "memory");
}

static u64 sum(const volatile u64 *table)
{
	u64 sum = 0, i;

	for (i = 0; i < 512; i++)
		sum += table[i];
	return sum;
}

static void guest_clear(void)
{
	volatile u64 *top = (u64 *)(uintptr_t)VM_PML4 + ENTRY_OF_WINDOW;

	TABLE(DATA)[0] = 0x1111;
	TABLE(DATA + 1)[0] = 0x2222;
	TABLE(PT)[0] = ENTRY_TO(DATA);
	TABLE(PT)[1] = ENTRY_TO(DATA + 1);
	TABLE(OTHER)[1] = ENTRY_TO(PT);
	TABLE(PD)[0] = ENTRY_TO(PT);
	TABLE(PDPT)[0] = ENTRY_TO(PD);
	*top = ENTRY_TO(PDPT);
	GUEST_ROW("through the directory", 0x1111, mmio_read64(WINDOW));
	GUEST_SYNC(0);
	fill(TABLE(PD), 0, 512);
	GUEST_SYNC(1);
	GUEST_ROW("cleared", 0, sum(TABLE(PD)));
	write_cr3(read_cr3());
	TABLE(PD)[0] = ENTRY_TO(PT);
	GUEST_ROW("through one that was cleared", 0x2222, mmio_read64(WINDOW + PAGE_SIZE));
	GUEST_SYNC(2);
	copy(TABLE(PD), TABLE(OTHER), 512);
	GUEST_SYNC(3);
	GUEST_ROW("copied", ENTRY_TO(PT), sum(TABLE(PD)));
	write_cr3(read_cr3());
	GUEST_ROW("through one that was copied to", 0x1111, mmio_read64(WINDOW + (2ULL << 20)));
	/* a few entries, as a guest may change them at once */
	fill(TABLE(PD) + 2, ENTRY_TO(PT), 4);
	GUEST_ROW("through the last of four", 0x2222, mmio_read64(WINDOW + 5 * (2ULL << 20) + PAGE_SIZE));
}

static void test_clear(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_clear);
	u64 before, stage;

	for (stage = 0; stage < 4; stage += 2) {
		vcpu_run_sync(vcpu, stage);
		before = vcpu_stat(vcpu, "insn_emulation");
		vcpu_run_sync(vcpu, stage + 1);
		CHECK_EQ(stage ? "emulated to copy" : "emulated to clear", dev_is_kvm() ? vcpu_stat(vcpu, "insn_emulation") - before : 0,
			 vcpu_stat(vcpu, "insn_emulation") - before);
	}
	vcpu_run_done(vcpu);
	vm_destroy(vm);
}

static const struct test_case cases[] = {
	{ "exchange", test_exchange },
	{ "clear", test_clear },
};

TEST_MAIN(cases)
