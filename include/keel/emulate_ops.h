/* SPDX-License-Identifier: GPL-2.0-only */
/* What the emulator asks of its owner. */
#ifndef KEEL_EMULATE_OPS_H
#define KEEL_EMULATE_OPS_H

#include <keel/emulate_types.h>

struct emu;

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
 *	found into @old.  @size 1, 2, 4, 8, 16.  On memory that is no RAM, store @new.  @acc has EMU_ACC_WRITE
 * @probe: would this access fault?  No side effect but the fault
 * @port_in: @count units of @size bytes (1, 2, 4) from @port; IOPL and the I/O
 *	permission bitmap have been checked
 * @port_out: the same, outwards.  @count is 1 unless emu.io_buf is set; of more than one it may take only the first few,
 *	and say how many in emu.batch
 * @get_segment: any of enum seg
 * @set_segment: load register and hidden part; checks are done already
 * @get_table: GDTR or IDTR
 * @set_table: base is canonical
 * @get_cr: value of control register 0, 2, 3, 4, 8, EMU_XCR0, EMU_EFER
 * @set_cr: 0, 2, 3, 4, 8; full check of @val is the owner's; may fault
 * @get_dr: 0..7 (4 and 5 already mapped to 6 and 7); DR7.GD is the owner's
 * @set_dr: full check of @val is the owner's
 * @read_vector: 16 bytes of XMM register @nr or, only with AVX enabled in EMU_XCR0, 32 of YMM
 * @write_vector: the same; of XMM the upper halves of YMM and ZMM are kept, of YMM that of ZMM cleared
 * @fx_get: all x87, MMX and XMM registers
 * @fx_set: the same; emu_fx_load() must not fault
 * @fx_run: emu_fx_native() where the CPU's registers may be used
 * @invlpg: INVLPG of @la (no segment fault, may be non-canonical)
 */
struct emu_ops {
	int (*fetch)(struct emu *e, u64 la, void *data, unsigned int size);
	int (*read)(struct emu *e, u64 la, void *data, unsigned int size, unsigned int acc);
	int (*write)(struct emu *e, u64 la, const void *data, unsigned int size, unsigned int acc);
	int (*cmpxchg)(struct emu *e, u64 la, void *old, const void *new, unsigned int size, unsigned int acc);
	int (*probe)(struct emu *e, u64 la, unsigned int size, unsigned int acc);
	int (*port_in)(struct emu *e, u16 port, void *data, unsigned int size, unsigned int count);
	int (*port_out)(struct emu *e, u16 port, const void *data, unsigned int size,
			unsigned int count);
	void (*get_segment)(struct emu *e, unsigned int seg, struct segment *s);
	void (*set_segment)(struct emu *e, unsigned int seg, const struct segment *s);
	void (*get_table)(struct emu *e, enum emu_table_nr which, struct desc_table *t);
	void (*set_table)(struct emu *e, enum emu_table_nr which, const struct desc_table *t);
	u64 (*get_cr)(struct emu *e, unsigned int nr);
	int (*set_cr)(struct emu *e, unsigned int nr, u64 val);
	int (*get_dr)(struct emu *e, unsigned int nr, u64 *val);
	int (*set_dr)(struct emu *e, unsigned int nr, u64 val);
	void (*read_vector)(struct emu *e, unsigned int nr, void *data, unsigned int size);
	void (*write_vector)(struct emu *e, unsigned int nr, const void *data, unsigned int size);
	void (*fx_get)(struct emu *e, struct emu_fx *fx);
	void (*fx_set)(struct emu *e, const struct emu_fx *fx);
	void (*fx_run)(struct emu *e, unsigned int insn, struct emu_fx *fx, void *memory);
	void (*invlpg)(struct emu *e, u64 la);
};

#endif
