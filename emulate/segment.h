/* SPDX-License-Identifier: GPL-2.0-only */
/* Segment loading, for the files of emulate/ that change segment registers. */
#ifndef EMULATE_SEGMENT_H
#define EMULATE_SEGMENT_H

#include "internal.h"

/* A descriptor as read from its table, with the place to mark it accessed or busy. */
struct descriptor {
	u32 low;
	u32 high;
	u32 base_high;	/* third dword of a 16-byte system descriptor */
	u64 la;
	u16 selector;
};

int emu_read_descriptor(struct emu *e, u16 selector, u8 vector, struct descriptor *d);
int emu_mark_descriptor(struct emu *e, struct descriptor *d, u8 bits);
void emu_unpack_descriptor(const struct descriptor *d, struct segment *s);
/* The far pointer that an instruction has as immediate or in memory. */
int emu_far_pointer(struct emu *e, u16 *selector, u64 *offset);
int emu_load_system_segment(struct emu *e, unsigned int seg, u16 selector);

/* task.c: privileges are checked already */
int emu_task_switch(struct emu *e, enum emu_task_source source, u16 selector);
int emu_task_return(struct emu *e);

static inline unsigned int descriptor_dpl(const struct descriptor *d)
{
	return (d->high >> 13) & 3;
}

#define DESC_TYPE(d)		(((d)->high >> 8) & 0x0f)
#define DESC_CALL_GATE16	4
#define DESC_TASK_GATE		5
#define DESC_CALL_GATE32	12	/* in long mode the only one */
#define DESC_IS_SEGMENT(d)	((d)->high & 0x1000)
/* Of either size, available or busy: 1, 3, 9, 11. */
#define DESC_IS_TSS(d)		(((d)->high & 0x1500) == 0x0100)
#define DESC_IS_CODE(d)		((d)->high & 0x0800)
#define DESC_IS_CONFORMING(d)	((d)->high & 0x0400)	/* of code */
#define DESC_IS_READABLE(d)	((d)->high & 0x0200)	/* of code; writable, of data */
#define DESC_IS_PRESENT(d)	((d)->high & 0x8000)

#endif /* EMULATE_SEGMENT_H */
