// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where Keel's decoder and a library differ, and who is right: one row for each difference, as narrow as it is, with the
 * section that decides.  Versions: Zydis 4.0.0, Capstone 4.0.2.
 */
#include "test.h"
#include "unit_decoders.h"

#define W(width)	BIT(WIDTH_##width)
#define ALL_WIDTHS	0xf
#define LEGACY		(W(REAL) | W(16) | W(32))
#define PROTECTED	(W(16) | W(32) | W(64))
#define BOTH		3
#define AMD		1
#define INTEL		2
#define P66		EMU_PFX_OPSIZE
#define PF2		EMU_PFX_REPNE
#define PF3		EMU_PFX_REP
#define PLOCK		EMU_PFX_LOCK
#define P_REFINING	(P66 | PF2 | PF3)

#define UD	"\"UD-Undefined Instruction\""
#define TWO	"\"Two-byte Opcode Map\""
#define THREE	"\"Three-byte Opcode Map\""
#define RANK	"\"Priority Among Concurrent Events\""

#define Z(kinds, widths, vendors, map, first, last, prefixes, form, regs, why) \
	{ DECODER_ZYDIS, KIND_##kinds, widths, vendors, map, first, last, 0, prefixes, form, regs, "Zydis: " why }
#define C(kinds, widths, map, first, last, with, prefixes, form, regs, why) \
	{ DECODER_CAPSTONE, KIND_##kinds, widths, BOTH, map, first, last, with, prefixes, form, regs, "Capstone: " why }

const struct difference differences[] = {
	Z(ACCEPTS, ALL_WIDTHS, BOTH, 1, 0x0b, 0x0b, ANY_PREFIX, ANY_FORM, ALL_REGS, "UD2 has a name, and raises #UD (SDM, " UD ")"),
	Z(ACCEPTS, ALL_WIDTHS, BOTH, 1, 0xb9, 0xb9, ANY_PREFIX, ANY_FORM, ALL_REGS, "UD1 likewise (SDM, " UD ")"),
	Z(ACCEPTS, ALL_WIDTHS, BOTH, 1, 0xff, 0xff, ANY_PREFIX, ANY_FORM, ALL_REGS, "UD0 likewise (SDM, " UD ")"),
	Z(ACCEPTS, ALL_WIDTHS, BOTH, 1, 0xa6, 0xa7, ANY_PREFIX, ANY_FORM, ALL_REGS,
	  "VIA's PadLock, which no CPU of Intel or AMD has (SDM, " TWO ")"),
	Z(ACCEPTS, W(REAL), BOTH, 1, 0x79, 0x79, ANY_PREFIX, FORM_REGISTER, ALL_REGS,
	  "VMWRITE of a register is #UD in real mode, as that of memory is to Zydis (SDM, \"VMWRITE\")"),
	Z(REFUSES, W(REAL), AMD, 1, 0x07, 0x07, ANY_PREFIX, ANY_FORM, ALL_REGS,
	  "SYSRET in real mode, the owner's: #GP(0) (APM, \"SYSRET\")"),
	Z(REFUSES, W(REAL), BOTH, 1, 0x34, 0x35, ANY_PREFIX, ANY_FORM, ALL_REGS,
	  "SYSENTER and SYSEXIT in real mode: #GP(0), no #UD (SDM, \"SYSENTER\", \"SYSEXIT\")"),
	Z(ACCEPTS, W(64), AMD, 1, 0x34, 0x35, ANY_PREFIX, ANY_FORM, ALL_REGS,
	  "SYSENTER and SYSEXIT are #UD in long mode on AMD's CPUs (APM, \"SYSENTER\", \"SYSEXIT\")"),
	Z(ACCEPTS, ALL_WIDTHS, AMD, 1, 0x0d, 0x0d, ANY_PREFIX, FORM_REGISTER, ALL_REGS,
	  "knows no vendor: PREFETCH of a register is #UD on AMD's CPUs, as one of family 1Ah answers (APM, \"PREFETCH\": a memory location)"),
	Z(ACCEPTS, LEGACY, INTEL, 1, 0x05, 0x05, ANY_PREFIX, ANY_FORM, ALL_REGS,
	  "SYSCALL is #UD outside 64-bit mode on Intel's CPUs, which this one otherwise is (SDM, \"SYSCALL\")"),
	Z(ACCEPTS, LEGACY, INTEL, 1, 0x07, 0x07, ANY_PREFIX, ANY_FORM, ALL_REGS, "likewise SYSRET (SDM, \"SYSRET\")"),
	Z(REFUSES, ALL_WIDTHS, AMD, 1, 0x20, 0x20, PLOCK, ANY_FORM, 1, "LOCK MOV from CR0 is that from CR8 (APM, \"MOV CRn\")"),
	Z(REFUSES, ALL_WIDTHS, AMD, 1, 0x22, 0x22, PLOCK, ANY_FORM, 1, "LOCK MOV to CR0 is that to CR8 (APM, \"MOV CRn\")"),
	Z(REFUSES, ALL_WIDTHS, BOTH, 1, 0x01, 0x01, P_REFINING, FORM_REGISTER, 3,
	  "no prefix is forbidden for VMCALL, VMLAUNCH, VMRESUME, VMXOFF, MONITOR and MWAIT: what it does is left open (SDM, "
	  "\"Instruction Prefixes\")"),
	Z(LENGTH, W(64), BOTH, 1, 0x84, 0x85, EMU_PFX_VEX, ANY_FORM, ALL_REGS,
	  "JKZD and JKNZD of Knights Corner, though its mode is off (SDM has no such VEX opcodes)"),
	Z(ACCEPTS, W(64), BOTH, 0, 0x74, 0x75, EMU_PFX_VEX, ANY_FORM, ALL_REGS, "the same with an 8-bit displacement, in map 0"),
	Z(LIMIT, ALL_WIDTHS, BOTH, ANY_MAP, 0x00, 0xff, ANY_PREFIX, ANY_FORM, ALL_REGS,
	  "finds an undefined opcode before byte 16; #UD and #GP of a decoder have one rank (SDM, " RANK ")"),

	C(ACCEPTS, ALL_WIDTHS, 1, 0x0b, 0x0b, 0, ANY_PREFIX, ANY_FORM, ALL_REGS, "UD2 has a name, and raises #UD (SDM, " UD ")"),
	C(ACCEPTS, ALL_WIDTHS, 1, 0xb9, 0xb9, 0, ANY_PREFIX, ANY_FORM, ALL_REGS, "UD1 likewise (SDM, " UD ")"),
	C(ACCEPTS, ALL_WIDTHS, 1, 0xff, 0xff, 0, ANY_PREFIX, ANY_FORM, ALL_REGS, "UD0 likewise (SDM, " UD ")"),
	C(ACCEPTS, ALL_WIDTHS, ANY_MAP, 0, 0xff, PLOCK, PF2 | PF3, ANY_FORM, ALL_REGS,
	  "looks at LOCK only where neither F2 nor F3 is (SDM, \"LOCK-Assert LOCK# Signal Prefix\")"),
	C(ACCEPTS, ALL_WIDTHS, ANY_MAP, 0, 0xff, PLOCK, ANY_PREFIX, ANY_FORM, ALL_REGS,
	  "takes LOCK of an arithmetic instruction whatever its destination (SDM, \"LOCK-Assert LOCK# Signal Prefix\")"),
	C(ACCEPTS, W(REAL), ANY_MAP, 0, 0xff, EMU_PFX_VEX, ANY_PREFIX, ANY_FORM, ALL_REGS,
	  "has no real mode, where VEX is #UD (SDM, \"VEX Prefix Instructions\" of \"Exceptions\")"),
	C(ACCEPTS, W(REAL), 1, 0x00, 0x03, 0, ANY_PREFIX, ANY_FORM, ALL_REGS,
	  "has no real mode, where SLDT, STR, LLDT, LTR, VERR, VERW, LAR, LSL and SVM are #UD (SDM, \"Instructions Not Supported in Real-Address Mode\")"),
	C(ACCEPTS, W(64), 1, 0x34, 0x35, 0, ANY_PREFIX, ANY_FORM, ALL_REGS,
	  "knows no vendor: SYSENTER and SYSEXIT are #UD in long mode on AMD's CPUs (APM, \"SYSENTER\", \"SYSEXIT\")"),
	C(ACCEPTS, W(REAL), 1, 0x78, 0x79, 0, ANY_PREFIX, ANY_FORM, ALL_REGS, "likewise VMREAD and VMWRITE"),
	C(ACCEPTS, W(REAL), 0, 0x63, 0x63, 0, ANY_PREFIX, ANY_FORM, ALL_REGS, "likewise ARPL"),
	C(ACCEPTS, LEGACY, 1, 0x05, 0x05, 0, ANY_PREFIX, ANY_FORM, ALL_REGS,
	  "knows no vendor: SYSCALL is #UD outside 64-bit mode on Intel's CPUs (SDM, \"SYSCALL\")"),
	C(ACCEPTS, LEGACY, 1, 0x07, 0x07, 0, ANY_PREFIX, ANY_FORM, ALL_REGS, "likewise SYSRET (SDM, \"SYSRET\")"),
	C(LENGTH, W(64), 1, 0x80, 0x8f, P66, ANY_PREFIX, ANY_FORM, ALL_REGS,
	  "takes AMD's reading of 66 on Jcc (SDM, \"Jcc\"; APM, \"Near Branches in 64-Bit Mode\")"),
	C(LENGTH, W(64), 0, 0xe8, 0xe9, P66, ANY_PREFIX, ANY_FORM, ALL_REGS, "and on CALL and JMP"),
	C(ACCEPTS, ALL_WIDTHS, 1, 0x20, 0x23, 0, ANY_PREFIX, ANY_FORM, ALL_REGS,
	  "does not look at the number of a control or debug register (SDM, \"MOV-Move to/from Control Registers\")"),
	C(ACCEPTS, ALL_WIDTHS, 0, 0x8e, 0x8e, 0, ANY_PREFIX, ANY_FORM, BIT(1), "takes a load of CS (SDM, \"MOV-Move\")"),
	C(REFUSES, ALL_WIDTHS, 1, 0x0d, 0x0d, 0, ANY_PREFIX, ANY_FORM, ALL_REGS,
	  "knows only some of PREFETCH (APM, \"PREFETCH\")"),
	C(REFUSES, ALL_WIDTHS, 1, 0x18, 0x1f, 0, ANY_PREFIX, FORM_REGISTER, ALL_REGS,
	  "knows no reserved NOP of a register (SDM, \"Two-byte Opcode Map\")"),

	/* a mandatory prefix that Capstone does not look at, so that #UD becomes another instruction */
	C(ACCEPTS, ALL_WIDTHS, 1, 0x13, 0x13, 0, PF2 | PF3, FORM_MEMORY, ALL_REGS, "MOVLPS with F2 or F3 (SDM, " TWO ")"),
	C(ACCEPTS, ALL_WIDTHS, 1, 0x16, 0x16, 0, PF2, FORM_MEMORY, ALL_REGS, "MOVHPS with F2 (SDM, " TWO ")"),
	C(ACCEPTS, ALL_WIDTHS, 1, 0x17, 0x17, 0, PF2 | PF3, FORM_MEMORY, ALL_REGS, "MOVHPS with F2 or F3 (SDM, " TWO ")"),
	C(ACCEPTS, ALL_WIDTHS, 1, 0x28, 0x29, 0, PF2 | PF3, ANY_FORM, ALL_REGS, "MOVAPS with F2 or F3 (SDM, \"MOVAPS\": NP)"),
	C(ACCEPTS, ALL_WIDTHS, 1, 0x6e, 0x6f, 0, PF2 | PF3, ANY_FORM, ALL_REGS, "MOVD and MOVQ with F2 or F3 (SDM, " TWO ")"),
	C(ACCEPTS, PROTECTED, 1, 0x78, 0x79, 0, P_REFINING, ANY_FORM, ALL_REGS,
	  "VMREAD and VMWRITE with a prefix (SDM, \"VMREAD\", \"VMWRITE\": NP)"),
	C(ACCEPTS, ALL_WIDTHS, 1, 0x7e, 0x7f, 0, PF2, ANY_FORM, ALL_REGS, "MOVD and MOVQ with F2 (SDM, " TWO ")"),
	C(ACCEPTS, ALL_WIDTHS, 1, 0xae, 0xae, 0, P_REFINING, FORM_MEMORY, BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(5) | BIT(7),
	  "FXSAVE and others of group 15 with a prefix (SDM, \"FXSAVE\": NP)"),
	C(ACCEPTS, ALL_WIDTHS, 1, 0xae, 0xae, 0, P_REFINING, FORM_REGISTER, ALL_REGS, "fences with a prefix (SDM, \"LFENCE\": NP)"),
	C(ACCEPTS, ALL_WIDTHS, 1, 0xc3, 0xc3, 0, P_REFINING, FORM_MEMORY, ALL_REGS, "MOVNTI with a prefix (SDM, \"MOVNTI\": NP)"),
	C(ACCEPTS, ALL_WIDTHS, 1, 0xc7, 0xc7, 0, P_REFINING, ANY_FORM, BIT(6) | BIT(7),
	  "VMPTRLD, VMPTRST and RDRAND with a prefix (SDM, \"VMPTRST\": NP, \"RDRAND\": NFx)"),
	C(ACCEPTS, ALL_WIDTHS, 1, 0xd6, 0xd6, 0, PF2 | PF3, FORM_MEMORY, ALL_REGS, "MOVQ2DQ and MOVDQ2Q of memory (SDM, " TWO ")"),
	C(ACCEPTS, ALL_WIDTHS, 1, 0xe7, 0xe7, 0, PF2 | PF3, FORM_MEMORY, ALL_REGS, "MOVNTQ with F2 or F3 (SDM, " TWO ")"),
	C(ACCEPTS, ALL_WIDTHS, 2, 0x2a, 0x2a, P66, PF2 | PF3, FORM_MEMORY, ALL_REGS, "MOVNTDQA with F2 or F3 (SDM, " THREE ")"),
	C(ACCEPTS, ALL_WIDTHS, 2, 0x80, 0x82, P66, PF2 | PF3, FORM_MEMORY, ALL_REGS, "INVEPT and kin with F2 or F3 (SDM, " THREE ")"),
	C(ACCEPTS, ALL_WIDTHS, 2, 0xf0, 0xf1, 0, PF3, FORM_MEMORY, ALL_REGS, "MOVBE with F3 (SDM, " THREE ")"),
	C(ACCEPTS, ALL_WIDTHS, 1, 0x01, 0x01, 0, P_REFINING, FORM_REGISTER, BIT(1) | BIT(2),
	  "CLAC, STAC, XGETBV, XSETBV and VMFUNC with a prefix (SDM, \"XGETBV\": NP)"),
	C(ACCEPTS, PROTECTED, ANY_MAP, 0, 0xff, EMU_PFX_VEX, P_REFINING, ANY_FORM, ALL_REGS,
	  "VEX behind 66, F2 or F3 (SDM, \"VEX and the 66H, F2H, and F3H Prefixes\")"),
	C(ACCEPTS, W(16) | W(32), 1, 0x10, 0xf0, EMU_PFX_VEX, ANY_PREFIX, FORM_MEMORY, ALL_REGS,
	  "VEX.vvvv of 0111 where no register is named (SDM, \"The VEX Prefix\": must be 1111b; so say CPUs)"),
	C(ACCEPTS, ALL_WIDTHS, 1, 0xa6, 0xa7, 0, ANY_PREFIX, ANY_FORM, ALL_REGS,
	  "VIA's PadLock, which no CPU of Intel or AMD has (SDM, " TWO ")"),
	C(ACCEPTS, W(REAL), 1, 0xc7, 0xc7, 0, ANY_PREFIX, FORM_MEMORY, BIT(6) | BIT(7),
	  "has no real mode, where VMPTRLD and kin are #UD (SDM, \"VMPTRLD\")"),

	/* what Capstone does not know, or not with all prefixes */
	C(REFUSES, ALL_WIDTHS, 1, 0xae, 0xae, 0, ANY_PREFIX, FORM_REGISTER, BIT(5) | BIT(6) | BIT(7),
	  "fences with another ModRM.rm than 0 (SDM, \"LFENCE\": the r/m field is ignored)"),
	C(REFUSES, ALL_WIDTHS, 1, 0xb8, 0xb8, 0, PF3, ANY_FORM, ALL_REGS, "POPCNT of 16 bits (SDM, \"POPCNT\")"),
	C(REFUSES, ALL_WIDTHS, 1, 0x6c, 0x6d, P66, ANY_PREFIX, ANY_FORM, ALL_REGS, "PUNPCKLQDQ in 16-bit code or with F2 (SDM, " TWO ")"),
	C(REFUSES, ALL_WIDTHS, 1, 0xd6, 0xd6, P66, ANY_PREFIX, ANY_FORM, ALL_REGS, "MOVQ in 16-bit code (SDM, " TWO ")"),
	C(REFUSES, ALL_WIDTHS, 1, 0xe6, 0xe6, 0, P_REFINING, ANY_FORM, ALL_REGS, "CVTDQ2PD and kin in 16-bit code (SDM, " TWO ")"),
	C(REFUSES, ALL_WIDTHS, 1, 0xf0, 0xf0, 0, PF2, FORM_MEMORY, ALL_REGS, "LDDQU with 66 too, or in 16-bit code (SDM, " TWO ")"),
	C(REFUSES, ALL_WIDTHS, 2, 0x2a, 0x2a, P66, ANY_PREFIX, FORM_MEMORY, ALL_REGS, "MOVNTDQA in 16-bit code (SDM, " THREE ")"),
	C(REFUSES, ALL_WIDTHS, 2, 0x80, 0x82, P66, ANY_PREFIX, FORM_MEMORY, ALL_REGS, "INVEPT and kin in 16-bit code (SDM, " THREE ")"),
	C(REFUSES, ALL_WIDTHS, 2, 0xf0, 0xf1, 0, PF2, ANY_FORM, ALL_REGS, "CRC32 in 16-bit code (SDM, " THREE ")"),
	C(REFUSES, ALL_WIDTHS, 2, 0xf6, 0xf6, 0, P66 | PF3, ANY_FORM, ALL_REGS, "ADCX and ADOX, newer than it (SDM, " THREE ")"),
	C(REFUSES, ALL_WIDTHS, 2, 0xf9, 0xf9, 0, ANY_PREFIX, FORM_MEMORY, ALL_REGS, "MOVDIRI, newer than it (SDM, " THREE ")"),
	C(REFUSES, W(64), 0, 0x8c, 0x8c, 0, ANY_PREFIX, ANY_FORM, ALL_REGS, "segment registers with REX.R, which is ignored (SDM, \"REX Prefixes\")"),
	C(REFUSES, W(64), 0, 0x8e, 0x8e, 0, ANY_PREFIX, ANY_FORM, ALL_REGS, "likewise loaded (SDM, \"REX Prefixes\")"),
	C(REFUSES, W(32) | W(64), 0, 0xa0, 0xa3, P66, PF2 | PF3, ANY_FORM, ALL_REGS, "MOV of an offset with 66 and F2 or F3 (SDM, \"MOV-Move\")"),
	C(REFUSES, ALL_WIDTHS, 1, 0x20, 0x20, PLOCK, ANY_PREFIX, ANY_FORM, 1, "LOCK MOV from CR0, which is from CR8 (APM, \"MOV CRn\")"),
	C(REFUSES, ALL_WIDTHS, 1, 0x22, 0x22, PLOCK, ANY_PREFIX, ANY_FORM, 1, "LOCK MOV to CR0, which is to CR8 (APM, \"MOV CRn\")"),
	C(LENGTH, ALL_WIDTHS, 1, 0x78, 0x78, 0, P66 | PF2, FORM_REGISTER, ALL_REGS,
	  "EXTRQ and INSERTQ with immediates, as VMREAD (APM, \"EXTRQ\")"),
	C(LENGTH, W(64), 0, 0x68, 0x68, P66, PF2 | PF3, ANY_FORM, ALL_REGS, "PUSH of a word with F2 or F3, as of a dword (SDM, \"PUSH\")"),
	C(LENGTH, W(64), 0, 0xc2, 0xc2, 0, P66 | EMU_PFX_ADSIZE, ANY_FORM, ALL_REGS,
	  "RET with REX.W and 66 or 67, with an immediate of four bytes (SDM, \"RET\")"),
	C(LENGTH, W(64), 0, 0xe8, 0xe8, EMU_PFX_ADSIZE, ANY_PREFIX, ANY_FORM, ALL_REGS,
	  "CALL with REX.W and 67, with a displacement of two bytes (SDM, \"CALL\")"),
	C(LENGTH, W(32), 0, 0xe8, 0xe8, P66, PF2 | PF3, ANY_FORM, ALL_REGS, "CALL of a word with F2 or F3, as of a dword (SDM, \"CALL\")"),
	C(REFUSES, W(64), 1, 0xae, 0xae, 0, PF3, FORM_REGISTER, 0x0f, "RDFSBASE and kin without REX.W and with a segment (SDM, \"RDFSBASE\")"),
	C(ACCEPTS, LEGACY, 1, 0x01, 0x01, 0, ANY_PREFIX, FORM_REGISTER, BIT(7), "SWAPGS outside 64-bit mode (SDM, \"SWAPGS\")"),
	C(ACCEPTS, W(64), 1, 0xd6, 0xd6, 0, ANY_PREFIX, ANY_FORM, ALL_REGS, "0F D6 without a prefix (SDM, " TWO ")"),
	C(ACCEPTS, ALL_WIDTHS, 2, 0x80, 0x82, 0, ANY_PREFIX, FORM_MEMORY, ALL_REGS, "INVEPT and kin without 66 (SDM, " THREE ")"),
	C(ACCEPTS, W(64), 2, 0x2a, 0x2a, 0, ANY_PREFIX, FORM_MEMORY, ALL_REGS, "MOVNTDQA without 66 (SDM, " THREE ")"),
	C(LENGTH, W(32) | W(64), ANY_MAP, 0x50, 0xff, EMU_PFX_VEX, ANY_PREFIX, FORM_REGISTER, ALL_REGS,
	  "EVEX with rounding control, a byte too long (SDM, \"Instruction Format\" of \"Intel AVX-512 Encoding\")"),
};

const unsigned int nr_differences = ARRAY_SIZE(differences);

static bool is_under(const struct difference *d, enum decoder lib, enum difference_kind kind, unsigned int width,
		     const struct emu *e)
{
	const struct emu_insn *in = &e->insn;
	u8 form = in->modrm >= 0xc0 ? FORM_REGISTER : FORM_MEMORY;

	return d->lib == lib && (d->kinds & kind) && (d->widths & BIT(width)) && (d->vendors & (e->intel ? INTEL : AMD)) &&
	       (d->map == in->map || d->map == ANY_MAP) && !(d->with & ~in->prefix) && in->opcode >= d->first && in->opcode <= d->last &&
	       (!d->prefixes || (d->prefixes & in->prefix)) && (!d->form || d->form == form) &&
	       (d->regs >> ((in->modrm >> 3) & 7) & 1);
}

int difference_find(enum decoder lib, enum difference_kind kind, unsigned int width, const struct emu *e)
{
	unsigned int i;

	for (i = 0; i < nr_differences; i++)
		if (is_under(&differences[i], lib, kind, width, e))
			return (int)i;
	return -1;
}
