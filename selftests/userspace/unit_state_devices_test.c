// SPDX-License-Identifier: GPL-2.0-only
/* The launcher's devices go on in another machine where they stood, as the guest sees them. */
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <unistd.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/console.h"
#include "userspace/state_devices.h"
#include "userspace/state_fields.h"

/* A machine without a kernel. */
struct board {
	struct vm vm;
	struct serial serial;
	struct rtc rtc;
	struct power power;
	struct pci pci;
	struct virtio_device device;
	struct state_board_devices devices;
};

static struct board first, second;
static u64 now_ns, up_ns;

void console_put(struct console *console, u8 byte)
{
}

static u64 fake_now(void) { return now_ns; }
static u64 fake_up(void) { return up_ns; }

static u32 serve(struct virtio_device *device, struct virtq_chain *chain)
{
	return 0;
}

static const struct virtio_class class = { .id = 4, .class_code = 0xff00, .queue_count = 1, .serve = serve };

static void build(struct board *board)
{
	fake_vm_init(&board->vm, 16 << 20);
	ASSERT_EQ(serial_init(&board->serial, &board->vm, NULL), 0);
	ASSERT_EQ(power_init(&board->power, &board->vm), 0);
	ASSERT_EQ(rtc_init(&board->rtc, &board->vm), 0);
	ASSERT_EQ(pci_init(&board->pci, &board->vm), 0);
	memset(&board->device, 0, sizeof(board->device));
	board->device.class = &class;
	ASSERT_EQ(virtio_add(&board->device, &board->vm, &board->pci), 0);
	board->rtc.now = fake_now;
	board->rtc.ticked = now_ns;
	board->power.now = fake_up;
	board->power.halves = 0;
	board->devices = (struct state_board_devices){
		&board->vm, &board->serial, &board->rtc, &board->power, &board->pci,
	};
}

static void set_up(void)
{
	now_ns = 1795336346000000000ULL;
	up_ns = 5000000000ULL;
	build(&first);
	build(&second);
}

static void out(struct board *board, u16 port, unsigned int len, u32 value)
{
	bus_write(&board->vm.ports, port, len, value);
}

static u32 in(struct board *board, u16 port, unsigned int len)
{
	return (u32)bus_read(&board->vm.ports, port, len);
}

static void config_out(struct board *board, unsigned int offset, unsigned int len, u32 value)
{
	out(board, PCI_CONFIG_ADDRESS, 4, 1u << 31 | board->device.pci.slot << 11 | (offset & ~3u));
	out(board, (u16)(PCI_CONFIG_DATA + (offset & 3)), len, value);
}

/* From the first to the second, by way of bytes. */
static void move_board(void)
{
	static struct state_board taken, back;
	const struct state_layout *layouts[] = {
		&state_serial_layout, &state_rtc_layout, &state_power_layout, &state_pci_layout, &state_lines_layout,
	};
	const void *from[] = { &taken.serial, &taken.rtc, &taken.power, &taken.pci, &taken };
	void *to[] = { &back.serial, &back.rtc, &back.power, &back.pci, &back };
	struct state_error error = { "" };

	memset(&back, 0, sizeof(back));
	state_board_hold(&first.devices);
	state_board_take(&first.devices, &taken);
	state_board_release(&first.devices);
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		struct state_buffer buffer = { 0 };
		struct state_section section;

		state_fields_put(&buffer, layouts[i], from[i]);
		state_section_make(&section, layouts[i]->name, 0, 1, STATE_NEEDED, buffer.bytes, buffer.used);
		ASSERT(state_fields_get(layouts[i], to[i], &section, buffer.bytes, &error), "%s", error.text);
		state_buffer_free(&buffer);
	}
	ASSERT(state_board_give(&second.devices, &back, &error), "%s", error.text);
	state_lines_give(&second.vm, &back);
}

static void test_serial(void)
{
	static const struct {
		const char *name;
		u16 port;
	} rows[] = {
		{ "scratch", 0x3ff }, { "line control", 0x3fb }, { "modem control", 0x3fc },
		{ "identification", 0x3fa }, { "line status", 0x3fd }, { "enable", 0x3f9 },
		{ "the first byte", 0x3f8 }, { "the second", 0x3f8 }, { "no third", 0x3fd },
	};

	set_up();
	out(&first, 0x3fb, 1, 0x80);		/* the divisor */
	out(&first, 0x3f8, 1, 0x0c);
	out(&first, 0x3fb, 1, 0x03);
	out(&first, 0x3fa, 1, 0xc7);
	out(&first, 0x3fc, 1, 0x0b);
	out(&first, 0x3f9, 1, 0x03);
	out(&first, 0x3ff, 1, 0x5a);
	ASSERT(serial_receive(&first.serial, 'a') && serial_receive(&first.serial, 'b'), "not taken");
	CHECK_EQ("line", 1, fake_line(&first.vm, 4));
	move_board();
	CHECK_EQ("line", 1, fake_line(&second.vm, 4));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_EQ(rows[i].name, in(&first, rows[i].port, 1), in(&second, rows[i].port, 1));
	in(&first, 0x3fa, 1);
	in(&second, 0x3fa, 1);
	CHECK_EQ("line goes when all is read", fake_line(&first.vm, 4), fake_line(&second.vm, 4));
}

