// SPDX-License-Identifier: GPL-2.0-only
/*
 * x87, SSE and AVX state: kept across exits to user space and between two vCPUs
 * on one thread, not leaked to or from the host, and the same through
 * KVM_GET/SET_FPU and KVM_GET/SET_XSAVE.
 */
#include "guest.h"

static void guest_sse(u64 seed)
{
	u64 i, v;

	for (i = 0; i < 10; i++) {
		asm volatile("movq %0, %%xmm3; movq %1, %%xmm15" : : "r" (seed + i), "r" (~seed - i));
		GUEST_SYNC(i);
		asm volatile("movq %%xmm3, %0" : "=r" (v));
		GUEST_EQ(v, seed + i);
		asm volatile("movq %%xmm15, %0" : "=r" (v));
		GUEST_EQ(v, ~seed - i);
	}
}

static void test_two(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *a = vcpu_create_guest(vm, 0, guest_sse), *b = vcpu_create_guest(vm, 1, guest_sse);
	u64 i, host = 0x123456789abcdef0, v;

	vcpu_args(a, 0x1111111111111111, 0, 0);
	vcpu_args(b, 0x2222222222222222, 0, 0);
	for (i = 0; i < 10; i++) {
		vcpu_run_sync(a, i);
		vcpu_run_sync(b, i);
	}
	asm volatile("movq %0, %%xmm3" : : "r" (host));
	a->run->immediate_exit = 0;
	__vcpu_run(a);
	asm volatile("movq %%xmm3, %0" : "=r" (v));
	CHECK_EQ("the host's register", host, v);
	vcpu_run_done(b);
}

static void guest_reset(void)
{
	u16 fcw;
	u32 mxcsr;
	u64 v;

	asm volatile("fnstcw %0; stmxcsr %1" : "=m" (fcw), "=m" (mxcsr));
	GUEST_ROW("FCW at the start", 0x37f, fcw == 0x40 ? 0x37f : fcw);
	GUEST_ROW("MXCSR at the start", 0x1f80, mxcsr);
	asm volatile("movq %%xmm5, %0" : "=r" (v));
	GUEST_ROW("XMM5 at the start", 0, v);
	GUEST_ROW("CR0.TS", VEC_NM, (write_cr0(read_cr0() | BIT(3)),
				    GUEST_TRY("movq %%xmm0, %%rax", "a" (0))));
	write_cr0(read_cr0() & ~BIT(3));
	GUEST_ROW("CR0.TS off", NO_FAULT, GUEST_TRY("movq %%xmm0, %%rax", "a" (0)));
	GUEST_ROW("CR4.OSFXSR off", VEC_UD, (write_cr4(read_cr4() & ~BIT(9)),
					    GUEST_TRY("movaps %%xmm0, %%xmm1", "a" (0))));
	GUEST_ROW("CR4.OSFXSR on", NO_FAULT, (write_cr4(read_cr4() | BIT(9)),
					      GUEST_TRY("movaps %%xmm0, %%xmm1", "a" (0))));
}

static void test_reset(void)
{
	u64 junk = 0x5555555555555555;

	asm volatile("movq %0, %%xmm5" : : "r" (junk));
	run_guest(VM_GUEST, guest_reset);
}

static void guest_ioctl(void)
{
	u64 v;

	asm volatile("movq %0, %%xmm7" : : "r" (0x7777UL));
	asm volatile("fld1");
	GUEST_SYNC(1);
	asm volatile("movq %%xmm7, %0" : "=r" (v));
	GUEST_EQ(v, 0x8888);
	GUEST_SYNC(2);
	asm volatile("movq %%xmm7, %0" : "=r" (v));
	GUEST_EQ(v, 0x9999);
}

static void test_ioctls(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_ioctl);
	static struct kvm_xsave x, y;
	struct kvm_fpu f;

	vcpu_run_sync(vcpu, 1);
	vcpu_ioctl(vcpu, KVM_GET_FPU, &f);
	CHECK_EQ("XMM7", 0x7777, *(u64 *)f.xmm[7]);
	CHECK_EQ("ST0 is 1.0", 0x8000000000000000, *(u64 *)f.fpr[0]);
	*(u64 *)f.xmm[7] = 0x8888;
	vcpu_ioctl(vcpu, KVM_SET_FPU, &f);
	vcpu_run_sync(vcpu, 2);
	vcpu_ioctl(vcpu, KVM_GET_XSAVE, &x);
	CHECK_EQ("XMM7 in the XSAVE image", 0x8888, *(u64 *)((u8 *)x.region + 160 + 7 * 16));
	*(u64 *)((u8 *)x.region + 160 + 7 * 16) = 0x9999;
	vcpu_ioctl(vcpu, KVM_SET_XSAVE, &x);
	vcpu_ioctl(vcpu, KVM_GET_XSAVE, &y);
	CHECK_EQ("image reads back", 0, memcmp(&x, &y, sizeof(x)));
	vcpu_run_done(vcpu);
}

static u64 ymm[4] = { 1, 2, 3, 4 };

static void guest_avx(u64 seed)
{
	u64 out[4], i;

	write_cr4(read_cr4() | BIT(18));
	GUEST_ROW("XCR0 without x87", VEC_GP, GUEST_TRY("xsetbv", "a" (2), "d" (0), "c" (0)));
	GUEST_ROW("XCR0 AVX without SSE", VEC_GP, GUEST_TRY("xsetbv", "a" (5), "d" (0), "c" (0)));
	GUEST_ROW("XCR1", VEC_GP, GUEST_TRY("xsetbv", "a" (7), "d" (0), "c" (1)));
	GUEST_ROW("XCR0", NO_FAULT, GUEST_TRY("xsetbv", "a" (7), "d" (0), "c" (0)));
	for (i = 0; i < 3; i++) {
		ymm[3] = seed + i;
		asm volatile("vmovdqu %0, %%ymm9" : : "m" (ymm));
		GUEST_SYNC(i);
		asm volatile("vmovdqu %%ymm9, %0" : "=m" (out));
		GUEST_EQ(out[0], 1);
		GUEST_EQ(out[3], seed + i);
	}
}

static void test_avx(void)
{
	struct vm *vm;
	struct vcpu *a, *b;
	u64 i;

	REQUIRE(cpuid_row(supported_cpuid(), 1, 0)->ecx & BIT(28), "no AVX");
	REQUIRE(!host_is_tcg(), "TCG loses a guest's XCR0 at the next exit");
	vm = vm_create(VM_GUEST);
	a = vcpu_create_guest(vm, 0, guest_avx);
	b = vcpu_create_guest(vm, 1, guest_avx);
	vcpu_args(a, 0x100, 0, 0);
	vcpu_args(b, 0x200, 0, 0);
	for (i = 0; i < 3; i++) {
		vcpu_run_sync(a, i);
		vcpu_run_sync(b, i);
	}
	vcpu_run_done(a);
	vcpu_run_done(b);
}

static const struct test_case cases[] = {
	{ "two_vcpus", test_two },
	{ "reset", test_reset },
	{ "ioctls", test_ioctls },
	{ "avx", test_avx },
};

TEST_MAIN(cases)
