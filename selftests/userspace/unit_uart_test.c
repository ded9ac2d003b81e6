// SPDX-License-Identifier: GPL-2.0-only
/*
 * The serial port against its data sheet, PC16550D: reset values, what can be written, causes of
 * interrupts in their order, errors that stay with their byte, the modem's lines.
 *
 * "Line Status Register": errors are "associated with the particular character in the FIFO", bit 7;
 * "Modem Status Register", bits 0 to 3; "Interrupt Enable Register"; "Interrupt Identification
 * Register", table of priorities; "FIFO Control Register".
 */
#include <linux/serial_reg.h>
#include <pthread.h>
#include <unistd.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/console.h"
#include "userspace/serial.h"

static struct vm vm;
static struct serial serial;
static struct console console;

void console_put(struct console *to, uint8_t byte)
{
}

static u8 in(unsigned int reg) { return (u8)bus_read(&vm.ports, 0x3f8 + reg, 1); }
static void out(unsigned int reg, u8 value) { bus_write(&vm.ports, 0x3f8 + reg, 1, value); }
static int line(void) { return fake_line(&vm, 4); }

static void set_up(void)
{
	fake_vm_init(&vm, 0);
	ASSERT_EQ(serial_init(&serial, &vm, &console), 0);
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	out(UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
}

static void test_masked_input(void)
{
	set_up();
	out(UART_IER, UART_IER_RDI);
	out(UART_IER, 0);
	serial_receive(&serial, 'a');
	CHECK_EQ("interrupt off: line", 0, line());
	out(UART_IER, UART_IER_RDI);
	CHECK_EQ("interrupt on again: line", 1, line());
	CHECK_EQ("cause", UART_IIR_RDI, in(UART_IIR) & 0x0f);
	CHECK_EQ("byte", 'a', in(UART_RX));
	CHECK_EQ("line down", 0, line());
}

static void test_transmit(void)
{
	set_up();
	out(UART_IER, UART_IER_THRI);
	CHECK_EQ("enabled: line", 1, line());
	CHECK_EQ("cause", UART_IIR_THRI, in(UART_IIR) & 0x0f);
	CHECK_EQ("read: line", 0, line());
	out(UART_TX, 'x');
	CHECK_EQ("sent: line", 1, line());
	out(UART_IER, 0);
	CHECK_EQ("disabled: line", 0, line());
	in(UART_IIR);
	out(UART_IER, UART_IER_THRI);
	CHECK_EQ("enabled again: line", 1, line());
	in(UART_IIR);
	out(UART_IER, UART_IER_THRI | UART_IER_RDI);
	CHECK_EQ("other bit changed: still seen as read", 0, line());
}

static void test_break_order(void)
{
	u8 lsr;

	set_up();
	out(UART_IER, UART_IER_RDI | UART_IER_RLSI);
	serial_receive(&serial, 'x');
	serial_break(&serial);
	serial_receive(&serial, 'h');
	lsr = in(UART_LSR);
	CHECK_EQ("x at the top: break indicator", 0, lsr & UART_LSR_BI);
	CHECK_EQ("x at the top: an error is somewhere in the FIFO (bit 7)", 0x80, lsr & 0x80);
	CHECK_EQ("first byte", 'x', in(UART_RX));
	CHECK_EQ("cause: line status", UART_IIR_RLSI, in(UART_IIR) & 0x0f);
	lsr = in(UART_LSR);
	CHECK_EQ("the break's NUL at the top: break indicator", UART_LSR_BI, lsr & UART_LSR_BI);
	CHECK_EQ("second byte", 0, in(UART_RX));
	lsr = in(UART_LSR);
	CHECK_EQ("h at the top: no break", 0, lsr & UART_LSR_BI);
	CHECK_EQ("third byte", 'h', in(UART_RX));
}

static void test_modem_delta(void)
{
	set_up();
	out(UART_MCR, UART_MCR_LOOP);
	in(UART_MSR);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_RTS);
	u8 msr = in(UART_MSR);

	CHECK_EQ("loop: CTS follows RTS", UART_MSR_CTS, msr & UART_MSR_CTS);
	CHECK_EQ("loop: delta CTS", UART_MSR_DCTS, msr & UART_MSR_DCTS);
	CHECK_EQ("read again: delta gone", 0, in(UART_MSR) & UART_MSR_DCTS);
}

static void test_overrun(void)
{
	set_up();
	for (int i = 0; i < 16; i++)
		serial_receive(&serial, 'a' + i);
	serial_break(&serial);	/* the only sender that does not wait */
	CHECK_EQ("overrun told", UART_LSR_OE, in(UART_LSR) & UART_LSR_OE);
	for (int i = 0; i < 16; i++)
		CHECK_EQ("the FIFO's bytes are whole", 'a' + i, in(UART_RX));
	CHECK_EQ("and no more", 0, in(UART_LSR) & UART_LSR_DR);
}

