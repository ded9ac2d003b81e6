// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine's way back to its mark, with devices and a kernel made up here: memory is put back where the kernel's log or the launcher says that it was
 * written, and nowhere else; a refusal of either loses nothing; what cannot be put back as a whole ends. And what a disk's overlay was written since a mark,
 * against a model.
 */
#include <linux/kvm.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <uapi/linux/keel.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/dirty.h"
#include "userspace/machine.h"
#include "userspace/mark.h"
#include "userspace/state.h"
#include "userspace/state_format.h"

#define SIZE	(16ULL << 20)
#define PAGE	4096u

static struct machine *machine;

/* ---- the kernel ---- */

static int cap = 8, logged_slots, refused;	/* @refused: errno */
static unsigned int refuse_slots, logged;	/* bits */
static unsigned long refuse_command;
static unsigned int marks, resets, signals;
static u64 dirty[MEMORY_REGIONS_MAX][SIZE / PAGE / 64];

int __wrap_ioctl(int fd, unsigned long command, ...);
int __wrap_ioctl(int fd, unsigned long command, ...)
{
	va_list args;

	va_start(args, command);
	void *argument = va_arg(args, void *);

	va_end(args);
	if (command == refuse_command) {
		errno = refused;
		return -1;
	}
	if (command == KVM_SET_USER_MEMORY_REGION && signals) {
		signals--;
		errno = EINTR;
		return -1;
	}
	if (command == KVM_SET_USER_MEMORY_REGION) {
		const struct kvm_userspace_memory_region *region = argument;

		if (refuse_slots & 1u << region->slot) {
			errno = ENOMEM;
			return -1;
		}
		logged &= ~(1u << region->slot);
		logged |= (region->flags & KVM_MEM_LOG_DIRTY_PAGES ? 1u : 0) << region->slot;
	}
	if (command == KVM_SET_USER_MEMORY_REGION)
		logged_slots += !!(((struct kvm_userspace_memory_region *)argument)->flags & KVM_MEM_LOG_DIRTY_PAGES);
	else if (command == KVM_GET_DIRTY_LOG) {
		struct kvm_dirty_log *log = argument;

		memcpy(log->dirty_bitmap, dirty[log->slot], (machine->vm.memory.regions[log->slot].size / PAGE + 63) / 64 * 8);
		memset(dirty[log->slot], 0, sizeof(dirty[log->slot]));
	} else if (command == KEEL_MARK_VM) {
		marks++;
	} else if (command == KEEL_RESET_VM) {
		resets++;
	} else {
		FAIL("ioctl %#lx", command);
	}
	return 0;
}

int vm_has(const struct vm *vm, unsigned int wanted)
{
	ASSERT_EQ(wanted, KEEL_CAP_RESET_VM);
	return cap;
}

/* ---- the devices ---- */

static u64 block_at(const struct memory *memory, u32 block)
{
	return memory->regions[memory->count - 1].base + block * MEMORY_BLOCK;
}

static bool is_held, is_refusing;
static u32 state;		/* of all devices */

void state_hold(struct machine *m)
{
	CHECK_EQ("held once", false, is_held);
	is_held = true;
}

void state_release(struct machine *m)
{
	CHECK_EQ("held", true, is_held);
	is_held = false;
}

bool state_devices_take(struct machine *m, struct state_image *image, struct state_error *error)
{
	CHECK_EQ("devices are held", true, is_held);
	image->board.serial.scr = (uint8_t)state;
	image->board.lines[3] = state;
	for (u32 i = 0; i < m->vm.memory.pluggable / MEMORY_BLOCK; i++)
		image->mem.plugged[0] |= (uint8_t)(memory_is_plugged(&m->vm.memory, block_at(&m->vm.memory, i)) << i);
	return true;
}

bool state_devices_put(struct machine *m, const struct state_image *image, struct state_error *error)
{
	CHECK_EQ("devices are held", true, is_held);
	CHECK_EQ("no interrupt leaves", true, m->vm.is_mute);
	state = image->board.serial.scr;
	for (u32 i = 0; i < m->vm.memory.pluggable / MEMORY_BLOCK; i++)
		memory_plug(&m->vm.memory, i, image->mem.plugged[0] >> i & 1);
	return !is_refusing || state_refuse(error, "another device");
}

