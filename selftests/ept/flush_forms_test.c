// SPDX-License-Identifier: GPL-2.0-only
/*
 * After a store to its page table a guest sees the new page behind any form of
 * INVLPG and MOV to CR3: by each register, and by addresses of each kind. Where the CPU does not say what the operand is, it is read from the
 * instruction, some forms of it by a shorter way than others.
 */
#include "guest.h"

#define AT	0x8000000000ULL	/* VM_SCRATCH2 or the page behind it, by a page table */
#define ROUNDS	3

static volatile u64 *entry_of(u64 address)
{
	u64 table = VM_PML4;
	unsigned int level;

	for (level = 4; level > 1; level--)
		table = ((u64 *)table)[address >> (3 + 9 * level) & 511] & 0xffffffffff000ULL;
	return (u64 *)table + (address >> 12 & 511);
}

/* @insn with @value in a register that the compiler may not have for this: it is put back. */
#define BY(name, reg, insn)							\
	static void name##_##reg(u64 value)					\
	{									\
		asm volatile("push %%" #reg "; mov %0, %%" #reg "; " insn "; pop %%" #reg : : "r" (value) : "memory");	\
	}
#define BOTH(reg)							\
	BY(invlpg, reg, "invlpg (%%" #reg ")")				\
	BY(cr3, reg, "mov %%" #reg ", %%cr3")

BOTH(rax) BOTH(rcx) BOTH(rdx) BOTH(rbx) BOTH(rbp) BOTH(rsi) BOTH(rdi)
BOTH(r8) BOTH(r9) BOTH(r10) BOTH(r11) BOTH(r12) BOTH(r13) BOTH(r14) BOTH(r15)
BY(byte, rbx, "invlpg -8(%%rbx)")
BY(word, rbx, "invlpg 0x12340(%%rbx)")
BY(scaled, rbx, "xor %%eax, %%eax; invlpg (%%rbx, %%rax, 8)")
BY(prefix, rbx, ".byte 0x3e; invlpg (%%rbx)")
BY(rex_w, rbx, ".byte 0x48; invlpg (%%rbx)")

static void invlpg_rsp(u64 value)
{
	asm volatile("mov %%rsp, %%rcx; mov %0, %%rsp; invlpg (%%rsp); mov %%rcx, %%rsp" : : "r" (value) : "rcx", "memory");
}

static void cr3_rsp(u64 value)
{
	asm volatile("mov %%rsp, %%rcx; mov %0, %%rsp; mov %%rsp, %%cr3; mov %%rcx, %%rsp" : : "r" (value) : "rcx", "memory");
}

struct form {
	const char *name;
	void (*run)(u64 value);
	u64 value;
};

#define INVLPG(reg)	{ "INVLPG (" #reg ")", invlpg_##reg, AT }
#define CR3(reg)	{ "MOV " #reg " to CR3", cr3_##reg, VM_PML4 }

static const struct form forms[] = {
	INVLPG(rax), INVLPG(rcx), INVLPG(rdx), INVLPG(rbx), INVLPG(rsp), INVLPG(rbp), INVLPG(rsi), INVLPG(rdi),
	INVLPG(r8), INVLPG(r9), INVLPG(r10), INVLPG(r11), INVLPG(r12), INVLPG(r13), INVLPG(r14), INVLPG(r15),
	{ "INVLPG of an address in the page", invlpg_rax, AT + 0xabc },
	{ "INVLPG with 8 bits beside", byte_rbx, AT + 8 },
	{ "INVLPG with 32 bits beside", word_rbx, AT - 0x12340 },
	{ "INVLPG of a scaled address", scaled_rbx, AT },
	{ "INVLPG with a prefix", prefix_rbx, AT },
	{ "INVLPG with REX.W", rex_w_rbx, AT },
	CR3(rax), CR3(rcx), CR3(rdx), CR3(rbx), CR3(rsp), CR3(rbp), CR3(rsi), CR3(rdi),
	CR3(r8), CR3(r9), CR3(r10), CR3(r11), CR3(r12), CR3(r13), CR3(r14), CR3(r15),
};

static void guest_forms(void)
{
	volatile u64 *entry = entry_of(AT), *page = (u64 *)AT;
	u64 wanted;
	unsigned int i, n;

	*(volatile u64 *)VM_SCRATCH2 = 0;
	*(volatile u64 *)(VM_SCRATCH2 + PAGE_SIZE) = 1;
	GUEST_ROW("page at first", 0, *page);
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		for (n = 0; n < ROUNDS; n++) {
			wanted = !*page;
			*entry ^= PAGE_SIZE;
			forms[i].run(forms[i].value);
			GUEST_ROW(forms[i].name, wanted, *page);
		}
	}
}

/* INVLPG of another page says nothing of this one; of no canonical address nothing happens. */
static void guest_others(void)
{
	static const u64 others[] = { AT + PAGE_SIZE, AT + (1ULL << 47), 1ULL << 62 };
	volatile u64 *entry = entry_of(AT), *page = (u64 *)AT;
	unsigned int i;
	u64 wanted;

	*(volatile u64 *)VM_SCRATCH2 = 0;
	*(volatile u64 *)(VM_SCRATCH2 + PAGE_SIZE) = 1;
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		wanted = !*page;
		*entry ^= PAGE_SIZE;
		invlpg(others[i]);
		invlpg(AT);
		GUEST_ROW("page behind another INVLPG", wanted, *page);
	}
}

static void run(void (*guest)(void))
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest);

	vm_map(vm, AT, VM_SCRATCH2, PAGE_SIZE);
	vcpu_run_done(vcpu);
	vm_destroy(vm);
}

static void test_forms(void)
{
	run(guest_forms);
}

static void test_others(void)
{
	run(guest_others);
}

static const struct test_case cases[] = {
	{ "forms", test_forms },
	{ "others", test_others },
};

TEST_MAIN(cases)
