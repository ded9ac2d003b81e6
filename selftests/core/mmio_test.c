// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses to guest-physical addresses without memory leave as KVM_EXIT_MMIO
 * with address, length, direction and data, for every operand size and the
 * instruction forms compilers use for device registers; loads complete on the
 * next KVM_RUN with the right width, an access across a page is split, and a long
 * string of loads can be stopped.
 */
#include "guest.h"

#define A	VM_MMIO

static void expect_write(struct vcpu *vcpu, const char *name, u64 addr, u32 len, u64 data)
{
	struct kvm_run *run = vcpu->run;
	u64 got = 0;

	RUN_TO(vcpu, KVM_EXIT_MMIO);
	test_note("%s", name);
	CHECK_EQ("is_write", 1, run->mmio.is_write);
	CHECK_EQ("address", addr, run->mmio.phys_addr);
	CHECK_EQ("length", len, run->mmio.len);
	memcpy(&got, run->mmio.data, len < 8 ? len : 8);
	CHECK_EQ("data", data, got);
}

static void expect_read(struct vcpu *vcpu, const char *name, u64 addr, u32 len, u64 data)
{
	struct kvm_run *run = vcpu->run;

	RUN_TO(vcpu, KVM_EXIT_MMIO);
	test_note("%s", name);
	CHECK_EQ("is_write", 0, run->mmio.is_write);
	CHECK_EQ("address", addr, run->mmio.phys_addr);
	CHECK_EQ("length", len, run->mmio.len);
	memcpy(run->mmio.data, &data, 8);
}

static void guest_store(void)
{
	mmio_write8(A + 1, 0x12);
	mmio_write16(A + 2, 0x3456);
	mmio_write32(A + 4, 0x789abcde);
	mmio_write64(A + 8, 0x1122334455667788);
	asm volatile("movb $0x7f, (%0)" : : "r" (A) : "memory");
	asm volatile("movl $0x11223344, 0x40(%0)" : : "r" (A) : "memory");
	asm volatile("movq $-2, (%0,%1,8)" : : "r" (A), "r" (4UL) : "memory");
	asm volatile("movb %%ah, (%0)" : : "r" (A), "a" (0x5500) : "memory");
	asm volatile("movabsb %%al, %P0" : : "i" (A + 0x10), "a" (0x66) : "memory");
	asm volatile("stosl" : : "D" (A + 0x20), "a" (0xcafe) : "memory");
}

static void test_store(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_store);

	expect_write(vcpu, "mov r8", A + 1, 1, 0x12);
	expect_write(vcpu, "mov r16", A + 2, 2, 0x3456);
	expect_write(vcpu, "mov r32", A + 4, 4, 0x789abcde);
	expect_write(vcpu, "mov r64", A + 8, 8, 0x1122334455667788);
	expect_write(vcpu, "mov imm8", A, 1, 0x7f);
	expect_write(vcpu, "mov imm32", A + 0x40, 4, 0x11223344);
	expect_write(vcpu, "mov imm32 sign-extended, SIB", A + 0x20, 8, (u64)-2);
	expect_write(vcpu, "mov ah", A, 1, 0x55);
	expect_write(vcpu, "movabs", A + 0x10, 1, 0x66);
	expect_write(vcpu, "stosl", A + 0x20, 4, 0xcafe);
	vcpu_run_done(vcpu);
}

