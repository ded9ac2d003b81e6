// SPDX-License-Identifier: GPL-2.0-only
/*
 * x87, MMX and SSE instructions with a memory operand, executed by the CPU itself: on registers out of an image, with the operand in a
 * buffer, and with the CPU's own registers as they were behind it.
 *
 * No byte of the guest's is executed. Each instruction is assembled here, with [RDI] for its operand and register 0 for its other one;
 * the guest's choice is a case of the switch. Nothing can fault: the caller has looked for pending x87 exceptions, and has masked those
 * of SSE. All are in every CPU with VMX or SVM (SSE3 is the youngest).
 */
#include "internal.h"

#define FSW_ES		0x0080u
#define FSW_IE		0x0001u

/* The CPU leaves bytes alone: the last 48, and on some of AMD's the pointers too unless an exception is pending. So the image is read as well. */
void emu_fx_save(struct emu_fx *fx)
{
	asm volatile("fxsave64 %0" : "+m" (*fx));
}

/*
 * Some of AMD's CPUs load the pointers to the last instruction and its operand only while an exception is pending, and would keep those
 * of native() (APM, "FXSAVE and FXRSTOR Instructions").
 */
void emu_fx_load(const struct emu_fx *fx)
{
	struct emu_fx pending = *fx;

	pending.fsw |= FSW_ES | FSW_IE;
	pending.fcw &= (u16)~FSW_IE;
	asm volatile("fxrstor64 %0\n\tfxrstor64 %1" : : "m" (pending), "m" (*fx) : "memory");
}

#define RUN(nr, ...)									\
	case nr:									\
		asm volatile(".byte " #__VA_ARGS__ : : "D" (memory) : "memory");	\
		break;
/* Without a mandatory prefix: a DS override, which means nothing in 64-bit code. */
#define NP(op)		RUN(0x000 | op, 0x3e, 0x0f, op, 0x07)
#define P66(op)		RUN(0x100 | op, 0x66, 0x0f, op, 0x07)
#define PF3(op)		RUN(0x200 | op, 0xf3, 0x0f, op, 0x07)
#define PF2(op)		RUN(0x300 | op, 0xf2, 0x0f, op, 0x07)
#define BOTH(op)	NP(op) P66(op)
#define ALL(op)		NP(op) P66(op) PF3(op) PF2(op)
#define X87(nr)									\
	case EMU_FX_X87 | (nr):								\
		asm volatile(".byte %c0, %c1" : : "i" (0xd8 + ((nr) >> 3)),		\
			     "i" (((nr) & 7) << 3 | 7), "D" (memory) : "memory");	\
		break;
#define X87_ROW(nr)	X87(nr) X87(nr + 1) X87(nr + 2) X87(nr + 3) X87(nr + 4) X87(nr + 5) X87(nr + 6) X87(nr + 7)

static void native(unsigned int nr, void *memory)
{
	switch (nr) {
	X87_ROW(0) X87_ROW(8) X87_ROW(16) X87_ROW(24) X87_ROW(32) X87_ROW(40) X87_ROW(48) X87_ROW(56)
	ALL(0x51) ALL(0x58) ALL(0x59) ALL(0x5a) ALL(0x5c) ALL(0x5d) ALL(0x5e) ALL(0x5f) ALL(0x2a)
	RUN(EMU_FX_W | 0x22a, 0xf3, 0x48, 0x0f, 0x2a, 0x07)
	RUN(EMU_FX_W | 0x32a, 0xf2, 0x48, 0x0f, 0x2a, 0x07)
	NP(0x52) PF3(0x52) NP(0x53) PF3(0x53) BOTH(0x5b) PF3(0x5b)
	BOTH(0x14) BOTH(0x15) BOTH(0x54) BOTH(0x55) BOTH(0x56) BOTH(0x57)
	P66(0x7c) PF2(0x7c) P66(0x7d) PF2(0x7d) P66(0xd0) PF2(0xd0) P66(0xe6) PF3(0xe6) PF2(0xe6)
	BOTH(0x60) BOTH(0x61) BOTH(0x62) BOTH(0x63) BOTH(0x64) BOTH(0x65) BOTH(0x66) BOTH(0x67)
	BOTH(0x68) BOTH(0x69) BOTH(0x6a) BOTH(0x6b) P66(0x6c) P66(0x6d) NP(0x6e) NP(0x6f)
	BOTH(0x74) BOTH(0x75) BOTH(0x76) NP(0x7e) NP(0x7f) NP(0xe7)
	BOTH(0xd1) BOTH(0xd2) BOTH(0xd3) BOTH(0xd4) BOTH(0xd5) BOTH(0xd8) BOTH(0xd9) BOTH(0xda)
	BOTH(0xdb) BOTH(0xdc) BOTH(0xdd) BOTH(0xde) BOTH(0xdf) BOTH(0xe0) BOTH(0xe1) BOTH(0xe2)
	BOTH(0xe3) BOTH(0xe4) BOTH(0xe5) BOTH(0xe8) BOTH(0xe9) BOTH(0xea) BOTH(0xeb) BOTH(0xec)
	BOTH(0xed) BOTH(0xee) BOTH(0xef) BOTH(0xf1) BOTH(0xf2) BOTH(0xf3) BOTH(0xf4) BOTH(0xf5)
	BOTH(0xf6) BOTH(0xf8) BOTH(0xf9) BOTH(0xfa) BOTH(0xfb) BOTH(0xfc) BOTH(0xfd) BOTH(0xfe)
	}
}

void emu_fx_native(unsigned int nr, struct emu_fx *fx, void *memory)
{
	struct emu_fx own = { };

	emu_fx_save(&own);
	emu_fx_load(fx);
	native(nr, memory);
	emu_fx_save(fx);
	emu_fx_load(&own);
}
