/* SPDX-License-Identifier: GPL-2.0-only */
/* What an instruction waits for while its vCPU is in user space. */
#ifndef KEEL_USER_IO_H
#define KEEL_USER_IO_H

#include <linux/types.h>
#include <keel/emulate_fast.h>

/* What to finish when KVM_RUN comes back after an exit that user space completes. */
enum vcpu_completion {
	COMPLETE_NONE,
	COMPLETE_PIO_IN,	/* a plain IN: data to RAX, advance RIP */
	COMPLETE_PIO_OUT,	/* a plain OUT: advance RIP */
	COMPLETE_MMIO_LOAD,	/* a plain load: data to io.mov's register, advance RIP */
	COMPLETE_MMIO,		/* data for the emulator's access, then emulate again */
	COMPLETE_STRING_IO,	/* the emulator goes on with INS */
	COMPLETE_HYPERCALL,	/* result to RAX, advance RIP */
	COMPLETE_RDMSR,		/* data to EDX:EAX or #GP, advance RIP */
	COMPLETE_WRMSR,		/* #GP or advance RIP */
};

/**
 * struct vcpu_user_io - an access that user space answers (core/io.c, core/emulator_access.c)
 * @data: bytes answered so far of the access in flight
 * @have: how many; one access of the emulator may take several exits (FXSAVE, two pages)
 * @pos: where in @data the answer to the present exit goes
 * @len: bytes of the present exit
 * @is_write: direction of the present exit
 * @answered: port data for the emulator are in pio_data
 * @watch_hits: DR6.B0-B3 that the instruction's accesses have earned so far (core/debug.c); in the shadow of a MOV SS, those of that one as well
 * @complete: enum vcpu_completion
 * @complete_len: instruction length to advance by
 * @rip: of the instruction; completion is dropped when user space moved RIP meanwhile
 * @table: shadow paging: where the instruction stores to a page table, with bit 0 set; 0: nothing of the kind
 * @mov: the plain move that a fast MMIO load completes
 */
struct vcpu_user_io {
	u16 have;
	u16 pos;
	u8 len;
	bool is_write;
	bool answered;
	u8 watch_hits;
	u8 complete;
	u8 complete_len;
	u64 rip;
	u64 table;
	struct emu_mov mov;
	u8 data[512];
};

#endif
