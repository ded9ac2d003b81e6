// SPDX-License-Identifier: GPL-2.0-only
/*
 * Port I/O leaves to user space with direction, size, port, count and data as
 * the instruction has them, and IN completes on the next KVM_RUN: single
 * accesses of 1, 2 and 4 bytes, immediate ports, string forms with REP in both
 * directions, across a page and backwards.
 */
#include "guest.h"

#define PORT	0x1234
#define BUF	VM_SCRATCH

/* Runs to the next I/O exit and checks its shape. */
static u8 *expect_io(struct vcpu *vcpu, const char *name, int dir, u32 size, u16 port, u32 count)
{
	struct kvm_run *run = vcpu->run;

	RUN_TO(vcpu, KVM_EXIT_IO);
	test_note("%s", name);
	CHECK_EQ("direction", dir, run->io.direction);
	CHECK_EQ("size", size, run->io.size);
	CHECK_EQ("port", port, run->io.port);
	CHECK_EQ("count", count, run->io.count);
	return (u8 *)run + run->io.data_offset;
}

static void guest_single(void)
{
	outb(PORT, 0x5a);
	outw(PORT + 2, 0xbeef);
	outl(PORT + 4, 0xdeadbeef);
	asm volatile("outb %%al, $0x99" : : "a" (0x77));
	GUEST_EQ(inb(PORT), 0xa5);
	GUEST_EQ(inw(PORT), 0x1122);
	GUEST_EQ(inl(PORT), 0x33445566);
}

static void test_single(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_single);

	CHECK_EQ("data", 0x5a, *expect_io(vcpu, "outb", 1, 1, PORT, 1));
	CHECK_EQ("data", 0xbeef, *(u16 *)expect_io(vcpu, "outw", 1, 2, PORT + 2, 1));
	CHECK_EQ("data", 0xdeadbeef, *(u32 *)expect_io(vcpu, "outl", 1, 4, PORT + 4, 1));
	CHECK_EQ("data", 0x77, *expect_io(vcpu, "outb imm8", 1, 1, 0x99, 1));
	*expect_io(vcpu, "inb", 0, 1, PORT, 1) = 0xa5;
	*(u16 *)expect_io(vcpu, "inw", 0, 2, PORT, 1) = 0x1122;
	*(u32 *)expect_io(vcpu, "inl", 0, 4, PORT, 1) = 0x33445566;
	vcpu_run_done(vcpu);
}

/* IN of 1 and 2 bytes keeps the upper part of RAX, IN of 4 clears it. */
static void guest_upper(void)
{
	u64 rax = 0x1111111111111111;

	asm volatile("inb %%dx, %%al" : "+a" (rax) : "d" (PORT));
	GUEST_EQ(rax, 0x11111111111111a5);
	asm volatile("inw %%dx, %%ax" : "+a" (rax) : "d" (PORT));
	GUEST_EQ(rax, 0x111111111111b6b7);
	asm volatile("inl %%dx, %%eax" : "+a" (rax) : "d" (PORT));
	GUEST_EQ(rax, 0x80000001);
}

static void test_upper(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_upper);

	*expect_io(vcpu, "inb", 0, 1, PORT, 1) = 0xa5;
	*(u16 *)expect_io(vcpu, "inw", 0, 2, PORT, 1) = 0xb6b7;
	*(u32 *)expect_io(vcpu, "inl", 0, 4, PORT, 1) = 0x80000001;
	vcpu_run_done(vcpu);
}

#define N 4500

static void guest_string(void)
{
	u64 rdi = BUF + 10, rsi, rcx = N;

	asm volatile("rep insb" : "+D" (rdi), "+c" (rcx) : "d" (PORT) : "memory");
	GUEST_EQ(rdi, BUF + 10 + N);
	GUEST_EQ(rcx, 0);
	rsi = BUF + 10;
	rcx = N;
	asm volatile("rep outsb" : "+S" (rsi), "+c" (rcx) : "d" (PORT) : "memory");
	GUEST_EQ(rsi, BUF + 10 + N);
	rsi = BUF + 20;
	rcx = 3;
	asm volatile("std; rep outsw; cld" : "+S" (rsi), "+c" (rcx) : "d" (PORT) : "memory");
	GUEST_EQ(rsi, BUF + 14);
	rcx = 0;
	asm volatile("rep outsl" : "+S" (rsi), "+c" (rcx) : "d" (PORT) : "memory");
	GUEST_EQ(rsi, BUF + 14);
	asm volatile("outsl" : "+S" (rsi) : "d" (PORT + 4) : "memory");
	GUEST_EQ(rsi, BUF + 18);
}

/*
 * A REP access may leave as many exits as the implementation likes; what counts
 * is that the bytes come in order and every one once.
 */
static u32 run_string(struct vcpu *vcpu, int dir, u32 size, u32 total, u8 *bytes)
{
	struct kvm_run *run = vcpu->run;
	u32 done = 0, n, exits = 0;

	while (done < total * size) {
		RUN_TO(vcpu, KVM_EXIT_IO);
		ASSERT_EQ(run->io.port, PORT);
		ASSERT_EQ(run->io.direction, dir);
		ASSERT_EQ(run->io.size, size);
		n = run->io.size * run->io.count;
		ASSERT(n && n <= total * size - done, "%u bytes at %u", n, done);
		if (dir)
			memcpy(bytes + done, (u8 *)run + run->io.data_offset, n);
		else
			memcpy((u8 *)run + run->io.data_offset, bytes + done, n);
		done += n;
		exits++;
	}
	return exits;
}

static void test_string(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_string);
	u8 out[N], in[N], back[6];
	u32 i;

	for (i = 0; i < N; i++)
		in[i] = i * 7 + (i >> 8);
	test_note("rep insb: %u exits", run_string(vcpu, 0, 1, N, in));
	test_note("rep outsb: %u exits", run_string(vcpu, 1, 1, N, out));
	CHECK_EQ("memory after rep insb", 0, memcmp(vm_hva(vm, BUF + 10), in, N));
	CHECK_EQ("bytes of rep outsb", 0, memcmp(out, in, N));
	run_string(vcpu, 1, 2, 3, back);
	for (i = 0; i < 3; i++)
		CHECK_EQ("backward word", *(u16 *)(in + 10 - 2 * i), *(u16 *)(back + 2 * i));
	CHECK_EQ("outsl data", *(u32 *)(in + 4),
		 *(u32 *)expect_io(vcpu, "outsl without rep, none for rcx 0", 1, 4, PORT + 4, 1));
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "single", test_single },
	{ "upper_bits", test_upper },
	{ "string", test_string },
};

TEST_MAIN(cases)
