// SPDX-License-Identifier: GPL-2.0-only
/*
 * x87, MMX, SSE and AVX instructions, BMI and the like, and those that programs do use on device memory and that emulators forget,
 * leave registers, flags and memory on a device as they do in RAM. What the module does not execute ends with the instruction told.
 *
 * Right: SDM vol. 2, each instruction: a memory operand may be anywhere.
 */
#include <stdbool.h>

#include "guest.h"

#define RAM	0x900000ULL
#define DEVICE	VM_MMIO
#define WORDS	64
#define UNDEFINED	0x14UL	/* PF and AF, by BMI */

/* What the CPU must have: a bit of CPUID, leaf 1 ECX (0), leaf 7 EBX (1) or ECX (2). */
#define ANY		0
#define LEAF1C(bit)	(0x100 | (bit))
#define LEAF7B(bit)	(0x200 | (bit))
#define LEAF7C(bit)	(0x300 | (bit))
#define NO_TCG		0x800	/* QEMU's TCG gets the flags of BLSI wrong, and has no AVX for guests */
#define AVX		(LEAF1C(28) | NO_TCG)
#define SSE42		LEAF1C(20)
#define BMI1		LEAF7B(3)
#define BMI2		LEAF7B(8)
#define ADX		LEAF7B(19)

#define MM(insn)	insn "; emms"
#define PORT		0x1234	/* where user space has the next of a row of bytes */
#define PORT_WORD	"0x1234"
/* Reserved bytes of the FXSAVE area may be left as they are. */
#define CLEAR		"mov %%rdi, %%rsi; xor %%eax, %%eax; mov $64, %%ecx; rep stosq; mov %%rsi, %%rdi;"
#define XY(load, store, reg)	load " (%%rdi), %%" reg "; " store " %%" reg ", 64(%%rdi)"

