// SPDX-License-Identifier: GPL-2.0-only
/* A whole machine into a file and another out of it: saved again it is the same, and what does not fit is refused. */
#include <fcntl.h>
#include <unistd.h>

#include "fake_board.h"
#include "userspace/console.h"
#include "userspace/machine.h"
#include "userspace/state.h"
#include "userspace/state_fields.h"
#include "userspace/whole.h"

static struct machine first, second;
static char disk_path[] = "/tmp/keel-disk.XXXXXX";
static char path[] = "/tmp/keel-state.XXXXXX";
static u64 now_ns = 1795336346000000000ULL;

void console_put(struct console *console, u8 byte)
{
}

size_t console_offer(struct console *console, const u8 *bytes, size_t count)
{
	return 0;
}

static u64 fake_now(void) { return now_ns; }

/* As machine.c builds one. */
static void build(struct machine *machine, unsigned int number, bool is_readonly)
{
	fake_board(machine, number, 16 << 20, fake_now);
	bus_write(&machine->vm.ports, POWER_GPE_PORT + 1, 1, 1);
	machine->disk_count = 1;
	ASSERT_EQ(virtio_blk_open(&machine->disks[0], disk_path, is_readonly ? VIRTIO_BLK_READ : VIRTIO_BLK_WRITTEN, 0), 0);
	ASSERT_EQ(virtio_add(&machine->disks[0].device, &machine->vm, &machine->pci), 0);
	virtio_rng_init(&machine->rng);
	ASSERT_EQ(virtio_add(&machine->rng, &machine->vm, &machine->pci), 0);
	/* The saved one offers less than one that waits to be made of a file. */
	virtio_balloon_init(&machine->balloon, &(struct balloon_options){ true, number, true, 0 });
	ASSERT_EQ(virtio_add(&machine->balloon.device, &machine->vm, &machine->pci), 0);
	ASSERT_EQ(virtio_console_init(&machine->virtio_console, &machine->console, (struct console_size){ 80, 24 }), 0);
	ASSERT_EQ(virtio_add(&machine->virtio_console.device, &machine->vm, &machine->pci), 0);
}

static void set_up(void)
{
	int fd = mkstemp(disk_path);

	ASSERT(fd >= 0 && !ftruncate(fd, 65536), "%s", strerror(errno));
	close(fd);
	ASSERT_GE(mkstemp(path), 0);
	set_up_kernel();
	memset(&all_chips[1], 0, sizeof(all_chips[1]));
	for (unsigned int v = 2; v < VCPUS; v++)
		empty_vcpu(&kernel[v].state, v - 2);
	build(&first, 0, true);
	build(&second, 1, true);
	memset(memory_at(&first.vm.memory, 0x5000, 4096), 0x42, 4096);
	bus_write(&first.vm.ports, 0x3ff, 1, 0x99);
	serial_receive(&first.serial, 'k');
	first.virtio_console.sent = 3;
	first.balloon.target = 0;
	memcpy(first.balloon.device.config, "\x00\x02\x00\x00" "\x34\x01\x00\x00" "\x00\x00\x00\x00" "\xaa\xaa\xaa\xaa", 16);
}

static void clean_up(void)
{
	unlink(disk_path);
	unlink(path);
}

static bool fill(void *argument, int fd, struct state_error *error)
{
	return state_write(argument, fd, NULL, error);
}

static void save(struct machine *machine)
{
	struct state_error error = { "" };

	ASSERT(whole_write(path, fill, machine, &error), "%s", error.text);
}

/* What is in the file now; to be freed. */
static struct state_image *look(void)
{
	static struct state_file file;

	memset(&file, 0, sizeof(file));
	ASSERT_EQ(state_file_open(&file, path), 0);
	return &file.image;
}

