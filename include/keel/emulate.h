/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The x86 decoder and instruction emulator: contract between emulate/ and the
 * rooms that use it.  Builds in the kernel and in user space alike.
 *
 * One struct emu lives in each vCPU.  The owner fills the machine state (mode,
 * cpl, rip, rflags, gpr), gives it instruction bytes or lets it fetch them, and
 * calls emu_execute().  All else of the machine is reached through emu_ops.
 *
 * Restart rule: an instruction is a transaction.  Registers, RFLAGS and RIP
 * change only after every memory and port access has succeeded.  A callback
 * that must ask user space returns EMU_IO; nothing has changed, and the owner
 * calls emu_execute() again once the answer is there.  The accesses answered by
 * user space earlier in the same instruction are then replayed from the log
 * inside struct emu: a callback sees only the access that returned EMU_IO once
 * more, with the same arguments, and gives the answer.  A REP string
 * instruction is one transaction per iteration (or per batch of port units).
 */
#ifndef KEEL_EMULATE_H
#define KEEL_EMULATE_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
#endif

#include <keel/emulate_op.h>

struct emu;

/**
 * enum emu_result - the one rule for callbacks and for the emulator itself
 * @EMU_CONTINUE: done; for emu_execute(): resume the guest
 * @EMU_FAULT: the guest gets an event; emu.fault says which
 * @EMU_IO: user space must answer first; state unchanged, execute again after
 * @EMU_FAILED: cannot be emulated; state unchanged
 * @EMU_OWNER: its whole effect, RIP included, is the owner's: CPUID, HLT, RDMSR, VMCALL, ... by insn.row.op; state unchanged
 * @EMU_MORE: emu_decode() only: the instruction goes on past the bytes given
 */
enum emu_result {
	EMU_CONTINUE = 0,
	EMU_FAULT,
	EMU_IO,
	EMU_FAILED,
	EMU_OWNER,
	EMU_MORE,
};

/**
 * enum emu_mode - how instructions are decoded and segments are used
 *
 * The values from EMU_MODE_COMPAT16 on mean EFER.LMA = 1.
 */
enum emu_mode {
	EMU_MODE_REAL,		/* CR0.PE = 0; hidden limits are honoured (big real) */
	EMU_MODE_VM86,
	EMU_MODE_PROT16,	/* protected, CS.D = 0 */
	EMU_MODE_PROT32,	/* protected, CS.D = 1 */
	EMU_MODE_COMPAT16,
	EMU_MODE_COMPAT32,
	EMU_MODE_LONG,		/* CS.L = 1 */
};

/* Segment registers in the order of their encoding, then the two system ones. */
enum emu_seg_nr {
	EMU_ES, EMU_CS, EMU_SS, EMU_DS, EMU_FS, EMU_GS,
	EMU_LDTR, EMU_TR,
	EMU_SEG_NONE = 0xff,
};

/* Index into emu.gpr, the order of their encoding. */
enum emu_gpr_nr {
	EMU_RAX, EMU_RCX, EMU_RDX, EMU_RBX, EMU_RSP, EMU_RBP, EMU_RSI, EMU_RDI,
};

/* struct emu_segment.attr: bits 8..23 of a descriptor's second dword, and one more. */
#define EMU_ATTR_S		0x0010
#define EMU_ATTR_DPL_SHIFT	5
#define EMU_ATTR_L		0x2000
#define EMU_ATTR_DB		0x4000
#define EMU_ATTR_G		0x8000
#define EMU_ATTR_UNUSABLE	0x10000

/**
 * struct emu_segment - a segment register with its hidden part
 * @limit: in bytes, last valid offset (granularity already applied)
 */
struct emu_segment {
	u64 base;
	u32 limit;
	u32 attr;
	u16 selector;
};

/* struct emu_table - GDTR or IDTR */
struct emu_table {
	u64 base;
	u16 limit;
};

enum emu_table_nr { EMU_GDTR, EMU_IDTR };

