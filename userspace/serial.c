// SPDX-License-Identifier: GPL-2.0-only
/*
 * A 16550A: register names and behaviour as in the PC16550D data sheet.
 *
 * The transmitter is infinitely fast: a byte written is gone, the holding
 * register is always empty, and each write makes a new transmitter-empty
 * interrupt. The receiver has the real 16-byte FIFO, whose bytes carry their
 * errors with them. The interrupt line is a function of the state, recomputed
 * by update_line() after each change.
 */
#include <errno.h>
#include <linux/serial_reg.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "console.h"
#include "serial.h"
#include "vm.h"

#define SERIAL_BASE	0x3f8
#define SERIAL_GSI	4
#define LSR_ANY_ERROR	0x80	/* somewhere in the FIFO; "Line Status Register", bit 7 */
#define MSR_INPUTS	(UART_MSR_DCD | UART_MSR_RI | UART_MSR_DSR | UART_MSR_CTS)

static const unsigned int trigger_levels[4] = { 1, 4, 8, 14 };

static bool is_fifo_on(const struct serial *serial)
{
	return serial->fcr & UART_FCR_ENABLE_FIFO;
}

static unsigned int capacity(const struct serial *serial)
{
	return is_fifo_on(serial) ? SERIAL_FIFO : 1;
}

/* What the line status register says of errors: of the byte at the top, and of overruns. */
static uint8_t line_errors(const struct serial *serial)
{
	return serial->overrun | (serial->used ? serial->errors[serial->head] : 0);
}

/* The interrupt identification register: the highest pending cause. */
static uint8_t identify(const struct serial *serial)
{
	uint8_t fifo_bits = is_fifo_on(serial) ? 0xc0 : 0;

	if (serial->ier & UART_IER_RLSI && line_errors(serial))
		return fifo_bits | UART_IIR_RLSI;
	if (serial->ier & UART_IER_RDI && serial->used) {
		if (is_fifo_on(serial) && serial->used < trigger_levels[serial->fcr >> 6])
			return fifo_bits | UART_IIR_RX_TIMEOUT;
		return fifo_bits | UART_IIR_RDI;
	}
	if (serial->ier & UART_IER_THRI && serial->is_thre_pending)
		return fifo_bits | UART_IIR_THRI;
	if (serial->ier & UART_IER_MSI && serial->modem_deltas)
		return fifo_bits | UART_IIR_MSI;
	return fifo_bits | UART_IIR_NO_INT;
}

static void update_line(struct serial *serial)
{
	bool is_wired = serial->mcr & UART_MCR_OUT2 && !(serial->mcr & UART_MCR_LOOP);
	bool is_high = is_wired && !(identify(serial) & UART_IIR_NO_INT);

	if (is_high != serial->is_line_high) {
		serial->is_line_high = is_high;
		vm_set_line(serial->vm, SERIAL_GSI, IRQ_SOURCE_BOARD, is_high);
	}
}