static u8 rtc_get(struct board *board, u8 reg)
{
	out(board, 0x70, 1, reg);
	return (u8)in(board, 0x71, 1);
}

static void rtc_set(struct board *board, u8 reg, u8 value)
{
	out(board, 0x70, 1, reg);
	out(board, 0x71, 1, value);
}

static void test_rtc(void)
{
	set_up();
	rtc_set(&first, 0x0b, 0x06);
	rtc_set(&first, 0x09, 30);		/* a year of its own */
	rtc_set(&first, 0x40, 0x99);
	rtc_set(&first, 0x0b, 0x16);		/* interrupts at updates */
	now_ns += 3600ULL * 1000000000;		/* it goes on while the machine is a file */
	move_board();
	for (u8 reg = 0; reg < 10; reg++)
		CHECK_EQ("time", rtc_get(&first, reg), rtc_get(&second, reg));
	CHECK_EQ("memory", 0x99, rtc_get(&second, 0x40));
	CHECK_EQ("events that came meanwhile, once", 0x90, rtc_get(&second, 0x0c) & 0x90);
	CHECK_EQ("and not again", 0, rtc_get(&second, 0x0c));
}

static void test_rtc_held(void)
{
	set_up();
	rtc_set(&first, 0x0b, 0x86);		/* SET: it stands */
	rtc_set(&first, 0x00, 58);
	rtc_set(&first, 0x08, 0);		/* no month */
	move_board();
	now_ns += 5000000000ULL;
	CHECK_EQ("stands", 58, rtc_get(&second, 0));
	CHECK_EQ("an impossible month stays one", rtc_get(&first, 8), rtc_get(&second, 8));
	rtc_set(&second, 0x0b, 0x06);
	now_ns += 1000000000ULL;
	CHECK_EQ("goes on", 59, rtc_get(&second, 0));
}

/* Whatever date the guest wrote: a machine that could be saved can be restored. */
static void test_rtc_far(void)
{
	for (u32 i = 0; i < 4; i++) {
		set_up();
		rtc_set(&first, 0x0b, i & 1 ? 0x06 : 0x86);
		rtc_set(&first, 0x32, i & 2 ? 0xff : 0);
		rtc_set(&first, 0x09, 0xff);
		move_board();
		CHECK_EQ("century", rtc_get(&first, 0x32), rtc_get(&second, 0x32));
		CHECK_EQ("year", rtc_get(&first, 0x09), rtc_get(&second, 0x09));
	}
}

/* The host of the second has another clock; what the guest sees goes on without a jump. */
static void test_power(void)
{
	set_up();
	out(&first, POWER_EVENT_PORT + 2, 2, 0x0101);
	ASSERT(power_press_button(&first.power), "not heard");
	out(&first, POWER_GPE_PORT + 1, 1, 1);
	power_tell_generation(&first.power);
	u32 ticks = in(&first, POWER_TIMER_PORT, 4);

	CHECK_EQ("line", 1, fake_line(&first.vm, POWER_SCI_GSI));
	second.power.now = fake_now;
	move_board();
	CHECK_EQ("timer", ticks, in(&second, POWER_TIMER_PORT, 4));
	now_ns += 1000000000;
	CHECK_EQ("a second on", 3579545, in(&second, POWER_TIMER_PORT, 4) - ticks);
	CHECK_EQ("status and enable", in(&first, POWER_EVENT_PORT, 4), in(&second, POWER_EVENT_PORT, 4));
	CHECK_EQ("line", 1, fake_line(&second.vm, POWER_SCI_GSI));
	CHECK_EQ("another generation, of which the guest has not heard", 0x101, in(&second, POWER_GPE_PORT, 2));
	out(&second, POWER_EVENT_PORT, 2, 0x100);
	CHECK_EQ("line before the end of that", 1, fake_line(&second.vm, POWER_SCI_GSI));
	out(&second, POWER_GPE_PORT, 1, 1);
	CHECK_EQ("line after its end", 0, fake_line(&second.vm, POWER_SCI_GSI));
}