void vm_mute(struct vm *vm)
{
	vm->is_mute = true;
}

void vm_unmute(struct vm *vm, const u32 *lines)
{
	vm->is_mute = false;
	memcpy(vm->line_sources, lines, sizeof(vm->line_sources));
}

void serial_go_on(struct serial *serial)
{
}

/* ---- memory ---- */

static u8 *at(u64 gpa)
{
	return memory_at(&machine->vm.memory, gpa, 1);
}

/* The guest writes: the kernel knows. */
static void guest_writes(u64 gpa, u8 value)
{
	for (unsigned int i = 0; i < machine->vm.memory.count; i++) {
		const struct memory_region *region = &machine->vm.memory.regions[i];
		u64 page = (gpa - region->base) / PAGE;

		if (gpa >= region->base && gpa < region->base + region->size)
			dirty[i][page / 64] |= 1ULL << page % 64;
	}
	*at(gpa) = value;
}

static void device_writes(u64 gpa, u8 value)
{
	memory_note(&machine->vm.memory, at(gpa), 1);
	*at(gpa) = value;
}

static void set_up(void)
{
	struct options options = { .is_markable = true, .cpus = 8 };

	machine = calloc(1, sizeof(*machine));
	ASSERT(machine, "out of memory");
	fake_vm_init(&machine->vm, SIZE);
	ASSERT_EQ(power_init(&machine->power, &machine->vm), 0);
	ASSERT_EQ(generation_add(&machine->generation, &machine->vm, &machine->power), 0);
	ASSERT_EQ(mark_prepare(machine, &options), 0);
}

static void tear_down(void)
{
	mark_free(machine);
	generation_free(&machine->generation);
	memory_destroy(&machine->vm.memory);
	free(machine);
}

static void test_prepare(void)
{
	static const struct {
		const char *name;
		bool is_markable;
		int cap;
		unsigned int cpus;
		unsigned long refuse;
		unsigned int signals;
		int want;
	} rows[] = {
		{ "nobody wants it", false, 0, 1, 0, 0, 0 },
		{ "as many as can be", true, 8, 8, 0, 0, 0 },
		{ "as many, and signals come", true, 8, 8, 0, 3, 0 },
		{ "more", true, 8, 9, 0, 0, STATUS_CREATE },
		{ "a node that cannot", true, 0, 1, 0, 0, STATUS_CREATE },
		{ "no log", true, 8, 1, KVM_SET_USER_MEMORY_REGION, 0, STATUS_CREATE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct options options = { .is_markable = rows[i].is_markable, .cpus = rows[i].cpus };

		machine = calloc(1, sizeof(*machine));
		ASSERT(machine, "out of memory");
		fake_vm_init(&machine->vm, SIZE);
		cap = rows[i].cap;
		refuse_command = rows[i].refuse;
		signals = rows[i].signals;
		refused = EINVAL;
		logged_slots = 0;
		CHECK_EQ(rows[i].name, rows[i].want, mark_prepare(machine, &options));
		CHECK_EQ("slots that are logged", rows[i].want || !rows[i].is_markable ? 0 : (int)machine->vm.memory.count, logged_slots);
		CHECK_EQ("there is a mark to be had", !rows[i].want && rows[i].is_markable, !rows[i].want && machine->mark);
		tear_down();
	}
}

/* The kernel is short of memory for one slot. */
static void test_watch(void)
{
	static const struct {
		const char *name;
		bool is_watched;
		unsigned int refuse, logged;
		int want;
	} rows[] = {
		{ "all", true, 0, 3, 0 },
		{ "no longer, but for the first", false, 1, 1, -ENOMEM },
		{ "none", false, 0, 0, 0 },
		{ "not the second", true, 2, 1, -ENOMEM },
		{ "no longer, but for the second", false, 2, 0, -ENOMEM },
		{ "not the first", true, 1, 0, -ENOMEM },
	};

	set_up();
	ASSERT_EQ(machine->vm.memory.count, 2);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		refuse_slots = rows[i].refuse;
		CHECK_RET(rows[i].name, rows[i].want, dirty_watch(&machine->vm, rows[i].is_watched));
		CHECK_EQ("logged", rows[i].logged, logged);
	}
	tear_down();
}

