// SPDX-License-Identifier: GPL-2.0-only
/* The serial port: registers, FIFO, interrupt causes in order, loopback, noise. */
#include <linux/serial_reg.h>
#include <unistd.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/console.h"
#include "userspace/serial.h"

#define PORT	0x3f8
#define GSI	4

static struct vm vm;
static struct serial serial;
static struct console console;
static u8 sent[64];
static unsigned int sent_count;

/* The terminal: what the port sends ends here. */
void console_put(struct console *to, uint8_t byte)
{
	ASSERT(to == &console, "the port's own console");
	sent[sent_count++ % sizeof(sent)] = byte;
}

static void set_up(void)
{
	fake_vm_init(&vm, 0);
	sent_count = 0;
	ASSERT_EQ(serial_init(&serial, &vm, &console), 0);
}

static u8 in(unsigned int reg) { return (u8)bus_read(&vm.ports, PORT + reg, 1); }
static void out(unsigned int reg, u8 value) { bus_write(&vm.ports, PORT + reg, 1, value); }

static void test_probe(void)
{
	set_up();
	CHECK_EQ("no interrupt", UART_IIR_NO_INT, in(UART_IIR));
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	CHECK_EQ("a 16550A", 0xc1, in(UART_IIR));
	out(UART_FCR, 0);
	CHECK_EQ("FIFO off", 0x01, in(UART_IIR));
	out(UART_SCR, 0x5a);
	CHECK_EQ("scratch", 0x5a, in(UART_SCR));
	out(UART_IER, 0xff);
	CHECK_EQ("enable bits", 0x0f, in(UART_IER));
	out(UART_LCR, UART_LCR_DLAB | 3);
	out(UART_DLL, 0x34);
	out(UART_DLM, 0x12);
	CHECK_EQ("divisor low", 0x34, in(UART_DLL));
	CHECK_EQ("divisor high", 0x12, in(UART_DLM));
	out(UART_LCR, 3);
	CHECK_EQ("enable bits kept", 0x0f, in(UART_IER));
	CHECK_EQ("nothing sent", 0, sent_count);
}

static void test_send(void)
{
	set_up();
	CHECK_EQ("empty", UART_LSR_THRE | UART_LSR_TEMT, in(UART_LSR));
	out(UART_TX, 'k');
	bus_write(&vm.ports, PORT, 1, 'e');
	CHECK_EQ("sent", 2, sent_count);
	CHECK_EQ("in order", 'k' << 8 | 'e', sent[0] << 8 | sent[1]);
	CHECK_EQ("empty at once", UART_LSR_THRE | UART_LSR_TEMT, in(UART_LSR));
}

static void test_transmit_interrupt(void)
{
	set_up();
	out(UART_MCR, UART_MCR_OUT2);
	CHECK_EQ("quiet", 0, fake_line(&vm, GSI));
	out(UART_IER, UART_IER_THRI);
	CHECK_EQ("raised by enabling", 1, fake_line(&vm, GSI));
	CHECK_EQ("cause", UART_IIR_THRI, in(UART_IIR));
	CHECK_EQ("reading the cause ends it", 0, fake_line(&vm, GSI));
	out(UART_TX, 'x');
	CHECK_EQ("raised again", 1, fake_line(&vm, GSI));
	out(UART_IER, 0);
	CHECK_EQ("disabled", 0, fake_line(&vm, GSI));
	out(UART_IER, UART_IER_THRI);
	out(UART_MCR, 0);
	CHECK_EQ("OUT2 gates the line", 0, fake_line(&vm, GSI));
	out(UART_MCR, UART_MCR_OUT2);
	CHECK_EQ("still pending", 1, fake_line(&vm, GSI));
}

static void test_receive(void)
{
	set_up();
	out(UART_MCR, UART_MCR_OUT2);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
	out(UART_IER, UART_IER_RDI | UART_IER_THRI);
	in(UART_IIR);
	for (u8 i = 0; i < 16; i++) {
		serial_receive(&serial, i);
		CHECK_EQ("line", 1, fake_line(&vm, GSI));
		CHECK_EQ("cause", 0xc0 | (i < 7 ? UART_IIR_RX_TIMEOUT : UART_IIR_RDI), in(UART_IIR));
	}
	for (u8 i = 0; i < 16; i++) {
		CHECK_EQ("data ready", UART_LSR_DR, in(UART_LSR) & (UART_LSR_DR | UART_LSR_OE));
		CHECK_EQ("byte", i, in(UART_RX));
	}
	CHECK_EQ("empty", 0, in(UART_LSR) & UART_LSR_DR);
	CHECK_EQ("line down", 0, fake_line(&vm, GSI));
	CHECK_EQ("empty read", 0, in(UART_RX));
	serial_receive(&serial, 1);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	CHECK_EQ("cleared", 0, in(UART_LSR) & UART_LSR_DR);
}

