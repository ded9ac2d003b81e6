// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a slot covers the page that IA32_APIC_BASE names, an access reaches the local APIC, whatever was mapped there before (SDM,
 * "Relocating the Local APIC Registers"); a vCPU whose own APIC is elsewhere, or off, finds the memory.
 */
#include <sys/mman.h>

#include "apic.h"

#define SIZE		0x200000UL
#define ELSEWHERE	VM_MMIO
#define APIC_ON		BIT(11)
#define WORD(page)	(0xabc000ee + (page) * 0x100)	/* in every page, at each offset used here */
#define FREE		0x7c0				/* offset where an APIC has no register */
#define IS_APIC(base)	GUEST_ROW("version", 0x14, mmio_read32((base) + APIC_LVR) & 0xff)

static void guest_set_base(u64 base, u64 on)
{
	wrmsr(MSR_APIC_BASE, (rdmsr(MSR_APIC_BASE) & 0x7ff) | base | on);
}

static u32 xchg32(u64 at, u32 val)
{
	asm volatile("xchg %0, %1" : "+r" (val), "+m" (*(volatile u32 *)at));
	return val;
}

static void guest_beside(void)
{
	GUEST_ROW("the page behind it", WORD(1), mmio_read32(APIC_MMIO + PAGE_SIZE + APIC_LVR));
	IS_APIC(APIC_MMIO);
	mmio_write32(APIC_MMIO + APIC_TASKPRI, 0x20);
	GUEST_ROW("TPR", 0x20, mmio_read32(APIC_MMIO + APIC_TASKPRI));
	/* as old kernels write its registers */
	GUEST_ROW("TPR by XCHG, before", 0x20, xchg32(APIC_MMIO + APIC_TASKPRI, 0x30));
	GUEST_ROW("TPR by XCHG", 0x30, mmio_read32(APIC_MMIO + APIC_TASKPRI));
	mmio_write32(APIC_MMIO + PAGE_SIZE + FREE, 5);
	GUEST_ROW("memory written behind it", 5, mmio_read32(APIC_MMIO + PAGE_SIZE + FREE));
	GUEST_ROW("the last page", WORD(511), mmio_read32(APIC_MMIO + SIZE - PAGE_SIZE + APIC_LVR));
	IS_APIC(APIC_MMIO);
}

static void guest_enabled(void)
{
	guest_set_base(APIC_MMIO, 0);
	GUEST_ROW("memory while it is off", WORD(0), mmio_read32(APIC_MMIO + APIC_LVR));
	mmio_write32(APIC_MMIO + APIC_TASKPRI, 0x1234);
	guest_set_base(APIC_MMIO, APIC_ON);
	IS_APIC(APIC_MMIO);
	mmio_write32(APIC_MMIO + APIC_TASKPRI, 0x20);
	GUEST_ROW("TPR", 0x20, mmio_read32(APIC_MMIO + APIC_TASKPRI));
	guest_set_base(APIC_MMIO, 0);
	GUEST_ROW("off again: what was written", 0x1234, mmio_read32(APIC_MMIO + APIC_TASKPRI));
}

static void guest_moved(void)
{
	GUEST_ROW("memory", WORD(0), mmio_read32(ELSEWHERE + APIC_LVR));
	mmio_write32(ELSEWHERE + APIC_TASKPRI, 0x1234);
	guest_set_base(ELSEWHERE, APIC_ON);
	IS_APIC(ELSEWHERE);
	mmio_write32(ELSEWHERE + APIC_TASKPRI, 0x20);
	GUEST_ROW("TPR", 0x20, mmio_read32(ELSEWHERE + APIC_TASKPRI));
	GUEST_ROW("memory where it was", WORD(0), mmio_read32(APIC_MMIO + APIC_LVR));
	guest_set_base(ELSEWHERE + PAGE_SIZE, APIC_ON);
	IS_APIC(ELSEWHERE + PAGE_SIZE);
	GUEST_ROW("what was written", 0x1234, mmio_read32(ELSEWHERE + APIC_TASKPRI));
	guest_set_base(APIC_MMIO, APIC_ON);
	IS_APIC(APIC_MMIO);
	GUEST_ROW("memory again", WORD(1), mmio_read32(ELSEWHERE + PAGE_SIZE + APIC_LVR));
}