/* Access kinds, or-ed.  A read with EMU_ACC_WRITE is the read half of a read-modify-write. */
#define EMU_ACC_READ		0x01
#define EMU_ACC_WRITE		0x02
#define EMU_ACC_FETCH		0x04
#define EMU_ACC_SYSTEM		0x08	/* descriptor tables, TSS: supervisor whatever the CPL */
#define EMU_ACC_LOCKED		0x10
#define EMU_ACC_FINAL		0x20	/* of a write: no access follows in this transaction */

/* What switches tasks; the values of "Exit Qualification for Task Switches" in the SDM. */
enum emu_task_source {
	EMU_TASK_CALL,
	EMU_TASK_IRET,
	EMU_TASK_JMP,
	EMU_TASK_EVENT,		/* through a task gate in the IDT */
};

/**
 * struct emu_task_event - an event whose vector has a task gate
 * @return_rip: where the interrupted task goes on
 * @external: not from INT n, INT3 or INTO: error codes of faults on the way have EXT set
 * @has_error: push @error onto the stack of the new task
 */
struct emu_task_event {
	u64 return_rip;
	bool external;
	bool has_error;
	u32 error;
};

/* emu.switched */
#define EMU_SWITCHED		0x01
#define EMU_SWITCHED_TRAP	0x02	/* the new TSS has its T flag set */

/* struct emu_fault.type */
enum emu_event_type {
	EMU_EVENT_EXCEPTION,	/* a fault: RIP stays on the instruction */
	EMU_EVENT_SOFT_INT,	/* INT n: return address is emu.next_rip */
	EMU_EVENT_SOFT_EXC,	/* INT3, INTO: trap through a gate with DPL check, next_rip */
	EMU_EVENT_PRIV_SOFT_EXC,/* INT1, next_rip */
};

/* struct emu_fault - the event that EMU_FAULT delivers */
struct emu_fault {
	u8 vector;
	u8 type;
	bool has_error;
	u32 error;
	u64 cr2;		/* linear address, vector 14 only */
};

/* emu_insn.prefix */
#define EMU_PFX_OPSIZE		0x01	/* 66 */
#define EMU_PFX_ADSIZE		0x02	/* 67 */
#define EMU_PFX_LOCK		0x04	/* F0 */
#define EMU_PFX_REPNE		0x08	/* F2 */
#define EMU_PFX_REP		0x10	/* F3 */
#define EMU_PFX_VEX		0x20	/* VEX, EVEX or XOP */

/**
 * struct emu_opcode - one row of the opcode table
 * @op: enum emu_op
 * @class: which executor (private to emulate/)
 * @dst: destination operand kind (private)
 * @src: source operand kind (private)
 * @flags: private
 */
struct emu_opcode {
	u8 op;
	u8 class;
	u8 dst;
	u8 src;
	u32 flags;
};

/**
 * struct emu_insn - a decoded instruction
 * @row: copy of the opcode's row; row.op says what it is
 * @length: bytes, 1..15
 * @op_size: operand size in bytes, 1, 2, 4 or 8
 * @addr_size: address size in bytes, 2, 4 or 8
 * @map: 0 one-byte, 1 0F, 2 0F38, 3 0F3A
 * @seg: segment of the memory operand, default or override
 * @mod: mod field of ModRM; 3 means a register
 * @reg: reg field with REX.R
 * @rm: rm field with REX.B; also the register in the opcode byte
 * @base: base register of the memory operand, 0xff none, 0xfe RIP
 * @index: index register, 0xff none
 * @scale: log2
 * @disp: displacement, sign-extended; the address of a moffs operand
 * @imm: immediate, sign-extended to 64 bits
 * @vex: of VEX: W, vvvv (inverted), L, pp from bit 7 down
 */
