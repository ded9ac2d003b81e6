// SPDX-License-Identifier: GPL-2.0-only
/* Random single instructions, and the machine around them. See engine_insns.h. */
#include <cpuid.h>
#include <keel/emulate.h>

#include "engine_insns.h"

#define HLT		0xf4
#define IDT		0x2000ULL	/* two pages */
#define TSS		0x4000ULL
#define PML4		0x5000ULL
#define PDPT		0x6000ULL
#define PD		0x7000ULL
#define PT		0x8000ULL

#define FL_ARITH	0x8d5u
#define FL_CF		0x001u
#define FL_PF		0x004u
#define FL_AF		0x010u
#define FL_ZF		0x040u
#define FL_SF		0x080u
#define FL_OF		0x800u
#define FL_VM		0x20000u

const struct engine_mode_row engine_modes[NR_ENGINE_MODES] = {
	[ENGINE_REAL]		= { "real", 16, 0, false },
	[ENGINE_PROTECTED16]	= { "protected, 16 bits", 16, 0, false },
	[ENGINE_PROTECTED32]	= { "protected, 32 bits", 32, 0, false },
	[ENGINE_PAE]		= { "PAE", 32, 0, true },
	[ENGINE_PAE_USER]	= { "PAE, CPL 3", 32, 3, true },
	[ENGINE_VM86]		= { "virtual-8086", 16, 3, true },
	[ENGINE_COMPATIBILITY]	= { "compatibility", 32, 3, true },
	[ENGINE_LONG]		= { "long", 64, 0, true },
	[ENGINE_LONG_USER]	= { "long, CPL 3", 64, 3, true },
};

static unsigned int below(unsigned int n)
{
	return engine_random() % n;
}

static bool chance(unsigned int n)
{
	return !below(n);
}

static bool is_long(enum engine_mode mode)
{
	return mode >= ENGINE_COMPATIBILITY;
}

static bool has_paragraphs(enum engine_mode mode)
{
	return mode == ENGINE_REAL || mode == ENGINE_VM86;
}

/* ---- memory ---- */

#define DESC(base, limit, ar)	((limit) & 0xffffull) | ((base) & 0xffffffull) << 16 | (ar) << 40 | ((limit) >> 16 & 0xfull) << 48 | \
				((base) >> 24 & 0xffull) << 56

/* Selectors: what segments there are. Base and limit keep accesses in the data, where there are bases. */
enum { NONE, CODE0, DATA0, CODE3, DATA3, CODE16, READ_ONLY, CONFORMING, ABSENT, DOWN, LDT, TSS_LOW, TSS_HIGH, GATE, GATE_HIGH, CODE64, CODE64_3, NR_DESC };

static void put_gdt(u8 *mem, enum engine_mode mode)
{
	u64 *gdt = (u64 *)(mem + ENGINE_GDT);
	u64 data = is_long(mode) ? 0 : ENGINE_DATA, limit = is_long(mode) ? 0xfffff : ENGINE_DATA_END - ENGINE_DATA - 1;
	u64 big = is_long(mode) ? 0xc000 : 0x4000;	/* G, D */
	u64 code = mode == ENGINE_PROTECTED16 ? ENGINE_CODE : 0;

	gdt[CODE0] = DESC(code, 0xfffffull, 0x409bull);
	gdt[CODE3] = DESC(0ull, 0xfffffull, 0x40fbull);
	gdt[CODE16] = DESC(ENGINE_CODE, 0xffffull, 0x009bull);
	gdt[CONFORMING] = DESC(0ull, 0xfffffull, 0x409full);
	gdt[DATA0] = DESC(data, limit, big | 0x93ull);
	gdt[DATA3] = DESC(data, limit, big | 0xf3ull);
	gdt[READ_ONLY] = DESC(data, limit, big | 0xf1ull);
	gdt[ABSENT] = DESC(data, limit, big | 0x73ull);
	gdt[DOWN] = DESC(data, 0xfffull, big | 0xf7ull);
	gdt[LDT] = DESC(ENGINE_GDT, 0xffull, 0x82ull);
	gdt[TSS_LOW] = DESC(TSS, 0x67ull, 0x8bull);
	/* a call gate to the handler of vector 255 */
	gdt[GATE] = 0x0001ec0000000000ull | (ENGINE_HANDLERS + 0xff0) >> 16 << 48 | (u64)((is_long(mode) ? CODE64 : CODE0) * 8) << 16 |
		    ((ENGINE_HANDLERS + 0xff0) & 0xffff);
	if (is_long(mode)) {
		gdt[CODE64] = DESC(0ull, 0xfffffull, 0xa09bull);
		gdt[CODE64_3] = DESC(0ull, 0xfffffull, 0xa0fbull);
	}
}

