// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decoder: fields by mode, refusals, truncation at every byte, and lengths
 * against objdump on this very program and the C library (skipped without
 * binutils).
 */
#include <ctype.h>
#include <unistd.h>

#include "test.h"
#include "unit_machine.h"

#define R EMU_MODE_REAL
#define P EMU_MODE_PROT32
#define L EMU_MODE_LONG

struct row {
	const char *text;	/* emu_format() up to the semicolon */
	enum emu_mode mode;
	u8 n;
	u8 bytes[15];
	enum emu_op op;
	u8 op_size, addr_size;
};

static const struct row rows[] = {
	{ "mov dword [rax+0x10], ecx", L, 3, { 0x89, 0x48, 0x10 }, EMU_OP_MOV, 4, 8 },
	{ "mov word [bx+si*1], cx", R, 2, { 0x89, 0x08 }, EMU_OP_MOV, 2, 2 },
	{ "mov word [ss:bp+di*1-0x2], dx", R, 3, { 0x89, 0x53, 0xfe }, EMU_OP_MOV, 2, 2 },
	{ "mov word [0x1234], ax", R, 3, { 0xa3, 0x34, 0x12 }, EMU_OP_MOV, 2, 2 },
	{ "mov dword [eax], ecx", R, 4, { 0x66, 0x67, 0x89, 0x08 }, EMU_OP_MOV, 4, 4 },
	{ "mov byte [ss:rsp+0x8], ah", L, 4, { 0x88, 0x64, 0x24, 0x08 }, EMU_OP_MOV, 1, 8 },
	{ "mov byte [ss:rsp+0x8], spl", L, 5, { 0x40, 0x88, 0x64, 0x24, 0x08 }, EMU_OP_MOV, 1, 8 },
	{ "mov rax, qword [gs:rip+0x10]", L, 8, { 0x65, 0x48, 0x8b, 0x05, 0x10, 0, 0, 0 },
	  EMU_OP_MOV, 8, 8 },
	{ "mov rax, 0x1122334455667788", L, 10,
	  { 0x48, 0xb8, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 }, EMU_OP_MOV, 8, 8 },
	{ "mov eax, dword [0xfee000b0]", P, 5, { 0xa1, 0xb0, 0, 0xe0, 0xfe }, EMU_OP_MOV, 4, 4 },
	{ "mov qword [r12+r9*8+0x100], r15", L, 8, { 0x4f, 0x89, 0xbc, 0xcc, 0, 1, 0, 0 },
	  EMU_OP_MOV, 8, 8 },
	{ "lock cmpxchg qword [rdi], rsi", L, 5, { 0xf0, 0x48, 0x0f, 0xb1, 0x37 }, EMU_OP_CMPXCHG,
	  8, 8 },
	{ "rep movsd", L, 2, { 0xf3, 0xa5 }, EMU_OP_MOVS, 4, 8 },
	{ "repne scasb", P, 2, { 0xf2, 0xae }, EMU_OP_SCAS, 1, 4 },
	{ "movzx eax, word [rbx]", L, 3, { 0x0f, 0xb7, 0x03 }, EMU_OP_MOVZX, 4, 8 },
	{ "imul eax, ecx, 0x5", L, 3, { 0x6b, 0xc1, 5 }, EMU_OP_IMUL3, 4, 8 },
	{ "shld eax, ebx, 0x3", L, 4, { 0x0f, 0xa4, 0xd8, 3 }, EMU_OP_SHLD, 4, 8 },
	{ "jne 0x1000", L, 2, { 0x75, 0xfe }, EMU_OP_JCC, 8, 8 },
	{ "jmp far 0x8:0x12345678", P, 7, { 0xea, 0x78, 0x56, 0x34, 0x12, 8, 0 }, EMU_OP_JMPF, 4, 4 },
	{ "push rbp", L, 1, { 0x55 }, EMU_OP_PUSH, 8, 8 },
	{ "push bp", L, 2, { 0x66, 0x55 }, EMU_OP_PUSH, 2, 8 },
	{ "inc ebx", P, 1, { 0x43 }, EMU_OP_INC, 4, 4 },
	{ "mov cr8, rax", L, 4, { 0x44, 0x0f, 0x22, 0xc0 }, EMU_OP_MOV_TO_CR, 4, 8 },
	{ "mov eax, cr0", P, 3, { 0x0f, 0x20, 0xc0 }, EMU_OP_MOV_FROM_CR, 4, 4 },
	{ "mov rax, cr3", L, 3, { 0x0f, 0x20, 0x18 }, EMU_OP_MOV_FROM_CR, 4, 8 },
	{ "movx xmm1, [rdi]", L, 4, { 0x66, 0x0f, 0x6f, 0x0f }, EMU_OP_MOVX, 2, 8 },
	{ "movsxd rax, dword [rcx]", L, 3, { 0x48, 0x63, 0x01 }, EMU_OP_MOVSXD, 8, 8 },
	{ "arpl word [ecx], ax", P, 2, { 0x63, 0x01 }, EMU_OP_ARPL, 4, 4 },
	{ "pause", L, 2, { 0xf3, 0x90 }, EMU_OP_PAUSE, 4, 8 },
	{ "pause", L, 3, { 0xf3, 0x41, 0x90 }, EMU_OP_PAUSE, 4, 8 },	/* whatever REX.B is */
	{ "vmmcall", L, 3, { 0x0f, 0x01, 0xd9 }, EMU_OP_VMMCALL, 4, 8 },
	{ "in al, dx", R, 1, { 0xec }, EMU_OP_IN, 1, 2 },
	{ "out 0x80, al", R, 2, { 0xe6, 0x80 }, EMU_OP_OUT, 1, 2 },
	{ "(AVX)", L, 5, { 0xc5, 0xf8, 0x58, 0x04, 0x24 }, EMU_OP_LENGTH_ONLY, 4, 8 },
	{ "(EVEX)", L, 7, { 0x62, 0xf1, 0x7c, 0x48, 0x10, 0x40, 0x01 }, EMU_OP_LENGTH_ONLY, 4, 8 },
	{ "(SSE)", L, 4, { 0x66, 0x0f, 0xef, 0xc0 }, EMU_OP_SIMD, 2, 8 },
	{ "(SSE)", L, 3, { 0x0f, 0x58, 0x07 }, EMU_OP_SIMD, 4, 8 },
	{ "(MMX)", L, 3, { 0x0f, 0xef, 0x07 }, EMU_OP_SIMD, 4, 8 },
	{ "(XOP)", L, 6, { 0x8f, 0xe8, 0x78, 0xc0, 0x07, 1 }, EMU_OP_LENGTH_ONLY, 4, 8 },
	{ "(AVX)", L, 5, { 0xc4, 0xe2, 0x7d, 0x00, 0x07 }, EMU_OP_LENGTH_ONLY, 4, 8 },
	{ "(3DNow!)", L, 4, { 0x0f, 0x0f, 0x07, 0x9e }, EMU_OP_LENGTH_ONLY, 4, 8 },
	{ "(SSE with a result in a general register)", L, 4, { 0xf2, 0x0f, 0x2c, 0x07 }, EMU_OP_LENGTH_ONLY, 4, 8 },
	{ "(SSE with a result in RFLAGS)", L, 3, { 0x0f, 0x2f, 0x07 }, EMU_OP_LENGTH_ONLY, 4, 8 },
	{ "(MMX or SSE with an immediate)", L, 5, { 0x66, 0x0f, 0x70, 0x07, 0 }, EMU_OP_LENGTH_ONLY, 2, 8 },
	{ "(MMX or SSE with an immediate)", L, 4, { 0x0f, 0xc6, 0x07, 0 }, EMU_OP_LENGTH_ONLY, 4, 8 },
	{ "(SSSE3)", L, 5, { 0x66, 0x0f, 0x38, 0x00, 0x07 }, EMU_OP_LENGTH_ONLY, 2, 8 },
	{ "(SSSE3)", L, 6, { 0x66, 0x0f, 0x3a, 0x0f, 0x07, 1 }, EMU_OP_LENGTH_ONLY, 2, 8 },
	{ "(SSE4.1)", L, 5, { 0x66, 0x0f, 0x38, 0x17, 0x07 }, EMU_OP_LENGTH_ONLY, 2, 8 },
	{ "(SSE4.2)", L, 5, { 0x66, 0x0f, 0x38, 0x37, 0x07 }, EMU_OP_LENGTH_ONLY, 2, 8 },
	{ "(SSE4.2)", L, 6, { 0x66, 0x0f, 0x3a, 0x63, 0x07, 0 }, EMU_OP_LENGTH_ONLY, 2, 8 },
	{ "(PCLMULQDQ)", L, 6, { 0x66, 0x0f, 0x3a, 0x44, 0x07, 0 }, EMU_OP_LENGTH_ONLY, 2, 8 },
	{ "(AES)", L, 5, { 0x66, 0x0f, 0x38, 0xdc, 0x07 }, EMU_OP_LENGTH_ONLY, 2, 8 },
	{ "(SHA)", L, 4, { 0x0f, 0x38, 0xc9, 0x07 }, EMU_OP_LENGTH_ONLY, 4, 8 },
	{ "xsave", L, 3, { 0x0f, 0xae, 0x27 }, EMU_OP_XSAVE, 4, 8 },
	{ "xrstor", L, 3, { 0x0f, 0xae, 0x2f }, EMU_OP_XRSTOR, 4, 8 },
	{ "xsaveopt", L, 3, { 0x0f, 0xae, 0x37 }, EMU_OP_XSAVE, 4, 8 },
	{ "xrstors", L, 3, { 0x0f, 0xc7, 0x1f }, EMU_OP_XRSTOR, 4, 8 },
	{ "xsavec", L, 3, { 0x0f, 0xc7, 0x27 }, EMU_OP_XSAVE, 4, 8 },
	{ "xsaves", L, 3, { 0x0f, 0xc7, 0x2f }, EMU_OP_XSAVE, 4, 8 },
	{ "(other)", L, 4, { 0xf3, 0x0f, 0x2b, 0x07 }, EMU_OP_LENGTH_ONLY, 4, 8 },	/* MOVNTSS of SSE4A, no MOVNTPS */
	{ "(other)", L, 4, { 0xf2, 0x0f, 0x2b, 0x07 }, EMU_OP_LENGTH_ONLY, 4, 8 },
	{ "(other)", L, 4, { 0x66, 0x0f, 0x79, 0xc1 }, EMU_OP_LENGTH_ONLY, 2, 8 },	/* EXTRQ, no VMWRITE */
	{ "(other)", L, 4, { 0xf3, 0x0f, 0xae, 0xe8 }, EMU_OP_LENGTH_ONLY, 4, 8 },	/* INCSSP, no LFENCE */
	{ "(other)", L, 4, { 0x66, 0x0f, 0xae, 0xf0 }, EMU_OP_LENGTH_ONLY, 2, 8 },	/* TPAUSE, no MFENCE */
	{ "(other)", L, 4, { 0xf3, 0x0f, 0xc7, 0xf0 }, EMU_OP_LENGTH_ONLY, 4, 8 },	/* SENDUIPI, no RDRAND */
	{ "(x87)", L, 2, { 0xd9, 0x07 }, EMU_OP_X87, 4, 8 },
	{ "(x87)", P, 2, { 0xd9, 0x37 }, EMU_OP_X87, 4, 4 },
	{ "(FNSTENV of 16 bits or real mode)", P, 3, { 0x66, 0xd9, 0x37 }, EMU_OP_X87, 2, 4 },
	{ "(FLDENV of 16 bits or real mode)", R, 2, { 0xd9, 0x27 }, EMU_OP_X87, 2, 2 },
	{ "(FRSTOR of 16 bits or real mode)", R, 3, { 0x66, 0xdd, 0x27 }, EMU_OP_X87, 4, 2 },
};

