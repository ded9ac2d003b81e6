// SPDX-License-Identifier: GPL-2.0-only
/*
 * A reset in place: who asks for it, that each device is then what it was at power-on, its interrupt line low, and
 * that whoever keeps it from being done keeps neither the guest going nor the launcher from its end.
 */
#include <linux/pci_regs.h>
#include <linux/serial_reg.h>
#include <linux/virtio_config.h>
#include <sys/eventfd.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/console.h"
#include "userspace/machine.h"
#include "userspace/pci.h"
#include "userspace/power.h"
#include "userspace/reset.h"
#include "userspace/restarts.h"
#include "userspace/rtc.h"
#include "userspace/serial.h"
#include "userspace/state_chips.h"
#include "userspace/state_format.h"
#include "userspace/state_vcpu.h"
#include "userspace/virtio.h"
#include "userspace/virtio_rng.h"

#define SERIAL	0x3f8
#define BAR	0xc8000000u

static struct vm vm;

/* How far the clock is ahead of the host's. */
static time_t ahead;

int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
	int ret = __real_clock_gettime(clock, time);

	time->tv_sec += clock == CLOCK_MONOTONIC ? ahead : 0;
	return ret;
}

static char told[1024];

void __real_status_warn(const char *format, ...);
void __wrap_status_warn(const char *format, ...);

void __wrap_status_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(told, sizeof(told), format, args);
	va_end(args);
	__real_status_warn("%s", told);
}

/* What a reset has the kernel do, and whether it lets vCPUs go. */
static unsigned int chips_given, vcpus_reset, releases;

bool state_refuse(struct state_error *error, const char *format, ...)
{
	(void)format;
	strcpy(error->text, "refused");
	return false;
}

bool state_chips_take(const struct vm *from, struct state_chips *chips, struct state_error *error)
{
	(void)from;
	(void)chips;
	(void)error;
	return true;
}

bool state_chips_give(const struct vm *to, const struct state_chips *chips, struct state_error *error)
{
	(void)to;
	(void)chips;
	(void)error;
	chips_given++;
	return true;
}

bool state_vcpu_take(struct vcpu *vcpu, struct state_vcpu *state, struct state_error *error)
{
	(void)vcpu;
	(void)state;
	(void)error;
	return true;
}

bool state_vcpu_reset(struct vcpu *vcpu, const struct state_vcpu *state, struct state_error *error)
{
	(void)vcpu;
	(void)state;
	(void)error;
	vcpus_reset++;
	return true;
}

void firmware_shadow(const struct firmware *firmware, const struct memory *memory)
{
	(void)firmware;
	(void)memory;
}

void __real_vm_release(struct vm *held, unsigned int why);
void __wrap_vm_release(struct vm *held, unsigned int why);

void __wrap_vm_release(struct vm *held, unsigned int why)
{
	releases += why == VM_HOLD_RESET;
	__real_vm_release(held, why);
}

static void out(u16 port, unsigned int len, u32 value) { bus_write(&vm.ports, port, len, value); }
static void out_of(struct vm *of, u16 port, u8 value) { bus_write(&of->ports, port, 1, value); }
static u32 in(u16 port, unsigned int len) { return (u32)bus_read(&vm.ports, port, len); }

static void set_up(void)
{
	fake_vm_init(&vm, 1 << 20);
	vm.reset_event = eventfd(0, EFD_NONBLOCK);
	ASSERT_GE(vm.reset_event, 0);
}

