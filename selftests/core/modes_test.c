// SPDX-License-Identifier: GPL-2.0-only
/*
 * The modes of the CPU: real mode with its interrupts and segment wrap, big real
 * mode, 16-bit and 32-bit protected mode, 32-bit and PAE paging, virtual-8086
 * mode, and the whole way from real to long mode and back, all with port I/O and
 * MMIO on the way.
 */
#include "guest.h"

#define CODE	0x8000
#define OUT	0x9000

#define BLOB(name, bits, text)					\
	asm(".pushsection .rodata\n"				\
	    #name "_start:\n"					\
	    ".code" #bits "\n"					\
	    text						\
	    ".code64\n"						\
	    #name "_end:\n"					\
	    ".popsection\n");					\
	extern const char name##_start[], name##_end[]

BLOB(real, 16,
     "	xor	%ax, %ax\n"
     "	mov	%ax, %ds\n"
     "	mov	%ax, %ss\n"
     "	mov	$0x7000, %sp\n"
     "	movw	$(0x8000 + 3f - real_start), 0x21 * 4\n"	/* vector 0x21 */
     "	movw	$0, 0x21 * 4 + 2\n"
     "	movw	$(0x8000 + 4f - real_start), 0\n"		/* divide error */
     "	movw	$0, 2\n"
     "	int	$0x21\n"
     "	mov	%bx, 0x9000\n"
     "	xor	%cx, %cx\n"
     "	mov	$5, %ax\n"
     "	div	%cl\n"
     "	mov	%si, 0x9002\n"
     "	mov	$0x1234, %ax\n"				/* segment arithmetic */
     "	mov	%ax, %es\n"
     "	movb	$0x77, %es:0x10\n"
     "	mov	$0xffff, %ax\n"				/* ffff:0010 is 1 MB */
     "	mov	%ax, %es\n"
     "	movb	$0x66, %es:0x10\n"
     "	in	$0x99, %al\n"
     "	mov	%al, 0x9004\n"
     "	pushf\n"
     "	pop	%ax\n"
     "	mov	%ax, 0x9006\n"
     "	hlt\n"
     "3:	mov	$0xbeef, %bx\n"
     "	iret\n"
     "4:	mov	$0x00de, %si\n"
     "	pop	%ax\n"				/* skip the DIV */
     "	add	$2, %ax\n"
     "	push	%ax\n"
     "	iret\n");

#define START(name) vcpu_create_code(CODE, name##_start, name##_end)

static u32 word(struct vcpu *vcpu, u64 at)
{
	return *(u32 *)vm_hva(vcpu->vm, at);
}

static void give(struct vcpu *vcpu, u8 v)
{
	RUN_TO(vcpu, KVM_EXIT_IO);
	CHECK_EQ("port", 0x99, vcpu->run->io.port);
	*((u8 *)vcpu->run + vcpu->run->io.data_offset) = v;
}

static void test_real(void)
{
	struct vcpu *vcpu = START(real);

	vcpu_start_real(vcpu, 0, CODE);
	give(vcpu, 0x42);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	CHECK_EQ("INT 0x21", 0xbeef, word(vcpu, OUT) & 0xffff);
	CHECK_EQ("divide error", 0xde, word(vcpu, OUT + 2) & 0xffff);
	CHECK_EQ("IN", 0x42, word(vcpu, OUT + 4) & 0xff);
	CHECK_EQ("1234:0010", 0x77, word(vcpu, 0x12350) & 0xff);
	CHECK_EQ("ffff:0010", 0x66, word(vcpu, 0x100000) & 0xff);
	CHECK_EQ("FLAGS bit 1", 2, word(vcpu, OUT + 6) & 2);
}

/* Real mode with 4 GB limits: reaches MMIO and memory above 1 MB. */
BLOB(big_real, 16,
     "	mov	$0x00300010, %ebx\n"
     "	movl	$0x12345678, (%ebx)\n"
     "	mov	$0xd0000004, %ebx\n"
     "	movl	$0xabcd, (%ebx)\n"
     "	hlt\n");