static void test_memory(void)
{
	static const u64 places[] = { 0, 0x9ffff, 0xc0000, 0x100000, SIZE - 1 };
	struct state_error error = { "" };
	u8 number[GENERATION_BYTES];
	u64 bytes = 0, pages = 0;

	set_up();
	CHECK_EQ("no mark", false, mark_return(machine, MARK_ANOTHER, &pages, &error));
	CHECK_EQ("it says so", 1, !!strstr(error.text, "no mark"));
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		*at(places[i]) = 0x11;
	state = 5;
	machine->power.shift = 77;
	/* of before the mark */
	guest_writes(0x300000, 1);
	device_writes(0x301000, 1);
	error.text[0] = 0;
	CHECK_EQ("marked", true, mark_set(machine, &bytes, &error));
	CHECK_EQ("bytes that are not zero", (ARRAY_SIZE(places) + 2) * PAGE, bytes);
	*at(0x302000) = 0x33;	/* nobody tells */
	for (unsigned int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(places); i++)
			(i & 1 ? device_writes : guest_writes)(places[i], (u8)(0x20 + round));
		guest_writes(places[0], 0x99);
		device_writes(places[0], 0x98);
		guest_writes(0x400000, 0x44);
		state = 6;
		machine->power.shift = 88;
		machine->vm.line_sources[3] = 1;
		memcpy(number, machine->generation.page, sizeof(number));
		machine->power.gpe_status = 0;
		CHECK_EQ("back", true, mark_return(machine, MARK_ANOTHER, &pages, &error));
		CHECK_EQ("another generation", 1, !!memcmp(number, machine->generation.page, sizeof(number)));
		CHECK_EQ("of which the guest is told", 1, machine->power.gpe_status);
		CHECK_EQ("pages", ARRAY_SIZE(places) + 1, pages);
		for (size_t i = 0; i < ARRAY_SIZE(places); i++)
			CHECK_EQ("as it was", 0x11, *at(places[i]));
		CHECK_EQ("zero as it was", 0, *at(0x400000));
		CHECK_EQ("what was written before", 1, *at(0x300000));
		CHECK_EQ("what nobody told of", 0x33, *at(0x302000));
		CHECK_EQ("devices", 5, state);
		CHECK_EQ("lines", 5, machine->vm.line_sources[3]);
		CHECK_EQ("the timer goes on", 77, machine->power.shift);
		CHECK_EQ("interrupts leave again", false, machine->vm.is_mute);
		CHECK_EQ("asked of the module", round + 1, resets);
	}
	memcpy(number, machine->generation.page, sizeof(number));
	machine->power.gpe_status = 0;
	CHECK_EQ("nothing to put back", true, mark_return(machine, MARK_THE_SAME, &pages, &error));
	CHECK_EQ("pages", 0, pages);
	CHECK_EQ("the same generation", 0, memcmp(number, machine->generation.page, sizeof(number)));
	CHECK_EQ("of which nothing is told", 0, machine->power.gpe_status);
	tear_down();
}

/* Pages of block @block that the host has given. */
static u32 count_pages(u32 block)
{
	const struct memory *memory = &machine->vm.memory;
	u8 map[MEMORY_BLOCK / PAGE];
	u32 count = 0;

	ASSERT_EQ(mincore(memory_at(memory, block_at(memory, block), MEMORY_BLOCK), MEMORY_BLOCK, map), 0);
	for (u32 i = 0; i < sizeof(map); i++)
		count += map[i] & 1;
	return count;
}