static void put_idt(u8 *mem, enum engine_mode mode)
{
	unsigned int i;
	u64 *gate, at;
	u16 *vector;

	for (i = 0; i < 256; i++) {
		at = ENGINE_HANDLERS + 16 * i;
		if (mode == ENGINE_REAL) {
			vector = (u16 *)(mem + 4 * i);
			vector[0] = 16 * i;
			vector[1] = ENGINE_HANDLERS >> 4;
		} else {
			/* interrupt gates; software may use those above 31, and INT3 and INTO theirs */
			gate = (u64 *)(mem + IDT + (is_long(mode) ? 16 : 8) * i);
			*gate = (at & 0xffff) | (u64)((is_long(mode) ? CODE64 : mode == ENGINE_PROTECTED16 ? CONFORMING : CODE0) * 8) << 16 |
				(i > 31 || i == 3 || i == 4 ? 0xee00ull : 0x8e00ull) << 32 | at >> 16 << 48;
		}
	}
}

/* Frame by frame: tables, handlers, data and stack, code. Of the pages behind the stack each is another kind. */
static void put_pages(u8 *mem, enum engine_mode mode)
{
	u64 *pt = (u64 *)(mem + PT), user = engine_modes[mode].cpl ? 4 : 0, flags;
	unsigned int i;

	for (i = 0; i < ENGINE_MEMORY / PAGE_SIZE; i++) {
		flags = 0x61 | 2;
		if (i >= 0x20 && i < 0x23)
			flags |= user;
		if (i >= 0x30 && i < 0x40)
			flags = 0x61 | user;
		if (i == 0x23)
			flags = 0x61 | user;
		if (i == 0x24)
			flags = 0;
		pt[i] = (u64)i << 12 | flags;
	}
	*(u64 *)(mem + PD) = PT | 0x67;
	*(u64 *)(mem + PDPT) = PD | (is_long(mode) ? 0x67 : 1);
	*(u64 *)(mem + PML4) = PDPT | 0x67;
}

/* What an instruction may find: numbers, addresses, pointers, frames. */
static u64 interesting(void)
{
	u64 selector = below(NR_DESC) * 8 + (chance(2) ? 3 : 0), at = ENGINE_CODE + below(0x1000);

	switch (below(7)) {
	case 0:
		return engine_random();
	case 1:
		return below(64);
	case 2:
		return at | selector << 32;
	case 3:
		return (at & 0xffff) | selector << 16 | (u64)(at & 0xffff) << 32 | selector << 48;
	case 4:
		return selector | (engine_random() & 0x3cd7) << 32;
	case 5:
		return ENGINE_DATA + below(0x3000);
	default:
		return chance(2) ? 0 : ~0ull >> below(64);
	}
}

void engine_memory(u8 *mem, enum engine_mode mode)
{
	u64 *data = (u64 *)(mem + ENGINE_DATA);
	unsigned int i;

	memset(mem, HLT, ENGINE_MEMORY);
	memset(mem + ENGINE_GDT, 0, ENGINE_HANDLERS - ENGINE_GDT);
	for (i = 0; i < (ENGINE_DATA_END - ENGINE_DATA) / 8; i++)
		data[i] = interesting();
	if (mode != ENGINE_REAL)
		put_gdt(mem, mode);
	put_idt(mem, mode);
	put_pages(mem, mode);
	/* the ring 0 stack, of 32 and 64 bits */
	if (is_long(mode)) {
		*(u64 *)(mem + TSS + 4) = ENGINE_STACK + 0xf00;
	} else {
		*(u32 *)(mem + TSS + 4) = ENGINE_STACK - ENGINE_DATA + 0xf00;
		*(u32 *)(mem + TSS + 8) = DATA0 * 8;
	}
}