static void test_big_real(void)
{
	struct vcpu *vcpu = START(big_real);
	struct kvm_sregs s;

	vcpu_start_real(vcpu, 0, CODE);
	s = vcpu_sregs(vcpu);
	s.ds.limit = s.es.limit = s.ss.limit = s.fs.limit = s.gs.limit = 0xffffffff;
	s.ds.g = s.es.g = s.ss.g = s.fs.g = s.gs.g = 1;
	vcpu_set_sregs(vcpu, &s);
	RUN_TO(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ("MMIO address", 0xd0000004, vcpu->run->mmio.phys_addr);
	CHECK_EQ("MMIO data", 0xabcd, *(u32 *)vcpu->run->mmio.data);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	CHECK_EQ("memory above 1 MB", 0x12345678, word(vcpu, 0x300010));
}

/* Position-independent enough for 16-bit and 32-bit code: only small tasks. */
BLOB(prot16, 16,
     "	mov	$0x5a, %al\n"
     "	out	%al, $0x99\n"
     "	movl	$0x16161616, 0x9000\n"
     "	smsw	%ax\n"
     "	mov	%ax, 0x9004\n"
     "	hlt\n");

BLOB(prot32, 32,
     "	mov	$0x5a, %al\n"
     "	out	%al, $0x99\n"
     "	movl	$0x32323232, 0x9000\n"
     "	movl	$0x11, 0xd0000000\n"
     "	mov	%cr0, %eax\n"
     "	mov	%eax, 0x9004\n"
     "	mov	0xd0000008, %eax\n"
     "	mov	%eax, 0x9008\n"
     "	hlt\n");

static void test_prot16(void)
{
	struct vcpu *vcpu = START(prot16);

	vcpu_start_prot16(vcpu, CODE);
	RUN_TO(vcpu, KVM_EXIT_IO);
	CHECK_EQ("port", 0x99, vcpu->run->io.port);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	CHECK_EQ("store", 0x16161616, word(vcpu, OUT));
	CHECK_EQ("CR0.PE", 1, word(vcpu, OUT + 4) & 1);
}

static void run_prot32(void (*set)(struct vcpu *vcpu, u64 gpa), u32 cr0)
{
	struct vcpu *vcpu = START(prot32);

	set(vcpu, CODE);
	RUN_TO(vcpu, KVM_EXIT_IO);
	CHECK_EQ("port", 0x99, vcpu->run->io.port);
	RUN_TO(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ("MMIO store", 0xd0000000, vcpu->run->mmio.phys_addr);
	RUN_TO(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ("MMIO load", 0xd0000008, vcpu->run->mmio.phys_addr);
	*(u32 *)vcpu->run->mmio.data = 0x99887766;
	RUN_TO(vcpu, KVM_EXIT_HLT);
	CHECK_EQ("store", 0x32323232, word(vcpu, OUT));
	CHECK_EQ("CR0", cr0, word(vcpu, OUT + 4));
	CHECK_EQ("loaded", 0x99887766, word(vcpu, OUT + 8));
}

static void test_prot32(void) { run_prot32(vcpu_start_prot32, 0x11); }
static void test_paged32(void) { run_prot32(vcpu_start_paged32, 0x80000011); }
static void test_pae(void) { run_prot32(vcpu_start_pae, 0x80000011); }

/* Virtual-8086: entered by IRET, I/O through the permission map faults to ring 0. */
BLOB(v86, 32,
     "	mov	$0x7000, %esp\n"
     "	pushl	$0\n"			/* GS FS DS ES */
     "	pushl	$0\n"
     "	pushl	$0\n"
     "	pushl	$0\n"
     "	pushl	$0\n"			/* SS */
     "	pushl	$0x6000\n"
     "	pushl	$0x23002\n"		/* VM, IOPL 3 */
     "	pushl	$0\n"			/* CS */
     "	pushl	$(0x8000 + 1f - v86_start)\n"
     "	iret\n"
     ".code16\n"
     "1:	mov	$0x1000, %ax\n"
     "	mov	%ax, %ds\n"
     "	movw	$0x8686, 0x20\n"
     "	hlt\n"				/* privileged: #GP, no handler, shutdown */
     ".code32\n");

static void test_v86(void)
{
	struct vcpu *vcpu = START(v86);

	REQUIRE_SHUTDOWN();
	vcpu_start_prot32(vcpu, CODE);
	RUN_TO(vcpu, KVM_EXIT_SHUTDOWN);
	CHECK_EQ("1000:0020", 0x8686, word(vcpu, 0x10020) & 0xffff);
}

/* Real to protected to long, a word from each, and back down to real. */
BLOB(climb, 16,
     "	cli\n"
     "	lgdtl	%cs:(7f - climb_start)\n"
     "	mov	%cr0, %eax\n"
     "	or	$1, %al\n"
     "	mov	%eax, %cr0\n"
     "	ljmpl	$0x18, $(0x8000 + 1f - climb_start)\n"
     ".code32\n"
     "1:	mov	$0x10, %ax\n"
     "	mov	%ax, %ds\n"
     "	mov	%ax, %es\n"
     "	mov	%ax, %ss\n"
     "	movl	$0x3232, 0x9000\n"
     "	mov	%cr4, %eax\n"
     "	or	$0x20, %eax\n"
     "	mov	%eax, %cr4\n"
     "	mov	$0x100000, %eax\n"
     "	mov	%eax, %cr3\n"
     "	mov	$0xc0000080, %ecx\n"
     "	rdmsr\n"
     "	or	$0x100, %eax\n"
     "	wrmsr\n"
     "	mov	%cr0, %eax\n"
     "	or	$0x80000000, %eax\n"
     "	mov	%eax, %cr0\n"
     "	rdmsr\n"
     "	mov	%eax, 0x9004\n"
     "	ljmp	$0x08, $(0x8000 + 2f - climb_start)\n"
     ".code64\n"
     "2:	movabs	$0x6464646464646464, %rax\n"
     "	mov	%rax, 0x9008\n"
     "	out	%al, $0x99\n"
     "	ljmp	*(0x8000 + 8f - climb_start)\n"
     ".code32\n"
     "3:	mov	%cr0, %eax\n"
     "	and	$0x7fffffff, %eax\n"
     "	mov	%eax, %cr0\n"
     "	rdmsr\n"
     "	and	$0xfffffeff, %eax\n"
     "	wrmsr\n"
     "	mov	%eax, 0x9010\n"
     "	ljmp	$0x20, $(0x8000 + 4f - climb_start)\n"
     ".code16\n"
     "4:	mov	$0x28, %ax\n"
     "	mov	%ax, %ds\n"
     "	mov	%ax, %ss\n"
     "	mov	%cr0, %eax\n"
     "	and	$0xfe, %al\n"
     "	mov	%eax, %cr0\n"
     "	ljmp	$0, $(0x8000 + 5f - climb_start)\n"
     "5:	xor	%ax, %ax\n"
     "	mov	%ax, %ds\n"
     "	movw	$0x1616, 0x9014\n"
     "	hlt\n"
     "	.balign 8\n"
     "7:	.word	0x47f\n"
     "	.long	0x106000\n"
     "8:	.long	0x8000 + 3b - climb_start\n"
     "	.word	0x18\n");

static void test_climb(void)
{
	struct vcpu *vcpu = START(climb);

	vcpu_start_real(vcpu, CODE >> 4, 0);
	RUN_TO(vcpu, KVM_EXIT_IO);
	CHECK_EQ("64-bit: EFER", 0x500, vcpu_sregs(vcpu).efer & 0x500);
	CHECK_EQ("64-bit: CS.L", 1, vcpu_sregs(vcpu).cs.l);
	RUN_TO(vcpu, KVM_EXIT_HLT);
	CHECK_EQ("32-bit store", 0x3232, word(vcpu, OUT));
	CHECK_EQ("LMA came with paging", 0x500, word(vcpu, OUT + 4) & 0x500);
	CHECK_EQ("64-bit store", 0x64646464, word(vcpu, OUT + 12));
	CHECK_EQ("LMA went with paging", 0, word(vcpu, OUT + 16) & 0x500);
	CHECK_EQ("real-mode store", 0x1616, word(vcpu, OUT + 20) & 0xffff);
	CHECK_EQ("CR0.PE", 0, vcpu_sregs(vcpu).cr0 & 1);
}

static const struct test_case cases[] = {
	{ "real", test_real },
	{ "big_real", test_big_real },
	{ "protected_16", test_prot16 },
	{ "protected_32", test_prot32 },
	{ "paged_32", test_paged32 },
	{ "pae", test_pae },
	{ "virtual_8086", test_v86 },
	{ "real_to_long_and_back", test_climb },
};

TEST_MAIN(cases)