static void test_fields(void)
{
	static struct machine m;
	unsigned int i, n;
	char text[160], *end;
	u8 *exact;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		machine_init(&m, r->mode);
		CHECK_EQ(r->text, EMU_CONTINUE, machine_decode(&m, r->bytes, 15));
		CHECK_EQ(r->text, r->n, m.emu.insn.length);
		CHECK_EQ(r->text, CODE + r->n, m.emu.next_rip);
		CHECK_EQ(r->text, r->op, m.emu.insn.row.op);
		CHECK_EQ(r->text, r->op_size, m.emu.insn.op_size);
		CHECK_EQ(r->text, r->addr_size, m.emu.insn.addr_size);
		emu_format(&m.emu, text, sizeof(text));
		end = strstr(text, " ;");
		ASSERT(end, "no semicolon in %s", text);
		*end = '\0';
		if (strcmp(text, r->text))
			FAIL("wanted '%s', got '%s'", r->text, text);
		for (n = 0; n < r->n; n++) {
			exact = malloc(n ? n : 1);
			memcpy(exact, r->bytes, n);
			CHECK_EQ(r->text, EMU_MORE, emu_decode(&m.emu, exact, n));
			free(exact);
		}
	}
}

struct refused_row {
	const char *name;
	enum emu_mode mode;
	u8 vector;
	u8 bytes[15];
};