static void test_moved(void)
{
	static struct state_file file;
	static struct state_image saved, again;
	u8 number[GENERATION_BYTES];

	set_up();
	save(&first);
	ASSERT_EQ(state_file_open(&file, path), 0);
	CHECK_EQ("vCPUs", 2, file.image.machine.cpus);
	CHECK_EQ("disks", 1, file.image.machine.disks);
	memcpy(number, second.generation.page, sizeof(number));
	CHECK_EQ("given", 0, state_give(&second, &file));
	CHECK_EQ("a generation of its own", 1, !!memcmp(number, second.generation.page, sizeof(number)));
	CHECK_EQ("not the first one's", 1, !!memcmp(first.generation.page, second.generation.page, sizeof(number)));
	CHECK_EQ("of which it hears", 0x101, bus_read(&second.vm.ports, POWER_GPE_PORT, 2));
	CHECK_EQ("the first one's stays", 0x100, bus_read(&first.vm.ports, POWER_GPE_PORT, 2));
	CHECK_EQ("an interrupt", 1, second.vm.line_sources[POWER_SCI_GSI]);
	bus_write(&second.vm.ports, POWER_GPE_PORT, 1, 1);
	CHECK_EQ("memory", 0, memcmp(memory_at(&first.vm.memory, 0, 0xa0000), memory_at(&second.vm.memory, 0, 0xa0000), 0xa0000));
	CHECK_EQ("a register of a device", 0x99, bus_read(&second.vm.ports, 0x3ff, 1));
	CHECK_EQ("a register of a vCPU", kernel[1].state.regs.rip, kernel[3].state.regs.rip);
	CHECK_EQ("the balloon, as the guest sees it", 0, memcmp(first.balloon.device.config, second.balloon.device.config, 16));
	CHECK_EQ("what it is not told yet", 0, second.balloon.target);
	CHECK_EQ("what it was offered", first.balloon.device.features, second.balloon.device.features);
	CHECK_EQ("what of the console's request is out", 3, second.virtio_console.sent);
	CHECK_EQ("the other VM's I/O APIC", all_chips[0].ioapic.redirtbl[23].bits, all_chips[1].ioapic.redirtbl[23].bits);
	saved = *look();
	save(&second);
	again = *look();
	/* When, and by how much all TSCs are off the host's, is each one's own. */
	again.machine.saved_at = saved.machine.saved_at;
	CHECK_EQ("another number", 1, !!memcmp(again.machine.generation, saved.machine.generation, GENERATION_BYTES));
	memcpy(again.machine.generation, saved.machine.generation, GENERATION_BYTES);
	again.vcpus[1].tsc_offset += saved.vcpus[0].tsc_offset - again.vcpus[0].tsc_offset;
	again.vcpus[0].tsc_offset = saved.vcpus[0].tsc_offset;
	again.chips.clock.flags = saved.chips.clock.flags;
	again.chips.clock.realtime = saved.chips.clock.realtime;
	again.chips.clock.host_tsc = saved.chips.clock.host_tsc;
	for (size_t p = 0; p < STATE_PARTS; p++) {
		for (unsigned int i = 0; i < state_parts[p].count(&saved.machine); i++) {
			struct state_buffer a = { 0 }, b = { 0 };

			state_fields_put(&a, state_parts[p].layout, state_part_at(&state_parts[p], &saved, i));
			state_fields_put(&b, state_parts[p].layout, state_part_at(&state_parts[p], &again, i));
			CHECK_EQ(state_parts[p].layout->name, 1, a.used == b.used && !memcmp(a.bytes, b.bytes, a.used));
			state_buffer_free(&a);
			state_buffer_free(&b);
		}
	}
	state_image_free(&saved);
	state_image_free(&again);
	state_file_close(&file);
	clean_up();
}

/* Where each request stands that was made to the second VM and its vCPUs. */
static unsigned int place(unsigned long request)
{
	for (unsigned int i = 0; i < call_count; i++)
		if (calls[i] == request)
			return i;
	FAIL("request %#lx was not made", request);
}

static void test_order(void)
{
	static struct state_file file;

	set_up();
	save(&first);
	CHECK_EQ("interrupt controllers are read before local APICs", 1, place(KVM_GET_IRQCHIP) < place(KVM_GET_LAPIC));
	ASSERT_EQ(state_file_open(&file, path), 0);
	call_count = 0;
	ASSERT_EQ(state_give(&second, &file), 0);
	CHECK_EQ("CPUID is looked at first", 0, place(KVM_GET_SUPPORTED_CPUID));
	CHECK_EQ("and written before them", 1, place(KVM_SET_IRQCHIP) < place(KVM_SET_LAPIC));
	CHECK_EQ("the clock too", 1, place(KVM_SET_CLOCK) < place(KVM_SET_CPUID2));
	state_file_close(&file);
	clean_up();
}

/* ---- refusals ---- */

static void smaller_disk(void) { second.disks[0].size = 32768; }
static void written_disk(void) { second.disks[0].is_readonly = false; }
static void other_cpu(void) { kernel[0].state.cpuid[0] = (struct kvm_cpuid_entry2){ .function = 1 }; }
static void no_registers(void) { refused = KVM_SET_REGS; }
static void no_chips(void) { refused = KVM_SET_IRQCHIP; }