/* ---- registers ---- */

static struct kvm_segment descriptor(const u8 *mem, unsigned int nr, unsigned int rpl)
{
	u64 d = ((const u64 *)(mem + ENGINE_GDT))[nr];
	struct kvm_segment s = {
		.selector = nr * 8 + rpl, .base = (d >> 16 & 0xffffff) | (d >> 56) << 24, .limit = (d & 0xffff) | (d >> 48 & 0xf) << 16,
		.type = d >> 40 & 15, .s = d >> 44 & 1, .dpl = d >> 45 & 3, .present = d >> 47 & 1, .l = d >> 53 & 1, .db = d >> 54 & 1,
		.g = d >> 55 & 1,
	};

	if (s.g)
		s.limit = s.limit << 12 | 0xfff;
	return s;
}

static struct kvm_segment paragraph(u64 base, bool is_user)
{
	return (struct kvm_segment){ .selector = base >> 4, .base = base, .limit = 0xffff, .type = 3, .s = 1, .present = 1, .dpl = is_user ? 3 : 0 };
}

static unsigned int code_of(enum engine_mode mode)
{
	switch (mode) {
	case ENGINE_PROTECTED16:
		return CODE16;
	case ENGINE_PAE_USER: case ENGINE_COMPATIBILITY:
		return CODE3;
	case ENGINE_LONG:
		return CODE64;
	case ENGINE_LONG_USER:
		return CODE64_3;
	default:
		return CODE0;
	}
}

void engine_sregs(enum engine_mode mode, struct kvm_sregs *s)
{
	static u8 mem[ENGINE_MEMORY];
	unsigned int cpl = engine_modes[mode].cpl;

	engine_memory(mem, mode);
	s->cr0 = 0x10030 | (mode == ENGINE_REAL ? 0 : 1) | (engine_modes[mode].has_paging ? 0x80000000 : 0);
	s->cr3 = is_long(mode) ? PML4 : PDPT;
	s->cr4 = (engine_modes[mode].has_paging ? 0x20 : 0) | 0x600;
	s->efer = is_long(mode) ? 0xd01 : 0;
	s->gdt.base = ENGINE_GDT;
	s->gdt.limit = 0xff;
	s->idt.base = mode == ENGINE_REAL ? 0 : IDT;
	s->idt.limit = mode == ENGINE_REAL ? 0x3ff : is_long(mode) ? 0xfff : 0x7ff;
	s->ldt = (struct kvm_segment){ .unusable = 1 };
	s->tr = (struct kvm_segment){ .selector = TSS_LOW * 8, .base = TSS, .limit = 0x67, .type = 11, .present = 1 };
	if (has_paragraphs(mode)) {
		s->cs = paragraph(ENGINE_CODE, mode == ENGINE_VM86);
		s->ds = s->es = s->fs = s->gs = paragraph(ENGINE_DATA, mode == ENGINE_VM86);
		s->ss = paragraph(ENGINE_STACK, mode == ENGINE_VM86);
		return;
	}
	s->cs = descriptor(mem, code_of(mode), cpl);
	s->ds = s->es = s->fs = s->gs = s->ss = descriptor(mem, cpl ? DATA3 : DATA0, cpl);
}

/* Offset in a segment for data and stack, or an address. */
static u64 data_base(enum engine_mode mode)
{
	return is_long(mode) ? ENGINE_DATA : 0;
}

static void choose_regs(enum engine_mode mode, const struct engine_insn *insn, struct kvm_regs *regs)
{
	u64 *r = (u64 *)regs, stack = has_paragraphs(mode) ? 0 : data_base(mode) + (ENGINE_STACK - ENGINE_DATA);
	unsigned int i;

	for (i = 0; i < 16; i++) {
		switch (below(5)) {
		case 0:
			r[i] = interesting();
			break;
		case 1:
			r[i] = below(0x40);
			break;
		default:
			r[i] = data_base(mode) + below(0x2000);
			break;
		}
		if (mode < ENGINE_LONG)
			r[i] = (u32)r[i];
	}
	if (!chance(4))
		regs->rcx = below(12);
	regs->rsp = stack + 0x800 + below(64) * (chance(8) ? 1 : 8);
	regs->rip = insn->at - (has_paragraphs(mode) || mode == ENGINE_PROTECTED16 ? ENGINE_CODE : 0);
	regs->rflags = 2 | (engine_random() & (FL_ARITH | 0x600));
	/* IOPL, and now and then NT */
	if (chance(3))
		regs->rflags |= 0x3000;
	if (chance(64))
		regs->rflags |= 0x4000;
	if (mode == ENGINE_VM86)
		regs->rflags |= FL_VM;
}