/* Of blocks that are not plugged nothing is kept, and what the guest plugs and unplugs after the mark is the host's when it has gone back. */
static void test_blocks(void)
{
	struct state_error error = { "" };
	u64 bytes = 0, pages = 0;

	machine = calloc(1, sizeof(*machine));
	ASSERT(machine, "out of memory");
	fake_vm_init(&machine->vm, SIZE);
	memory_destroy(&machine->vm.memory);

	struct memory *memory = &machine->vm.memory;
	struct options options = { .is_markable = true, .cpus = 1 };

	ASSERT_EQ(memory_create(memory, SIZE, 3 * MEMORY_BLOCK), 0);
	/* small pages, to be counted, in a file, where what is read takes memory too */
	ASSERT_EQ(memory_back(memory, MEMORY_SHARED), 0);
	ASSERT_EQ(power_init(&machine->power, &machine->vm), 0);
	ASSERT_EQ(generation_add(&machine->generation, &machine->vm, &machine->power), 0);
	ASSERT_EQ(mark_prepare(machine, &options), 0);
	memory_plug(memory, 0, true);
	guest_writes(block_at(memory, 0), 1);
	guest_writes(block_at(memory, 2), 3);		/* which it has not plugged */
	CHECK_EQ("marked", true, mark_set(machine, &bytes, &error));
	CHECK_EQ("bytes that are kept", PAGE, bytes);
	CHECK_EQ("pages of a block that is not plugged", 0, count_pages(1));
	for (u32 round = 0; round < 2; round++) {
		guest_writes(block_at(memory, 0), 2);
		memory_plug(memory, 1, true);
		guest_writes(block_at(memory, 1) + PAGE, 2);
		CHECK_EQ("given back", 0, memory_give_back(memory, block_at(memory, 1), MEMORY_BLOCK));
		memory_plug(memory, 1, false);
		CHECK_EQ("back", true, mark_return(machine, MARK_THE_SAME, &pages, &error));
		CHECK_EQ("a plugged block is as it was", 1, *at(block_at(memory, 0)));
		CHECK_EQ("pages of one that is not", 0, count_pages(1));
		CHECK_EQ("pages that were put back", 1, pages);
	}
	tear_down();
}

/* What the module refuses has changed nothing, and what was written is not forgotten. */
static void test_refused(void)
{
	static const unsigned long commands[] = { KVM_GET_DIRTY_LOG, KEEL_RESET_VM };
	struct state_error error = { "" };
	u64 bytes, pages;

	set_up();
	*at(0x5000) = 1;
	CHECK_EQ("marked", true, mark_set(machine, &bytes, &error));
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		guest_writes(0x5000, 2);
		device_writes(0x6000, 2);
		refuse_command = commands[i];
		refused = EBUSY;
		CHECK_EQ("refused", false, mark_return(machine, MARK_ANOTHER, &pages, &error));
		CHECK_EQ("nothing has changed", 2, *at(0x5000));
		CHECK_EQ("nor is anything told", 0, machine->power.gpe_status);
		CHECK_EQ("it does not end", false, vm_is_stopping(&machine->vm));
		CHECK_EQ("interrupts leave", false, machine->vm.is_mute);
		refuse_command = KEEL_MARK_VM;
		refused = ENOMEM;
		CHECK_EQ("no new mark", false, mark_set(machine, &bytes, &error));
		refuse_command = 0;
		CHECK_EQ("back to the last one", true, mark_return(machine, MARK_ANOTHER, &pages, &error));
		CHECK_EQ("pages", 2, pages);
		CHECK_EQ("as it was", 1, *at(0x5000));
		CHECK_EQ("zero as it was", 0, *at(0x6000));
		machine->power.gpe_status = 0;
	}
	guest_writes(0x5000, 3);
	CHECK_EQ("a new mark", true, mark_set(machine, &bytes, &error));
	guest_writes(0x5000, 4);
	CHECK_EQ("back to that", true, mark_return(machine, MARK_ANOTHER, &pages, &error));
	CHECK_EQ("as it was then", 3, *at(0x5000));
	is_refusing = true;
	error.text[0] = 0;
	CHECK_EQ("a device cannot go back", false, mark_return(machine, MARK_ANOTHER, &pages, &error));
	CHECK_EQ("the machine ends", true, vm_is_stopping(&machine->vm));
	CHECK_EQ("with a status", STATUS_HOST, machine->vm.status);
	CHECK_EQ("and says why", 1, !!strstr(machine->vm.reason, "another device"));
	mark_forget(machine);
	CHECK_EQ("forgotten", false, mark_return(machine, MARK_ANOTHER, &pages, &error));
	tear_down();
}