static u64 asked(void)
{
	u64 count = 0;

	return read(vm.reset_event, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void test_ask(void)
{
	static const struct {
		const char *name;
		u16 port;
		u32 value;
	} rows[] = {
		{ "reset control register", POWER_RESET_PORT, POWER_RESET_VALUE },
		{ "keyboard controller", 0x64, 0xfe },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		static struct power power;

		set_up();
		ASSERT_EQ(power_init(&power, &vm), 0);
		vm.reboots = true;
		out(rows[i].port, 1, 0);
		CHECK_EQ("no reset", 0, asked());
		out(rows[i].port, 1, rows[i].value);
		CHECK_EQ(rows[i].name, 1, asked());
		CHECK_EQ("goes on", 0, vm_is_stopping(&vm));
		CHECK_EQ("and waits", VM_HOLD_RESET, atomic_load(&vm.holds));
		vm.reboots = false;
		out(rows[i].port, 1, rows[i].value);
		CHECK_EQ("ends", 1, vm_is_stopping(&vm));
		CHECK_EQ("as a reset", STATUS_RESET, vm.status);
		CHECK_EQ("nobody is asked", 0, asked());
	}
}

static void test_power(void)
{
	static struct power power;

	set_up();
	ASSERT_EQ(power_init(&power, &vm), 0);
	out(POWER_EVENT_PORT + 2, 2, 1 << 8);
	out(POWER_CONTROL_PORT, 2, 1 << 10);
	power_press_button(&power);
	ASSERT_EQ(fake_line(&vm, POWER_SCI_GSI), 1);
	power_reset(&power);
	CHECK_EQ("interrupt", 0, fake_line(&vm, POWER_SCI_GSI));
	CHECK_EQ("status and enable", 0, in(POWER_EVENT_PORT, 4));
	CHECK_EQ("control", 1, in(POWER_CONTROL_PORT, 2));
	CHECK_EQ("nobody listens", 0, power_press_button(&power));
}

static void cmos_set(u8 at, u8 value)
{
	out(0x70, 1, at);
	out(0x71, 1, value);
}

static u8 cmos(u8 at)
{
	out(0x70, 1, at);
	return (u8)in(0x71, 1);
}

/* The clock sets its periodic flag a thousand times a second, wanted or not. */
static u64 stand_still(void) { return 1000000000000000000ULL; }

static void test_rtc(void)
{
	static struct rtc rtc;

	set_up();
	ASSERT_EQ(rtc_init(&rtc, &vm), 0);
	rtc.now = stand_still;
	rtc.ticked = stand_still();
	cmos_set(0x0f, 0x0a);
	cmos_set(0x0b, 0x7e);
	rtc.bytes[0x0c] = 0xf0;
	rtc.offset = 12345;
	vm_set_line(&vm, RTC_GSI, IRQ_SOURCE_BOARD, true);
	rtc_reset(&rtc);
	CHECK_EQ("interrupt", 0, fake_line(&vm, RTC_GSI));
	CHECK_EQ("formats stay, interrupts do not", 0x06, cmos(0x0b));
	CHECK_EQ("nothing pending", 0, cmos(0x0c));
	CHECK_EQ("memory stays", 0x0a, cmos(0x0f));
	CHECK_EQ("time stays", 12345, rtc.offset);
}

static void test_serial(void)
{
	static struct serial serial;
	u64 count;

	set_up();
	ASSERT_EQ(serial_init(&serial, &vm, NULL), 0);
	out(SERIAL + UART_FCR, 1, UART_FCR_ENABLE_FIFO);
	out(SERIAL + UART_IER, 1, UART_IER_RDI | UART_IER_THRI);
	out(SERIAL + UART_MCR, 1, UART_MCR_OUT2 | UART_MCR_DTR);
	out(SERIAL + UART_SCR, 1, 0x5a);
	while (serial_receive(&serial, 'x'))
		;
	ASSERT_EQ(fake_line(&vm, 4), 1);
	out(SERIAL + UART_LCR, 1, UART_LCR_DLAB | 3);
	serial_reset(&serial);
	CHECK_EQ("interrupt", 0, fake_line(&vm, 4));
	CHECK_EQ("the sender may go on", (ssize_t)sizeof(count), read(serial.room_event, &count, sizeof(count)));
	CHECK_EQ("line control", 0, in(SERIAL + UART_LCR, 1));
	CHECK_EQ("interrupt enable", 0, in(SERIAL + UART_IER, 1));
	CHECK_EQ("modem control", 0, in(SERIAL + UART_MCR, 1));
	CHECK_EQ("no FIFO, nothing pending", UART_IIR_NO_INT, in(SERIAL + UART_IIR, 1));
	CHECK_EQ("empty", UART_LSR_TEMT | UART_LSR_THRE, in(SERIAL + UART_LSR, 1));
	CHECK_EQ("scratch register stays", 0x5a, in(SERIAL + UART_SCR, 1));
	close(serial.room_event);
}

static void config_set(struct pci_device *device, unsigned int offset, unsigned int len, u32 value)
{
	out(PCI_CONFIG_ADDRESS, 4, 0x80000000 | device->slot << 11 | (offset & 0xfc));
	out((u16)(PCI_CONFIG_DATA + offset % 4), len, value);
}

/* A driver has set up a device somewhere else, with messages and all. */
static void test_virtio(void)
{
	static struct virtio_device device;
	static struct pci pci;
	u8 before[PCI_CONFIG_SIZE];

	set_up();
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	virtio_rng_init(&device);
	ASSERT_EQ(virtio_add(&device, &vm, &pci), 0);
	memcpy(before, device.pci.config, sizeof(before));
	config_set(&device.pci, PCI_BASE_ADDRESS_0, 4, BAR);
	config_set(&device.pci, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_MASTER);
	config_set(&device.pci, device.msix.capability + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	ASSERT(device.msix.is_enabled, "messages are on");
	device.msix.entries[0] = (struct msix_entry){ .address = 0xfee00000, .data = 0x41 };
	bus_write(&vm.mmio, BAR + 20, 1, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	CHECK_EQ("the driver is there", VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER, bus_read(&vm.mmio, BAR + 20, 1));
	ASSERT(virtio_reset(&device), "nobody else has it");
	ASSERT(pci_restore(&pci, &device.pci, before), "the same device");
	CHECK_EQ("it answers nowhere", 0xff, bus_read(&vm.mmio, BAR + 20, 1));
	CHECK_EQ("its configuration", 0, memcmp(before, device.pci.config, sizeof(before)));
	CHECK_EQ("no driver", 0, device.status);
	CHECK_EQ("no messages", 0, device.msix.is_enabled);
	CHECK_EQ("masked", 1, device.msix.entries[0].control);
	CHECK_EQ("no address", 0, device.msix.entries[0].address);
	CHECK_EQ("doorbells are gone", 0, fake_record.doorbells);
}

static struct machine machine;

/* A machine with one device, @cpus vCPUs that nobody runs, and somebody who wants it reset. */
static void set_up_machine(unsigned int cpus)
{
	struct vm *of = &machine.vm;

	memset(&machine, 0, sizeof(machine));
	fake_vm_init(of, 1 << 20);
	of->reset_event = eventfd(0, EFD_NONBLOCK);
	ASSERT_GE(of->reset_event, 0);
	ASSERT_EQ(serial_init(&machine.serial, of, &machine.console), 0);
	ASSERT_EQ(power_init(&machine.power, of), 0);
	ASSERT_EQ(rtc_init(&machine.rtc, of), 0);
	ASSERT_EQ(pci_init(&machine.pci, of), 0);
	ASSERT_EQ(fw_cfg_init(&machine.firmware.config, of), 0);
	virtio_rng_init(&machine.rng);
	ASSERT_EQ(virtio_add(&machine.rng, of, &machine.pci), 0);
	ASSERT_EQ(watchdog_add(&machine.watchdog, of, &machine.pci), 0);
	machine.vcpu_count = cpus;
	ASSERT_EQ(reset_prepare(&machine), 0);
	machine.rng.status = VIRTIO_CONFIG_S_DRIVER;
	chips_given = 0;
	vcpus_reset = 0;
	releases = 0;
	vm_ask_reset(of, STATUS_RESET, "a test");
}

static void tear_down_machine(void)
{
	reset_free(&machine);
	fw_cfg_free(&machine.firmware.config);
	watchdog_close(&machine.watchdog);
	close(machine.serial.room_event);
	close(machine.vm.reset_event);
}

static u64 is_asked(void)
{
	u64 count = 0;

	return read(machine.vm.reset_event, &count, sizeof(count)) == sizeof(count);
}

static void check_done(const char *name)
{
	printf("# %s:\n", name);
	CHECK_EQ("the device is reset", 0, machine.rng.status);
	CHECK_EQ("so are the controllers", 1, chips_given);
	CHECK_EQ("and the vCPUs", machine.vcpu_count, vcpus_reset);
	CHECK_EQ("which go", 0, atomic_load(&machine.vm.holds));
	CHECK_EQ("nobody waits for it", 0, is_asked());
}

/* Its thread has the lock for as long as a request takes, of a disk that does not answer for ever. */
static void test_busy_device(void)
{
	set_up_machine(0);
	pthread_mutex_lock(&machine.rng.lock);
	reset_serve(&machine);
	CHECK_EQ("not yet", 0, chips_given);
	CHECK_EQ("which one is told", 0, strcmp(told, "the reset waits for a request of the entropy device, which the host has not done yet"));
	told[0] = 0;
	reset_serve(&machine);
	CHECK_EQ("once", 0, strcmp(told, ""));
	CHECK_EQ("no vCPU goes", 0, releases);
	CHECK_EQ("they are held", VM_HOLD_RESET, atomic_load(&machine.vm.holds));
	pthread_mutex_unlock(&machine.rng.lock);
	reset_serve(&machine);
	check_done("once it is through");
	tear_down_machine();
}

/* A vCPU does not come out: the one that asked must not go on in between. */
static void test_busy_vcpu(void)
{
	set_up_machine(1);
	reset_serve(&machine);
	CHECK_EQ("not yet", 0, chips_given);
	CHECK_EQ("no vCPU goes, however shortly", 0, releases);
	CHECK_EQ("they are held", VM_HOLD_RESET, atomic_load(&machine.vm.holds));
	machine.vm.waiting = 1;
	reset_serve(&machine);
	check_done("once it is out");
	tear_down_machine();
}

/* A watchdog that is locked and runs would end the run while the next kernel boots. */
static void test_watchdog(void)
{
	struct pci_device *device = &machine.watchdog.pci;

	set_up_machine(0);
	device->config[0x68] = 3;
	device->ops->config_written(device, 0x68, 1);
	ASSERT(machine.watchdog.is_running && !device->writable[0x68], "it runs, and is locked");
	reset_serve(&machine);
	check_done("with a watchdog");
	CHECK_EQ("it stands", 0, machine.watchdog.is_running);
	CHECK_EQ("its timer too", 0, machine.watchdog.slice_ms);
	CHECK_EQ("its settings", 0, device->config[0x68]);
	CHECK_EQ("can be written", 7, device->writable[0x68]);
	tear_down_machine();
}

/* Whoever sent SIGTERM wants an end: a guest that answers its button by a reset gets none. */
static void test_button(void)
{
	set_up_machine(0);
	machine.is_button_pressed = true;
	reset_serve(&machine);
	CHECK_EQ("the end", 1, vm_is_stopping(&machine.vm));
	CHECK_EQ("by a reset", STATUS_RESET, machine.vm.status);
	CHECK_EQ("nothing is started again", 0, chips_given);
	tear_down_machine();
}

/* What standard error gets, from here to hear(). */
static int ear = -1, mouth = -1;

static void listen_to(void)
{
	int fds[2];

	ASSERT_EQ(pipe2(fds, O_NONBLOCK), 0);
	mouth = dup(STDERR_FILENO);
	ASSERT_GE(dup2(fds[1], STDERR_FILENO), 0);
	close(fds[1]);
	ear = fds[0];
}

/* Return: how many lines. @text: gets them. */
static u32 hear(char *text, size_t size)
{
	ssize_t got = read(ear, text, size - 1);
	u32 lines = 0;

	text[got > 0 ? got : 0] = 0;
	dup2(mouth, STDERR_FILENO);
	close(mouth);
	close(ear);
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	return lines;
}

/* A guest that is reset again and again. */
static void test_loop(void)
{
	static const struct {
		const char *name;
		enum status status;
		enum { SILENT, SERIAL_PORT, VIRTIO } prints;
		time_t lives_s;
		u32 wanted;		/* starts before the machine ends; 0: it does not */
		u32 lines;		/* told of 30 resets, or until it ends */
	} rows[] = {
		{ "a triple fault at once", STATUS_CRASH, SILENT, 0, RESTARTS_FUTILE_MAX, 1 },
		{ "its own wish, at once", STATUS_RESET, SILENT, 0, RESTARTS_FUTILE_MAX, 0 },
		{ "after it has printed", STATUS_CRASH, SERIAL_PORT, 0, 0, 1 },
		{ "by a virtio console", STATUS_CRASH, VIRTIO, 0, 0, 1 },
		{ "when it has run for a second", STATUS_RESET, SILENT, 1, 0, 0 },
		{ "a crash every four seconds", STATUS_CRASH, SILENT, 4, 0, 10 },
		{ "its watchdog", STATUS_WATCHDOG, SILENT, 2, 0, 6 },
		{ "a client that likes it", STATUS_QUIT, SILENT, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_reset before;
		char text[8192];
		u32 starts = 0, lines;

		set_up_machine(0);
		ahead = 0;
		out_of(&machine.vm, SERIAL + UART_MCR, 0);
		listen_to();
		vm_take_reset(&machine.vm, &before);
		do {
			if (rows[i].prints == VIRTIO)
				console_offer(&machine.console, (const u8 *)"x", 1);
			else if (rows[i].prints)
				out_of(&machine.vm, SERIAL + UART_TX, 'x');
			ahead += rows[i].lives_s;
			vm_ask_reset(&machine.vm, rows[i].status, "the cause of it");
			reset_serve(&machine);
			starts++;
		} while (!vm_is_stopping(&machine.vm) && starts < 30);
		lines = hear(text, sizeof(text));
		printf("# %s: '%s'\n", rows[i].name, machine.vm.reason);
		CHECK_EQ("starts", rows[i].wanted ? rows[i].wanted : 30, starts);
		CHECK_EQ("status", rows[i].wanted ? STATUS_LOOP : 0, machine.vm.status);
		CHECK_EQ("the cause is in it", !rows[i].wanted, !strstr(machine.vm.reason, "the cause of it"));
		CHECK_EQ("lines", rows[i].lines, lines);
		CHECK_EQ("each with the cause", 1, !lines || strstr(text, "warning: the cause of it; it is started again"));
		CHECK_EQ("nobody is held", 0, atomic_load(&machine.vm.holds));
		tear_down_machine();
	}
	ahead = 0;
}

/* Of several who ask, the first has the word; and what nobody asks for is not done. */
static void test_who_asked(void)
{
	struct vm_reset reset;

	set_up_machine(0);
	vm_ask_reset(&machine.vm, STATUS_CRASH, "another");
	CHECK_EQ("asked", 1, vm_take_reset(&machine.vm, &reset));
	CHECK_EQ("by whom", STATUS_RESET, reset.status);
	CHECK_EQ("why", 0, strcmp(reset.reason, "a test"));
	CHECK_EQ("once", 0, vm_take_reset(&machine.vm, &reset));
	CHECK_EQ("nothing to be read", 0, is_asked());
	reset_serve(&machine);
	CHECK_EQ("nothing is reset", 0, chips_given);
	CHECK_EQ("nobody is held", 0, atomic_load(&machine.vm.holds));
	tear_down_machine();
}

static const struct test_case cases[] = {
	{ "ask", test_ask },
	{ "power", test_power },
	{ "rtc", test_rtc },
	{ "serial", test_serial },
	{ "virtio", test_virtio },
	{ "busy device", test_busy_device },
	{ "busy vCPU", test_busy_vcpu },
	{ "watchdog", test_watchdog },
	{ "after SIGTERM", test_button },
	{ "loop", test_loop },
	{ "who asked", test_who_asked },
};

TEST_MAIN(cases)