static void guest_load(void)
{
	u64 rax = ~0ULL, rsi = A + 0x30;

	asm volatile("movb (%1), %b0" : "+a" (rax) : "r" (A) : "memory");
	GUEST_EQ(rax, 0xffffffffffffff80);
	asm volatile("movw (%1), %w0" : "+a" (rax) : "r" (A) : "memory");
	GUEST_EQ(rax, 0xffffffffffff1234);
	asm volatile("movl (%1), %k0" : "+a" (rax) : "r" (A) : "memory");
	GUEST_EQ(rax, 0x80000000);
	asm volatile("movq (%1), %0" : "+a" (rax) : "r" (A) : "memory");
	GUEST_EQ(rax, 0x8877665544332211);
	asm volatile("movzbl (%1), %k0" : "=a" (rax) : "r" (A) : "memory");
	GUEST_EQ(rax, 0x80);
	asm volatile("movzwl (%1), %k0" : "=a" (rax) : "r" (A) : "memory");
	GUEST_EQ(rax, 0x8001);
	asm volatile("movsbq (%1), %0" : "=a" (rax) : "r" (A) : "memory");
	GUEST_EQ(rax, -128);
	asm volatile("movslq (%1), %0" : "=a" (rax) : "r" (A) : "memory");
	GUEST_EQ(rax, -2);
	asm volatile("lodsl" : "=a" (rax), "+S" (rsi) : : "memory");
	GUEST_EQ(rax, 0x55);
	GUEST_EQ(rsi, A + 0x34);
}

static void test_load(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_load);

	expect_read(vcpu, "mov r8", A, 1, 0x80);
	expect_read(vcpu, "mov r16", A, 2, 0x1234);
	expect_read(vcpu, "mov r32", A, 4, 0x80000000);
	expect_read(vcpu, "mov r64", A, 8, 0x8877665544332211);
	expect_read(vcpu, "movzbl", A, 1, 0x80);
	expect_read(vcpu, "movzwl", A, 2, 0x8001);
	expect_read(vcpu, "movsbq", A, 1, 0x80);
	expect_read(vcpu, "movslq", A, 4, 0xfffffffe);
	expect_read(vcpu, "lodsl", A + 0x30, 4, 0x55);
	vcpu_run_done(vcpu);
}

static void guest_modify(void)
{
	u64 old = 7, si = VM_SCRATCH, di = A, n = 2;

	asm volatile("orl $0x10, (%0)" : : "r" (A) : "memory", "cc");
	asm volatile("xchgl %k0, (%1)" : "+r" (old) : "r" (A) : "memory");
	GUEST_EQ(old, 0x99);
	asm volatile("cmpl $5, (%0); jne 1f; ud2; 1:" : : "r" (A) : "memory", "cc");
	asm volatile("testb $4, (%0); jnz 1f; ud2; 1:" : : "r" (A) : "memory", "cc");
	asm volatile("rep movsl" : "+S" (si), "+D" (di), "+c" (n) : : "memory");
	si = VM_SCRATCH;
	di = A;
	/* memory comes first, and is read again when user space has answered */
	asm volatile("cmpsl; je 1f; ud2; 1:" : "+S" (si), "+D" (di) : : "memory", "cc");
	GUEST_EQ(si, VM_SCRATCH + 4);
	GUEST_EQ(di, A + 4);
}

static void test_modify(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_modify);

	*(u64 *)vm_hva(vm, VM_SCRATCH) = 0x2222222211111111;
	expect_read(vcpu, "or: load", A, 4, 0x01);
	expect_write(vcpu, "or: store", A, 4, 0x11);
	expect_read(vcpu, "xchg: load", A, 4, 0x99);
	expect_write(vcpu, "xchg: store", A, 4, 7);
	expect_read(vcpu, "cmp", A, 4, 6);
	expect_read(vcpu, "test", A, 1, 4);
	expect_write(vcpu, "rep movsl, first", A, 4, 0x11111111);
	expect_write(vcpu, "rep movsl, second", A + 4, 4, 0x22222222);
	expect_read(vcpu, "cmpsl", A, 4, 0x11111111);
	vcpu_run_done(vcpu);
}

/* 4 bytes below the end of memory, 4 above: memory is written, the rest exits. */
static void guest_cross(void)
{
	mmio_write64(VM_MEM_SIZE - 12, 0);
	mmio_write64(VM_MEM_SIZE - 4, 0x8877665544332211);
	GUEST_EQ(mmio_read64(VM_MEM_SIZE - 4), 0xaabbccdd44332211);
}

