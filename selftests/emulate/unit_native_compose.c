// SPDX-License-Identifier: GPL-2.0-only
/* The encodings that unit_native_test tries, made into instructions with random operands, and the random state before them. */
#include "test.h"
#include "unit_native.h"

static u64 seed = 0x9e3779b97f4a7c15;

void native_seed(u64 nr)
{
	seed += 2 * nr;
}

static u64 rnd(void)
{
	return xorshift(&seed) >> 3;
}

/* Values near the edges are as likely as any. */
static u64 rnd_value(void)
{
	static const u64 edge[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
				    0x80000000, 0xffffffff, ~0ULL >> 1, 1ULL << 63, ~0ULL };
	u64 r = rnd();

	switch (r & 3) {
	case 0:
		return edge[(r >> 8) % ARRAY_SIZE(edge)];
	case 1:
		return (u64)((s64)(rnd() << 3) >> (r >> 8 & 63));
	default:
		return rnd() << 3 | (r >> 60);
	}
}

static const u8 prefix_bytes[] = { 0, 0x66, 0xf3, 0xf2 };

#define PREFIX_OPCODES	"\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3"

static bool is_tried(const struct native_key *k)
{
	if (k->vex)
		return k->map && k->width != NATIVE_16;
	if (k->map == 2)
		return k->opcode >= 0xf0 || k->opcode == 0x2a;
	if (k->map)
		return k->map == 1 && k->opcode != 0x38 && k->opcode != 0x3a;
	return k->opcode != 0x0f && !memchr(PREFIX_OPCODES, k->opcode, 11) && (k->width != NATIVE_64 || (k->opcode & 0xf0) != 0x40);
}

/* The next encoding, in an order that comes round after some 100,000. */
void native_next_key(struct native_key *k, u64 *counter)
{
	u64 n;

	do {
		/* an odd multiple of the counter meets each number once, in no order */
		n = (*counter)++ * 0x9e3779b97f4a7c15ULL >> 20;
		k->width = n % NR_NATIVE_WIDTHS;
		n /= NR_NATIVE_WIDTHS;
		k->opcode = (u8)n;
		k->is_memory = n >> 8 & 1;
		k->reg = n >> 9 & 7;
		k->prefix = n >> 12 & 3;
		k->map = (n >> 14) % 3;
		k->vex = (n >> 16) % 4 == 0;
		if (k->vex)
			k->map = 1 + (n >> 20) % 3;
	} while (!is_tried(k));
}

static u8 *put_vex(const struct native_key *k, u8 *p)
{
	*p++ = 0xc4;
	*p++ = (u8)((k->width == NATIVE_64 ? rnd() & 0xe0 : 0xe0) | k->map);
	*p++ = (u8)((rnd() & 0xfc) | (rnd() & 3 ? 0x78 : 0) |
		    (k->prefix == 1 ? 1 : k->prefix == 2 ? 2 : k->prefix == 3 ? 3 : 0));
	return p;
}

static u8 *put_prefixes(const struct native_key *k, u8 *p)
{
	u64 r = rnd();

	if (!(r & 7))
		*p++ = 0x67;
	if (!(r & 0x38))
		*p++ = 0xf0;
	if (k->vex)
		return put_vex(k, p);
	if (!(r & 0x1c0))
		*p++ = 0x66;
	if (k->prefix)
		*p++ = prefix_bytes[k->prefix];
	if (k->width == NATIVE_64 && (r & 0x200))
		*p++ = 0x40 | (r >> 12 & 15);
	if (k->map)
		*p++ = 0x0f;
	if (k->map == 2)
		*p++ = 0x38;
	return p;
}

/* Registers that point into the window: RBX, RSI, RDI, and R14 of REX; RBP in flat code. */
static u8 *put_modrm(const struct native_key *k, u8 *p)
{
	static const u8 bases[] = { GPR_RBX, GPR_RSI, GPR_RDI, GPR_RBP };
	u64 r = rnd();

	if (!k->is_memory) {
		*p++ = 0xc0 | k->reg << 3 | (r & 7);
		return p;
	}
	if (k->width == NATIVE_16) {
		*p++ = (r & 1 ? 0x40 : 0) | k->reg << 3 | (r >> 1 & 7);
	} else if (r & 0x30) {
		*p++ = 0x40 | k->reg << 3 | bases[r & 3];
	} else {	/* with an index */
		*p++ = 0x44 | k->reg << 3;
		*p++ = (r >> 8 & 0x40) | GPR_RDX << 3 | bases[r & 3];
	}
	if (k->width != NATIVE_16 || (r & 1))
		*p++ = (u8)((r >> 16) & 63);
	return p;
}