/* name, CPU, does stock KVM, instructions with RDI at the operand, RAX and RDX = 0x3ff0000000001f80, RCX = 5, RBX = 0x1234 */
#define CASES(X)											\
	X(clflush, ANY, 1, "clflush (%%rdi)")								\
	X(clflushopt, LEAF7B(23), 0, "clflushopt (%%rdi)")						\
	X(clwb, LEAF7B(24), 0, "clwb (%%rdi)")								\
	X(prefetch, ANY, 1, "prefetcht0 (%%rdi); prefetchw (%%rdi); nopl (%%rdi)")			\
	X(cmpxchg16b, LEAF1C(13), 0, "cmpxchg16b (%%rdi); lock cmpxchg16b (%%rdi)")			\
	X(cmpxchg8b, ANY, 0, "lock cmpxchg8b (%%rdi)")							\
	X(fxsave, ANY, 0, CLEAR "fxsave 64(%%rdi); fxrstor 64(%%rdi)")					\
	X(fxsave64, ANY, 0, CLEAR "fxsave64 (%%rdi); movl $0x3f80, 24(%%rdi); fxrstor64 (%%rdi)")		\
	X(fnstcw, ANY, 1, "fnstcw (%%rdi)")								\
	X(fldcw, ANY, 0, "movw $0x27f, 2(%%rdi); fldcw 2(%%rdi)")					\
	X(fnstsw, ANY, 0, "fldz; fnstsw 4(%%rdi)")							\
	X(fnstenv, ANY, 0, "fldz; fnstenv (%%rdi); fldenv (%%rdi); fnstsw (%%rdi); movl $0, 12(%%rdi);"	\
	  "movq $0, 16(%%rdi)")										\
	X(fnsave, ANY, 0, "fld1; fldpi; fnsave (%%rdi); frstor (%%rdi); movq $0, 12(%%rdi); movq $0, 20(%%rdi)") \
	X(stmxcsr, ANY, 0, "stmxcsr (%%rdi)")								\
	X(ldmxcsr, ANY, 0, "movl $0x3fbf, (%%rdi); ldmxcsr (%%rdi)")					\
	X(fild, ANY, 0, "filds (%%rdi); fildl 4(%%rdi); fildll 8(%%rdi); fistpll 64(%%rdi); fistl 72(%%rdi); fistps 78(%%rdi); fistps 80(%%rdi)") \
	X(fisttp, ANY, 0, "fldpi; fldl2t; fisttpll 64(%%rdi); fisttpl 72(%%rdi)")			\
	X(fld, ANY, 0, "flds 4(%%rdi); fldl 8(%%rdi); fldpi; fstps 64(%%rdi); fstl 72(%%rdi); fstpl 80(%%rdi); fsts 88(%%rdi)") \
	X(fld80, ANY, 0, "fldpi; fstpt 3(%%rdi); fldt 3(%%rdi); fldl2e; fbstp 64(%%rdi); fbld 64(%%rdi)") \
	X(x87_arithmetic, ANY, 0, "fld1; fadds 4(%%rdi); fmull 8(%%rdi); fisubl (%%rdi); fidivs 8(%%rdi); fdivrl 16(%%rdi); fcoml (%%rdi)") \
	X(tables, ANY, 0, "sgdt (%%rdi); sidt 16(%%rdi); smsw 32(%%rdi); str 34(%%rdi); sldt 36(%%rdi)") \
	X(segment, ANY, 0, "movw %%ds, (%%rdi); movw (%%rdi), %%es")					\
	X(sse_moves, ANY, 0, "lddqu (%%rdi), %%xmm0; movdqu %%xmm0, 64(%%rdi); movapd (%%rdi), %%xmm1; movntps %%xmm1, 80(%%rdi);"	\
	  "movhps 8(%%rdi), %%xmm2; movhps %%xmm2, 96(%%rdi); movss (%%rdi), %%xmm3; movsd %%xmm3, 104(%%rdi)") \
	X(movntdqa, LEAF1C(19), 0, "movntdqa (%%rdi), %%xmm0; movdqu %%xmm0, 64(%%rdi)")		\
	X(mmx_moves, ANY, 0, MM("movq 8(%%rdi), %%mm3; movq %%mm3, 64(%%rdi); movd 4(%%rdi), %%mm1; movd %%mm1, 72(%%rdi); movntq %%mm3, 80(%%rdi);" \
	  ".byte 0x48; movd 8(%%rdi), %%mm2; .byte 0x48; movd %%mm2, 88(%%rdi)"))			\
	X(mmx_stays, ANY, 0, "fld1; fstp %%st(0); movq 8(%%rdi), %%mm5")				\
	X(mmx_arithmetic, ANY, 0, "movq 8(%%rdi), %%mm3; paddd (%%rdi), %%mm3; pmaddwd 8(%%rdi), %%mm3; punpcklbw (%%rdi), %%mm3; pxor 16(%%rdi), %%mm3; psllq (%%rdi), %%mm4") \
	X(sse_integer, ANY, 0, "movdqu 8(%%rdi), %%xmm9; paddd (%%rdi), %%xmm9; pmuludq 16(%%rdi), %%xmm9; punpckhqdq (%%rdi), %%xmm9; pxor (%%rdi), %%xmm0; pcmpeqb 16(%%rdi), %%xmm2") \
	X(sse_float, ANY, 0, "movups 8(%%rdi), %%xmm5; addps (%%rdi), %%xmm5; mulsd 8(%%rdi), %%xmm5; sqrtsd 16(%%rdi), %%xmm1; maxpd (%%rdi), %%xmm2; cvtps2pd (%%rdi), %%xmm3; haddpd (%%rdi), %%xmm4; rsqrtss 4(%%rdi), %%xmm6; unpcklps (%%rdi), %%xmm7; divpd 16(%%rdi), %%xmm8") \
	X(cvt, ANY, 0, "cvtsi2sdl (%%rdi), %%xmm0; cvtsi2sdq 8(%%rdi), %%xmm1; cvtsi2ssl 4(%%rdi), %%xmm12; cvtsi2ssq (%%rdi), %%xmm13; cvtdq2pd (%%rdi), %%xmm3; cvtpd2ps (%%rdi), %%xmm4; cvttps2dq (%%rdi), %%xmm5; cvtpi2ps (%%rdi), %%xmm6") \
	X(crc32, SSE42, 0, "crc32b (%%rdi), %%edx; crc32w (%%rdi), %%ecx; crc32l (%%rdi), %%ebx; crc32q 8(%%rdi), %%rax") \
	X(lzcnt, BMI1, 0, "lzcntl (%%rdi), %%edx; tzcntq 8(%%rdi), %%rcx")				\
	X(andn, BMI1, 0, "andn (%%rdi), %%edx, %%ecx; andn 8(%%rdi), %%rdx, %%rbx")			\
	X(bls, BMI1, 0, "blsr (%%rdi), %%edx; blsmsk 8(%%rdi), %%rcx")					\
	X(blsi, BMI1 | NO_TCG, 0, "blsi (%%rdi), %%ebx; blsi 8(%%rdi), %%rcx")				\
	X(bextr, BMI1, 0, "mov $0x0b04, %%edx; bextr %%edx, (%%rdi), %%ecx; bextr %%rdx, 8(%%rdi), %%rbx") \
	X(bzhi, BMI2, 0, "bzhi %%ecx, (%%rdi), %%edx; bzhi %%rbx, 8(%%rdi), %%rax")			\
	X(pdep, BMI2, 0, "pdep (%%rdi), %%rdx, %%rcx; pext 8(%%rdi), %%rdx, %%rbx")			\
	X(mulx, BMI2, 0, "mulx (%%rdi), %%rcx, %%rbx; mulx 4(%%rdi), %%eax, %%eax")			\
	X(rorx, BMI2, 0, "rorx $7, (%%rdi), %%ecx; rorx $41, 8(%%rdi), %%rbx")				\
	X(shlx, BMI2, 0, "shlx %%ecx, (%%rdi), %%edx; sarx %%rcx, 8(%%rdi), %%rbx; shrx %%ecx, 4(%%rdi), %%eax") \
	X(adcx, ADX, 0, "mov %%edx, %%edx; mov %%eax, %%eax; adcx (%%rdi), %%edx; adox 8(%%rdi), %%rcx; adcx 8(%%rdi), %%rbx; adox (%%rdi), %%eax") \
	X(movdiri, LEAF7C(27), 0, "movdiri %%edx, (%%rdi)")						\
	X(vmov_ymm, AVX, 0, XY("vmovdqu", "vmovdqu", "ymm1") ";" XY("vmovaps", "vmovntps", "ymm9") ";"	\
	  "vmovups %%ymm9, 97(%%rdi)")									\
	X(vmov_xmm, AVX, 0, "vmovups (%%rdi), %%ymm3;" XY("vmovdqu", "vmovdqa", "xmm3") "; vmovdqu %%ymm3, 96(%%rdi)") \
	X(vmov_scalar, AVX, 0, "vmovups (%%rdi), %%ymm3; vmovups (%%rdi), %%ymm4;" XY("vmovss", "vmovss", "xmm3") ";"	\
	  "vmovsd 8(%%rdi), %%xmm4; vmovsd %%xmm4, 72(%%rdi); vmovdqu %%ymm3, 96(%%rdi); vmovdqu %%ymm4, 128(%%rdi);"	\
	  "vmovq 8(%%rdi), %%xmm3; vmovdqu %%ymm3, 160(%%rdi)")						\
	X(stack, ANY, 0, "mov %%rsp, %%rsi; lea 64(%%rdi), %%rsp; push %%rdx; pushf; pop %%rcx; pop %%rdx; mov %%rsi, %%rsp") \
	X(enter, ANY, 0, "mov %%rsp, %%rsi; mov %%rbp, %%rbx; lea 128(%%rdi), %%rsp; enter $16, $0; leave; mov %%rsi, %%rsp; mov %%rbx, %%rbp;" \
	  "mov $0, %%ebx")										\
	X(call_memory, ANY, 0, "lea 5f(%%rip), %%rax; mov %%rax, (%%rdi); call *(%%rdi); jmp 6f; 5: ret; 6:")	\
	X(jump_memory, ANY, 0, "lea 5f(%%rip), %%rax; mov %%rax, (%%rdi); jmp *(%%rdi); ud2; 5:")		\
	X(xlat, ANY, 0, "push %%rbx; mov %%rdi, %%rbx; mov $1, %%al; xlat; pop %%rbx")			\
	X(ins, ANY, 1, "mov %%rdi, %%rsi; mov $" PORT_WORD ", %%edx; insb; insl; mov %%rsi, %%rdi")	\
	X(outs, ANY, 1, "mov %%rdi, %%rsi; mov $" PORT_WORD ", %%edx; outsb; outsl; sub %%rdi, %%rsi; mov %%rsi, 64(%%rdi)")