/* What the port's event says since the last call. */
static bool has_event(void)
{
	u64 count;

	return read(serial.room_event, &count, sizeof(count)) == sizeof(count);
}

/* A sender faster than the guest is told to wait, and when to go on; no byte is lost. */
static void test_backpressure(void)
{
	u8 next = 0, wanted = 0;

	set_up();
	serial_set_patient(&serial, true);
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	CHECK_EQ("held back", 0, serial_receive(&serial, 0));
	CHECK_EQ("nothing there", 0, in(UART_LSR) & UART_LSR_DR);
	CHECK_EQ("no event yet", 0, has_event());
	out(UART_IER, UART_IER_RDI);
	CHECK_EQ("the guest listens", 1, has_event());
	while (serial_receive(&serial, next))
		next++;
	CHECK_EQ("a FIFO full", 16, next);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	while (wanted < 100) {
		while (in(UART_LSR) & UART_LSR_DR)
			ASSERT_EQ(in(UART_RX), wanted++);
		if (wanted == 100)
			break;
		ASSERT(has_event(), "empty: the sender may go on");
		while (next < 100 && serial_receive(&serial, next))
			next++;
	}
	CHECK_EQ("all there", 100, wanted);
	CHECK_EQ("nobody waits, no event", 0, has_event());
}

/* In loopback nothing comes from outside; the end of it is told to a sender. */
static void test_loopback_sender(void)
{
	set_up();
	out(UART_MCR, UART_MCR_LOOP);
	CHECK_EQ("loopback", 0, serial_receive(&serial, 1));
	out(UART_MCR, 0);
	CHECK_EQ("event", 1, has_event());
	CHECK_EQ("taken", 1, serial_receive(&serial, 1));
}

static void test_break(void)
{
	set_up();
	out(UART_MCR, UART_MCR_OUT2);
	out(UART_IER, UART_IER_RLSI | UART_IER_RDI);
	serial_break(&serial);
	CHECK_EQ("cause", UART_IIR_RLSI, in(UART_IIR));
	CHECK_EQ("status", UART_LSR_BI | UART_LSR_DR, in(UART_LSR) & 0x1f);
	CHECK_EQ("status read clears it", UART_IIR_RDI, in(UART_IIR));
	CHECK_EQ("zero byte", 0, in(UART_RX));
	CHECK_EQ("line", 0, fake_line(&vm, GSI));
	serial_receive(&serial, 1);
	serial_break(&serial);
	CHECK_EQ("overrun without FIFO", UART_LSR_OE, in(UART_LSR) & UART_LSR_OE);
}

static void test_loopback(void)
{
	set_up();
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_RTS | UART_MCR_OUT2);
	CHECK_EQ("modem lines", UART_MSR_CTS | UART_MSR_DCD, in(UART_MSR) & 0xf0);
	out(UART_TX, 0xa5);
	CHECK_EQ("not on the wire", 0, sent_count);
	CHECK_EQ("received", 0xa5, in(UART_RX));
	out(UART_MCR, 0);
	CHECK_EQ("a terminal is there", UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS,
		 in(UART_MSR) & 0xf0);
}

/* Random accesses of every width, also past the end: state stays sane. */
static void test_noise(void)
{
	u32 state = 1;

	set_up();
	for (u32 i = 0; i < 300000; i++) {
		state = state * 1664525 + 1013904223;
		unsigned int reg = state >> 28 & 7, len = 1u << (state >> 26 & 3);

		if (state & 1 << 20)
			bus_write(&vm.ports, PORT + reg, len, (u64)state << 32 | state);
		else
			bus_read(&vm.ports, PORT + reg, len);
		ASSERT_LE(serial.used, SERIAL_FIFO);
		ASSERT_LE(serial.head, SERIAL_FIFO - 1);
	}
	ASSERT(sent_count, "something was sent");
}

static const struct test_case cases[] = {
	{ "probe", test_probe },
	{ "send", test_send },
	{ "transmit_interrupt", test_transmit_interrupt },
	{ "receive", test_receive },
	{ "backpressure", test_backpressure },
	{ "loopback_sender", test_loopback_sender },
	{ "break", test_break },
	{ "loopback", test_loopback },
	{ "noise", test_noise },
};

TEST_MAIN(cases)