struct emu_insn {
	struct emu_opcode row;
	u8 length;
	u8 op_size;
	u8 addr_size;
	u8 map;
	u8 opcode;
	u8 prefix;
	u8 rex;
	u8 modrm;
	u8 seg;
	u8 mod;
	u8 reg;
	u8 rm;
	u8 base;
	u8 index;
	u8 scale;
	u8 imm_size;
	u8 vex;
	s64 disp;
	u64 imm;
};

/* struct emu_fx - what FXSAVE64 stores (SDM, "FXSAVE Area"): a register of x87 or MMX has 10 of its 16 bytes */
struct emu_fx {
	u16 fcw;
	u16 fsw;
	u16 ftw;
	u16 fop;
	u64 fip;
	u64 fdp;
	u32 mxcsr;
	u32 mxcsr_mask;
	u64 st[8][2];
	u64 xmm[16][2];
	u64 unused[12];
} __attribute__((aligned(16)));

/* For fx_run(): prefix (none, 66, F3, F2) in bits 9:8 and the opcode behind 0F; or that of x87, opcode[2:0] and ModRM.reg. */
#define EMU_FX_X87	0x800
#define EMU_FX_W	0x400	/* REX.W */

/* For get_cr(): XCR0, zero with CR4.OSXSAVE clear; EFER */
#define EMU_XCR0	16
#define EMU_EFER	17

/**
 * struct emu_ops - what the emulator asks of its owner
 *
 * Every callback that can fail returns enum emu_result.  EMU_FAULT means that the
 * callback has filled emu.fault (emu_raise() helps).  Linear addresses are after
 * segmentation, canonical, and an access may cross a page.  Callbacks must not
 * touch gpr, rip or rflags unless said so.  A port_out, or a write that has
 * EMU_ACC_FINAL, may also take the data, set emu.stop and return EMU_CONTINUE:
 * the instruction (or REP iteration) is finished and emu_execute() returns
 * EMU_CONTINUE at once, so that the owner can go to user space with nothing to
 * execute again.
 *
 * @fetch: instruction bytes [@la, @la + @size); checks execute permission
 * @read: @size 1..16 bytes, or up to 512 where it is the only access
 * @write: the same
 * @cmpxchg: atomically, if memory equals @old store @new; always put what was
 *	found into @old.  @size 1, 2, 4, 8, 16.  On memory that is no RAM, store @new
 * @probe: would this access fault?  No side effect but the fault
 * @port_in: @count units of @size bytes (1, 2, 4) from @port; IOPL and the I/O
 *	permission bitmap have been checked
 * @port_out: the same, outwards.  @count is 1 unless emu.io_buf is set; of more than one it may take only the first few,
 *	and say how many in emu.batch
 * @get_segment: any of enum emu_seg_nr
 * @set_segment: load register and hidden part; checks are done already
 * @get_table: GDTR or IDTR
 * @set_table: base is canonical
 * @get_cr: value of control register 0, 2, 3, 4, 8, EMU_XCR0, EMU_EFER
 * @set_cr: 0, 2, 3, 4, 8; full check of @val is the owner's; may fault
 * @get_dr: 0..7 (4 and 5 already mapped to 6 and 7); DR7.GD is the owner's
 * @set_dr: full check of @val is the owner's
 * @read_xmm: 16 bytes of XMM register @nr
 * @write_xmm: 16 bytes of XMM register @nr, upper halves of YMM, ZMM kept
 * @read_ymm: 32 bytes of YMM register @nr; only with AVX enabled in EMU_XCR0
 * @write_ymm: the same; the upper half of ZMM is cleared
 * @fx_get: all x87, MMX and XMM registers
 * @fx_set: the same; emu_fx_load() must not fault
 * @fx_run: emu_fx_native() where the CPU's registers may be used
 * @invlpg: INVLPG of @la (no segment fault, may be non-canonical)
 */
