// SPDX-License-Identifier: GPL-2.0-only
/* The serial port: registers, FIFO, interrupt causes in order, loopback, noise. */
#include <linux/serial_reg.h>
#include <pthread.h>
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

static void *sender(void *argument)
{
	for (u8 i = 0; i < 100; i++)
		serial_receive(&serial, i);
	return argument;
}

/* A sender faster than the guest waits; no byte is lost. */
static void test_backpressure(void)
{
	pthread_t thread;

	set_up();
	serial_set_patient(&serial, true);
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	ASSERT_EQ(pthread_create(&thread, NULL, sender, NULL), 0);
	usleep(20000);
	CHECK_EQ("held back", 0, in(UART_LSR) & UART_LSR_DR);
	out(UART_IER, UART_IER_RDI);
	while (!(in(UART_LSR) & UART_LSR_DR))
		usleep(100);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	for (u8 i = 0; i < 100; i++) {
		while (!(in(UART_LSR) & UART_LSR_DR))
			usleep(100);
		ASSERT_EQ(in(UART_RX), i);
	}
	ASSERT_EQ(pthread_join(thread, NULL), 0);
}

/* A sender that waits is let go when the run ends. */
static void test_stop(void)
{
	pthread_t thread;

	set_up();
	serial_set_patient(&serial, true);
	ASSERT_EQ(pthread_create(&thread, NULL, sender, NULL), 0);
	usleep(20000);
	vm_stop(&vm, STATUS_ESCAPE, "end");
	ASSERT_EQ(pthread_join(thread, NULL), 0);
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
	CHECK_EQ("modem lines", UART_MSR_CTS | UART_MSR_DCD, in(UART_MSR));
	out(UART_TX, 0xa5);
	CHECK_EQ("not on the wire", 0, sent_count);
	CHECK_EQ("received", 0xa5, in(UART_RX));
	out(UART_MCR, 0);
	CHECK_EQ("a terminal is there", UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS, in(UART_MSR));
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
	{ "stop", test_stop },
	{ "break", test_break },
	{ "loopback", test_loopback },
	{ "noise", test_noise },
};

TEST_MAIN(cases)