void native_compose(const struct native_key *k, u8 *insn)
{
	u64 pointer = (uintptr_t)native_window() + 100;
	unsigned int i;
	u8 *p = insn;

	for (i = 0; i < EMU_MAX_INSN; i++)
		insn[i] = (u8)rnd();
	p = put_prefixes(k, p);
	*p++ = k->opcode;
	if (!k->map && (k->opcode & 0xfc) == 0xa0)
		memcpy(p, k->width == NATIVE_16 ? &(u64){ rnd() % 900 } : &pointer, 8 > insn + 15 - p ? insn + 15 - p : 8);
	else
		put_modrm(k, p);
}

static u64 rnd_pointer(enum native_width width)
{
	u64 offset = 128 + rnd() % 512;

	if (!(rnd() & 15))
		offset = WINDOW_SIZE - 80 + rnd() % 72;	/* up to the page that faults */
	if (!(rnd() & 3))
		offset &= ~31ULL;
	return width == NATIVE_16 ? offset : (uintptr_t)native_window() + offset;
}

void native_rnd_state(enum native_width width, struct native_state *s)
{
	u8 *window = native_window();
	unsigned int i;

	for (i = 0; i < 16; i++)
		s->gpr[i] = rnd_value();
	s->gpr[GPR_RBX] = rnd_pointer(width);
	s->gpr[GPR_RSI] = rnd_pointer(width);
	s->gpr[GPR_RDI] = rnd_pointer(width);
	s->gpr[GPR_RBP] = rnd_pointer(NATIVE_32);	/* SS is flat in each width */
	s->gpr[GPR_R14] = rnd_pointer(width);
	s->gpr[GPR_RSP] = (uintptr_t)window + 512 + rnd() % 64 * 4;
	if (rnd() & 1)		/* an index, and a dividend that does not overflow at once */
		s->gpr[GPR_RDX] = rnd() & 1 ? rnd() & 0xff : (u64)-(s64)(rnd() & 0xff);
	if (rnd() & 1)		/* a count */
		s->gpr[GPR_RCX] = (s->gpr[GPR_RCX] & ~0xffULL) | rnd() % 66;
	for (i = 0; i < WINDOW_SIZE; i += 8)
		memcpy(window + i, &(u64){ rnd() & 1 ? rnd() << 3 : rnd_value() }, 8);
	if (!(rnd() & 3))	/* repetitions, for comparing strings */
		memset(window + 64, 0x55, 400);
	if (width != NATIVE_64)
		for (i = 0; i < 16; i++)
			s->gpr[i] = i < 8 ? (u32)s->gpr[i] : 0;
	s->flags = 0x302 | (rnd() & (FLAG_ARITH | FLAG_DF));
	for (i = 0; i < 32; i++)
		((u64 *)s->fx.xmm)[i] = rnd_value();
	s->fx.fsw = rnd() & 0x7f7f;	/* all exceptions are masked */
	s->fx.ftw = rnd() & 0xff;
}

/* CMPXCHG finds what it expects now and then; SCAS too. */
void native_match_memory(const struct machine *m, struct native_state *s)
{
	u64 address = emu_address(&m->emu), offset;

	if (m->emu.insn.row.op != EMU_OP_CMPXCHG && m->emu.insn.row.op != EMU_OP_CMPXCHG8B)
		return;
	offset = address + m->seg[m->emu.insn.seg & 7].base - (uintptr_t)native_window();
	if ((rnd() & 1) || m->emu.insn.mod == 3 || offset > WINDOW_SIZE - 16)
		return;
	memcpy(&s->gpr[GPR_RAX], native_window() + offset, 8);
	memcpy(&s->gpr[GPR_RDX], native_window() + offset + (m->emu.insn.op_size == 8 ? 8 : 4), 8);
	if (m->emu.mode != EMU_MODE_LONG) {
		s->gpr[GPR_RAX] = (u32)s->gpr[GPR_RAX];
		s->gpr[GPR_RDX] = (u32)s->gpr[GPR_RDX];
	}
}