#define PFX5 0x66, 0x66, 0x66, 0x66, 0x66
static const struct refused_row refused[] = {
	{ "ud2", L, 6, { 0x0f, 0x0b } }, { "ud1", L, 6, { 0x0f, 0xb9, 0xc0 } },
	{ "push es in long mode", L, 6, { 0x06 } }, { "pusha in long mode", L, 6, { 0x60 } },
	{ "far jump in long mode", L, 6, { 0xea, 1, 2, 3, 4, 5, 6 } },
	{ "82 in long mode", L, 6, { 0x82, 0xc0, 1 } },
	{ "lock on a register", L, 6, { 0xf0, 0x01, 0xc0 } },
	{ "lock mov", L, 6, { 0xf0, 0x89, 0x08 } }, { "lock cmp", L, 6, { 0xf0, 0x39, 0x08 } },
	{ "lock add to register", L, 6, { 0xf0, 0x03, 0x08 } },
	{ "lea of a register", L, 6, { 0x8d, 0xc0 } }, { "mov to cs", L, 6, { 0x8e, 0xc8 } },
	{ "mov from segment 6", L, 6, { 0x8c, 0xf0 } }, { "lldt in real mode", R, 6, { 0x0f, 0, 0xd0 } },
	{ "swapgs in 32-bit mode", P, 6, { 0x0f, 0x01, 0xf8 } },
	{ "ff /7", L, 6, { 0xff, 0xf8 } }, { "fe /2", L, 6, { 0xfe, 0xd0 } },
	{ "cmpxchg8b of a register", L, 6, { 0x0f, 0xc7, 0xc8 } },
	{ "movaps with f3", L, 6, { 0xf3, 0x0f, 0x28, 0x07 } }, { "movaps with f2", P, 6, { 0xf2, 0x0f, 0x29, 0x07 } },
	{ "movnti with 66", L, 6, { 0x66, 0x0f, 0xc3, 0x07 } }, { "movnti with f3", P, 6, { 0xf3, 0x0f, 0xc3, 0x07 } },
	{ "movdiri with 66", L, 6, { 0x66, 0x0f, 0x38, 0xf9, 0x07 } },
	{ "movdiri with f2", L, 6, { 0xf2, 0x0f, 0x38, 0xf9, 0x07 } },
	{ "vmwrite with f3", L, 6, { 0xf3, 0x0f, 0x79, 0xc7 } }, { "vmptrst with 66", L, 6, { 0x66, 0x0f, 0xc7, 0x3f } },
	{ "fxsave with 66", L, 6, { 0x66, 0x0f, 0xae, 0x07 } }, { "fxrstor with f3", P, 6, { 0xf3, 0x0f, 0xae, 0x0f } },
	{ "ldmxcsr with f2", L, 6, { 0xf2, 0x0f, 0xae, 0x17 } }, { "stmxcsr with 66", L, 6, { 0x66, 0x0f, 0xae, 0x1f } },
	{ "xrstor with 66", L, 6, { 0x66, 0x0f, 0xae, 0x2f } }, { "clflush with f3", L, 6, { 0xf3, 0x0f, 0xae, 0x3f } },
	{ "lfence with 66", L, 6, { 0x66, 0x0f, 0xae, 0xe8 } }, { "sfence with f3", L, 6, { 0xf3, 0x0f, 0xae, 0xf8 } },
	{ "rdrand with f2", L, 6, { 0xf2, 0x0f, 0xc7, 0xf0 } }, { "xgetbv with 66", L, 6, { 0x66, 0x0f, 0x01, 0xd0 } },
	{ "xsetbv with f3", P, 6, { 0xf3, 0x0f, 0x01, 0xd1 } }, { "clac with f2", L, 6, { 0xf2, 0x0f, 0x01, 0xca } },
	{ "senduipi in 32-bit mode", P, 6, { 0xf3, 0x0f, 0xc7, 0xf0 } },
	{ "vex after 66", L, 6, { 0x66, 0xc5, 0xf8, 0x77 } },
	{ "vex after rex", L, 6, { 0x48, 0xc5, 0xf8, 0x77 } },
	{ "vex in real mode", R, 6, { 0xc5, 0xf8, 0x77 } },
	{ "vex map 0", L, 6, { 0xc4, 0xe0, 0x78, 0x10, 0xc0 } },
	{ "bound of a register in long mode (evex map 0)", L, 6, { 0x62, 0xf0, 0x7c, 0x48, 0x10, 0xc0 } },
	{ "16 bytes", L, 13, { PFX5, PFX5, PFX5 } },
	{ "16 bytes with opcode", L, 13, { PFX5, PFX5, 0x66, 0x66, 0x66, 0x81, 0x05 } },
};