/* ---- disks ---- */

#define SECTORS	1000u

struct disk {
	u8 byte[SECTORS];	/* what each sector is full of, */
	u8 is_written[SECTORS];	/* if it is here and not in the image */
};

static void write_disk(struct overlay *overlay, struct disk *disk, u32 first, u32 count, u8 byte)
{
	u8 *data = malloc(count * OVERLAY_SECTOR);
	struct iovec parts[2];

	ASSERT(data, "out of memory");
	memset(data, byte, count * OVERLAY_SECTOR);
	/* in two parts that know nothing of sectors */
	parts[0] = (struct iovec){ data, 100 };
	parts[1] = (struct iovec){ data + 100, count * OVERLAY_SECTOR - 100 };
	CHECK_EQ("bytes", count * OVERLAY_SECTOR, overlay_write(overlay, parts, 2, first * OVERLAY_SECTOR));
	memset(disk->byte + first, byte, count);
	memset(disk->is_written + first, 1, count);
	free(data);
}

static void compare(const struct overlay *overlay, const struct disk *disk)
{
	u8 data[OVERLAY_SECTOR];
	u32 wrong = 0;
	bool is_written;

	for (u32 i = 0; i < SECTORS; i++) {
		overlay_run(overlay, i * OVERLAY_SECTOR, OVERLAY_SECTOR, &is_written);
		wrong += is_written != disk->is_written[i];
		if (!is_written)
			continue;
		overlay_read(overlay, &(struct iovec){ data, sizeof(data) }, i * OVERLAY_SECTOR, sizeof(data));
		wrong += data[0] != disk->byte[i] || data[511] != disk->byte[i];
	}
	CHECK_EQ("sectors that are wrong", 0, wrong);
}

static void test_overlay(void)
{
	struct disk now = { 0 }, then = { 0 };
	struct overlay overlay;
	u64 random = 88172645463325252ULL;
	bool is_marked = false;

	ASSERT_EQ(overlay_create(&overlay, SECTORS * OVERLAY_SECTOR), 0);
	overlay_forget_mark(&overlay);
	overlay_return(&overlay);
	for (u32 i = 0; i < 2000; i++) {
		u32 first = (u32)(xorshift(&random) % SECTORS), count = (u32)(xorshift(&random) % 70 + 1);

		write_disk(&overlay, &now, first, first + count > SECTORS ? SECTORS - first : count, (u8)i);
		if (i % 37 == 20) {
			ASSERT_EQ(overlay_prepare_mark(&overlay), 0);
			overlay_mark(&overlay);
			then = now;
			is_marked = true;
		}
		if (is_marked && i % 7 == 3) {
			overlay_return(&overlay);
			now = then;
			compare(&overlay, &now);
		}
		if (i == 1500) {
			overlay_forget_mark(&overlay);
			is_marked = false;
			overlay_return(&overlay);
			compare(&overlay, &now);
		}
	}
	overlay_destroy(&overlay);
	CHECK_EQ("none has room for none", 0, overlay_prepare_mark(&overlay));
	overlay_mark(&overlay);
	overlay_return(&overlay);
}

/* Pages of memory that this process has: what was only read has none. */
static u64 resident(void)
{
	unsigned long all, mine;
	FILE *file = fopen("/proc/self/statm", "r");

	ASSERT(file, "no statm");
	ASSERT_EQ(fscanf(file, "%lu %lu", &all, &mine), 2);
	fclose(file);
	return mine;
}

/* Not on every kernel: some that run below a hypervisor of their own kind have no page of zeroes that all share. */
static bool reading_is_free(void)
{
	const size_t len = 64 * PAGE;
	const volatile u8 *memory = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u64 before = resident();
	size_t i;

	ASSERT(memory != MAP_FAILED, "mmap");
	for (i = 0; i < len; i += PAGE)
		(void)memory[i];
	before = resident() - before;
	munmap((void *)memory, len);
	return before < len / PAGE;
}