static u64 image[2][64] __attribute__((aligned(64))), start_image[64] __attribute__((aligned(64)));

static void fill(u64 at)
{
	for (u64 i = 0; i < WORDS; i++)
		mmio_write64(at + i * 8, 0x3ff0000000001f80ULL + (i << 32));
}

/* Registers to begin with: no x87 register in use, XMM registers that differ. */
static void fill_image(void)
{
	asm volatile("fninit; fxsave64 %0" : "=m" (start_image));
	for (u64 i = 20; i < 52; i++)
		start_image[i] = 0x3ff0000040000000ULL + i * 0x123400001ULL;
}

/* The FXSAVE image but for the operand's address, which differs. */
static void compare_images(void)
{
	for (u64 i = 0; i < 52; i++)
		if (i != 2 && image[0][i] != image[1][i]) {
			GUEST_ROW("word of the FXSAVE image", i, i);
			GUEST_ROW("  its value", image[0][i], image[1][i]);
		}
}

#define GUEST(name, cpu, stock, insn)									\
static void guest_##name(u64 cr4)									\
{													\
	u64 r[2][5], m[2][WORDS];									\
													\
	write_cr4(read_cr4() | cr4);									\
	if (cr4)											\
		asm volatile("xsetbv" : : "a" (7), "d" (0), "c" (0));					\
	fill_image();											\
	for (int k = 0; k < 2; k++) {									\
		u64 at = k ? DEVICE + 0x100 : RAM + 0x100;						\
		u64 a = 0x3ff0000000001f80ULL, c = 5, d = 0x3ff0000000001f80ULL, b = 0x1234, f = 2;	\
													\
		fill(at);										\
		asm volatile("fxrstor64 %[start]; push %[f]; popf; " insn "; pushf; pop %[f]; fxsave64 (%[image])"	\
			     : "+a" (a), "+c" (c), "+d" (d), "+b" (b), [f] "+r" (f)			\
			     : "D" (at), [start] "m" (start_image), [image] "r" (image[k])		\
			     : "memory", "cc", "rsi");						\
		r[k][0] = a; r[k][1] = c; r[k][2] = d; r[k][3] = b; r[k][4] = f & ~UNDEFINED;	\
		for (int i = 0; i < WORDS; i++)								\
			m[k][i] = mmio_read64(at + i * 8);						\
	}												\
	for (int i = 0; i < 5; i++)									\
		if (r[0][i] != r[1][i])									\
			GUEST_ROW("register (RAX RCX RDX RBX RFLAGS)", r[0][i], r[1][i]);		\
	for (int i = 0; i < WORDS; i++)									\
		if (m[0][i] != m[1][i])									\
			GUEST_ROW("memory", m[0][i], m[1][i]);						\
	compare_images();										\
}
CASES(GUEST)