static void test_refused(void)
{
	static struct machine m;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		machine_init(&m, refused[i].mode);
		CHECK_EQ(refused[i].name, EMU_FAULT, machine_decode(&m, refused[i].bytes, 15));
		CHECK_EQ(refused[i].name, refused[i].vector, m.emu.fault.vector);
		CHECK_EQ(refused[i].name, refused[i].vector == 13, m.emu.fault.has_error);
	}
}

/* Prefixes that say nothing, as compilers, linkers and kernels put before instructions: the CPU ignores them, or knows the whole as a hint. */
static const struct padded_row {
	const char *name;
	enum emu_mode mode;
	u8 n;
	u8 bytes[15];
} padded[] = {
	{ "rep ret", L, 2, { 0xf3, 0xc3 } }, { "bnd ret", L, 2, { 0xf2, 0xc3 } }, { "bnd ret 8", P, 4, { 0xf2, 0xc2, 8, 0 } },
	{ "bnd call", L, 6, { 0xf2, 0xe8, 0, 0, 0, 0 } }, { "bnd jmp", P, 6, { 0xf2, 0xe9, 0, 0, 0, 0 } },
	{ "bnd call rbx", L, 3, { 0xf2, 0xff, 0xd3 } }, { "bnd jnz", L, 3, { 0xf2, 0x75, 0 } },
	{ "rep jz", L, 3, { 0xf3, 0x74, 0 } }, { "bnd near jnz", L, 7, { 0xf2, 0x0f, 0x85, 0, 0, 0, 0 } },
	{ "jz, hinted", L, 3, { 0x2e, 0x74, 0 } }, { "near jz, hinted", P, 7, { 0x3e, 0x0f, 0x84, 0, 0, 0, 0 } },
	{ "notrack jmp rbx", L, 3, { 0x3e, 0xff, 0xe3 } }, { "cs call", L, 6, { 0x2e, 0xe8, 0, 0, 0, 0 } },
	{ "data16 lea", L, 8, { 0x66, 0x48, 0x8d, 0x3d, 0, 0, 0, 0 } },
	{ "rex.w call", L, 6, { 0x48, 0xe8, 0, 0, 0, 0 } },
	{ "nop of 2 bytes", L, 2, { 0x66, 0x90 } }, { "nop of 4", L, 4, { 0x66, 0x66, 0x66, 0x90 } }, { "nop with f2", L, 2, { 0xf2, 0x90 } },
	{ "nop of 9", L, 9, { 0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 } }, { "nop of 3", P, 3, { 0x0f, 0x1f, 0 } },
	{ "nop of 13", L, 13, { 0x66, 0x66, 0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 } },
	{ "endbr64", L, 4, { 0xf3, 0x0f, 0x1e, 0xfa } }, { "endbr32", P, 4, { 0xf3, 0x0f, 0x1e, 0xfb } },
	{ "rdsspq", L, 5, { 0xf3, 0x48, 0x0f, 0x1e, 0xc8 } }, { "prefetchw", L, 3, { 0x0f, 0x0d, 0x0b } },
	{ "xacquire lock xchg", L, 4, { 0xf2, 0xf0, 0x87, 0x03 } }, { "xrelease mov", L, 3, { 0xf3, 0x89, 0x03 } },
	{ "clflush, a prefix kept free", L, 4, { 0x3e, 0x0f, 0xae, 0x3b } }, { "clflushopt", L, 4, { 0x66, 0x0f, 0xae, 0x3b } },
	{ "clwb", L, 4, { 0x66, 0x0f, 0xae, 0x33 } }, { "rex.w fxsave", L, 4, { 0x48, 0x0f, 0xae, 0x03 } },
	{ "lfence", L, 3, { 0x0f, 0xae, 0xe8 } }, { "mfence", L, 3, { 0x0f, 0xae, 0xf0 } }, { "sfence", L, 3, { 0x0f, 0xae, 0xf8 } },
	{ "movapd", L, 4, { 0x66, 0x0f, 0x28, 0x03 } }, { "movntpd", L, 4, { 0x66, 0x0f, 0x2b, 0x03 } },
	{ "rdrand ax", L, 4, { 0x66, 0x0f, 0xc7, 0xf0 } }, { "mov eax, cr0 with 66", P, 4, { 0x66, 0x0f, 0x20, 0xc0 } },
	{ "cs mov", L, 3, { 0x2e, 0x8b, 0x03 } }, { "rep bsf, tzcnt", L, 4, { 0xf3, 0x0f, 0xbc, 0xc3 } },
};