/* ---- virtio ---- */

#define RINGS		0x100000

static u64 bar(struct board *board)
{
	return pci_get(&board->device.pci, PCI_BASE_ADDRESS_0, 4) & ~0xfu;
}

static void common(struct board *board, u64 offset, unsigned int len, u64 value)
{
	bus_write(&board->vm.mmio, bar(board) + offset, len, value);
}

/* A driver that has set up all, MSI-X too, and has had some requests done. */
static void drive(struct board *board)
{
	struct virtio_device *device = &board->device;
	u64 table = pci_get(&device->pci, PCI_BASE_ADDRESS_1, 4) & ~0xfu;

	config_out(board, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	common(board, VIRTIO_PCI_COMMON_STATUS, 1, 3);
	common(board, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	common(board, VIRTIO_PCI_COMMON_GF, 4, 1);
	common(board, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	common(board, VIRTIO_PCI_COMMON_GF, 4, 1u << VIRTIO_RING_F_EVENT_IDX);
	common(board, VIRTIO_PCI_COMMON_STATUS, 1, 0xb);
	common(board, VIRTIO_PCI_COMMON_MSIX, 2, 0);
	common(board, VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	common(board, VIRTIO_PCI_COMMON_Q_SIZE, 2, 64);
	common(board, VIRTIO_PCI_COMMON_Q_DESCLO, 4, RINGS);
	common(board, VIRTIO_PCI_COMMON_Q_AVAILLO, 4, RINGS + 0x1000);
	common(board, VIRTIO_PCI_COMMON_Q_USEDLO, 4, RINGS + 0x2000);
	common(board, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	common(board, VIRTIO_PCI_COMMON_STATUS, 1, 0xf);
	for (unsigned int i = 0; i < 2; i++) {
		bus_write(&board->vm.mmio, table + 16 * i, 4, 0xfee01000);
		bus_write(&board->vm.mmio, table + 16 * i + 8, 4, 0x41 + i);
		bus_write(&board->vm.mmio, table + 16 * i + 12, 4, i);
	}
	config_out(board, device->msix.capability + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	device->queues[0].next_available = 7;
	device->queues[0].next_used = 6;
	device->queues[0].signalled = 5;
	msix_raise(&device->msix, 1);		/* masked: it stays pending */
}

static struct state_virtio taken;

static bool move_device(struct state_error *error)
{
	static struct state_virtio back;
	struct state_buffer buffer = { 0 };
	struct state_section section;

	memset(&back, 0, sizeof(back));
	state_fields_put(&buffer, &state_rng_layout, &taken);
	state_section_make(&section, "virtio-rng", 0, 1, STATE_NEEDED, buffer.bytes, buffer.used);

	bool is_given = state_fields_get(&state_rng_layout, &back, &section, buffer.bytes, error) &&
			state_virtio_give(&second.device, &second.pci, &back, error);

	state_buffer_free(&buffer);
	return is_given;
}

static void test_virtio(void)
{
	struct state_error error = { "" };
	static struct state_virtio again;
	struct state_buffer a = { 0 }, b = { 0 };
	u64 count = 0;

	set_up();
	drive(&first);
	CHECK_EQ("driver is ready", 0xf, first.device.status);
	state_virtio_take(&first.device, &first.pci, &taken);
	unsigned int doorbells = fake_record.doorbells, messages = fake_record.messages;

	ASSERT(move_device(&error), "%s", error.text);
	CHECK_EQ("doorbells are set again", 2 * doorbells, fake_record.doorbells);
	CHECK_EQ("no message comes of it", messages, fake_record.messages);
	state_virtio_take(&second.device, &second.pci, &again);
	state_fields_put(&a, &state_rng_layout, &taken);
	state_fields_put(&b, &state_rng_layout, &again);
	CHECK_EQ("all of it", 1, a.used == b.used && !memcmp(a.bytes, b.bytes, a.used));
	CHECK_EQ("next", 7, second.device.queues[0].next_available);
	CHECK_EQ("rings in this machine's memory", 1, second.device.queues[0].used_ring ==
		 memory_at(&second.vm.memory, RINGS + 0x2000, 4));
	CHECK_EQ("events by index", 1, second.device.queues[0].has_event_index);
	CHECK_EQ("the BAR answers", 0xf, bus_read(&second.vm.mmio, bar(&second) + VIRTIO_PCI_COMMON_STATUS, 1));
	/* What the driver queued is looked at without a doorbell of its. */
	CHECK_EQ("rung", 8, read(second.device.doorbell, &count, sizeof(count)));
	bus_write(&second.vm.mmio, (pci_get(&second.device.pci, PCI_BASE_ADDRESS_1, 4) & ~0xfu) + 28, 4, 0);
	CHECK_EQ("the pending message comes when it may", messages + 1, fake_record.messages);
	CHECK_EQ("that one", 0x42, fake_record.last_data);
	state_buffer_free(&a);
	state_buffer_free(&b);
}

/* A broken queue stays one, a line stays high. */
static void test_virtio_broken(void)
{
	struct state_error error = { "" };

	set_up();
	drive(&first);
	first.device.queues[0].is_broken = true;
	first.device.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	config_out(&first, first.device.msix.capability + PCI_MSIX_FLAGS, 2, 0);
	first.device.isr = 3;
	config_out(&first, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	state_virtio_take(&first.device, &first.pci, &taken);
	ASSERT(move_device(&error), "%s", error.text);
	move_board();
	CHECK_EQ("broken", 1, second.device.queues[0].is_broken);
	CHECK_EQ("status", 0x4f, second.device.status);
	CHECK_EQ("line", 1, fake_line(&second.vm, pci_slot_gsi(second.device.pci.slot)));
	CHECK_EQ("what is read, 3, lets it go", 3, bus_read(&second.vm.mmio, bar(&second) + 0x1000, 1));
	CHECK_EQ("line", 0, fake_line(&second.vm, pci_slot_gsi(second.device.pci.slot)));
}

static void other_slot(void) { taken.slot++; }
static void other_queues(void) { taken.queue_count = 0; }
static void other_vectors(void) { taken.device.msix.count = 1; }
static void other_features(void) { taken.device.features |= 1ULL << 40; taken.device.accepted |= 1ULL << 40; }
static void other_device(void) { taken.device.pci.config[PCI_DEVICE_ID] ^= 1; }
static void other_capability(void) { taken.device.pci.config[taken.device.pci.config[PCI_CAPABILITY_LIST] + 2] ^= 1; }
static void rings_outside(void) { taken.device.queues[0].used = 16 << 20; }
static void rings_odd(void) { taken.device.queues[0].descriptors |= 8; }
static void rings_size(void) { taken.device.queues[0].size = 3; }
static void rings_wrap(void) { taken.device.queues[0].available = ~1ULL; }

static void test_virtio_refusals(void)
{
	static const struct {
		const char *name;
		void (*change)(void);
		const char *wanted;
	} rows[] = {
		{ "another slot", other_slot, "in slot 2 is another" },
		{ "other queues", other_queues, "in slot 1 is another" },
		{ "other vectors", other_vectors, "in slot 1 is another" },
		{ "features that are not offered", other_features, "in slot 1 is another" },
		{ "another device", other_device, "in slot 1 is another" },
		{ "another capability", other_capability, "in slot 1 is another" },
		{ "rings outside of memory", rings_outside, "lies outside of memory" },
		{ "rings at an odd place", rings_odd, "lies outside of memory" },
		{ "rings of an odd size", rings_size, "lies outside of memory" },
		{ "rings that wrap", rings_wrap, "lies outside of memory" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct state_error error = { "" };

		set_up();
		drive(&first);
		state_virtio_take(&first.device, &first.pci, &taken);
		rows[i].change();
		CHECK_EQ(rows[i].name, 0, move_device(&error));
		if (!strstr(error.text, rows[i].wanted))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].wanted, error.text);
		memory_destroy(&first.vm.memory);
		memory_destroy(&second.vm.memory);
	}
}

/* No BAR lands on memory, whatever the saved registers say. */
static void test_bar(void)
{
	struct state_error error = { "" };

	set_up();
	drive(&first);
	state_virtio_take(&first.device, &first.pci, &taken);
	memset(&taken.device.pci.config[PCI_BASE_ADDRESS_0 + 1], 0, 3);
	ASSERT(move_device(&error), "%s", error.text);
	CHECK_EQ("nowhere", 0, atomic_load(&second.device.pci.bars[0].base));
	CHECK_EQ("the address register keeps its bits", 0x80fffffc, (pci_set_address(&second.pci, ~0u), second.pci.address));
}

static const struct test_case cases[] = {
	{ "serial", test_serial },
	{ "rtc", test_rtc },
	{ "rtc_held", test_rtc_held },
	{ "rtc_far", test_rtc_far },
	{ "power", test_power },
	{ "virtio", test_virtio },
	{ "virtio_broken", test_virtio_broken },
	{ "virtio_refusals", test_virtio_refusals },
	{ "bar", test_bar },
};

TEST_MAIN(cases)