struct emu_ops {
	int (*fetch)(struct emu *e, u64 la, void *data, unsigned int size);
	int (*read)(struct emu *e, u64 la, void *data, unsigned int size, unsigned int acc);
	int (*write)(struct emu *e, u64 la, const void *data, unsigned int size, unsigned int acc);
	int (*cmpxchg)(struct emu *e, u64 la, void *old, const void *new, unsigned int size);
	int (*probe)(struct emu *e, u64 la, unsigned int size, unsigned int acc);
	int (*port_in)(struct emu *e, u16 port, void *data, unsigned int size, unsigned int count);
	int (*port_out)(struct emu *e, u16 port, const void *data, unsigned int size,
			unsigned int count);
	void (*get_segment)(struct emu *e, unsigned int seg, struct emu_segment *s);
	void (*set_segment)(struct emu *e, unsigned int seg, const struct emu_segment *s);
	void (*get_table)(struct emu *e, enum emu_table_nr which, struct emu_table *t);
	void (*set_table)(struct emu *e, enum emu_table_nr which, const struct emu_table *t);
	u64 (*get_cr)(struct emu *e, unsigned int nr);
	int (*set_cr)(struct emu *e, unsigned int nr, u64 val);
	int (*get_dr)(struct emu *e, unsigned int nr, u64 *val);
	int (*set_dr)(struct emu *e, unsigned int nr, u64 val);
	void (*read_xmm)(struct emu *e, unsigned int nr, void *data);
	void (*write_xmm)(struct emu *e, unsigned int nr, const void *data);
	void (*read_ymm)(struct emu *e, unsigned int nr, void *data);
	void (*write_ymm)(struct emu *e, unsigned int nr, const void *data);
	void (*fx_get)(struct emu *e, struct emu_fx *fx);
	void (*fx_set)(struct emu *e, const struct emu_fx *fx);
	void (*fx_run)(struct emu *e, unsigned int insn, struct emu_fx *fx, void *memory);
	void (*invlpg)(struct emu *e, u64 la);
};

#define EMU_MAX_INSN	15
#define EMU_LOG_SIZE	8

/* struct emu_log - accesses of the current transaction that user space answered (private) */
struct emu_log {
	u16 nr;			/* answered accesses held below */
	u16 next;		/* number of the next access of this run */
	u16 pending;		/* number + 1 of the access that returned EMU_IO, 0 none */
	u16 index[EMU_LOG_SIZE];
	u64 data[EMU_LOG_SIZE][2];
};

/* emu.shadow */
#define EMU_SHADOW_STI		0x01
#define EMU_SHADOW_MOVSS	0x02

/**
 * struct emu - the emulator's context, embedded in a vCPU
 * @ops: set once
 * @gpr: 16 registers, order of enum emu_gpr_nr, then R8..R15
 * @io_buf: NULL, or room for batches of INS and OUTS (REP)
 * @io_buf_size: its bytes, at most 4096
 * @intel: Intel's reading where the vendors differ (66 on near branches)
 * @va_bits: linear-address width, 48 or 57
 * @mode: enum emu_mode, in
 * @cpl: in
 * @rip: in and out
 * @rflags: in and out (always with bit 1)
 * @next_rip: out: address after the instruction
 * @fault: out, valid after EMU_FAULT
 * @shadow: out: EMU_SHADOW_* the instruction begins; the former one is over
 * @switched: out: EMU_SWITCHED_*: tasks have been switched, and all state is the new task's, also after EMU_FAULT.
 *	The debug registers' part in it and the trap are the owner's
 * @step: in: an instruction is stepped through; each iteration of REP ends with @stop and @repeat
 * @stop: set by a callback to end a REP loop after this iteration
 * @repeat: out: RIP still points at the instruction (REP goes on, or a locked
 *	update lost its race); resume the guest or execute again, interrupts are
 *	allowed in between
 * @nr_bytes: valid bytes in @bytes
 * @bytes: the instruction: emu_fetch_decode() fills it, the caller of emu_decode()
 *	does if it wants emu_format() to show it
 */