static void test_padded(void)
{
	static struct machine m;
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(padded); i++) {
		machine_init(&m, padded[i].mode);
		m.emu.intel = true;
		CHECK_EQ(padded[i].name, EMU_CONTINUE, machine_decode(&m, padded[i].bytes, 15));
		CHECK_EQ(padded[i].name, padded[i].n, m.emu.insn.length);
		m.gpr[GPR_RBX] = 0x2000;
		m.gpr[GPR_RSP] = STACK;
		ret = machine_run(&m, padded[i].bytes, padded[i].n);
		CHECK_EQ(padded[i].name, true, ret == EMU_CONTINUE || ret == EMU_OWNER);
	}
}

/* Near branches with 66: 16 bits for AMD, ignored by Intel.  AMD's LOCK MOV CR0 is CR8, but none with a REX prefix; nor has AMD a PREFETCH of a register. */
static void test_vendors(void)
{
	static const u8 jump[15] = { 0x66, 0xe9, 1, 2, 3, 4 }, cr8[15] = { 0xf0, 0x0f, 0x20, 0xc0 };
	static const u8 rex_cr8[15] = { 0xf0, 0x44, 0x0f, 0x20, 0xc0 }, prefetch[15] = { 0x0f, 0x0d, 0xc7 };
	static struct machine m;

	machine_init(&m, L);
	CHECK_EQ("amd", EMU_CONTINUE, machine_decode(&m, jump, 15));
	CHECK_EQ("amd length", 4, m.emu.insn.length);
	CHECK_EQ("amd cr8", EMU_CONTINUE, machine_decode(&m, cr8, 15));
	CHECK_EQ("amd cr8 by lock and rex", EMU_FAULT, machine_decode(&m, rex_cr8, 15));
	CHECK_EQ("amd prefetch of a register", EMU_FAULT, machine_decode(&m, prefetch, 15));
	m.emu.intel = true;
	CHECK_EQ("intel prefetch of a register", EMU_CONTINUE, machine_decode(&m, prefetch, 15));
	CHECK_EQ("intel", EMU_CONTINUE, machine_decode(&m, jump, 15));
	CHECK_EQ("intel length", 6, m.emu.insn.length);
	CHECK_EQ("intel cr8", EMU_FAULT, machine_decode(&m, cr8, 15));
}

