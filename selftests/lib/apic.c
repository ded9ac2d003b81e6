// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest side of interrupt tests: how a guest reaches its local APIC (either
 * mode), I/O APIC and 8259 pair, and handlers that count.
 */
#include "apic.h"

#define SPINS	20000000

volatile u32 irq_count[256];
static enum apic_mode apic_mode;

u32 apic_read(u32 reg)
{
	return apic_mode == APIC_X2 ? rdmsr(MSR_X2APIC(reg)) : mmio_read32(APIC_MMIO + reg);
}

void apic_write(u32 reg, u32 v)
{
	if (apic_mode == APIC_X2)
		wrmsr(MSR_X2APIC(reg), v);
	else
		mmio_write32(APIC_MMIO + reg, v);
}

static void handler_none(struct guest_regs *regs)
{
}

void apic_touch_tables(void)
{
	/* for good: a neighbour may be about to come here */
	guest_handlers[0xee] = handler_none;
	asm volatile("int $0xee" : : : "memory");
}

void apic_enable(enum apic_mode mode)
{
	u64 base = rdmsr(MSR_APIC_BASE);

	apic_touch_tables();
	if (mode == APIC_X2)
		wrmsr(MSR_APIC_BASE, base | BIT(10) | BIT(11));
	apic_mode = mode;
	apic_write(APIC_SPIV, 0x1ff);
}

void apic_icr(u32 dest, u32 low)
{
	if (apic_mode == APIC_X2) {
		wrmsr(MSR_X2APIC(APIC_ICR), (u64)dest << 32 | low);
		return;
	}
	apic_write(APIC_ICR2, dest << 24);
	apic_write(APIC_ICR, low);
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

int apic_bit(u32 reg, u8 vector)
{
	return apic_read(reg + (vector / 32) * 0x10) >> (vector % 32) & 1;
}

void irq_count_only(struct guest_regs *regs)
{
	__atomic_add_fetch(&irq_count[regs->vector & 0xff], 1, __ATOMIC_SEQ_CST);
}

void irq_count_handler(struct guest_regs *regs)
{
	irq_count_only(regs);
	apic_eoi();
}

void irq_window(void)
{
	asm volatile("sti; nop; nop; cli" : : : "memory");
}

void irq_wait(u8 vector, u32 n)
{
	u32 i;

	sti();
	for (i = 0; i < SPINS && irq_count[vector] < n; i++)
		pause_insn();
	cli();
	if (irq_count[vector] < n)
		GUEST_CALL(UCALL_ASSERT, "interrupts taken (wanted, got)", n, irq_count[vector], 0, 0);
}

void ioapic_write(u32 reg, u32 v)
{
	mmio_write32(IOAPIC_MMIO, reg);
	mmio_write32(IOAPIC_MMIO + 0x10, v);
}

u32 ioapic_read(u32 reg)
{
	mmio_write32(IOAPIC_MMIO, reg);
	return mmio_read32(IOAPIC_MMIO + 0x10);
}

void ioapic_route(u32 pin, u64 entry)
{
	ioapic_write(0x10 + 2 * pin, IOAPIC_MASKED);
	ioapic_write(0x11 + 2 * pin, entry >> 32);
	ioapic_write(0x10 + 2 * pin, entry);
}

u64 ioapic_entry(u32 pin)
{
	return ioapic_read(0x10 + 2 * pin) | (u64)ioapic_read(0x11 + 2 * pin) << 32;
}

void pic_init(u8 base)
{
	outb(PIC1, 0x11);
	outb(PIC1 + 1, base);
	outb(PIC1 + 1, 4);
	outb(PIC1 + 1, 1);
	outb(PIC2, 0x11);
	outb(PIC2 + 1, base + 8);
	outb(PIC2 + 1, 2);
	outb(PIC2 + 1, 1);
	pic_mask(0xffff);
}

void pic_mask(u16 mask)
{
	outb(PIC1 + 1, mask);
	outb(PIC2 + 1, mask >> 8);
}

u8 pic_isr(u16 port)
{
	outb(port, 0x0b);
	return inb(port);
}

u8 pic_irr(u16 port)
{
	outb(port, 0x0a);
	return inb(port);
}