/* ---- instructions ---- */

/* Left to other tests: prefixes here, x87 and vectors (unit_fx_test), what has another result each time, what changes debug registers or MSRs. */
static bool is_wanted(const struct engine_insn *insn, enum engine_mode mode)
{
	u8 op = insn->opcode, reg = insn->modrm >> 3 & 7;
	bool is_register = insn->modrm >= 0xc0;

	if (!insn->two)
		return !(op >= 0xd8 && op <= 0xdf) && op != 0x9b && op != 0xf0 && op != 0xf2 && op != 0xf3 && op != 0x66 && op != 0x67 && op != 0x26 &&
		       op != 0x2e && op != 0x36 && op != 0x3e && op != 0x64 && op != 0x65 && op != 0x0f && !((op == 0xc4 || op == 0xc5 || op == 0x62) &&
		       (is_register || mode >= ENGINE_LONG)) && !(op == 0x8f && reg) && !(mode >= ENGINE_LONG && (op & 0xf0) == 0x40);
	if ((op >= 0x10 && op <= 0x17) || (op >= 0x28 && op <= 0x2f) || (op >= 0x50 && op <= 0x7f) || op >= 0xd0 || op == 0xc2 ||
	    (op >= 0xc4 && op <= 0xc6) || op == 0x38 || op == 0x3a || op == 0x0e || op == 0x0f || (op >= 0x24 && op <= 0x27) || op == 0x77)
		return false;
	switch (op) {
	case 0x01:	/* hypercalls, which are patched, and what belongs to virtualization */
		return !is_register || reg == 4 || reg == 6 || insn->modrm == 0xf8;
	case 0x22:	/* not CR3, and no page-table formats by chance */
		return reg != 3;
	case 0x23: case 0x30: case 0x31: case 0x32: case 0x33:
		return false;
	case 0xae:
		return is_register && reg >= 5;
	case 0xc7:
		return !is_register || reg < 6;
	default:
		return true;
	}
}

static bool has_modrm(const struct engine_insn *insn)
{
	u8 op = insn->opcode;

	if (insn->two)
		return !(op >= 0x80 && op <= 0x8f) && !(op >= 0xc8 && op <= 0xcf) && !(op >= 0x05 && op <= 0x0b) && !(op >= 0x30 && op <= 0x37) &&
		       op != 0xa0 && op != 0xa1 && op != 0xa2 && op != 0xa8 && op != 0xa9 && op != 0xaa;
	if (op < 0x40)
		return (op & 7) < 4;
	return (op >= 0x62 && op <= 0x63) || op == 0x69 || op == 0x6b || (op >= 0x80 && op <= 0x8f) || op == 0xc0 || op == 0xc1 ||
	       (op >= 0xc4 && op <= 0xc7) || (op >= 0xd0 && op <= 0xd3) || (op >= 0xf6 && op <= 0xf7) || op >= 0xfe;
}

/* A jump over at least the longest instruction: HLTs lie there. */
static bool is_short_jump(const struct engine_insn *insn)
{
	u8 op = insn->opcode;

	return insn->two ? op >= 0x80 && op <= 0x8f : (op >= 0x70 && op <= 0x7f) || (op >= 0xe0 && op <= 0xe3) || op == 0xeb;
}

static void put_prefixes(struct engine_insn *insn, enum engine_mode mode)
{
	static const u8 prefixes[] = { 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };

	while (insn->prefixes < 3 && chance(4))
		insn->bytes[insn->prefixes++] = prefixes[below(chance(2) ? 4 : ARRAY_SIZE(prefixes))];
	if (mode >= ENGINE_LONG && chance(2))
		insn->bytes[insn->prefixes++] = insn->rex = 0x40 | below(16);
}