/* Two sectors at the ends of a large disk, and nothing of what lies between takes memory. */
static void test_sparse(void)
{
	const u64 size = 512ULL << 30;	/* 32768 pages of bits */
	u8 data[OVERLAY_SECTOR] = { 1 };
	struct overlay overlay;
	u64 before;

	REQUIRE(reading_is_free(), "this kernel gives memory to what is only read");
	ASSERT_EQ(overlay_create(&overlay, size), 0);
	ASSERT_EQ(overlay_prepare_mark(&overlay), 0);
	before = resident();
	for (u32 i = 0; i < 2; i++) {
		overlay_mark(&overlay);
		overlay_write(&overlay, &(struct iovec){ data, sizeof(data) }, 1, 0);
		overlay_write(&overlay, &(struct iovec){ data, sizeof(data) }, 1, size - OVERLAY_SECTOR);
		if (i)
			overlay_return(&overlay);
		else
			overlay_forget_mark(&overlay);
		CHECK_EQ("a huge page at each end, at most", 1, resident() - before < 16 * 512);
	}
	overlay_destroy(&overlay);
}

/* In how many parts of the disk some memory is its. */
static u64 parts_of(const struct overlay *overlay, u64 parts)
{
	static u8 map[OVERLAY_PART / PAGE];
	u64 count = 0;

	for (u64 part = 0; part < parts; part++) {
		ASSERT_EQ(mincore(overlay->data + part * OVERLAY_PART, OVERLAY_PART, map), 0);
		count += !!memchr(map, 1, sizeof(map));
	}
	return count;
}

/* Whoever writes elsewhere each time before he goes back takes no more memory for that in the end, and loses nothing that was there at the mark. */
static void test_elsewhere(void)
{
	const u64 parts = 512, size = parts * OVERLAY_PART;
	u8 data[OVERLAY_SECTOR], byte[OVERLAY_SECTOR];
	struct overlay overlay;
	u32 wrong = 0;
	bool is_written;

	ASSERT_EQ(overlay_create(&overlay, size), 0);
	ASSERT_EQ(madvise(overlay.data, size, MADV_NOHUGEPAGE), 0);
	for (u32 i = 0; i < 16; i++) {
		memset(data, (int)i + 1, sizeof(data));
		overlay_write(&overlay, &(struct iovec){ data, sizeof(data) }, 1, i * OVERLAY_PART + 3 * OVERLAY_SECTOR);
	}
	ASSERT_EQ(overlay_prepare_mark(&overlay), 0);
	overlay_mark(&overlay);
	for (u32 round = 0; round < 3; round++) {
		for (u64 part = 0; part < parts; part++) {
			memset(data, 99, sizeof(data));
			overlay_write(&overlay, &(struct iovec){ data, sizeof(data) }, 1, part * OVERLAY_PART + 3 * OVERLAY_SECTOR);
			overlay_write(&overlay, &(struct iovec){ data, sizeof(data) }, 1, (part + 1) * OVERLAY_PART - OVERLAY_SECTOR);
			overlay_return(&overlay);
		}
		CHECK_EQ("no more parts have memory than may", 1, parts_of(&overlay, parts) <= 16 + OVERLAY_SPARE_MAX);
		for (u32 i = 0; i < 16; i++) {
			overlay_read(&overlay, &(struct iovec){ byte, sizeof(byte) }, i * OVERLAY_PART + 3 * OVERLAY_SECTOR, sizeof(byte));
			wrong += byte[0] != i + 1 || byte[511] != i + 1;
			overlay_run(&overlay, (i + 1) * OVERLAY_PART - OVERLAY_SECTOR, OVERLAY_SECTOR, &is_written);
			wrong += is_written;
		}
		CHECK_EQ("sectors that are wrong", 0, wrong);
	}
	overlay_destroy(&overlay);
}

static const struct test_case cases[] = {
	{ "prepare", test_prepare },
	{ "watch", test_watch },
	{ "memory", test_memory },
	{ "blocks", test_blocks },
	{ "refused", test_refused },
	{ "overlay", test_overlay },
	{ "sparse", test_sparse },
	{ "elsewhere", test_elsewhere },
};

TEST_MAIN(cases)