/* The sender may go on. */
static void tell_room(struct serial *serial)
{
	uint64_t one = 1;

	if (!serial->is_sender_waiting)
		return;
	serial->is_sender_waiting = false;
	/* Never blocks: the counter cannot come near its limit. */
	while (write(serial->room_event, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* A byte with its errors. One too many is lost in the FIFO; without, it takes the other's place. */
static void push(struct serial *serial, uint8_t byte, uint8_t errors)
{
	if (serial->used >= capacity(serial)) {
		serial->overrun = UART_LSR_OE;
		if (is_fifo_on(serial))
			return;
		serial->used--;
	}
	unsigned int at = (serial->head + serial->used++) % SERIAL_FIFO;

	serial->fifo[at] = byte;
	serial->errors[at] = errors;
}

static uint8_t pop(struct serial *serial)
{
	if (!serial->used)
		return 0;
	uint8_t byte = serial->fifo[serial->head];

	serial->head = (serial->head + 1) % SERIAL_FIFO;
	if (!--serial->used || !is_fifo_on(serial))
		tell_room(serial);
	return byte;
}

/* The modem's lines: a terminal that is there, or in loopback the port's own outputs. */
static uint8_t modem_inputs(const struct serial *serial)
{
	if (!(serial->mcr & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	return (serial->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
	       (serial->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
	       (serial->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
	       (serial->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0);
}

/* A change of an input is kept until it is read; of the ring indicator, only its end. */
static void write_modem_control(struct serial *serial, uint8_t value)
{
	uint8_t before = modem_inputs(serial);

	serial->mcr = value & 0x1f;

	uint8_t after = modem_inputs(serial);
	uint8_t changes = (before ^ after) & (uint8_t)~UART_MSR_RI;

	if (before & ~after & UART_MSR_RI)
		changes |= UART_MSR_RI;
	serial->modem_deltas |= changes >> 4;
	if (!(serial->mcr & UART_MCR_LOOP))
		tell_room(serial);
}

static uint8_t read_modem_status(struct serial *serial)
{
	uint8_t status = modem_inputs(serial) | serial->modem_deltas;

	serial->modem_deltas = 0;
	return status;
}

static uint8_t read_line_status(struct serial *serial)
{
	uint8_t status = UART_LSR_THRE | UART_LSR_TEMT | line_errors(serial);

	for (unsigned int i = 0; is_fifo_on(serial) && i < serial->used; i++)
		if (serial->errors[(serial->head + i) % SERIAL_FIFO])
			status |= LSR_ANY_ERROR;
	/* Reading clears what was told, not what is further down. */
	serial->overrun = 0;
	if (serial->used)
		serial->errors[serial->head] = 0;
	return status | (serial->used ? UART_LSR_DR : 0);
}

static uint8_t read_identification(struct serial *serial)
{
	uint8_t iir = identify(serial);

	if ((iir & UART_IIR_ID) == UART_IIR_THRI)
		serial->is_thre_pending = false;
	return iir;
}

static uint8_t read_register(struct serial *serial, unsigned int reg)
{
	bool is_divisor = serial->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_RX:
		return is_divisor ? serial->divisor[0] : pop(serial);
	case UART_IER:
		return is_divisor ? serial->divisor[1] : serial->ier;
	case UART_IIR:
		return read_identification(serial);
	case UART_LCR:
		return serial->lcr;
	case UART_MCR:
		return serial->mcr;
	case UART_LSR:
		return read_line_status(serial);
	case UART_MSR:
		return read_modem_status(serial);
	default:
		return serial->scr;
	}
}

static void write_fifo_control(struct serial *serial, uint8_t value)
{
	bool was_on = is_fifo_on(serial);

	serial->fcr = value & UART_FCR_ENABLE_FIFO ? value & 0xc9 : 0;
	/* A patient sender's bytes arrive, so to say, just after this. */
	if (serial->is_patient)
		return;
	if (value & UART_FCR_CLEAR_RCVR || was_on != is_fifo_on(serial)) {
		serial->used = 0;
		tell_room(serial);
	}
}

static void write_interrupt_enable(struct serial *serial, uint8_t value)
{
	/* Turning the transmitter interrupt on raises it: the register is empty. */
	if (value & ~serial->ier & UART_IER_THRI)
		serial->is_thre_pending = true;
	serial->ier = value & 0x0f;
	if (serial->ier & UART_IER_RDI)
		tell_room(serial);
}

/* Return: true if @value must go out on the wire. */
static bool write_register(struct serial *serial, unsigned int reg, uint8_t value)
{
	bool is_divisor = serial->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (is_divisor) {
			serial->divisor[0] = value;
			return false;
		}
		serial->is_thre_pending = true;
		if (serial->mcr & UART_MCR_LOOP)
			push(serial, value, 0);
		return !(serial->mcr & UART_MCR_LOOP);
	case UART_IER:
		if (is_divisor)
			serial->divisor[1] = value;
		else
			write_interrupt_enable(serial, value);
		return false;
	case UART_FCR:
		write_fifo_control(serial, value);
		return false;
	case UART_LCR:
		serial->lcr = value;
		return false;
	case UART_MCR:
		write_modem_control(serial, value);
		return false;
	case UART_SCR:
		serial->scr = value;
		return false;
	default:
		return false;	/* line and modem status are read-only */
	}
}

static uint64_t serial_read(void *owner, uint64_t offset, unsigned int len)
{
	struct serial *serial = owner;
	uint64_t value = 0;

	pthread_mutex_lock(&serial->lock);
	for (unsigned int i = 0; i < len; i++) {
		uint8_t byte = 0xff;

		if (offset + i < 8)
			byte = read_register(serial, (unsigned int)offset + i);
		value |= (uint64_t)byte << (8 * i);
	}
	update_line(serial);
	pthread_mutex_unlock(&serial->lock);
	return value;
}

static void serial_write(void *owner, uint64_t offset, unsigned int len, uint64_t value)
{
	struct serial *serial = owner;

	for (unsigned int i = 0; i < len && offset + i < 8; i++) {
		uint8_t byte = (uint8_t)(value >> (8 * i));

		pthread_mutex_lock(&serial->lock);
		bool is_sent = write_register(serial, (unsigned int)offset + i, byte);

		update_line(serial);
		pthread_mutex_unlock(&serial->lock);
		/* Outside the lock: the terminal may make this wait. */
		if (is_sent)
			console_put(serial->console, byte);
	}
}

static bool can_receive(const struct serial *serial)
{
	if (serial->mcr & UART_MCR_LOOP)
		return false;
	if (serial->is_patient && !(serial->ier & UART_IER_RDI))
		return false;
	return serial->used < capacity(serial);
}

bool serial_receive(struct serial *serial, uint8_t byte)
{
	pthread_mutex_lock(&serial->lock);
	bool is_taken = can_receive(serial);

	if (is_taken)
		push(serial, byte, 0);
	serial->is_sender_waiting |= !is_taken;
	update_line(serial);
	pthread_mutex_unlock(&serial->lock);
	return is_taken;
}

/* "When break occurs only one zero character is loaded into the FIFO." */
void serial_break(struct serial *serial)
{
	pthread_mutex_lock(&serial->lock);
	push(serial, 0, UART_LSR_BI);
	update_line(serial);
	pthread_mutex_unlock(&serial->lock);
}

void serial_set_patient(struct serial *serial, bool is_patient)
{
	pthread_mutex_lock(&serial->lock);
	serial->is_patient = is_patient;
	pthread_mutex_unlock(&serial->lock);
}

void serial_reset(struct serial *serial)
{
	pthread_mutex_lock(&serial->lock);
	serial->ier = 0;
	serial->fcr = 0;
	serial->lcr = 0;
	serial->mcr = 0;
	serial->overrun = 0;
	serial->modem_deltas = 0;
	serial->is_thre_pending = false;
	serial->used = 0;
	update_line(serial);
	tell_room(serial);
	pthread_mutex_unlock(&serial->lock);
}

void serial_go_on(struct serial *serial)
{
	tell_room(serial);
}

static const struct bus_ops serial_ops = { serial_read, serial_write };

int serial_renew(struct serial *serial)
{
	pthread_mutex_init(&serial->lock, NULL);
	close(serial->room_event);
	serial->is_sender_waiting = false;
	serial->room_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return serial->room_event < 0 ? -errno : 0;
}

int serial_init(struct serial *serial, struct vm *vm, struct console *console)
{
	*serial = (struct serial){ .vm = vm, .console = console, .divisor = { 12, 0 } };
	pthread_mutex_init(&serial->lock, NULL);
	serial->room_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (serial->room_event < 0)
		return -errno;
	return bus_add(&vm->ports, SERIAL_BASE, 8, &serial_ops, serial);
}