/* A pointer or an offset now and then, rather than random bytes. */
static void put_rest(struct engine_insn *insn, unsigned int pos)
{
	u64 value = interesting();

	if (chance(2)) {
		memcpy(insn->bytes + pos, &value, 8);
		return;
	}
	if (chance(2)) {
		value = below(0x2000);
		memcpy(insn->bytes + pos, &value, 4);
	}
	if (is_short_jump(insn))
		insn->bytes[pos] = 0x20 + below(0x40);
}

static bool is_intel(void)
{
	unsigned int max, b, c, d;

	__cpuid(0, max, b, c, d);
	return b == signature_INTEL_ebx;
}

/* As the emulator's decoder says: where the CPU has another length, what it executes is another instruction. */
static void set_length(struct engine_insn *insn, enum engine_mode mode)
{
	static const u8 modes[NR_ENGINE_MODES] = {
		[ENGINE_REAL] = EMU_MODE_REAL, [ENGINE_PROTECTED16] = EMU_MODE_PROT16, [ENGINE_PROTECTED32] = EMU_MODE_PROT32,
		[ENGINE_PAE] = EMU_MODE_PROT32, [ENGINE_PAE_USER] = EMU_MODE_PROT32, [ENGINE_VM86] = EMU_MODE_VM86,
		[ENGINE_COMPATIBILITY] = EMU_MODE_COMPAT32, [ENGINE_LONG] = EMU_MODE_LONG, [ENGINE_LONG_USER] = EMU_MODE_LONG,
	};
	struct emu emu = { .mode = modes[mode], .intel = is_intel() };

	emu_decode(&emu, insn->bytes, EMU_MAX_INSN);
	insn->length = emu.insn.length ? emu.insn.length : EMU_MAX_INSN;
}

void engine_choose(enum engine_mode mode, struct engine_insn *insn, struct kvm_regs *regs)
{
	unsigned int pos, i;

	do {
		*insn = (struct engine_insn){ .at = ENGINE_CODE + (chance(16) ? 0xff0 : 0x100) + below(0x800) };
		for (i = 0; i < 16; i++)
			insn->bytes[i] = engine_random();
		put_prefixes(insn, mode);
		pos = insn->prefixes;
		insn->two = chance(3);
		if (insn->two)
			insn->bytes[pos++] = 0x0f;
		insn->opcode = insn->bytes[pos++];
		insn->modrm = insn->bytes[pos];
	} while (!is_wanted(insn, mode));
	if (has_modrm(insn))
		pos++;
	put_rest(insn, pos);
	/* a jump of 16 or 32 bits: its upper bytes */
	if (insn->two && is_short_jump(insn))
		memset(insn->bytes + pos + 1, 0, 3);
	set_length(insn, mode);
	choose_regs(mode, insn, regs);
}

/* ---- what the manual leaves open ---- */

static bool is_shift(const struct engine_insn *insn)
{
	u8 op = insn->opcode;

	return insn->two ? (op & 0xf6) == 0xa4 : op == 0xc0 || op == 0xc1 || (op >= 0xd0 && op <= 0xd3);
}

/* Of shifts and rotates it depends on the count, which may be anything here (SDM volume 2, "SAL/SAR/SHL/SHR", "RCL/RCR/ROL/ROR", "SHLD", "SHRD"). */
static u32 undefined_two(const struct engine_insn *insn)
{
	switch (insn->opcode) {
	case 0xaf:
		return FL_SF | FL_ZF | FL_AF | FL_PF;
	case 0xa3: case 0xab: case 0xb3: case 0xbb: case 0xba:
		return FL_OF | FL_SF | FL_AF | FL_PF;
	case 0xbc: case 0xbd:
		return FL_ARITH & ~FL_ZF;
	default:
		return is_shift(insn) ? FL_ARITH : 0;
	}
}

static bool has_prefix(const struct engine_insn *insn, u8 prefix)
{
	unsigned int i;

	for (i = 0; i < insn->prefixes; i++)
		if (insn->bytes[i] == prefix)
			return true;
	return false;
}

