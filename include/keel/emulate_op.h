/* SPDX-License-Identifier: GPL-2.0-only */
/* What an instruction does, whatever its encoding: emu_insn.row.op. */
#ifndef KEEL_EMULATE_OP_H
#define KEEL_EMULATE_OP_H

/*
 * One list for the enum and for the names printed by emu_format().  The first
 * eight follow the encoding of ModRM.reg in the opcodes 80-83, the shifts that
 * of C0, JCC, SETCC and CMOVCC take their condition from the opcode's low bits.
 */
#define EMU_OP_LIST(X) \
	X(ADD, "add") X(OR, "or") X(ADC, "adc") X(SBB, "sbb") \
	X(AND, "and") X(SUB, "sub") X(XOR, "xor") X(CMP, "cmp") \
	X(ROL, "rol") X(ROR, "ror") X(RCL, "rcl") X(RCR, "rcr") \
	X(SHL, "shl") X(SHR, "shr") X(SAL, "sal") X(SAR, "sar") \
	X(BT, "bt") X(BTS, "bts") X(BTR, "btr") X(BTC, "btc") \
	X(BSF, "bsf") X(BSR, "bsr") X(TZCNT, "tzcnt") X(LZCNT, "lzcnt") X(POPCNT, "popcnt") \
	X(TEST, "test") X(INC, "inc") X(DEC, "dec") X(NEG, "neg") X(NOT, "not") \
	X(SHLD, "shld") X(SHRD, "shrd") \
	X(MUL, "mul") X(IMUL1, "imul") X(IMUL2, "imul") X(IMUL3, "imul") \
	X(DIV, "div") X(IDIV, "idiv") \
	X(XCHG, "xchg") X(XADD, "xadd") X(CMPXCHG, "cmpxchg") X(CMPXCHG8B, "cmpxchg8b") \
	X(MOV, "mov") X(MOVZX, "movzx") X(MOVSX, "movsx") X(MOVSXD, "movsxd") \
	X(MOVBE, "movbe") X(MOVNTI, "movnti") X(BSWAP, "bswap") X(LEA, "lea") \
	X(XLAT, "xlat") X(SETCC, "set") X(CMOVCC, "cmov") X(CBW, "cbw") X(CWD, "cwd") \
	X(NOP, "nop") X(PAUSE, "pause") X(PREFETCH, "prefetch") X(FENCE, "fence") \
	X(CLFLUSH, "clflush") X(CLC, "clc") X(STC, "stc") X(CMC, "cmc") X(CLD, "cld") \
	X(STD, "std") X(CLI, "cli") X(STI, "sti") X(CLAC, "clac") X(STAC, "stac") \
	X(LAHF, "lahf") X(SAHF, "sahf") X(SALC, "salc") \
	X(DAA, "daa") X(DAS, "das") X(AAA, "aaa") X(AAS, "aas") X(AAM, "aam") X(AAD, "aad") \
	X(PUSH, "push") X(POP, "pop") X(PUSHA, "pusha") X(POPA, "popa") \
	X(PUSHF, "pushf") X(POPF, "popf") X(ENTER, "enter") X(LEAVE, "leave") \
	X(JMP, "jmp") X(JCC, "j") X(CALL, "call") X(RET, "ret") \
	X(LOOP, "loop") X(LOOPE, "loope") X(LOOPNE, "loopne") X(JCXZ, "jcxz") \
	X(JMPF, "jmp far") X(CALLF, "call far") X(RETF, "retf") X(IRET, "iret") \
	X(INT, "int") X(INT1, "int1") X(INT3, "int3") X(INTO, "into") X(BOUND, "bound") \
	X(MOVS, "movs") X(STOS, "stos") X(LODS, "lods") X(CMPS, "cmps") X(SCAS, "scas") \
	X(INS, "ins") X(OUTS, "outs") X(IN, "in") X(OUT, "out") \
	X(MOV_SREG, "mov") X(LOAD_FAR, "lfar") X(ARPL, "arpl") \
	X(LAR, "lar") X(LSL, "lsl") X(VERR, "verr") X(VERW, "verw") \
	X(SGDT, "sgdt") X(SIDT, "sidt") X(LGDT, "lgdt") X(LIDT, "lidt") \
	X(SLDT, "sldt") X(STR, "str") X(LLDT, "lldt") X(LTR, "ltr") \
	X(SMSW, "smsw") X(LMSW, "lmsw") X(CLTS, "clts") \
	X(MOV_FROM_CR, "mov") X(MOV_TO_CR, "mov") X(MOV_FROM_DR, "mov") X(MOV_TO_DR, "mov") \
	X(RDMSR, "rdmsr") X(WRMSR, "wrmsr") X(INVLPG, "invlpg") \
	X(CPUID, "cpuid") X(HLT, "hlt") X(VMCALL, "vmcall") X(VMMCALL, "vmmcall") \
	X(RDTSC, "rdtsc") X(RDTSCP, "rdtscp") X(RDPMC, "rdpmc") X(RDPID, "rdpid") \
	X(XGETBV, "xgetbv") X(XSETBV, "xsetbv") \
	X(WBINVD, "wbinvd") X(INVD, "invd") X(MONITOR, "monitor") X(MWAIT, "mwait") \
	X(RSM, "rsm") X(SYSCALL, "syscall") X(SYSRET, "sysret") X(SYSENTER, "sysenter") \
	X(SYSEXIT, "sysexit") X(SWAPGS, "swapgs") X(INVPCID, "invpcid") \
	X(VMRUN, "vmrun") X(VMLOAD, "vmload") X(VMSAVE, "vmsave") X(STGI, "stgi") \
	X(CLGI, "clgi") X(SKINIT, "skinit") X(INVLPGA, "invlpga") \
	X(VMXON, "vmxon") X(VMXOFF, "vmxoff") X(VMCLEAR, "vmclear") X(VMPTRLD, "vmptrld") \
	X(VMPTRST, "vmptrst") X(VMREAD, "vmread") X(VMWRITE, "vmwrite") \
	X(VMLAUNCH, "vmlaunch") X(VMRESUME, "vmresume") X(VMFUNC, "vmfunc") \
	X(INVEPT, "invept") X(INVVPID, "invvpid") \
	X(RDRAND, "rdrand") X(RDSEED, "rdseed") X(FSGSBASE, "fsgsbase") \
	X(MOVX, "movx") X(MOVX_LOW, "movxl") X(MOVX_HIGH, "movxh") X(MOVX_GPR, "movd") \
	X(X87, "(x87)") X(SIMD, "(simd)") X(LDMXCSR, "ldmxcsr") X(STMXCSR, "stmxcsr") \
	X(FXSAVE, "fxsave") X(FXRSTOR, "fxrstor") X(XSAVE, "xsave") X(XRSTOR, "xrstor") \
	X(ANDN, "andn") X(BLSR, "blsr") X(BLSMSK, "blsmsk") X(BLSI, "blsi") X(BZHI, "bzhi") \
	X(BEXTR, "bextr") X(PDEP, "pdep") X(PEXT, "pext") X(SHLX, "shlx") X(SARX, "sarx") \
	X(SHRX, "shrx") X(RORX, "rorx") X(MULX, "mulx") X(ADCX, "adcx") X(ADOX, "adox") \
	X(CRC32, "crc32") X(FWAIT, "fwait") X(LENGTH_ONLY, "(other)") X(UD, "ud")

#define EMU_OP_ENUM(id, name) EMU_OP_##id,
enum emu_op {
	EMU_OP_LIST(EMU_OP_ENUM)
	EMU_OP_COUNT
};
#undef EMU_OP_ENUM

#endif /* KEEL_EMULATE_OP_H */
