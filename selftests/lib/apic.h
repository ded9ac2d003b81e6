/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest side: local APIC in xAPIC or x2APIC mode, interrupt counters, I/O APIC
 * and 8259 accessors.
 */
#ifndef SELFTESTS_APIC_H
#define SELFTESTS_APIC_H

#include "apic_regs.h"
#include "guest.h"

#define APIC_MMIO	0xfee00000ULL
#define IOAPIC_MMIO	0xfec00000ULL
#define MSR_APIC_BASE	0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC(reg)	(APIC_BASE_MSR + ((reg) >> 4))

enum apic_mode { APIC_X1, APIC_X2 };

/*
 * Have all that the delivery of an interrupt needs mapped before the first one. Where it ends in an EPT violation, Bochs reports an
 * event of long ago in place of a virtual interrupt, and that is what goes in again.
 */
void apic_touch_tables(void);
/* Software-enable the APIC of this vCPU in that mode (spurious vector 0xff); does the former too. */
void apic_enable(enum apic_mode mode);
u32 apic_read(u32 reg);
void apic_write(u32 reg, u32 v);
void apic_icr(u32 dest, u32 low);
void apic_eoi(void);
/* 32-bit word of ISR, TMR or IRR that holds @vector, and the bit in it. */
int apic_bit(u32 reg, u8 vector);

/* Interrupts taken, by vector; irq_count_handler counts and ends (local APIC). */
extern volatile u32 irq_count[256];
void irq_count_handler(struct guest_regs *regs);
/* Counts and leaves the interrupt in service. */
void irq_count_only(struct guest_regs *regs);
/* Interrupts on until @vector has been taken @n times; an assertion after @spins turns. */
void irq_wait(u8 vector, u32 n);
/* Open the interrupt window for a moment. */
void irq_window(void);

void ioapic_write(u32 reg, u32 v);
u32 ioapic_read(u32 reg);
void ioapic_route(u32 pin, u64 entry);
u64 ioapic_entry(u32 pin);
#define IOAPIC_LEVEL	BIT(15)
#define IOAPIC_MASKED	BIT(16)
#define IOAPIC_LOGICAL	BIT(11)
#define IOAPIC_REMOTE_IRR BIT(14)

/* 8259 pair: vectors base..base+7 and base+8..base+15, all lines masked. */
void pic_init(u8 base);
void pic_mask(u16 mask);
u8 pic_isr(u16 port);
u8 pic_irr(u16 port);
#define PIC1	0x20
#define PIC2	0xa0

#endif