/* Has the CPU what @need says, and a guest AVX? */
static bool has(u32 need)
{
	struct kvm_cpuid2 *table = supported_cpuid();
	struct kvm_cpuid_entry2 *leaf1 = cpuid_row(table, 1, 0), *leaf7 = cpuid_row(table, 7, 0);
	u32 bit = BIT(need & 31);

	switch ((need >> 8) & 7) {
	case 1:
		return leaf1 && (leaf1->ecx & bit);
	case 2:
		return leaf7 && (leaf7->ebx & bit);
	case 3:
		return leaf7 && (leaf7->ecx & bit);
	default:
		return true;
	}
}

/* User space's device is memory. */
static u8 device[2 * PAGE_SIZE];

static void serve_mmio(struct kvm_run *run)
{
	u64 at = run->mmio.phys_addr - DEVICE;

	ASSERT(at < PAGE_SIZE, "access at 0x%llx", (unsigned long long)run->mmio.phys_addr);
	if (run->mmio.is_write)
		memcpy(device + at, run->mmio.data, run->mmio.len);
	else
		memcpy(run->mmio.data, device + at, run->mmio.len);
}

/* Both rounds, that on RAM and that on the device, read the same there; what they write is kept. */
static u8 written[64];
static unsigned int nr_read, nr_written;

static void serve_port(struct kvm_run *run)
{
	u8 *data = (u8 *)run + run->io.data_offset;
	u32 i;

	for (i = 0; i < run->io.size * run->io.count; i++) {
		if (run->io.direction == KVM_EXIT_IO_IN)
			data[i] = 0x51 + nr_read++ % 5;
		else
			written[nr_written++ % sizeof(written)] = data[i];
	}
}

static void compare_written(void)
{
	if (nr_written)
		CHECK_EQ("bytes written", 10, nr_written);
	CHECK_EQ("the device's are those of RAM", 0, memcmp(written, written + nr_written / 2, nr_written / 2));
}

/* Until the guest is done. */
static void run_with_device(struct vcpu *vcpu)
{
	for (;;) {
		if (vcpu_run(vcpu) == KVM_EXIT_MMIO) {
			serve_mmio(vcpu->run);
			continue;
		}
		ASSERT_EXIT(vcpu, KVM_EXIT_IO);
		if (vcpu->run->io.port == PORT) {
			serve_port(vcpu->run);
			continue;
		}
		if (vcpu_finish(vcpu) == UCALL_DONE)
			return;
	}
}

static void run(void *fn, u32 need, int stock)
{
	struct vcpu *vcpu;

	REQUIRE(stock || !dev_is_kvm(), "stock KVM does not execute it");
	REQUIRE(has(need), "not on this CPU");
	REQUIRE(!(need & NO_TCG) || !host_is_tcg(), "TCG does not get it right");
	vcpu = vcpu_create_guest(vm_create(VM_GUEST), 0, fn);
	vcpu_args(vcpu, need == AVX ? BIT(18) : 0, 0, 0);
	run_with_device(vcpu);
	compare_written();
}