static const struct {
	const char *name;
	void (*change)(void);
	const char *wanted;
} rows[] = {
	{ "a smaller disk", smaller_disk, "has 32768 bytes, and the saved one has 65536" },
	{ "a disk that can be written", written_disk, "the saved one is for reading alone" },
	{ "a CPU without features", other_cpu, "this host lacks features" },
	{ "registers that are refused", no_registers, "vCPU 0: KVM_SET_REGS" },
	{ "chips that are refused", no_chips, "KVM_SET_IRQCHIP" },
};

static void test_refusals(void)
{
	set_up();
	kernel[0].state.cpuid[0] = (struct kvm_cpuid_entry2){ .function = 1, .ecx = 1, .edx = 1 };
	kernel[1].state.cpuid[0] = kernel[0].state.cpuid[0];
	save(&first);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static struct state_file file;

		for (unsigned int v = 2; v < VCPUS; v++)
			empty_vcpu(&kernel[v].state, v - 2);
		build(&second, 1, true);
		ASSERT_EQ(state_file_open(&file, path), 0);
		rows[i].change();
		CHECK_EQ(rows[i].name, STATUS_STATE, state_give(&second, &file));
		if (!strstr(status_last(), rows[i].wanted))
			FAIL("%s: wanted '%s', got '%s'", rows[i].name, rows[i].wanted, status_last());
		refused = 0;
		kernel[0].state.cpuid[0] = kernel[1].state.cpuid[0];
		state_file_close(&file);
		virtio_blk_close(&second.disks[0]);
		memory_destroy(&second.vm.memory);
	}
	clean_up();
}

static void test_files(void)
{
	static struct state_file file;

	set_up();
	CHECK_EQ("not there", STATUS_STATE, state_file_open(&file, "/nowhere"));
	state_file_close(&file);
	CHECK_EQ("no file", STATUS_STATE, state_file_open(&file, "/tmp"));
	CHECK_EQ("why", 1, !!strstr(status_last(), "not a regular file"));
	state_file_close(&file);
	CHECK_EQ("empty", STATUS_STATE, state_file_open(&file, path));
	CHECK_EQ("why", 1, !!strstr(status_last(), "not a saved VM"));
	state_file_close(&file);
	clean_up();
}

/* A device that no section holds; and a machine whose file cannot be written goes on as it is. */
static void test_not_saved(void)
{
	static struct pci_device other;
	struct state_error error = { "" };
	int full = open("/dev/full", O_WRONLY);

	set_up();
	CHECK_EQ("a full disk", 0, state_write(&first, full, NULL, &error));
	CHECK_EQ("why", 0, strcmp(error.text, "cannot write: No space left on device"));
	error.text[0] = 0;
	save(&first);		/* nothing is held any more */
	pci_device_init(&other, &(struct pci_identity){ .vendor = 0x8086, .device = 0x1234 });
	ASSERT_EQ(pci_add(&first.pci, &other), 0);
	CHECK_EQ("another device", 0, state_write(&first, full, NULL, &error));
	CHECK_EQ("why", 0, strcmp(error.text, "the device in slot 5 (8086:1234) cannot be saved"));
	error.text[0] = 0;
	first.firmware.name = "seabios";
	CHECK_EQ("firmware", 0, state_write(&first, full, NULL, &error));
	CHECK_EQ("why", 0, strcmp(error.text, "a machine with firmware (--firmware) cannot be saved"));
	first.firmware.name = NULL;
	error.text[0] = 0;
	first.share_count = 1;
	CHECK_EQ("a share", 0, state_write(&first, full, NULL, &error));
	CHECK_EQ("why", 0, strcmp(error.text, "a machine with a shared directory (--share) cannot be saved"));
	first.share_count = 0;
	error.text[0] = 0;
	first.disks[0].use = VIRTIO_BLK_SNAPSHOT;
	CHECK_EQ("a snapshot", 0, state_write(&first, full, NULL, &error));
	CHECK_EQ("why", 1, !!strstr(error.text, "a disk that is a snapshot"));
	close(full);
	clean_up();
}

static const struct test_case cases[] = {
	{ "moved", test_moved },
	{ "order", test_order },
	{ "refusals", test_refusals },
	{ "files", test_files },
	{ "not_saved", test_not_saved },
};

TEST_MAIN(cases)