static void test_cross(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_cross);

	expect_write(vcpu, "store across the end of memory", VM_MEM_SIZE, 4, 0x88776655);
	expect_read(vcpu, "load across the end of memory", VM_MEM_SIZE, 4, 0xaabbccdd);
	vcpu_run_done(vcpu);
	CHECK_EQ("memory part", 0x44332211, *(u32 *)vm_hva(vm, VM_MEM_SIZE - 4));
}

/* A load that the launcher answers and a store, then a jump over what R15 points at. */
static void guest_moved(void)
{
	u64 elsewhere = 0;

	asm volatile("lea 1f(%%rip), %%r15\n\t"
		     "orl $0x10, (%1)\n\t"
		     "jmp 2f\n\t"
		     "1: nop; nop; nop; nop; nop; nop; nop; nop; inc %0\n\t"
		     "2:" : "+r" (elsewhere) : "r" (A) : "r15", "memory", "cc");
	GUEST_SYNC2(1, elsewhere);
}

/*
 * The launcher answers the load and sends the vCPU elsewhere: the rest of the instruction is not done at the new address. KVM does it
 * where it was and loses the new address.
 */
static void test_moved(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_moved);
	struct kvm_regs regs;
	struct ucall uc;
	u32 stored = 0;

	expect_read(vcpu, "or: load", A, 4, 0x01);
	regs = vcpu_regs(vcpu);
	regs.rip = regs.r15;
	vcpu_set_regs(vcpu, &regs);
	if (vcpu_run(vcpu) == KVM_EXIT_MMIO) {
		stored = 1;
		vcpu_run(vcpu);
	}
	ASSERT_EXIT(vcpu, KVM_EXIT_IO);
	ASSERT_EQ(vcpu_get_ucall(vcpu, &uc), UCALL_SYNC);
	test_note("%s", stored ? "stored" : "not stored");
	CHECK_EQ("went on elsewhere", !stored, uc.args[1]);
}

#define LONG_COUNT	5000

static void guest_long(void)
{
	u64 src = A, dst = VM_SCRATCH, n = LONG_COUNT;

	asm volatile("rep movsb" : "+S" (src), "+D" (dst), "+c" (n) : : "memory");
	GUEST_EQ(n, 0);
	GUEST_EQ(src, A + LONG_COUNT);
}

static void answer(struct vcpu *vcpu, u32 *done)
{
	ASSERT_EXIT(vcpu, KVM_EXIT_MMIO);
	ASSERT_EQ(vcpu->run->mmio.phys_addr, A + *done);
	ASSERT_EQ(vcpu->run->mmio.len, 1);
	vcpu->run->mmio.data[0] = (*done)++ * 7;
}

/* A string of loads, however long, can be stopped on its way, and goes on where it was. */
static void test_long(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_long);
	u8 *dst = vm_hva(vm, VM_SCRATCH);
	u32 done = 0, i, wrong = 0;
	int ret;

	vcpu_run(vcpu);
	vcpu->run->immediate_exit = 1;
	do {
		ASSERT_LE(done, 2048);
		answer(vcpu, &done);
		ret = __vcpu_run(vcpu);
	} while (!ret);
	ASSERT_EQ(ret, -EINTR);
	test_note("stopped after %u loads", done);
	CHECK_EQ("left to do", LONG_COUNT - done, vcpu_regs(vcpu).rcx);
	vcpu->run->immediate_exit = 0;
	while (vcpu_run(vcpu) == KVM_EXIT_MMIO)
		answer(vcpu, &done);
	ASSERT_EQ(vcpu_finish(vcpu), UCALL_DONE);
	CHECK_EQ("loads in all", LONG_COUNT, done);
	for (i = 0; i < LONG_COUNT; i++)
		wrong += dst[i] != (u8)(i * 7);
	CHECK_EQ("wrong bytes", 0, wrong);
}

static const struct test_case cases[] = {
	{ "store", test_store },
	{ "load", test_load },
	{ "read_modify_write", test_modify },
	{ "across_the_end", test_cross },
	{ "moved", test_moved },
	{ "long_string", test_long },
};

TEST_MAIN(cases)