#define TEST(name, cpu, stock, insn) static void test_##name(void) { run(guest_##name, cpu, stock); }
CASES(TEST)

/* ---- faults, and what is not executed ---- */

static void guest_faults(void)
{
	u64 cr0 = read_cr0(), cr4 = read_cr4();
	u32 bad = 0x10000;

	mmio_write32(DEVICE, bad);
	GUEST_ROW("LDMXCSR of a reserved bit", VEC_GP, GUEST_TRY("ldmxcsr (%%rax)", "a" (DEVICE)));
	GUEST_ROW("FXSAVE out of its place", VEC_GP, GUEST_TRY("fxsave (%%rax)", "a" (DEVICE + 8)));
	GUEST_ROW("PADDD out of its place", VEC_GP, GUEST_TRY("paddd (%%rax), %%xmm0", "a" (DEVICE + 8)));
	mmio_write64(DEVICE, 0);
	asm volatile("fninit; fldcw %0; fld1" : : "m" ((u16){ 0x37b }));
	GUEST_ROW("divide by zero: pending", NO_FAULT, GUEST_TRY("fdivl (%%rax)", "a" (DEVICE)));
	GUEST_ROW("the next x87 instruction", VEC_MF, GUEST_TRY("fldl (%%rax)", "a" (DEVICE)));
	GUEST_ROW("the next MMX instruction", VEC_MF, GUEST_TRY("movq (%%rax), %%mm0", "a" (DEVICE)));
	GUEST_ROW("FNSTCW does not wait", NO_FAULT, GUEST_TRY("fnstcw (%%rax)", "a" (DEVICE)));
	asm volatile("fninit; ldmxcsr %0" : : "m" ((u32){ 0x1d80 }));
	mmio_write64(DEVICE, 0);
	mmio_write64(DEVICE + 8, 0);
	asm volatile("cvtsi2sd %0, %%xmm0" : : "r" (1));
	GUEST_ROW("SSE divide by zero", VEC_XM, GUEST_TRY("divsd (%%rax), %%xmm0", "a" (DEVICE)));
	write_cr4(cr4 & ~BIT(10));
	GUEST_ROW("  with CR4.OSXMMEXCPT clear", VEC_UD, GUEST_TRY("divsd (%%rax), %%xmm0", "a" (DEVICE)));
	write_cr4(cr4);
	asm volatile("ldmxcsr %0" : : "m" ((u32){ 0x1f80 }));
	write_cr0(cr0 | BIT(3));
	GUEST_ROW("x87 with CR0.TS", VEC_NM, GUEST_TRY("fldl (%%rax)", "a" (DEVICE)));
	GUEST_ROW("SSE with CR0.TS", VEC_NM, GUEST_TRY("addps (%%rax), %%xmm0", "a" (DEVICE)));
	write_cr0(cr0);
}

static void test_faults(void)
{
	struct vcpu *vcpu = vcpu_create_guest(vm_create(VM_GUEST), 0, guest_faults);

	REQUIRE(!dev_is_kvm(), "stock KVM does not execute them");
	run_with_device(vcpu);
}

static void guest_not_executed(u64 which)
{
	if (which)
		asm volatile("pshufd $0, (%0), %%xmm0" : : "r" (DEVICE));
	else
		asm volatile("cvttsd2si (%0), %%eax" : : "r" (DEVICE) : "eax");
}

/* The exit tells the bytes, and the explanation the instruction. */
static void test_not_executed(void)
{
	static const u8 bytes[2][4] = { { 0xf2, 0x0f, 0x2c }, { 0x66, 0x0f, 0x70 } };

	REQUIRE(!dev_is_kvm(), "stock KVM tells no bytes");
	for (u64 i = 0; i < 2; i++) {
		struct vcpu *vcpu = vcpu_create_guest(vm_create(VM_GUEST), 0, guest_not_executed);

		vcpu_args(vcpu, i, 0, 0);
		RUN_TO(vcpu, KVM_EXIT_INTERNAL_ERROR);
		CHECK_EQ("suberror", KVM_INTERNAL_ERROR_EMULATION, vcpu->run->emulation_failure.suberror);
		ASSERT(!memcmp(vcpu->run->emulation_failure.insn_bytes, bytes[i], 3), "other bytes");
	}
}

#define ROW(name, cpu, stock, insn)	{ #name, test_##name },
static const struct test_case cases[] = {
	CASES(ROW)
	{ "faults", test_faults },
	{ "not_executed", test_not_executed },
};

TEST_MAIN(cases)