/* One of two vCPUs: its APIC is at @base, the other's at @other, where this one finds memory. */
static void guest_own(u64 base, u64 other)
{
	u32 i;

	guest_set_base(base, APIC_ON);
	for (i = 1; i <= 3; i++) {
		IS_APIC(base);
		GUEST_ROW("the other's page is memory", WORD(0), mmio_read32(other + APIC_LVR));
		mmio_write32(other + FREE, i);
		GUEST_ROW("written", i, mmio_read32(other + FREE));
		GUEST_ROW("memory beside it", WORD(1), mmio_read32(other + PAGE_SIZE + APIC_LVR));
		GUEST_SYNC(i);
	}
}

/* ---- host ---- */

static void add_slot(struct vm *vm, u32 slot, u64 gpa, int advice)
{
	u8 *p = host_pages_aligned(SIZE, SIZE);
	unsigned int i;

	/* without huge pages the kernel may refuse the advice */
	madvise(p, SIZE, advice);
	for (i = 0; i < SIZE / PAGE_SIZE; i++, p += PAGE_SIZE)
		*(u32 *)(p + APIC_LVR) = WORD(i);
	vm_set_slot(vm, slot, 0, gpa, SIZE, p - SIZE);
}

static struct vm *create(int advice)
{
	struct vm *vm;

	REQUIRE(!dev_is_kvm(), "stock KVM maps the slot there");
	vm = vm_create(VM_GUEST | VM_IRQCHIP);
	add_slot(vm, 1, APIC_MMIO, advice);
	add_slot(vm, 2, ELSEWHERE, advice);
	return vm;
}

static void run_one(void *fn)
{
	static const int advice[] = { MADV_NOHUGEPAGE, MADV_HUGEPAGE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		struct vm *vm = create(advice[i]);

		test_note("%s pages", i ? "large" : "small");
		vcpu_run_done(vcpu_create_guest(vm, 0, fn));
		vm_destroy(vm);
	}
}

static void test_beside(void)
{
	run_one(guest_beside);
}

static void test_enabled(void)
{
	run_one(guest_enabled);
}

static void test_moved(void)
{
	run_one(guest_moved);
}

/* Both take turns: what one has mapped, or has had mapped for it, is there for the other. */
static void two(int advice)
{
	static const u64 base[2] = { APIC_MMIO, ELSEWHERE };
	struct vm *vm = create(advice);
	struct vcpu *vcpu[2];
	u32 i, stage;

	for (i = 0; i < 2; i++) {
		vcpu[i] = vcpu_create_guest(vm, i, guest_own);
		vcpu_args(vcpu[i], base[i], base[!i], 0);
	}
	for (stage = 1; stage <= 3; stage++)
		for (i = 0; i < 2; i++)
			vcpu_run_sync(vcpu[i], stage);
}

static void test_two(void)
{
	two(MADV_NOHUGEPAGE);
}

static void test_two_large(void)
{
	two(MADV_HUGEPAGE);
}

/* The launcher moves the base, and puts the slot there when the guest has run already. */
static void test_launcher(void)
{
	struct vm *vm = create(MADV_NOHUGEPAGE);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_own);
	struct kvm_sregs s;

	vcpu_args(vcpu, APIC_MMIO, ELSEWHERE, 0);
	vcpu_run_sync(vcpu, 1);
	vm_set_slot(vm, 1, 0, APIC_MMIO, 0, NULL);
	add_slot(vm, 3, APIC_MMIO, MADV_NOHUGEPAGE);
	vcpu_run_sync(vcpu, 2);
	s = vcpu_sregs(vcpu);
	s.apic_base = ELSEWHERE | (s.apic_base & 0x7ff) | APIC_ON;
	vcpu_set_sregs(vcpu, &s);
	/* the same code from its start, with the two places exchanged */
	vcpu_start64(vcpu, guest_own);
	vcpu_args(vcpu, ELSEWHERE, APIC_MMIO, 0);
	vcpu_run_sync(vcpu, 1);
}

static const struct test_case cases[] = {
	{ "beside", test_beside },
	{ "enabled", test_enabled },
	{ "moved", test_moved },
	{ "two", test_two },
	{ "two_large", test_two_large },
	{ "launcher", test_launcher },
};

TEST_MAIN(cases)
