// SPDX-License-Identifier: GPL-2.0-only
/*
 * The image is a read-only memory slot that ends at 4 GB, where a CPU fetches its first instruction. Its last part is
 * copied below 1 MB too, into memory that the firmware then writes: it finds its shadow switched on.
 *
 * UEFI firmware has a flash below that, and a chip set that it knows.
 *
 * What it asks about its machine it finds in fw_cfg, by the keys and file names that SeaBIOS and OVMF look for, and in
 * the bytes of CMOS memory that a PC's firmware keeps for itself.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/qemu_fw_cfg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "firmware.h"
#include "firmware_tables.h"
#include "pci.h"
#include "rtc.h"
#include "vm.h"

#define SHADOW_MAX	(256u << 10)	/* all that a ROM can have below 1 MB */
#define SHADOW_END	(1u << 20)
#define SERIAL_PORT	0x3f8

/* A key of x86: interrupt line 0 is pin 2 of the I/O APIC. */
#define KEY_TIMER_PIN	(FW_CFG_ARCH_LOCAL + 2)

/* CMOS memory: kilobytes from 1 MB on, units of 64 KB from 16 MB and from 4 GB on; what to boot; CPUs. */
#define CMOS_BASE_KB		0x15
#define CMOS_EXTENDED_KB	0x17
#define CMOS_EXTENDED_KB_TOO	0x30
#define CMOS_FROM_16M		0x34
#define CMOS_BOOT_ORDER		0x3d
#define CMOS_FROM_4G		0x5b
#define CMOS_OTHER_CPUS		0x5f
#define BOOT_DISK_FIRST		0x02

#define RAM		1
#define RESERVED	2

struct __attribute__((packed)) map_entry {
	uint64_t base, size;
	uint32_t type;
};

/* Firmware that has a name, in Debian's package of that name. */
static const struct known {
	const char *name, *file;
	const char *variables;		/* what they begin as; NULL: it is no UEFI firmware */
} known[] = {
	{ "seabios", "/usr/share/seabios/bios-256k.bin", NULL },
	{ "ovmf", "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd" },
};

static const struct known *find_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(known[i].name, name))
			return &known[i];
	return NULL;
}

static int refuse(const char *name, int fd, const char *what)
{
	close(fd);
	return status_fail(STATUS_KERNEL, "--firmware %s: %s", name, what);
}

static int check_image(struct firmware *firmware, int fd)
{
	const char *name = firmware->name;
	struct stat stat;

	if (fstat(fd, &stat) || !S_ISREG(stat.st_mode))
		return refuse(name, fd, "not a regular file");
	if (!stat.st_size)
		return refuse(name, fd, "an empty file");
	if (stat.st_size > FIRMWARE_MAX)
		return refuse(name, fd, "larger than 16 MB, which end at 4 GB");
	if (!firmware->is_uefi && stat.st_size % FIRMWARE_UNIT)
		return refuse(name, fd, "not a whole number of 64 KB: no firmware image, or not all of it");
	if (stat.st_size % FIRMWARE_PART)
		return refuse(name, fd, "not a whole number of 4 KB: no firmware image, or not all of it");
	firmware->size = (size_t)stat.st_size;
	return 0;
}

static int read_image(struct firmware *firmware, int fd)
{
	size_t done = 0;

	while (done < firmware->size) {
		ssize_t count = pread(fd, firmware->image + done, firmware->size - done, (off_t)done);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return refuse(firmware->name, fd, count ? strerror(errno) : "shrank while being read");
		done += (size_t)count;
	}
	close(fd);
	mprotect(firmware->image, firmware->size, PROT_READ);
	return 0;
}

static int open_image(const char *name, const struct known *row)
{
	int fd = open(row ? row->file : name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && row)
		status_fail(STATUS_KERNEL, "--firmware %s: cannot open %s: %s (Debian's package %s has it)", name, row->file,
			    strerror(errno), row->name);
	else if (fd < 0)
		status_fail(STATUS_KERNEL, "--firmware %s: cannot open it: %s", name, strerror(errno));
	return fd;
}

