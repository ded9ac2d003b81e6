/* SPDX-License-Identifier: GPL-2.0-only */
/* What a vCPU keeps of the guest's instructions that access devices. Also built in user space, by the unit tests of ept/. */
#ifndef KEEL_CODE_H
#define KEEL_CODE_H

#include <keel/emulate_fast.h>
#include <keel/types.h>

#define CODE_LEVELS	4
#define CODE_PAGES	4	/* powers of two as the sizes of their elements, chosen by address */
#define CODE_MOVES	4

/**
 * struct code_page - how one page of 64-bit code was translated (ept/walk.c)
 * @page: linear address and CPL. All ones for none
 * @cr3, @cr4, @efer: of that time
 * @generation: of the slots that the addresses below come from
 * @code: the launcher's address of the page
 * @entry: and those of the entries that translate it; a short walk repeats its last one
 * @value: what these held
 *
 * No cache of a translation, but a way to make the walk again at little cost: the entries are read again each time.
 */
struct code_page {
	u64 page;
	u64 cr3, cr4, efer;
	u64 generation;
	unsigned long code;
	unsigned long entry[CODE_LEVELS];
	u64 value[CODE_LEVELS];
} __aligned(64);

/**
 * struct code_move - a plain move in 64-bit code, decoded (core/io.c)
 * @low, @high: its bytes 0 to 7 and 7 to 14, which say all
 * @mov: what they mean; length 0 for none
 * @base: the register that alone is the address, -1 when there is more to it
 */
struct code_move {
	u64 low, high;
	struct emu_mov mov;
	s8 base;
} __aligned(64);

/**
 * struct vcpu_code - the guest's instructions that access devices
 * @low, @high: bytes 0 to 7 and 7 to 14 at RIP, from keel_fetch_again()
 */
struct vcpu_code {
	u64 low, high;
	struct code_page page[CODE_PAGES];
	struct code_move move[CODE_MOVES];
};

#endif