/* One line of objdump: address, bytes, text.  Returns the bytes, or 0 for what it calls bad. */
static unsigned int parse_line(char *line, u8 *bytes, const char **text)
{
	char *p = strchr(line, '\t'), *tab;
	unsigned int n = 0;

	tab = p ? strchr(p + 1, '\t') : NULL;
	if (!tab)
		return 0;
	*tab = '\0';
	*text = tab + 1;
	if (strstr(tab + 1, "(bad)") || strstr(tab + 1, ".byte") || !strncmp(tab + 1, "ud", 2))
		return 0;
	for (p++; n < 15 && isxdigit((unsigned char)p[0]) && isxdigit((unsigned char)p[1]); p += 3)
		bytes[n++] = (u8)strtoul((char[]){ p[0], p[1], 0 }, NULL, 16);
	return n;
}

static void compare_objdump(const char *file)
{
	static struct machine m;
	unsigned int n, count = 0;
	const char *text = "";
	char line[512];
	u8 bytes[15];
	FILE *f;

	snprintf(line, sizeof(line), "objdump -d --insn-width=16 %s 2>/dev/null", file);
	f = popen(line, "r");
	REQUIRE(f, "no objdump");
	machine_init(&m, L);
	while (count < 400000 && fgets(line, sizeof(line), f)) {
		n = parse_line(line, bytes, &text);
		if (!n)
			continue;
		count++;
		if (machine_decode(&m, bytes, n) != EMU_CONTINUE || m.emu.insn.length != n)
			FAIL("%s: length %u, objdump %u: %s", file, m.emu.insn.length, n, text);
		if (machine_decode(&m, bytes, n - 1) != EMU_MORE)
			FAIL("%s: %u bytes are enough: %s", file, n - 1, text);
	}
	pclose(f);
	test_note("%s: %u instructions", file, count);
	REQUIRE(count, "objdump gave nothing for %s", file);
}

static void test_objdump_self(void)
{
	char path[200];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	ASSERT_GE(n, 1);
	path[n] = '\0';
	compare_objdump(path);
}

static void test_objdump_libc(void)
{
	compare_objdump("/lib/x86_64-linux-gnu/libc.so.6");
}

static const struct test_case cases[] = {
	{ "fields", test_fields },
	{ "refused", test_refused },
	{ "padded", test_padded },
	{ "vendors", test_vendors },
	{ "objdump_self", test_objdump_self },
	{ "objdump_libc", test_objdump_libc },
};

TEST_MAIN(cases)