/* Without the FIFO, the next byte destroys the one that was not read. */
static void test_overrun_450(void)
{
	set_up();
	out(UART_FCR, 0);
	serial_receive(&serial, 'a');
	serial_break(&serial);
	u8 lsr = in(UART_LSR);

	CHECK_EQ("overrun and break", UART_LSR_OE | UART_LSR_BI, lsr & (UART_LSR_OE | UART_LSR_BI));
	CHECK_EQ("no bit 7 without FIFO", 0, lsr & 0x80);
	CHECK_EQ("the break's NUL", 0, in(UART_RX));
	CHECK_EQ("nothing else", 0, in(UART_LSR) & UART_LSR_DR);
}

/* After reset, and which bits of a register can be written. DLAB is off unless @lcr says so. */
static void test_registers(void)
{
	static const struct {
		const char *name;
		unsigned int reg;
		u8 lcr, reset, mask;
	} rows[] = {
		{ "IER", UART_IER, 0, 0x00, 0x0f },
		{ "IIR", UART_IIR, 0, 0x01, 0x00 },
		{ "LCR", UART_LCR, 0, 0x00, 0x7f },
		{ "MCR", UART_MCR, 0, 0x00, 0x1f },
		{ "LSR", UART_LSR, 0, 0x60, 0x00 },
		{ "SCR", UART_SCR, 0, 0x00, 0xff },
		{ "DLL", UART_DLL, UART_LCR_DLAB, 0x0c, 0xff },
		{ "DLM", UART_DLM, UART_LCR_DLAB, 0x00, 0xff },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_vm_init(&vm, 0);
		ASSERT_EQ(serial_init(&serial, &vm, &console), 0);
		out(UART_LCR, rows[i].lcr);
		CHECK_EQ(rows[i].name, rows[i].reset, in(rows[i].reg));
		if (rows[i].reg == UART_IIR)
			continue;	/* written, it is the FIFO control */
		out(rows[i].reg, rows[i].mask ? rows[i].mask : 0xff);
		CHECK_EQ("written", rows[i].mask ? rows[i].mask : rows[i].reset, in(rows[i].reg));
		if (rows[i].reg == UART_LCR)
			continue;
		out(rows[i].reg, 0xff);
		CHECK_EQ("all ones", rows[i].mask ? rows[i].mask : rows[i].reset, in(rows[i].reg));
	}
}

/* All causes at once come one by one, the highest first, each until what ends it. */
static void test_priorities(void)
{
	static const struct {
		const char *name;
		u8 cause;
		unsigned int read;	/* the register that ends it */
	} rows[] = {
		{ "line status", UART_IIR_RLSI, UART_LSR },
		{ "received data", UART_IIR_RDI, UART_RX },
		{ "transmitter empty", UART_IIR_THRI, UART_IIR },
		{ "modem status", UART_IIR_MSI, UART_MSR },
	};

	set_up();
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	out(UART_MCR, UART_MCR_OUT2);		/* CTS, DSR and DCD have changed */
	out(UART_IER, UART_IER_RDI | UART_IER_RLSI | UART_IER_THRI | UART_IER_MSI);
	serial_break(&serial);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		CHECK_EQ("line", 1, line());
		if (rows[i].read != UART_IIR)
			CHECK_EQ(rows[i].name, rows[i].cause, in(UART_IIR) & 0x0f);
		else
			CHECK_EQ(rows[i].name, rows[i].cause, in(rows[i].read) & 0x0f);
		if (rows[i].read != UART_IIR)
			in(rows[i].read);
	}
	CHECK_EQ("none left", UART_IIR_NO_INT, in(UART_IIR) & 0x0f);
	CHECK_EQ("line down", 0, line());
}

/* "Modem Status Register": inputs in loopback, and what a change of one sets. */
static void test_modem_rows(void)
{
	static const struct {
		const char *name;
		u8 from, to, want;	/* modem control before and after; modem status */
	} rows[] = {
		{ "RTS on", 0, UART_MCR_RTS, UART_MSR_CTS | UART_MSR_DCTS },
		{ "RTS off", UART_MCR_RTS, 0, UART_MSR_DCTS },
		{ "DTR on", 0, UART_MCR_DTR, UART_MSR_DSR | UART_MSR_DDSR },
		{ "OUT2 on", 0, UART_MCR_OUT2, UART_MSR_DCD | UART_MSR_DDCD },
		{ "OUT1 on: no trailing edge", 0, UART_MCR_OUT1, UART_MSR_RI },
		{ "OUT1 off: a trailing edge", UART_MCR_OUT1, 0, UART_MSR_TERI },
		{ "nothing", UART_MCR_RTS, UART_MCR_RTS, UART_MSR_CTS },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up();
		out(UART_MCR, UART_MCR_LOOP | rows[i].from);
		in(UART_MSR);
		out(UART_MCR, UART_MCR_LOOP | rows[i].to);
		CHECK_EQ(rows[i].name, rows[i].want, in(UART_MSR));
		CHECK_EQ("read again", rows[i].want & 0xf0, in(UART_MSR));
	}
}

static const struct test_case cases[] = {
	{ "masked_input", test_masked_input },
	{ "transmit", test_transmit },
	{ "break_order", test_break_order },
	{ "modem_delta", test_modem_delta },
	{ "overrun", test_overrun },
	{ "overrun_450", test_overrun_450 },
	{ "registers", test_registers },
	{ "priorities", test_priorities },
	{ "modem_rows", test_modem_rows },
};

TEST_MAIN(cases)