struct emu {
	const struct emu_ops *ops;
	u64 *gpr;
	u8 *io_buf;
	u16 io_buf_size;
	bool intel;
	u8 va_bits;
	u8 mode;
	u8 cpl;
	bool step;
	bool stop;
	bool repeat;
	u8 shadow;
	u8 switched;
	u8 nr_bytes;
	u8 bytes[EMU_MAX_INSN + 1];
	u64 rip;
	u64 rflags;
	u64 next_rip;
	struct emu_insn insn;
	struct emu_fault fault;
	struct emu_log log;
	u16 batch;		/* units in io_buf still to be moved (private but for ops->port_out) */
	u16 batch_size;		/* units that the batch began with (private) */
	u16 rounds;		/* iterations of REP since the guest ran, also in earlier runs (private) */
};

/**
 * emu_decode() - decode one instruction for the mode in @e
 * @e: context; uses mode and intel only, fills insn and next_rip
 * @bytes: instruction bytes, never read past @n
 * @n: how many; more than 15 are ignored
 *
 * Return: EMU_CONTINUE, EMU_MORE (needs more than @n), EMU_FAULT (#UD, or #GP(0)
 * for more than 15 bytes).  Known but unexecutable instructions (x87, AVX, ...)
 * decode with their length and row.op EMU_OP_LENGTH_ONLY.
 */
int emu_decode(struct emu *e, const u8 *bytes, unsigned int n);

/**
 * emu_fetch_decode() - check CS, fetch at emu.rip into emu.bytes, decode
 *
 * Fetches no byte of a page that the instruction does not reach.
 * Return: as emu_decode() but never EMU_MORE; what ops->fetch returned otherwise
 */
int emu_fetch_decode(struct emu *e);

/**
 * emu_execute() - execute the decoded instruction
 *
 * Return: EMU_CONTINUE (rip advanced unless emu.repeat), EMU_FAULT, EMU_IO,
 * EMU_FAILED, EMU_OWNER.  Trap flag and breakpoints are the owner's.  May sleep only as its
 * callbacks do.
 */
int emu_execute(struct emu *e);

/**
 * emu_real_interrupt() - deliver an event through the real-mode vector table
 * @return_rip: IP to push
 *
 * For hosts that cannot run real mode.  Return: as emu_execute()
 */
int emu_real_interrupt(struct emu *e, u8 vector, u64 return_rip);

/**
 * emu_task_event() - deliver an event through a task gate
 * @selector: of the TSS, from the gate. The gate itself has been checked
 * @event: the event
 *
 * For CPUs that leave task switches to software.  RIP is where the event found it, RFLAGS as it is to be saved.
 * Needs no decoded instruction.  Return: as emu_execute(), but never EMU_IO; see also emu.switched
 */
int emu_task_event(struct emu *e, u16 selector, const struct emu_task_event *event);

/**
 * emu_format() - print the decoded instruction
 *
 * "mov dword [rax+0x10], ecx ; 89 48 10 @ 0xffff...": always terminated,
 * truncated to @n.  After a failed decode prints the bytes in emu.bytes alone.
 * Return: characters written, without the terminator
 */
int emu_format(const struct emu *e, char *buf, size_t n);

/* The CPU's own registers to an image and back. Nothing else may use them meanwhile, as between fpregs_lock() and _unlock(). */
void emu_fx_save(struct emu_fx *fx);
void emu_fx_load(const struct emu_fx *fx);

/**
 * emu_fx_native() - execute one instruction on the CPU
 * @nr: as for ops->fx_run(); what is not known does nothing
 * @fx: registers, before and after. No x87 exception is pending, all of SSE's are masked
 * @memory: the instruction's operand, aligned to 16
 *
 * The CPU's own registers are used and brought back, see emu_fx_save().
 */
void emu_fx_native(unsigned int nr, struct emu_fx *fx, void *memory);

/* emu_raise() - fill emu.fault with an exception without error code; returns EMU_FAULT */
int emu_raise(struct emu *e, u8 vector);