/* CMPS and SCAS. SDM, "REP/REPE/REPZ/REPNE/REPNZ": a fault restores EFLAGS, which Bochs 2.7 has changed by then. */
static bool is_repeated_compare(const struct engine_insn *insn)
{
	return !insn->two && (insn->opcode & 0xf6) == 0xa6 && (has_prefix(insn, 0xf2) || has_prefix(insn, 0xf3));
}

u32 engine_undefined(const struct engine_insn *insn, bool has_faulted)
{
	u8 op = insn->opcode, reg = insn->modrm >> 3 & 7;

	if (has_faulted && is_repeated_compare(insn))
		return FL_ARITH;

	if (insn->two)
		return undefined_two(insn);
	if (is_shift(insn))
		return reg < 4 ? FL_OF : FL_OF | FL_AF | FL_CF;
	if (op < 0x40 && (op & 7) < 6 && ((op & 0x38) == 0x08 || (op & 0x38) == 0x20 || (op & 0x38) == 0x30))
		return FL_AF;
	switch (op) {
	case 0x80: case 0x81: case 0x82: case 0x83:
		return reg == 1 || reg == 4 || reg == 6 ? FL_AF : 0;
	case 0x84: case 0x85: case 0xa8: case 0xa9:
		return FL_AF;
	case 0xf6: case 0xf7:
		return reg < 2 ? FL_AF : reg < 4 ? 0 : reg < 6 ? FL_SF | FL_ZF | FL_AF | FL_PF : FL_ARITH;
	case 0x69: case 0x6b:
		return FL_SF | FL_ZF | FL_AF | FL_PF;
	case 0x27: case 0x2f:
		return FL_OF;
	case 0x37: case 0x3f:
		return FL_OF | FL_SF | FL_ZF | FL_PF;
	case 0xd4: case 0xd5:
		return FL_OF | FL_AF | FL_CF;
	default:
		return 0;
	}
}

/*
 * SDM, "PUSH": of a segment register with an operand size of 32 bits either a zero-extended value is pushed, or 16 bits. SDM, "CALL": the target is
 * looked at first, but Bochs 2.7 has stored the return address when it finds it behind the limit.
 */
bool engine_stores_are_open(enum engine_mode mode, const struct engine_insn *insn, bool has_faulted)
{
	unsigned int bits = engine_modes[mode].bits;
	u8 op = insn->opcode, reg = insn->modrm >> 3 & 7;
	bool is_32 = bits < 64 && (bits == 32) != has_prefix(insn, 0x66);

	if (insn->two)
		return is_32 && (op == 0xa0 || op == 0xa8);
	if (has_faulted && (op == 0xe8 || (op == 0xff && reg == 2)))
		return true;
	return is_32 && (op == 0x06 || op == 0x0e || op == 0x16 || op == 0x1e);
}

/* SDM, "LDS/LES/LFS/LGS/LSS", "CALL", "JMP": whether the offset or the selector is read first (Bochs 2.7: the selector). */
bool engine_cr2_is_open(const struct engine_insn *insn)
{
	u8 op = insn->opcode, reg = insn->modrm >> 3 & 7;

	if (insn->two)
		return op == 0xb2 || op == 0xb4 || op == 0xb5;
	return op == 0xc4 || op == 0xc5 || (op == 0xff && (reg == 3 || reg == 5));
}

/*
 * SDM, "More on REX Prefix Fields": REX.R is ignored where ModRM.reg is a segment register; #UD by Bochs 2.7.
 * SDM, "ENTER", "LEAVE": with an operand size of 16 bits a word is pushed and popped in 64-bit mode as well, as CPUs do; 64 bits by Bochs 2.7.
 * SDM volume 2: BSWAP of a word; BSF and BSR of 0; double shifts by more than the operand has.
 */
bool engine_is_left_out(enum engine_mode mode, const struct engine_insn *insn)
{
	if (engine_modes[mode].bits == 64 && !insn->two && (insn->opcode & 0xfe) == 0xc8)
		return has_prefix(insn, 0x66);
	if (!insn->two)
		return (insn->opcode == 0x8c || insn->opcode == 0x8e) && insn->rex & 4;
	if (insn->opcode >= 0xc8 && insn->opcode <= 0xcf)
		return has_prefix(insn, 0x66);
	return insn->opcode == 0xbc || insn->opcode == 0xbd || (insn->opcode & 0xf6) == 0xa4;
}
