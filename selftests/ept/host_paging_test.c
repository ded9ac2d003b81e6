// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory is never walked as a second-level table, whatever the paging mode of the host: a guest whose every frame holds what
 * would be entries for a page of the launcher, present and writable, sees its own memory only, and the launcher's page stays as it is.
 */
#include <fcntl.h>
#include <unistd.h>

#include "guest.h"

#define FRAMES	512u
#define OWN	0x5555555555555555ull
#define MARK	0x4b33454cull

/* In no slot. */
static u64 *victim;

/* Host-physical address of a page of this program, which may ask the kernel for it as root. */
static u64 frame_of(void *page)
{
	u64 entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	REQUIRE(fd >= 0, "the kernel has no /proc/self/pagemap");
	ASSERT_EQ(pread(fd, &entry, sizeof(entry), (uintptr_t)page / PAGE_SIZE * sizeof(entry)), sizeof(entry));
	close(fd);
	REQUIRE(entry & ((1ull << 55) - 1), "the kernel does not tell frames here");
	return (entry & ((1ull << 55) - 1)) * PAGE_SIZE;
}

static void guest_look(u64 base, u64 size, u64 wanted)
{
	u64 gpa, strange = 0;

	for (gpa = base; gpa < base + size; gpa += 8)
		if (*(volatile u64 *)gpa != wanted)
			strange++;
	for (gpa = base; gpa < base + size; gpa += PAGE_SIZE)
		*(volatile u64 *)gpa = MARK;
	GUEST_EQ(strange, 0);
	GUEST_DONE();
}

/* Real mode, from frame 0: where a table of another depth would show first, as it is where entry 0 of every table leads. */
asm(".pushsection .rodata\n"
    "low_start: .code16\n"
    "	xor %ax, %ax\n	mov %ax, %ds\n	movl $0x4b33454c, 0x800\n	mov 0x800, %eax\n	hlt\n"
    "low_end: .code64\n"
    ".popsection\n");
extern const u8 low_start[], low_end[];

static u64 *victim_page(void)
{
	u64 *page = host_pages(PAGE_SIZE);
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / 8; i++)
		page[i] = OWN;
	return page;
}

static void check_victim(void)
{
	unsigned int i, changed = 0;

	for (i = 0; i < PAGE_SIZE / 8; i++)
		changed += victim[i] != OWN;
	CHECK_EQ("words of the launcher's page that changed", 0, changed);
}

static void test_high(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_look);
	u64 size = FRAMES * PAGE_SIZE, entry, *mem;
	unsigned int i;

	victim = victim_page();
	entry = frame_of(victim) | 0x67;	/* present, writable, user, accessed, dirty */
	mem = host_pages(size);
	for (i = 0; i < size / 8; i++)
		mem[i] = entry;
	vm_set_slot(vm, 1, 0, VM_MMIO, size, mem);
	vcpu_args(vcpu, VM_MMIO, size, entry);
	vcpu_run_done(vcpu);
	for (i = 0; i < FRAMES; i++)
		ASSERT_EQ(mem[i * PAGE_SIZE / 8], MARK);
	check_victim();
}

static void test_low(void)
{
	struct vm *vm = vm_create(VM_BARE);
	struct vcpu *vcpu = vcpu_create(vm, 0);
	u64 *mem = host_pages(0x10000), entry;
	unsigned int i;

	victim = victim_page();
	entry = frame_of(victim) | 0x67;
	for (i = 0; i < 0x10000 / 8; i++)
		mem[i] = entry;
	memcpy((u8 *)mem + 0x1000, low_start, low_end - low_start);
	vm_set_slot(vm, 0, 0, 0, 0x10000, mem);
	vcpu_start_real(vcpu, 0, 0x1000);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	CHECK_EQ("EAX", MARK, vcpu_regs(vcpu).rax);
	CHECK_EQ("the guest's own frame", MARK | (entry & ~0xffffffffull), mem[0x800 / 8]);
	check_victim();
}

static const struct test_case cases[] = {
	{ "high", test_high },
	{ "low", test_low },
};

TEST_MAIN(cases)