/* emu_raise_error() - the same with an error code */
int emu_raise_error(struct emu *e, u8 vector, u32 error);

/* emu_linear() - segmentation: @la for an access of @size bytes, or EMU_FAULT */
int emu_linear(struct emu *e, unsigned int seg, u64 ea, unsigned int size, unsigned int acc,
	       u64 *la);

/* emu_address() - effective address of the decoded memory operand (before the segment) */
u64 emu_address(const struct emu *e);

/* emu_forget() - drop a half-done instruction (registers were set from outside, reset, ...) */
static inline void emu_forget(struct emu *e)
{
	e->log.nr = 0;
	e->log.pending = 0;
	e->batch = 0;
	e->rounds = 0;
}

/**
 * struct emu_mov - a plain move between a register or immediate and memory
 * @length: of the instruction
 * @size: bytes in memory, 1, 2, 4 or 8
 * @store: to memory (else a load)
 * @is_imm: the value stored is @imm (else register)
 * @high: the register is AH, CH, DH or BH
 * @reg_size: bytes of the register that a load writes: 1, 2, 4, 8 (4 clears the upper half)
 * @sign: a load sign-extends from @size to @reg_size (else zero-extends)
 * @reg: index into gpr
 */
struct emu_mov {
	u8 length;
	u8 size;
	bool store;
	bool is_imm;
	bool high;
	u8 reg_size;
	bool sign;
	u8 reg;
	u64 imm;
};

/**
 * emu_decode_mov() - the fast classifier for device accesses
 *
 * Knows MOV r/m,r; MOV r,r/m; MOV r/m,imm; MOVZX, MOVSX, MOVSXD with a memory
 * operand in EMU_MODE_LONG, PROT32 and COMPAT32, with at most a 66 and a REX
 * prefix.  The address is not computed: the caller has it from the exit.
 * Return: true and @mov filled; false means use emu_decode()
 */
bool emu_decode_mov(const u8 *bytes, unsigned int n, enum emu_mode mode, struct emu_mov *mov);

/*
 * emu_mov_base() - the register that alone is the address of a move emu_decode_mov() has known in EMU_MODE_LONG, where
 * segments it can name have base 0; -1 when there is more to the address
 */
int emu_mov_base(const u8 *bytes);

/* emu_mov_load() - commit the value read: what the load does to the register */
void emu_mov_load(const struct emu_mov *mov, u64 *gpr, u64 value);

/* emu_mov_value() - the value that the store puts into memory (low size bytes count) */
u64 emu_mov_value(const struct emu_mov *mov, const u64 *gpr);

/* struct emu_plain - the bytes of an opcode without operands; all zero for any other operation */
struct emu_plain {
	u32 code;
	u32 mask;
	u32 length;
};

extern const struct emu_plain emu_plain[EMU_OP_COUNT];

unsigned int emu_skip_prefixes(enum emu_mode mode, const u8 *bytes, unsigned int n,
			       enum emu_op op);

/**
 * emu_skip_length() - length of an intercepted instruction of known kind
 * @mode: decoding mode
 * @bytes: at RIP
 * @n: how many
 * @op: what the intercept says it is: EMU_OP_CPUID, EMU_OP_RDMSR, EMU_OP_HLT, ...
 *
 * A few instructions when the first bytes match exactly; else prefixes are
 * walked.  Works for operations without ModRM operands (register forms of
 * 0F 01 included).  Return: length, or 0 when the bytes are another instruction
 */
static inline unsigned int emu_skip_length(enum emu_mode mode, const u8 *bytes, unsigned int n,
					   enum emu_op op)
{
	const struct emu_plain *want = &emu_plain[op];
	u32 word;

	if (n >= sizeof(word)) {
		__builtin_memcpy(&word, bytes, sizeof(word));
		if ((word & want->mask) == want->code)
			return want->length;
	}
	return emu_skip_prefixes(mode, bytes, n, op);
}

#endif /* KEEL_EMULATE_H */