static int load_image(struct firmware *firmware, struct vm *vm, const struct known *row)
{
	const char *name = firmware->name;
	int fd = open_image(name, row);

	if (fd < 0)
		return STATUS_KERNEL;
	int ret = check_image(firmware, fd);

	if (ret)
		return ret;
	void *image = mmap(NULL, firmware->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (image == MAP_FAILED)
		return refuse(name, fd, "no memory to read it");
	firmware->image = image;
	ret = read_image(firmware, fd);
	if (ret)
		return ret;
	firmware_shadow(firmware, &vm->memory);
	return vm_add_rom(vm, &(struct vm_rom){ VM_SLOT_FIRMWARE, MAP_GAP_END - firmware->size, firmware->image, firmware->size });
}

int firmware_load(struct firmware *firmware, struct vm *vm, const char *name, const char *variables)
{
	const struct known *row = find_known(name);
	struct variables_request request = { .path = variables, .template = row ? row->variables : NULL };

	firmware->name = name;
	firmware->is_uefi = request.path || request.template;
	int ret = load_image(firmware, vm, row);

	request.end = MAP_GAP_END - firmware->size;
	request.room = FIRMWARE_MAX - firmware->size;
	return ret || !firmware->is_uefi ? ret : variables_add(&firmware->variables, vm, &request);
}

void firmware_shadow(const struct firmware *firmware, const struct memory *memory)
{
	size_t count = firmware->size < SHADOW_MAX ? firmware->size : SHADOW_MAX;
	uint8_t *to = memory_at(memory, SHADOW_END - count, count);

	if (to)
		memcpy(to, firmware->image + firmware->size - count, count);
}

static int add_map(struct fw_cfg *config, const struct memory *memory)
{
	const struct map_entry entries[] = {
		{ htole64(0), htole64(memory->low_end), htole32(RAM) },
		{ htole64(MAP_GENERATION), htole64(MAP_OWN_END - MAP_GENERATION), htole32(RESERVED) },
		{ htole64(MAP_GAP_END), htole64(memory->size - memory->low_end), htole32(RAM) },
	};

	return fw_cfg_add_file(config, "etc/e820", entries,
			       memory->size > memory->low_end ? sizeof(entries) : 2 * sizeof(entries[0]));
}

/* Where UEFI firmware may put what devices have in memory: nowhere above 4 GB, where the bridge has no window. */
static int add_window(struct fw_cfg *config)
{
	static const char none[] = "0";

	return fw_cfg_add_file(config, "opt/ovmf/X-PciMmio64Mb", none, strlen(none));
}

/* The serial port is the screen and the keyboard: there is no other. */
static int add_items(struct fw_cfg *config, const struct firmware_board *board)
{
	const uint64_t console = htole64(SERIAL_PORT);
	int ret = fw_cfg_add_number(config, FW_CFG_NB_CPUS, board->cpus, 2);

	if (!ret)
		ret = fw_cfg_add_number(config, FW_CFG_MAX_CPUS, board->cpus, 2);
	if (!ret)
		ret = fw_cfg_add_number(config, KEY_TIMER_PIN, 1, 1);
	if (!ret)
		ret = fw_cfg_add_file(config, "etc/sercon-port", &console, sizeof(console));
	if (!ret)
		ret = add_map(config, &board->vm->memory);
	if (!ret)
		ret = firmware_add_tables(config, board->cpus, board->pci->window);
	return ret;
}

static uint64_t at_most(uint64_t value, uint64_t limit)
{
	return value < limit ? value : limit;
}

static void set_cmos(struct rtc *rtc, const struct memory *memory, unsigned int cpus)
{
	uint64_t extended = at_most((memory->low_end - MAP_KERNEL) >> 10, 0xffff);
	uint64_t from_16m = memory->low_end > 16ULL << 20 ? (memory->low_end - (16ULL << 20)) >> 16 : 0;
	uint64_t from_4g = at_most((memory->size - memory->low_end) >> 16, 0xffffff);
	const struct {
		uint8_t at, len;
		uint64_t value;
	} rows[] = {
		{ CMOS_BASE_KB, 2, 640 },
		{ CMOS_EXTENDED_KB, 2, extended },
		{ CMOS_EXTENDED_KB_TOO, 2, extended },
		{ CMOS_FROM_16M, 2, from_16m },
		{ CMOS_FROM_4G, 3, from_4g },
		{ CMOS_BOOT_ORDER, 1, BOOT_DISK_FIRST },
		{ CMOS_OTHER_CPUS, 1, cpus - 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (uint8_t byte = 0; byte < rows[i].len; byte++)
			rtc_set_byte(rtc, (uint8_t)(rows[i].at + byte), (uint8_t)(rows[i].value >> (8 * byte)));
}

int firmware_describe(struct firmware *firmware, const struct firmware_board *board)
{
	int ret = fw_cfg_init(&firmware->config, board->vm);

	pci_set_firmware(board->pci);
	if (!ret && firmware->is_uefi)
		ret = chipset_add(&firmware->chipset, board->pci);
	if (!ret && firmware->is_uefi)
		ret = add_window(&firmware->config);
	if (!ret)
		ret = add_items(&firmware->config, board);
	set_cmos(board->rtc, &board->vm->memory, board->cpus);
	return ret;
}

void firmware_free(struct firmware *firmware)
{
	fw_cfg_free(&firmware->config);
	variables_free(&firmware->variables);
	if (firmware->image)
		munmap(firmware->image, firmware->size);
	firmware->image = NULL;
}
